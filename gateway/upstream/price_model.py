"""What one model costs: its rates, and the arithmetic on them.

Rules of this file:
- Money is whole nano-dollars. A rate is nano-dollars for a million tokens, which is exact for
  every published price; sums are nano-dollars times a million until they are rounded, up, once.
- `reserve` is never below what `cost` can come to for a call that keeps to its bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from gateway.dialects.base import Usage

MILLION = 1_000_000

PARTS: Mapping[str, str] = {
    "audio_input": "input",
    "audio_cache_read": "cache_read",
    "audio_output": "output",
    "image_input": "input",
    "image_output": "output",
    "video_input": "input",
    "reasoning": "output",
}
"""Sorts of tokens that few models price apart, and the count that they are a part of. A model
without such a rate charges them like the rest of that count."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A way of being served that changes every rate: a service tier, a speed, a region.

    `field` is the request's field that asks for it, and the name under which an answer's usage
    tells of it. `values` are its words in lower case, without `service_tier_` and `on_demand_`.
    """

    name: str
    field: str
    values: frozenset[str]
    times: Fraction


WAYS: Mapping[str, tuple[str, frozenset[str]]] = {
    "priority": ("service_tier", frozenset({"priority", "fast"})),
    "flex": ("service_tier", frozenset({"flex"})),
    "fast": ("speed", frozenset({"fast"})),
    "us": ("inference_geo", frozenset({"us"})),
}
"""The ways of being served that have a price: the field that asks for one, and its values.
`service_tier` is OpenAI's and Gemini's, the others are Anthropic's."""


def modes_of(times: Mapping[str, Fraction]) -> tuple[Mode, ...]:
    """The modes of a model from its factors, by the names of `WAYS`."""
    return tuple(Mode(name, *WAYS[name], factor) for name, factor in times.items())


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a price is from: the provider's page, the day it was read, what it was compared
    with."""

    url: str = ""
    date: str = ""
    checked: str = ""


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """Nano-dollars for a million tokens of each sort, and the model's bounds in tokens.

    Attributes:
        context: most input tokens of one request; 0: not known.
        max_output: most output tokens of one answer.
        long_above: a request with more input tokens than this costs `long`; 0: no such step.
        known: False for the stand-in of a model that nobody has priced.
        parts: rates of sorts of tokens that are priced apart, see `PARTS`.
        search: nano-dollars of one web search that the provider runs.
        search_once: however many searches an answer took, one is charged.
        fee: nano-dollars of every answered call, beside its tokens.
        batch: what a request of a batch costs of the usual price.
        modes: ways of being served that have another price.
        asks: the same by the field that asks for them: factors by the field's values.
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
    parts: Mapping[str, int] = field(default_factory=dict)
    search: int = 0
    search_once: bool = False
    fee: int = 0
    batch: Fraction = Fraction(1)
    modes: tuple[Mode, ...] = ()
    origin: Origin = Origin()
    asks: tuple[tuple[str, Mapping[str, Fraction]], ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        asks: dict[str, dict[str, Fraction]] = {}
        for mode in self.modes:
            asks.setdefault(mode.field, {}).update(dict.fromkeys(mode.values, mode.times))
        object.__setattr__(self, "asks", tuple(asks.items()))

    def scaled(self, input_by: Fraction, output_by: Fraction) -> ModelPrice:
        """The same model with every rate so many times dearer, rounded up to a nano-dollar.

        Searches and fees are not tokens: no tier, batch or long prompt changes them.
        """
        return replace(
            self,
            input=_up(self.input * input_by),
            cache_read=_up(self.cache_read * input_by),
            cache_write=_up(self.cache_write * input_by),
            cache_write_1h=_up(self.cache_write_1h * input_by),
            output=_up(self.output * output_by),
            parts={
                name: _up(rate * (output_by if PARTS[name] == "output" else input_by))
                for name, rate in self.parts.items()
            },
            long=self.long and self.long.scaled(input_by, output_by),
        )

    def charge(self, usage: Usage) -> int:
        """What tokens, searches and the fee of one inference cost, in nano-dollars times a
        million: not rounded yet."""
        rates = self
        if self.long is not None and usage.total_input > self.long_above:
            rates = self.long
        total = (
            usage.input * rates.input
            + usage.cache_read * rates.cache_read
            + usage.cache_write * rates.cache_write
            + usage.cache_write_1h * rates.cache_write_1h
            + usage.output * rates.output
        )
        if rates.parts:
            total += rates.apart(usage)
        if self.fee and total:
            total += self.fee * MILLION
        details = usage.details
        if details is not None and details.searches:
            searches = min(details.searches, 1) if self.search_once else details.searches
            total += searches * self.search * MILLION
        return total

    def apart(self, usage: Usage) -> int:
        """What the sorts of tokens with rates of their own cost more, or less, than the count
        that they are a part of."""
        more = 0
        rate = self.parts.get("reasoning")
        if rate is not None:
            more += min(usage.reasoning, usage.output) * (rate - self.output)
        if usage.details is None:
            return more
        for name, tokens in usage.details.parts.items():
            rate = self.parts.get(name)
            if rate is not None:
                more += tokens * (rate - int(getattr(self, PARTS[name])))
        return more

    def reserve(
        self, input_bound: int, max_output: int, choices: int, *, media: bool, searches: int
    ) -> int:
        """The most that a call can cost, in nano-dollars.

        All input at the dearest of the input rates (a write to the cache costs more than plain
        input; audio may be in it where `media` says so), all answers as long as they may be and of
        the dearest sort.
        """
        rates = self
        if self.long is not None and input_bound > self.long_above:
            rates = self.long
        read = max(rates.input, rates.cache_read, rates.cache_write, rates.cache_write_1h)
        written = rates.output
        for name, rate in rates.parts.items():
            if PARTS[name] == "output":
                written = max(written, rate)
            elif media:
                read = max(read, rate)
        tokens = -(-(input_bound * read + max_output * choices * written) // MILLION)
        return tokens + self.fee + searches * self.search


def rounded(charges: int) -> int:
    """Nano-dollars of one exchange from its charges, rounded up once."""
    return max(0, -(-charges // MILLION))


def _up(number: Fraction) -> int:
    return -(-number.numerator // number.denominator)
