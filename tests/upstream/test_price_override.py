"""The operator's prices: what they say, what they leave to the table, what they are like."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from gateway.config.prices import Price
from gateway.upstream.price_model import ModelPrice, modes_of
from gateway.upstream.price_override import Discount, like, own_price

BASE = ModelPrice(
    "m",
    "openai",
    1000,
    5000,
    100,
    1250,
    2000,
    context=1000,
    max_output=100,
    parts={"audio_input": 7000},
    search=30,
    batch=Fraction(1, 2),
    modes=modes_of({"priority": Fraction(2)}),
)
STEEP = replace(BASE, long_above=500, long=BASE.scaled(Fraction(2), Fraction(3, 2)))
DOLLAR = 10**9


def given(**keys: object) -> Price:
    return Price.model_validate(keys)


def test_a_whole_price_keeps_bounds_searches_and_tiers_of_the_packaged_model() -> None:
    price = own_price("m", given(input="$1", output="$2"), BASE, 77)
    assert (price.input, price.cache_read, price.cache_write_1h) == (DOLLAR, DOLLAR, DOLLAR)
    assert (price.context, price.max_output, price.search) == (1000, 100, 30)
    assert (price.batch, price.modes) == (BASE.batch, BASE.modes)
    assert price.parts == {}
    assert price.origin.checked == "the policy file"


def test_a_model_of_ones_own_has_what_is_said_and_nothing_else() -> None:
    keys = given(
        input="$1", output="$2", reasoning="$3", fee="$0.01", context="8k", priority="150%"
    )
    price = own_price("mine", keys, None, 77)
    assert (price.context, price.max_output) == (8000, 77)
    assert (price.search, price.fee, price.batch) == (0, DOLLAR // 100, 1)
    assert price.parts == {"reasoning": 3 * DOLLAR}
    assert [(mode.field, mode.times) for mode in price.modes] == [("service_tier", Fraction(3, 2))]


def test_a_step_to_dearer_rates_is_the_operators_too() -> None:
    step = {"tokens": "200k", "input": "200%", "output": "150%"}
    price = own_price("mine", given(input="$1", output="$2", above=step), None, 77)
    assert price.long is not None
    assert (price.long_above, price.long.input, price.long.output) == (
        200_000,
        2 * DOLLAR,
        3 * DOLLAR,
    )


def test_like_another_model_has_all_of_it_but_what_is_given() -> None:
    price = like("prod", given(like="m", output="$9", max_output=7, batch="80%"), STEEP)
    assert (price.name, price.input, price.output) == ("prod", 1000, 9 * DOLLAR)
    assert (price.max_output, price.batch) == (7, Fraction(4, 5))
    assert price.parts == BASE.parts
    assert price.long is not None
    assert (price.long.input, price.long.output) == (2000, 13_500_000_000)


def test_a_discount_takes_tokens_down_and_nothing_else() -> None:
    less = Discount("m*", Fraction(1, 4)).of(STEEP)
    assert (less.input, less.output, less.search) == (750, 3750, 30)
    assert less.parts == {"audio_input": 5250}
    assert less.long is not None
    assert less.long.output == 5625
    assert less.origin.checked == "the policy file"
