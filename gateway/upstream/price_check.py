"""What is wrong, or may be, with a table of prices: what is old, missing, or out of proportion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from gateway.upstream.price_model import PARTS, ModelPrice
from gateway.upstream.price_override import Discount
from gateway.upstream.prices import Prices

CHEAPER = frozenset({"flex"})
"""Ways of being served that cost less than the usual one; the others cost more."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the price of a model."""

    model: str
    what: str


def faults(prices: Prices, today: date, max_age: int) -> list[Fault]:
    """Everything wrong with the table and what the operator lays over it.

    Prices that were read more than `max_age` days ago are one fault for each provider and day.
    """
    found = list(_old(prices.models.values(), today, max_age))
    entries = {**prices.models, **prices.overrides}
    for name, price in entries.items():
        if isinstance(price, ModelPrice):
            found += [Fault(name, what) for what in _wrong(price)]
        elif not _discounts_something(price, prices):
            found.append(Fault(name, "a discount on a model that the table does not have"))
    return found


def unpriced(prices: Prices, names: Iterable[str]) -> list[Fault]:
    """Which names, or globs with `*`, of a policy's rules no price is known for."""
    return [
        Fault(name, "a rule names it, and it has no price")
        for name in dict.fromkeys(names)
        if "*" not in name and "?" not in name and prices.find(name) is None
    ]


def _old(models: Iterable[ModelPrice], today: date, max_age: int) -> Iterator[Fault]:
    read: dict[tuple[str, str], int] = {}
    for price in models:
        key = (price.provider, price.origin.date)
        read[key] = read.get(key, 0) + 1
    for (provider, day), count in read.items():
        age = (today - date.fromisoformat(day)).days
        if age > max_age:
            yield Fault(f"{provider}/*", f"{count} prices were read {age} days ago, on {day}")


def _wrong(price: ModelPrice) -> Iterator[str]:
    """What a price cannot be, or is unlikely to be."""
    if not price.context:
        yield "no context: what a call may read is bounded by its body alone"
    if price.output and not price.max_output:
        yield "no max_output: a call without max_tokens reserves no output"
    if price.cache_read > price.input:
        yield "cache_read is dearer than input"
    if price.cache_write < price.input:
        yield "cache_write is cheaper than input"
    if price.cache_write_1h < price.cache_write:
        yield "cache_write_1h is cheaper than cache_write"
    if price.max_output and price.output < price.input:
        yield "output is cheaper than input"
    if price.parts.get("audio_cache_read", 0) > price.parts.get("audio_input", price.input):
        yield "audio_cache_read is dearer than audio_input"
    if price.batch > 1:
        yield "a batch is dearer than the usual price"
    for mode in price.modes:
        if mode.name in CHEAPER and mode.times > 1:
            yield f"{mode.name} is dearer than the usual price"
        elif mode.name not in CHEAPER and mode.times < 1:
            yield f"{mode.name} is cheaper than the usual price"
    if price.long is not None:
        yield from _step(price, price.long)


def _step(price: ModelPrice, long: ModelPrice) -> Iterator[str]:
    """The rates of long requests are the dearest that there are."""
    if price.context and price.long_above >= price.context:
        yield "the step to dearer rates is above the context"
    for name in ("input", "output", "cache_read", "cache_write", "cache_write_1h"):
        if getattr(long, name) < getattr(price, name):
            yield f"{name} is cheaper above {price.long_above} tokens"
    for name in PARTS:
        if long.parts.get(name, 0) < price.parts.get(name, 0):
            yield f"{name} is cheaper above {price.long_above} tokens"


def _discounts_something(discount: Discount, prices: Prices) -> bool:
    if discount.share == Fraction(0):
        return False
    if discount.name.endswith("*"):
        return any(name.startswith(discount.name[:-1]) for name in prices.models)
    return prices.find(discount.name) is not None
