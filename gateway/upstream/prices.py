"""What models cost: a way to find a model in the table, and what a call and an answer come to.

Rules of this file:
- Money is whole nano-dollars; a cost is rounded up, once, at the end of an exchange.
- What `most` says is never below what `cost_of` can come to for a call that keeps to its bounds.
- A model that is not in the table is never free, see `dearest`, unless it runs on one's own
  machine, see `OWN_MACHINES`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.resources import files
from typing import Any

from gateway.dialects.base import Call, Usage
from gateway.upstream.price_model import MILLION, Mode, ModelPrice, Origin, rounded
from gateway.upstream.price_override import Discount, PriceOverride, like, own_price
from gateway.upstream.price_table import Source, read_table

OWN_MACHINES = frozenset({"ollama"})
"""Providers that charge nothing: a model of theirs costs what the table or the policy says, else
nothing. Its tokens are counted."""

SEARCHES = 20
"""Web searches that are reserved for a call which lets the provider search and says no number: it
is an allowance, for no provider states a bound."""

# What a provider appends to a model's name for a dated or numbered snapshot of the same model:
# -2024-07-18, -20250929, @20250929, -0613, -latest, -v1:0, -001, -preview-09-2025, and :2023-07-21
# as answers of legacy completions have it.
_SNAPSHOT = re.compile(
    r"(?:-\d{4}-\d{2}-\d{2}|[-@]\d{8}|-preview-\d{2}-\d{4}|-\d{3,4}|[-@]latest|-v\d+(?::\d+)?"
    r"|:\d{4}-?\d{2}-?\d{2})$"
)
# How marketplaces write the maker in front: openai/gpt-4o, us.anthropic.claude-..., models/...
_MAKER = re.compile(
    r"^(?:(?:openai|anthropic|google|mistralai|deepseek|x-ai|xai|cohere|models)/"
    r"|(?:[a-z]{2,6}\.)?anthropic\.)"
)
_REMEMBERED = 1024
_LONGEST_NAME = 200  # callers write the name: a longer one is no model's

# What a request's content may hide audio or video in: their tokens may cost more than text's.
_NO_MEDIA = frozenset({"image", "encrypted", "tokens"})


@dataclass(frozen=True, slots=True)
class Match:
    """How a name was found: the entry, where it stands (`policy`, `table`), under which name."""

    price: ModelPrice
    where: str
    name: str


class PriceError(ValueError):
    """A price of the policy file that cannot be: says which, and why."""


class Prices:
    """A price table. Immutable but for what it remembers of earlier look-ups, which is bounded."""

    def __init__(
        self,
        models: Mapping[str, ModelPrice],
        *,
        version: str = "",
        overrides: Mapping[str, ModelPrice | Discount] | None = None,
        sources: tuple[Source, ...] = (),
    ) -> None:
        self.models = dict(models)
        self.version = version
        self.sources = sources
        self.overrides = dict(overrides or {})
        # Longest first, so that the most exact pattern wins.
        self._patterns = sorted(
            ((name[:-1], price) for name, price in self.overrides.items() if name.endswith("*")),
            key=lambda item: -len(item[0]),
        )
        self._found: dict[str, ModelPrice | None] = {}
        self._scaled: dict[tuple[int, Fraction], tuple[ModelPrice, ModelPrice]] = {}
        self._dearest = {
            name: _dearest(each for each in self.models.values() if name in ("", each.provider))
            for name in {"", *(each.provider for each in self.models.values())}
        }
        self._free = _free(self.dearest())

    def with_overrides(self, overrides: Mapping[str, PriceOverride]) -> Prices:
        """A table in which the operator's prices win.

        A name is a model (its dated snapshots included) or ends in `*`. Raises PriceError where an
        entry is `like` a model that the table does not know.
        """
        own = dict(self.overrides)
        for name, given in overrides.items():
            key = name.lower()
            if given.discount is not None:
                own[key] = Discount(key, given.discount)
            elif given.like is not None:
                base = self.find(given.like)
                if base is None:
                    raise PriceError(f"prices: {name}: there is no price for {given.like!r}")
                own[key] = like(key, given, base)
            else:
                base = self.find(key.rstrip("*"))
                own[key] = own_price(key, given, base, self.dearest().max_output)
        return Prices(self.models, version=self.version, overrides=own, sources=self.sources)

    def find(self, model: str, provider: str = "") -> ModelPrice | None:
        """The price of a model, None where the table does not know it; see `match`.

        `provider` does not change what is found: names of models are unique across the table.
        """
        if len(model) > _LONGEST_NAME:
            return None
        try:
            return self._found[model]
        except KeyError:
            match = self.match(model)
            found = match.price if match is not None else None
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[model] = found
            return found

    def match(self, model: str) -> Match | None:
        """How a name is found.

        It is looked up as it stands, then without the maker's prefix, then without what marks a
        snapshot, one mark after the other: first among the operator's own names, then among
        their patterns, then in the table. `gpt-5` never stands in for `gpt-5-ultra`.
        """
        if len(model) > _LONGEST_NAME:
            return None
        name = model.lower()
        candidates = list(_names(name))
        listed = next((each for each in candidates if each in self.models), "")
        table = Match(self.models[listed], "table", listed) if listed else None
        for candidate in candidates:
            if own := self.overrides.get(candidate):
                return _own(own, candidate, table)
        for prefix, own in self._patterns:
            if name.startswith(prefix):
                return _own(own, f"{prefix}*", table)
        return table

    def dearest(self, provider: str = "") -> ModelPrice:
        """The stand-in for an unknown model: priced like the provider's dearest known one.

        Like the dearest of the whole table where the provider has none in it.
        """
        return self._dearest.get(provider) or self._dearest[""]

    def price_of(
        self, call: Call, provider: str, served: str = "", usage: Usage | None = None
    ) -> ModelPrice:
        """What one call is charged: of the model that served it, else of the one asked for.

        The price of batches is included, and how it is served: as `usage` tells, else as the
        request asks for. Before there is a usage, no cheaper way is counted on: a provider may
        serve a call that asks for one at the usual price.
        """
        price = (self.find(served) if served else None) or self.find(call.model)
        if price is None:
            price = self._free if provider in OWN_MACHINES else self.dearest(provider)
        times = price.batch if call.batched else None
        if price.asks:
            factor = _factor(price, call, usage)
            if factor is not None:
                times = factor if times is None else times * factor
        return price if times is None else self._at(price, times)

    def _at(self, price: ModelPrice, times: Fraction) -> ModelPrice:
        """A price so many times dearer; remembered, for models and factors are few."""
        key = (id(price), times)
        found = self._scaled.get(key)
        if found is None or found[0] is not price:
            if len(self._scaled) >= _REMEMBERED:
                self._scaled.clear()
            found = self._scaled[key] = (price, price.scaled(times, times))
        return found[1]

    def cost_of(self, call: Call, provider: str, served: str, usage: Usage) -> int:
        """Nano-dollars of one exchange, rounded up once."""
        price = self.price_of(call, provider, served, usage)
        details = usage.details
        if details is None or not details.steps:
            return rounded(price.charge(usage))
        charges = 0
        for model, step in details.steps:
            own = self.price_of(call, provider, model, usage) if model else price
            charges += own.charge(step)
        return rounded(charges + details.searches * price.search * MILLION)

    @staticmethod
    def cost(usage: Usage, price: ModelPrice) -> int:
        """Nano-dollars of one inference at one price, rounded up."""
        return rounded(price.charge(usage))

    def bound_input(self, bound: int, price: ModelPrice) -> int:
        """How many input tokens a call can have: what its body can hold, and the model take.

        `bound` is the call's own (-1: it has none, for the provider keeps the history).
        """
        if bound < 0:
            return price.context or self.dearest().context
        return min(bound, price.context) if price.known and price.context else bound

    def bounds(self, call: Call, price: ModelPrice) -> tuple[int, int]:
        """Most input tokens of a call, and most output tokens of each of its answers."""
        read = self.bound_input(call.input_bound(), price)
        if call.operation != "chat":
            return read, 0
        return read, call.max_output if call.max_output is not None else price.max_output

    def most(self, call: Call, price: ModelPrice) -> int:
        """The most that a call can cost at a price, in nano-dollars."""
        read, written = self.bounds(call, price)
        media = any(each.what not in _NO_MEDIA for each in call.unscannable)
        searches = _searches(call) if price.search else 0
        if price.search_once:
            searches = min(searches, 1)
        return price.reserve(read, written, call.choices, media=media, searches=searches)


@functools.cache
def packaged_prices() -> Prices:
    """The table that comes with the gateway: `prices.yaml` beside this file."""
    text = (files("gateway.upstream") / "prices.yaml").read_text(encoding="utf-8")
    return read_prices(text)


def read_prices(text: str) -> Prices:
    """A table from the text of a `prices.yaml`."""
    table = read_table(text)
    return Prices(table.models, version=table.version, sources=table.sources)


def _own(own: ModelPrice | Discount, name: str, table: Match | None) -> Match | None:
    """The operator's word on a model; a discount on what nobody has priced says nothing."""
    if isinstance(own, ModelPrice):
        return Match(own, "policy", name)
    return Match(own.of(table.price), "policy", name) if table is not None else None


def _factor(price: ModelPrice, call: Call, usage: Usage | None) -> Fraction | None:
    """How much dearer than its list price a call is, by the way it is or may be served; None
    where it is served in the usual way."""
    details = usage.details if usage is not None else None
    times: Fraction | None = None
    for field, factors in price.asks:
        said: Any = details.served.get(field) if details is not None else None
        if said is None:
            said = call.get_field(field)
        if type(said) is str:
            factor = factors.get(_plain(said))
            if factor is not None and (usage is not None or factor > 1):
                times = factor if times is None else times * factor
    return times


def _plain(value: str) -> str:
    """A way of being served in lower case, without what Gemini and Vertex write before it."""
    return value.lower().removeprefix("service_tier_").removeprefix("on_demand_")


def _searches(call: Call) -> int:
    """Most web searches that the provider may run for a call."""
    if not any(tool.hosted and "search" in _flat(tool.name) for tool in call.tools):
        return 0
    most = call.get_field("max_tool_calls")
    if type(most) is int and most >= 0:
        return most
    tools = call.get_field("tools")
    uses = 0
    for tool in tools if type(tools) is list else ():
        if type(tool) is dict and "search" in _flat(tool.get("type")):
            most = tool.get("max_uses")
            if type(most) is not int or most < 0:
                return SEARCHES
            uses += most
    return uses or SEARCHES


def _flat(name: object) -> str:
    """A tool's name as words are looked for in it: googleSearch and google_search are alike. A
    search in files, or for tools, is no web search."""
    flat = str(name).lower().replace("_", "")
    return "" if "filesearch" in flat or "toolsearch" in flat else flat


def _names(name: str) -> Iterator[str]:
    """The names under which a model may stand in the table, most exact first."""
    if name.startswith("ft:"):
        name = "ft:" + name.split(":")[1]
    for start in dict.fromkeys((name, _MAKER.sub("", name))):
        yield start
        shorter = _SNAPSHOT.sub("", start)
        while shorter != start:
            yield shorter
            start, shorter = shorter, _SNAPSHOT.sub("", shorter)


def _dearest(prices: Iterable[ModelPrice]) -> ModelPrice:
    """The dearest model, with the dearest rate of each part that any of them has."""

    def rates(price: ModelPrice) -> tuple[int, int]:
        most = price.long or price
        return (most.output, most.input)

    known = list(prices)
    parts: dict[str, int] = {}
    modes: dict[str, Mode] = {}
    for price in known:
        for name, rate in (price.long or price).parts.items():
            parts[name] = max(rate, parts.get(name, 0))
        for mode in price.modes:
            if mode.name not in modes or mode.times > modes[mode.name].times:
                modes[mode.name] = mode
    top = max(known, key=rates)
    long = replace(top.long, parts=parts) if top.long is not None else None
    return replace(
        top,
        name="dearest",
        known=False,
        parts=parts,
        long=long,
        search=max(price.search for price in known),
        search_once=False,
        modes=tuple(modes.values()),
        origin=Origin(),
    )


def _free(most: ModelPrice) -> ModelPrice:
    """A model that costs nothing, of no known context, that may write as much as any."""
    return ModelPrice("own machine", "", 0, 0, 0, 0, 0, context=0, max_output=most.max_output)
