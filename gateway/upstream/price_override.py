"""What an operator says of a model's price, laid over what the packaged table says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Protocol

from gateway.upstream.price_model import ModelPrice, Origin, modes_of

ONE = Fraction(1)
POLICY = "the policy file"


class PriceOverride(Protocol):
    """An entry under `prices:` of the policy file; money in nano-dollars.

    `rates` and `parts` are for a million tokens, by the names that `ModelPrice` has; `bounds` are
    `context`, `max_output`, `search` and `fee`; `modes` are factors by the mode's name; `long` is
    a number of tokens and the factors of input and output above it.
    """

    @property
    def like(self) -> str | None: ...
    @property
    def discount(self) -> Fraction | None: ...
    @property
    def rates(self) -> Mapping[str, Any]: ...
    @property
    def parts(self) -> Mapping[str, int]: ...
    @property
    def bounds(self) -> Mapping[str, Any]: ...
    @property
    def batch(self) -> Fraction | None: ...
    @property
    def modes(self) -> Mapping[str, Fraction]: ...
    @property
    def long(self) -> tuple[int, Fraction, Fraction] | None: ...


@dataclass(frozen=True, slots=True)
class Discount:
    """So much off every rate of whatever the table says of a model."""

    name: str
    share: Fraction

    def of(self, price: ModelPrice) -> ModelPrice:
        """The table's price less the discount. Searches and fees are not in it."""
        less = price.scaled(ONE - self.share, ONE - self.share)
        return replace(less, origin=Origin(checked=POLICY))


def own_price(
    name: str, given: PriceOverride, base: ModelPrice | None, max_output: int
) -> ModelPrice:
    """A price that the operator gives whole. `base` is the packaged model of that name, whose
    bounds, searches, batches and ways of being served hold where nothing else is said;
    `max_output` is the bound of a model without one."""
    rates = given.rates
    write = rates.get("cache_write", rates["input"])
    price = ModelPrice(
        name=name,
        provider=base.provider if base else "",
        input=rates["input"],
        output=rates["output"],
        cache_read=rates.get("cache_read", rates["input"]),
        cache_write=write,
        cache_write_1h=rates.get("cache_write_1h", write),
        context=base.context if base else 0,
        max_output=base.max_output if base else max_output,
        search=base.search if base else 0,
        search_once=base is not None and base.search_once,
        batch=base.batch if base else ONE,
        modes=base.modes if base else (),
        origin=Origin(checked=POLICY),
    )
    return _laid_over(price, given, given.long)


def like(name: str, given: PriceOverride, base: ModelPrice) -> ModelPrice:
    """A known model under another name, with what is given in the place of what it has. Its step
    to dearer rates for long requests stays as steep as it is."""
    step = given.long
    if step is None and base.long is not None:
        steep = Fraction(base.long.input, base.input), Fraction(base.long.output, base.output)
        step = (base.long_above, *steep)
    plain = replace(base, name=name, long_above=0, long=None, origin=Origin(checked=POLICY))
    return _laid_over(replace(plain, **given.rates), given, step)


def _laid_over(
    price: ModelPrice, given: PriceOverride, step: tuple[int, Fraction, Fraction] | None
) -> ModelPrice:
    times = {mode.name: mode.times for mode in price.modes} | dict(given.modes)
    price = replace(
        price,
        parts={**price.parts, **given.parts},
        batch=given.batch if given.batch is not None else price.batch,
        modes=modes_of(times),
        **given.bounds,
    )
    if step is None:
        return price
    tokens, input_by, output_by = step
    return replace(price, long_above=tokens, long=price.scaled(input_by, output_by))
