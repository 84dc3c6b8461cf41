"""A plan never rules out what libphonenumber takes, and rules out most of what it does not."""

from __future__ import annotations

import random

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberMatcher

from gateway.detectors.phone_plans import digits_of, plan

REGIONS = ("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR", "ZA", "IT", "AR", "MX", "AU", "JP")
DIGITS = st.text("0123456789", min_size=3, max_size=16)


def taken(region: str, text: str) -> bool:
    return any(True for _ in PhoneNumberMatcher(text, region))


@given(st.sampled_from(REGIONS), st.lists(DIGITS, min_size=1, max_size=3).map("-".join))
@settings(max_examples=1500, deadline=None)
def test_what_libphonenumber_takes_is_not_ruled_out(region: str, text: str) -> None:
    if plan(region).rules_out(digits_of(text)):
        assert not taken(region, text)


@pytest.mark.parametrize("region", REGIONS)
def test_no_type_of_number_is_ruled_out_however_it_is_dialled(region: str) -> None:
    code = str(phonenumbers.country_code_for_region(region))
    for kind in range(11):
        number = phonenumbers.example_number_for_type(region, kind)
        if number is None:
            continue
        nsn = phonenumbers.national_significant_number(number)
        national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
        dialled = "".join(char for char in national if char.isdigit())
        for digits in (nsn, dialled, code + nsn, code + dialled, "00" + code + nsn):
            if taken(region, digits):
                assert not plan(region).rules_out(digits), digits


def test_most_numbers_that_are_none_are_ruled_out() -> None:
    dice = random.Random(5)
    texts = [str(dice.randrange(10**8, 10**12)) for _ in range(300)]
    wrong = [text for text in texts if not taken("GB", text)]
    assert sum(plan("GB").rules_out(text) for text in wrong) > 0.9 * len(wrong)


@pytest.mark.parametrize(
    "text", ["+123456", "1 23456", "(12)3456", "12--34", "123456 x 7", "12.34"]
)
def test_only_digits_and_single_hyphens_are_told_from_the_plan(text: str) -> None:
    assert digits_of(text) == ""
    assert digits_of("12-34-56") == "123456"
