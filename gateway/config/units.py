"""Human units of the policy file, as values: `600/min`, `$5.00`, `30s`, `10MB`, `50%`, `8k`.

Each unit has a `parse_x(value)` that raises ValueError saying what was expected, with an
example, and an `XField`, the annotated type that option models use. Everything that is counted
becomes an integer, exactly: money is nano-dollars, through `Decimal`, never through floats.

A bare number is accepted only where it can mean one thing: a count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import PlainValidator, WithJsonSchema

LARGEST = 2**62
"""No amount is larger, so that sums of two still fit the 64-bit integers of every store."""

NANODOLLARS = 10**9
"""Nano-dollars in a dollar."""
MICRODOLLARS = 10**6
"""Millionths in a dollar: what rates of dollars count in."""

_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,12})?"
_COUNT = re.compile(rf"({_NUMBER})([kKMG]?)")
_RATE = re.compile(rf"({_NUMBER}[kKMG]?) ?/ ?([a-z]+)")
_TOKENS = re.compile(rf"({_NUMBER}[kKMG]?) ?tokens?")
_DOLLARS = re.compile(rf"\$ ?({_NUMBER})")
_DOLLAR_RATE = re.compile(rf"({_DOLLARS.pattern}) ?/ ?([a-z]+)")
_SPAN = re.compile(rf"({_NUMBER}) ?(ms|s|sec|min|m|h|d)")
_DURATION = re.compile(rf"(?:{_NUMBER} ?(?:ms|s|sec|min|m|h|d) ?)+")
_BYTES = re.compile(rf"({_NUMBER}) ?(B|kB|KB|MB|GB|KiB|MiB|GiB)")
_PERCENT = re.compile(rf"({_NUMBER}) ?%")
_TIMES = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,6})?) ?%")

_VARIABLE = r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"  # ${NAME}: an editor cannot know what it stands for

_MULTIPLES = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9}
_PERIODS = {
    **dict.fromkeys(("s", "sec", "second"), 1),
    **dict.fromkeys(("min", "minute"), 60),
    **dict.fromkeys(("h", "hour"), 3600),
    **dict.fromkeys(("d", "day"), 86400),
}
_PERIOD_NAMES = {1: "s", 60: "min", 3600: "hour", 86400: "day"}
_SECONDS = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "sec": Decimal(1),
    "m": Decimal(60),
    "min": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}
_BYTE_UNITS = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}


@dataclass(frozen=True, slots=True)
class Rate:
    """`amount` units, or millionths of a dollar, every `seconds` seconds."""

    amount: int
    seconds: int
    dollars: bool = False

    def __str__(self) -> str:
        nano = self.amount * NANODOLLARS // MICRODOLLARS
        amount = Amount(nano, "nanodollars") if self.dollars else self.amount
        return f"{amount}/{_PERIOD_NAMES.get(self.seconds, f'{self.seconds}s')}"


@dataclass(frozen=True, slots=True)
class Amount:
    """Money in nano-dollars, or a number of tokens."""

    value: int
    unit: Literal["nanodollars", "tokens"]

    def __str__(self) -> str:
        if self.unit == "tokens":
            return f"{self.value} tokens"
        dollars, rest = divmod(self.value, NANODOLLARS)
        return f"${dollars}.{f'{rest:09d}'.rstrip('0').ljust(2, '0')}"


def parse_count(value: object) -> int:
    """`8000`, `8k`, `1.5M` -> 8000, 8000, 1500000."""
    expected = 'expected a whole number, such as 8000, "8k" or "1.5M"'
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value <= LARGEST:
            return value
        raise ValueError(f"{expected}, not {shown(value)}")
    found = _COUNT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{expected}, not {shown(value)}")
    return _whole(Decimal(found[1]) * _MULTIPLES[found[2]], value, expected)


def parse_rate(value: object) -> Rate:
    """`200k/min` -> Rate(200000, 60). Periods: s, min, hour, day."""
    if isinstance(value, Rate):
        return value
    expected = 'expected a number per s, min, hour or day, such as "600/min" or "200k/hour"'
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[2] not in _PERIODS:
        raise ValueError(f"{expected}, not {shown(value)}")
    amount = parse_count(found[1])
    if amount == 0:
        raise ValueError(f"{expected}, at least 1, not {shown(value)}")
    return Rate(amount, _PERIODS[found[2]])


def parse_dollar_rate(value: object) -> Rate:
    """`$5/min` -> Rate(5000000, 60, dollars=True), in millionths of a dollar."""
    if isinstance(value, Rate):
        return value
    expected = 'expected dollars per s, min, hour or day, such as "$5/min" or "$0.50/hour"'
    found = _DOLLAR_RATE.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[3] not in _PERIODS:
        raise ValueError(f"{expected}, not {shown(value)}")
    amount = _whole(Decimal(found[2]) * MICRODOLLARS, value, expected)
    if amount == 0:
        raise ValueError(f"{expected}, more than nothing, not {shown(value)}")
    return Rate(amount, _PERIODS[found[3]], dollars=True)


def parse_amount_or_count(value: object) -> Amount | int:
    """`$2` -> Amount(2000000000, "nanodollars"); `20` or `2k` -> 20 or 2000."""
    if isinstance(value, Amount) or (isinstance(value, str) and value.startswith("$")):
        return parse_amount(value)
    return parse_count(value)


def parse_amount(value: object) -> Amount:
    """`$5.00` -> 5000000000 nano-dollars; `200k tokens` -> 200000 tokens."""
    if isinstance(value, Amount):
        return value
    expected = 'expected dollars or tokens, such as "$5.00" or "1000 tokens"'
    if isinstance(value, str):
        if _DOLLARS.fullmatch(value):
            return Amount(parse_dollars(value), "nanodollars")
        if found := _TOKENS.fullmatch(value):
            return Amount(parse_count(found[1]), "tokens")
    raise ValueError(f"{expected}, not {shown(value)}")


def parse_dollars(value: object) -> int:
    """`$1.25` -> 1250000000 nano-dollars."""
    expected = 'expected dollars, such as "$1.25"'
    found = _DOLLARS.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{expected}, not {shown(value)}")
    return _whole(Decimal(found[1]) * NANODOLLARS, value, expected)


def parse_duration(value: object) -> float:
    """`30s`, `5m`, `1h30m`, `7d`, `250ms` -> seconds, more than zero."""
    expected = 'expected a time, such as "30s", "5m", "24h" or "7d"'
    if not isinstance(value, str) or _DURATION.fullmatch(value) is None:
        raise ValueError(f"{expected}, not {shown(value)}")
    seconds = sum((Decimal(n) * _SECONDS[unit] for n, unit in _SPAN.findall(value)), Decimal(0))
    if seconds <= 0:
        raise ValueError(f"{expected}, longer than nothing, not {shown(value)}")
    return float(seconds)


def parse_bytes(value: object) -> int:
    """`10MB` -> 10000000, `512KiB` -> 524288 bytes."""
    expected = 'expected a size, such as "10MB" or "512KiB"'
    found = _BYTES.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{expected}, not {shown(value)}")
    return _whole(Decimal(found[1]) * _BYTE_UNITS[found[2]], value, expected)


def parse_percent(value: object) -> float:
    """`50%` -> 0.5; from 0% to 100%."""
    expected = 'expected a percentage from 0% to 100%, such as "50%"'
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if found is None or Decimal(found[1]) > 100:
        raise ValueError(f"{expected}, not {shown(value)}")
    return float(Decimal(found[1]) / 100)


def parse_times(value: object) -> Fraction:
    """`170%` -> 17/10, exactly: a share of the usual price, which may be more than all of it."""
    expected = 'expected a percentage of the usual price, such as "170%"'
    found = _TIMES.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{expected}, not {shown(value)}")
    return Fraction(found[1]) / 100


def _whole(number: Decimal, value: object, expected: str) -> int:
    if number != number.to_integral_value() or number > LARGEST:
        raise ValueError(f"{expected}; {shown(value)} cannot be counted exactly")
    return int(number)


def shown(value: object) -> str:
    """A value as the operator wrote it, short enough for one line of an error."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _schema(pattern: str, what: str, *examples: str) -> dict[str, Any]:
    return {
        "type": "string",
        "pattern": f"^(?:{pattern}|{_VARIABLE})$",
        "description": what,
        "examples": list(examples),
    }


_COUNT_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 0},
        _schema(_COUNT.pattern, "a whole number", "8k", "1.5M"),
    ]
}
_PERIOD_PATTERN = "|".join(_PERIODS)

CountField = Annotated[int, PlainValidator(parse_count), WithJsonSchema(_COUNT_SCHEMA)]
"""A whole number, zero or more: `8000`, `8k`, `1.5M`."""

RateField = Annotated[
    Rate,
    PlainValidator(parse_rate),
    WithJsonSchema(
        _schema(rf"{_NUMBER}[kKMG]? ?/ ?({_PERIOD_PATTERN})", "so many per time", "600/min")
    ),
]
"""`600/min`, `200k/min`, `10/s`, `5000/hour`, `1M/day`."""

DollarRateField = Annotated[
    Rate,
    PlainValidator(parse_dollar_rate),
    WithJsonSchema(
        _schema(rf"{_DOLLARS.pattern} ?/ ?({_PERIOD_PATTERN})", "dollars per time", "$5/min")
    ),
]
"""`$5/min`, `$0.50/hour`; counted in millionths of a dollar."""

AmountOrCountField = Annotated[
    Amount | int,
    PlainValidator(parse_amount_or_count),
    WithJsonSchema(
        {"anyOf": [*_COUNT_SCHEMA["anyOf"], _schema(_DOLLARS.pattern, "dollars", "$2")]}
    ),
]
"""`20`, `2k` or `$2`."""

AmountField = Annotated[
    Amount,
    PlainValidator(parse_amount),
    WithJsonSchema(
        _schema(
            rf"{_DOLLARS.pattern}|{_TOKENS.pattern}", "dollars or tokens", "$5.00", "1000 tokens"
        )
    ),
]
"""`$5.00` or `1000 tokens`."""

DollarsField = Annotated[
    int,
    PlainValidator(parse_dollars),
    WithJsonSchema(_schema(_DOLLARS.pattern, "dollars", "$1.25")),
]
"""Nano-dollars, from `$1.25`."""

DurationField = Annotated[
    float,
    PlainValidator(parse_duration),
    WithJsonSchema(_schema(_DURATION.pattern, "a time", "30s", "5m", "24h", "7d")),
]
"""Seconds, from `30s`, `5m`, `24h`, `7d`."""

BytesField = Annotated[
    int,
    PlainValidator(parse_bytes),
    WithJsonSchema(_schema(_BYTES.pattern, "a size", "10MB", "512KiB")),
]
"""Bytes, from `10MB` or `512KiB`."""

PercentField = Annotated[
    float,
    PlainValidator(parse_percent),
    WithJsonSchema(_schema(_PERCENT.pattern, "a share", "50%")),
]
"""A share from 0 to 1, from `50%`."""

TimesField = Annotated[
    Fraction,
    PlainValidator(parse_times),
    WithJsonSchema(_schema(_TIMES.pattern, "a share of the usual price", "170%", "50%")),
]
"""A share of the usual price, from `170%`."""
