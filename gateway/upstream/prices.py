"""What models cost: a table of prices, a way to find a model in it, and the arithmetic.

Rules of this file:
- Money is whole nano-dollars. A price is nano-dollars for a million tokens, which is exact for
  every published price; a cost is rounded up, once, at the end of an exchange.
- `reserve` is never below what `cost` can come to for a call that keeps to its bounds.
- A model that is not in the table is never free, see `dearest`, unless it runs on one's own
  machine, see `OWN_MACHINES`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib.resources import files
from typing import Any, Protocol

import yaml

from gateway.dialects.base import Call, Usage

MILLION = 1_000_000
NANO = 1_000_000_000
BATCH = Decimal("0.5")
"""What a request of a batch costs of the usual price: half, with Anthropic ("Batch processing" in
its docs) as with OpenAI ("Batch API")."""

OWN_MACHINES = frozenset({"ollama"})
"""Providers that charge nothing: a model of theirs costs what the table or the policy says, else
nothing. Its tokens are counted."""

# What a provider appends to a model's name for a dated or numbered snapshot of the same model:
# -2024-07-18, -20250929, @20250929, -0613, -latest, -v1:0, -001, -preview-09-2025.
_SNAPSHOT = re.compile(
    r"(?:-\d{4}-\d{2}-\d{2}|[-@]\d{8}|-preview-\d{2}-\d{4}|-\d{3,4}|[-@]latest|-v\d+(?::\d+)?)$"
)
# How marketplaces write the maker in front: openai/gpt-4o, us.anthropic.claude-..., models/...
_MAKER = re.compile(r"^(?:openai/|anthropic/|google/|models/|(?:[a-z]{2,6}\.)?anthropic\.)")
_REMEMBERED = 1024
_LONGEST_NAME = 200  # callers write the name: a longer one is no model's


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """Nano-dollars for a million tokens of each sort, and the model's bounds in tokens.

    Attributes:
        context: most input tokens of one request; 0: not known.
        max_output: most output tokens of one answer.
        long_above: a request with more input tokens than this costs `long`; 0: no such step.
        known: False for the stand-in of a model that nobody has priced.
    """

    name: str
    provider: str
    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    context: int
    max_output: int
    long_above: int = 0
    long: ModelPrice | None = None
    known: bool = True

    def scaled(self, input_by: Decimal, output_by: Decimal) -> ModelPrice:
        """The same model with every rate so many times dearer, rounded up to a nano-dollar."""
        return replace(
            self,
            input=_up(self.input * input_by),
            cache_read=_up(self.cache_read * input_by),
            cache_write=_up(self.cache_write * input_by),
            cache_write_1h=_up(self.cache_write_1h * input_by),
            output=_up(self.output * output_by),
            long=self.long and self.long.scaled(input_by, output_by),
        )


class PriceOverride(Protocol):
    """What the policy file says of a model under `prices:`, in nano-dollars for a million."""

    @property
    def input(self) -> int: ...
    @property
    def output(self) -> int: ...
    @property
    def cache_read(self) -> int | None: ...
    @property
    def cache_write(self) -> int | None: ...
    @property
    def cache_write_1h(self) -> int | None: ...
    @property
    def max_output(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Surcharge:
    """A request field that makes a call dearer where it has one of these values."""

    field: str
    values: frozenset[str]
    times: Decimal


@dataclass(frozen=True, slots=True)
class Source:
    """Where one provider's prices come from, and of which day they are."""

    provider: str
    url: str
    date: str


class Prices:
    """A price table. Immutable but for what it remembers of earlier look-ups, which is bounded."""

    def __init__(
        self,
        models: Mapping[str, ModelPrice],
        *,
        overrides: Mapping[str, ModelPrice] | None = None,
        surcharges: Mapping[str, tuple[Surcharge, ...]] | None = None,
        sources: tuple[Source, ...] = (),
    ) -> None:
        self.models = dict(models)
        self.sources = sources
        self._overrides = dict(overrides or {})
        # Longest first, so that the most exact pattern wins.
        self._patterns = sorted(
            ((name[:-1], price) for name, price in self._overrides.items() if name.endswith("*")),
            key=lambda item: -len(item[0]),
        )
        self._surcharges = dict(surcharges or {})
        self._found: dict[str, ModelPrice | None] = {}
        self._dearest = {
            name: _dearest(each for each in self.models.values() if name in ("", each.provider))
            for name in {"", *(each.provider for each in self.models.values())}
        }
        self._free = _free(self.dearest())

    def with_overrides(self, overrides: Mapping[str, PriceOverride]) -> Prices:
        """A table in which the operator's prices win.

        A name is a model (its dated snapshots included) or ends in `*`. What an override leaves
        out: the cache costs what input does, the bounds are those of the packaged model.
        """
        own = dict(self._overrides)
        for name, given in overrides.items():
            key = name.lower()
            own[key] = _overridden(key, given, self.find(key.rstrip("*")) or self.dearest())
        return Prices(self.models, overrides=own, surcharges=self._surcharges, sources=self.sources)

    def find(self, model: str, provider: str = "") -> ModelPrice | None:
        """The price of a model, None where the table does not know it.

        A name is looked up as it stands, then without the maker's prefix, then without what marks
        a snapshot, one mark after the other: first among the operator's own names, then among
        their patterns, then in the table. `gpt-5` never stands in for `gpt-5-ultra`.
        `provider` does not change what is found: names of models
        are unique across the table.
        """
        if len(model) > _LONGEST_NAME:
            return None
        try:
            return self._found[model]
        except KeyError:
            found = self._look_up(model.lower())
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[model] = found
            return found

    def _look_up(self, name: str) -> ModelPrice | None:
        candidates = list(_names(name))
        for candidate in candidates:
            if price := self._overrides.get(candidate):
                return price
        for prefix, price in self._patterns:
            if name.startswith(prefix):
                return price
        for candidate in candidates:
            if price := self.models.get(candidate):
                return price
        return None

    def dearest(self, provider: str = "") -> ModelPrice:
        """The stand-in for an unknown model: priced like the provider's dearest known one.

        Like the dearest of the whole table where the provider has none in it.
        """
        return self._dearest.get(provider) or self._dearest[""]

    def price_of(self, call: Call, provider: str, served: str = "") -> ModelPrice:
        """What one call is charged: of the model that served it, else of the one asked for.

        Surcharges that the request asks for (priority processing) and the price of batches are
        included.
        """
        price = (self.find(served) if served else None) or self.find(call.model)
        if price is None:
            price = self._free if provider in OWN_MACHINES else self.dearest(provider)
        if call.batched:
            price = price.scaled(BATCH, BATCH)
        for surcharge in self._surcharges.get(price.provider, ()):
            asked = call.get_field(surcharge.field)
            if isinstance(asked, str) and asked in surcharge.values:
                price = price.scaled(surcharge.times, surcharge.times)
        return price

    def bound_input(self, bound: int, price: ModelPrice) -> int:
        """How many input tokens a call can have: what its body can hold, and the model take.

        `bound` is the call's own (-1: it has none, for the provider keeps the history).
        """
        if bound < 0:
            return price.context or self.dearest().context
        return min(bound, price.context) if price.known and price.context else bound

    @staticmethod
    def cost(usage: Usage, price: ModelPrice) -> int:
        """Nano-dollars of one exchange, rounded up once. Reasoning is part of the output."""
        if price.long is not None and usage.total_input > price.long_above:
            price = price.long
        total = (
            usage.input * price.input
            + usage.cache_read * price.cache_read
            + usage.cache_write * price.cache_write
            + usage.cache_write_1h * price.cache_write_1h
            + usage.output * price.output
        )
        return max(0, -(-total // MILLION))

    @staticmethod
    def reserve(input_bound: int, max_output: int, choices: int, price: ModelPrice) -> int:
        """The most that a call can cost, in nano-dollars.

        All input at the dearest of the input rates (a write to the cache costs more than plain
        input), all answers as long as they may be.
        """
        if price.long is not None and input_bound > price.long_above:
            price = price.long
        dearest = max(price.input, price.cache_read, price.cache_write, price.cache_write_1h)
        return -(-(input_bound * dearest + max_output * choices * price.output) // MILLION)


@functools.cache
def packaged_prices() -> Prices:
    """The table that comes with the gateway: `prices.yaml` beside this file."""
    text = (files("gateway.upstream") / "prices.yaml").read_text(encoding="utf-8")
    return read_prices(text)


def read_prices(text: str) -> Prices:
    """A table from the text of a `prices.yaml`."""
    models: dict[str, ModelPrice] = {}
    surcharges: dict[str, tuple[Surcharge, ...]] = {}
    sources: list[Source] = []
    for provider, part in yaml.safe_load(text).items():
        sources.append(Source(provider, part["source"], str(part["date"])))
        surcharges[provider] = tuple(
            Surcharge(each["field"], frozenset(each["values"]), Decimal(str(each["times"])))
            for each in part.get("surcharges", ())
        )
        for name, entry in part["models"].items():
            models[name] = _entry(name, provider, entry)
    return Prices(models, surcharges=surcharges, sources=tuple(sources))


def _entry(name: str, provider: str, entry: Mapping[str, Any]) -> ModelPrice:
    plain = entry["input"]
    write = entry.get("cache_write", plain)
    price = ModelPrice(
        name=name,
        provider=provider,
        input=_nano(plain),
        output=_nano(entry["output"]),
        cache_read=_nano(entry.get("cache_read", plain)),
        cache_write=_nano(write),
        cache_write_1h=_nano(entry.get("cache_write_1h", write)),
        context=entry["context"],
        max_output=entry["max_output"],
    )
    above = entry.get("above")
    if above is None:
        return price
    long = price.scaled(Decimal(str(above["input"])), Decimal(str(above["output"])))
    return replace(price, long_above=above["tokens"], long=long)


def _overridden(name: str, given: PriceOverride, base: ModelPrice) -> ModelPrice:
    write = given.input if given.cache_write is None else given.cache_write
    return ModelPrice(
        name=name,
        provider=base.provider if base.known else "",
        input=given.input,
        output=given.output,
        cache_read=given.input if given.cache_read is None else given.cache_read,
        cache_write=write,
        cache_write_1h=write if given.cache_write_1h is None else given.cache_write_1h,
        context=base.context if base.known else 0,
        max_output=base.max_output if given.max_output is None else given.max_output,
    )


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
    def rates(price: ModelPrice) -> tuple[int, int]:
        most = price.long or price
        return (most.output, most.input)

    return replace(max(prices, key=rates), name="dearest", known=False)


def _free(most: ModelPrice) -> ModelPrice:
    """A model that costs nothing, of no known context, that may write as much as any."""
    return ModelPrice("own machine", "", 0, 0, 0, 0, 0, context=0, max_output=most.max_output)


def _nano(dollars: float) -> int:
    """Dollars as written in the table -> nano-dollars, exactly."""
    return int(Decimal(str(dollars)) * NANO)


def _up(number: Decimal) -> int:
    whole = int(number)
    return whole if whole == number else whole + 1
