"""The `prices` part of the policy file: ways to give a price, which exclude each other."""

from __future__ import annotations

from fractions import Fraction

import pytest
from pydantic import ValidationError

from gateway.config.prices import Price


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ({}, "give `input` and `output`"),
        ({"input": "$1"}, "give `input` and `output`"),
        ({"discount": "20%", "input": "$1"}, "stands alone"),
        ({"discount": "120%"}, "at most 100%"),
        ({"like": ""}, "at least 1 character"),
        ({"input": "$1", "output": "$2", "cached": "$3"}, "Extra inputs"),
        ({"like": "m", "above": {"tokens": "1k", "input": "200%"}}, "Field required"),
    ],
)
def test_a_price_that_makes_no_sense_is_an_error(keys: dict[str, object], error: str) -> None:
    with pytest.raises(ValidationError, match=error):
        Price.model_validate(keys)


def test_only_what_is_given_is_told() -> None:
    price = Price.model_validate(
        {"input": "$1", "output": "$2", "audio_output": "$3", "search": "$0.01", "us": "110%"}
    )
    assert price.rates == {"input": 10**9, "output": 2 * 10**9}
    assert price.parts == {"audio_output": 3 * 10**9}
    assert price.bounds == {"search": 10**7}
    assert price.modes == {"us": Fraction(11, 10)}
    assert (price.long, price.batch, price.like) == (None, None, None)
