"""Human units: exact, and plain about what they expected."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from gateway.config import units
from gateway.config.units import Amount, Rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("600/min", Rate(600, 60)),
        ("200k/min", Rate(200_000, 60)),
        ("10/s", Rate(10, 1)),
        ("5000/hour", Rate(5000, 3600)),
        ("1M/day", Rate(1_000_000, 86400)),
        ("1.5k / h", Rate(1500, 3600)),
    ],
)
def test_rates(text: str, rate: Rate) -> None:
    assert units.parse_rate(text) == rate


@pytest.mark.parametrize(
    ("text", "rate", "words"),
    [
        ("$5/min", Rate(5_000_000, 60, dollars=True), "$5.00/min"),
        ("$0.50 / hour", Rate(500_000, 3600, dollars=True), "$0.50/hour"),
        ("$0.000001/s", Rate(1, 1, dollars=True), "$0.000001/s"),
    ],
)
def test_rates_of_dollars(text: str, rate: Rate, words: str) -> None:
    assert units.parse_dollar_rate(text) == rate
    assert str(rate) == words


@pytest.mark.parametrize("value", ["5/min", "$5", "$5/fortnight", "$0/min", "$0.0000001/min", 5])
def test_what_is_no_rate_of_dollars_is_an_error(value: object) -> None:
    with pytest.raises(ValueError, match=r"\$5/min"):
        units.parse_dollar_rate(value)


@pytest.mark.parametrize(
    ("value", "parsed"), [(20, 20), ("2k", 2000), ("$2", Amount(2_000_000_000, "nanodollars"))]
)
def test_a_burst_is_a_count_or_dollars(value: object, parsed: object) -> None:
    assert units.parse_amount_or_count(value) == parsed


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("$5.00", Amount(5_000_000_000, "nanodollars")),
        ("$200", Amount(200_000_000_000, "nanodollars")),
        ("$0.000000001", Amount(1, "nanodollars")),
        ("1000 tokens", Amount(1000, "tokens")),
        ("200k tokens", Amount(200_000, "tokens")),
        ("1 token", Amount(1, "tokens")),
    ],
)
def test_amounts(text: str, amount: Amount) -> None:
    assert units.parse_amount(text) == amount


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("5min", 300), ("24h", 86400), ("7d", 604800), ("250ms", 0.25)],
)
def test_durations(text: str, seconds: float) -> None:
    assert units.parse_duration(text) == seconds


def test_a_duration_may_have_parts() -> None:
    assert units.parse_duration("1h30m") == 5400
    assert units.parse_duration("1m 30s") == 90


def test_bytes_percent_and_counts() -> None:
    assert units.parse_bytes("10MB") == 10_000_000
    assert units.parse_bytes("512KiB") == 512 * 1024
    assert units.parse_percent("50%") == 0.5
    assert units.parse_count(8000) == units.parse_count("8k") == 8000
    assert units.parse_count("1.5M") == 1_500_000
    assert units.parse_dollars("$1.25") == 1_250_000_000


@pytest.mark.parametrize(
    ("parse", "bad", "example"),
    [
        (units.parse_rate, "600", "600/min"),
        (units.parse_rate, "0/min", "600/min"),
        (units.parse_rate, "5/week", "600/min"),
        (units.parse_rate, 600, "600/min"),
        (units.parse_amount, 5, "$5.00"),
        (units.parse_amount, "5", "1000 tokens"),
        (units.parse_amount, "$0.0000000001", "$1.25"),
        (units.parse_dollars, "5 tokens", "$1.25"),
        (units.parse_duration, 30, "30s"),
        (units.parse_duration, "0s", "30s"),
        (units.parse_bytes, 10, "10MB"),
        (units.parse_bytes, "0.5B", "10MB"),
        (units.parse_percent, "101%", "50%"),
        (units.parse_percent, 0.5, "50%"),
        (units.parse_count, "1.5", "8k"),
        (units.parse_count, True, "8k"),
        (units.parse_count, -1, "8k"),
        (units.parse_count, 2**63, "8k"),
        (units.parse_count, None, "8k"),
    ],
)
def test_an_error_says_what_was_expected_with_an_example(parse, bad, example) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parse(bad)
    assert example in str(caught.value)


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(ValueError) as caught:
        units.parse_rate("x" * 10_000)
    assert len(str(caught.value)) < 200


class Example(BaseModel):
    rate: units.RateField = Rate(1, 1)
    amount: units.AmountField | None = None
    wait: units.DurationField = 5.0


def test_fields_read_units_and_take_ready_values() -> None:
    read = Example.model_validate({"rate": "600/min", "amount": "$1"})
    assert read == Example(rate=Rate(600, 60), amount=Amount(10**9, "nanodollars"))
    with pytest.raises(ValidationError):
        Example.model_validate({"wait": 5})


@given(st.integers(0, units.LARGEST // units.NANODOLLARS * 10**6 - 1))
def test_money_is_exact_to_the_nano_dollar(micro: int) -> None:
    dollars = Decimal(micro) / 10**6
    assert units.parse_dollars(f"${dollars:f}") == micro * 1000


@given(st.integers(0, 10**15 - 1), st.sampled_from(["nanodollars", "tokens"]))
def test_an_amount_reads_back_what_it_shows(value: int, unit) -> None:
    amount = Amount(value, unit)
    assert units.parse_amount(str(amount)) == amount


@given(st.integers(1, 10**12), st.sampled_from([1, 60, 3600, 86400]))
def test_a_rate_reads_back_what_it_shows(amount: int, seconds: int) -> None:
    assert units.parse_rate(str(Rate(amount, seconds))) == Rate(amount, seconds)


PARSERS = [
    units.parse_count,
    units.parse_rate,
    units.parse_amount,
    units.parse_dollars,
    units.parse_duration,
    units.parse_bytes,
    units.parse_percent,
]
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.text(alphabet="0123456789.kKMG$%/ smhdintokeB"),
    st.lists(st.integers()),
)


@given(ANYTHING, st.sampled_from(PARSERS))
def test_whatever_is_written_gives_a_value_or_a_value_error(value, parse) -> None:
    try:
        found = parse(value)
    except ValueError:
        return
    number = getattr(found, "value", getattr(found, "amount", found))
    assert 0 <= number <= units.LARGEST


@pytest.mark.parametrize(
    ("written", "times"),
    [("170%", Fraction(17, 10)), ("50 %", Fraction(1, 2)), ("166.6666%", Fraction(1666666, 10**6))],
)
def test_shares_are_exact(written: str, times: Fraction) -> None:
    assert units.parse_times(written) == times


@pytest.mark.parametrize("written", ["170", 1.7, "-5%", "", None, "1e3%"])
def test_what_is_no_share_says_what_was_expected(written: object) -> None:
    with pytest.raises(ValueError, match='such as "170%"'):
        units.parse_times(written)
