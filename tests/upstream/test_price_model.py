"""One model's rates: parts are parts, fees and searches are no tokens, sums are rounded once."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from gateway.dialects.base import Usage, UsageDetails
from gateway.upstream.price_model import MILLION, ModelPrice, modes_of, rounded

PLAIN = ModelPrice("m", "p", 1000, 5000, 100, 1250, 2000, context=1000, max_output=100)
LOUD = replace(PLAIN, parts={"audio_input": 7000, "audio_output": 9000, "audio_cache_read": 700})


def usage(*counts: int, output: int = 0, **parts: int) -> Usage:
    return Usage(*counts, output=output, details=UsageDetails(parts=parts))


def test_audio_costs_its_own_rate_and_is_not_counted_twice() -> None:
    heard = usage(10, 6, output=4, audio_input=3, audio_cache_read=2, audio_output=1)
    expected = 7 * 1000 + 3 * 7000 + 4 * 100 + 2 * 700 + 3 * 5000 + 1 * 9000
    assert LOUD.charge(heard) == expected


def test_a_model_without_a_rate_for_a_part_charges_it_like_the_rest() -> None:
    assert PLAIN.charge(usage(10, output=4, audio_input=3)) == PLAIN.charge(Usage(10, output=4))
    assert LOUD.charge(usage(10, image_input=3)) == LOUD.charge(Usage(10))


def test_reasoning_with_a_rate_of_its_own_is_the_part_of_the_output_that_it_is() -> None:
    deep = replace(PLAIN, parts={"reasoning": 3000})
    assert deep.charge(Usage(output=10, reasoning=4)) == 6 * 5000 + 4 * 3000
    assert deep.charge(Usage(output=10, reasoning=40)) == 10 * 3000


def test_searches_and_fees_are_charged_by_the_piece() -> None:
    model = replace(PLAIN, search=30, fee=7)
    searched = Usage(10, details=UsageDetails(searches=3))
    assert model.charge(searched) == 10 * 1000 + (3 * 30 + 7) * MILLION
    assert replace(model, search_once=True).charge(searched) == 10 * 1000 + (30 + 7) * MILLION
    assert model.charge(Usage()) == 0  # refused: no answer, no fee


def test_a_dearer_model_has_every_rate_dearer_and_no_search() -> None:
    model = replace(LOUD, search=30, fee=7)
    twice = replace(model, long=model).scaled(Fraction(2), Fraction(3))
    assert (twice.input, twice.cache_read, twice.cache_write_1h) == (2000, 200, 4000)
    assert twice.output == 15000
    assert twice.parts == {"audio_input": 14000, "audio_output": 27000, "audio_cache_read": 1400}
    assert (twice.search, twice.fee) == (30, 7)
    assert twice.long is not None
    assert twice.long.output == 15000


def test_scaled_rates_are_rounded_up() -> None:
    assert replace(PLAIN, input=1).scaled(Fraction(1, 2), Fraction(1)).input == 1


def test_long_requests_have_the_parts_of_the_dearer_rates() -> None:
    model = replace(LOUD, long_above=10, long=LOUD.scaled(Fraction(2), Fraction(2)))
    assert model.charge(usage(11, audio_input=1)) == 2 * (10 * 1000 + 7000)
    assert model.charge(usage(10, audio_input=1)) == 9 * 1000 + 7000


def test_what_is_reserved_is_of_the_dearest_sorts() -> None:
    assert PLAIN.reserve(10 * MILLION, 0, 1, media=True, searches=0) == 10 * 2000
    assert LOUD.reserve(10 * MILLION, 0, 1, media=False, searches=0) == 10 * 2000
    assert LOUD.reserve(10 * MILLION, 0, 1, media=True, searches=0) == 10 * 7000
    assert LOUD.reserve(0, MILLION, 3, media=False, searches=0) == 3 * 9000
    model = replace(PLAIN, search=30, fee=7)
    assert model.reserve(0, 0, 1, media=False, searches=2) == 67


def test_rounding_is_up_and_never_below_nothing() -> None:
    assert [rounded(charges) for charges in (0, 1, MILLION, MILLION + 1, -5)] == [0, 1, 1, 2, 0]


def test_modes_name_the_fields_that_ask_for_them() -> None:
    flex, fast = modes_of({"flex": Fraction(1, 2), "fast": Fraction(2)})
    assert (flex.field, flex.times) == ("service_tier", Fraction(1, 2))
    assert (fast.field, "fast" in fast.values) == ("speed", True)
