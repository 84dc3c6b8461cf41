"""Numbering plans: which digits cannot be a phone number of a region, told without reading them.

libphonenumber takes a tenth of a millisecond to find that an order number is no phone number, and
tool results are full of order numbers. Here its own metadata answers for candidates that are
digits and hyphens only: whatever it may take off their front (a country code, a national prefix)
is taken off, and RE2 says whether any type of number of the country looks like what is left.

Rules of this file:
- A plan may say yes too often, never no wrongly: what it does not rule out libphonenumber reads.
- Where a country's expressions cannot be put together, its plan rules nothing out.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

import re2
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from gateway.detectors.matcher import Expression

_TYPES = (
    *("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number"),
    *("voip", "pager", "uan", "voicemail"),
)
"""The types of numbers that `phonenumberutil._number_type_helper` asks for."""

_PLAIN = re.compile(r"[0-9]+(?:-[0-9]+)*")


def digits_of(candidate: str) -> str:
    """The digits of a candidate that is nothing but digits and single hyphens, else "". Such a one
    has no extension and no country sign, and libphonenumber looks for no number inside of it."""
    return candidate.replace("-", "") if _PLAIN.fullmatch(candidate) else ""


class Plan:
    """The numbering plan by which one region's numbers are read."""

    def __init__(self, region: str) -> None:
        metadata: Any = PhoneMetadata.metadata_for_region(region)
        self._code = str(metadata.country_code)
        self._abroad = re.compile(metadata.international_prefix or r"(?!)")
        prefix = metadata.national_prefix_for_parsing
        self._prefix = re.compile(prefix) if prefix else None
        self._transform = metadata.national_prefix_transform_rule
        self._numbers = _numbers(metadata.country_code)

    def rules_out(self, digits: str) -> bool:
        """Whether these digits, read in this region, are surely no valid number."""
        if self._numbers is None or self._abroad.match(digits):
            return False
        return not any(self._valid(number) for number in dict.fromkeys(self._national(digits)))

    def _valid(self, number: str) -> bool:
        assert self._numbers is not None
        return self._numbers.start(number.encode(), 0, len(number)) >= 0

    def _national(self, digits: str) -> Iterator[str]:
        """Everything that may be left of the digits as a national number."""
        yield from self._stripped(digits)
        if digits.startswith(self._code):  # a prefix may stand behind it, and is taken off twice
            for once in self._stripped(digits[len(self._code) :]):
                yield from self._stripped(once)

    def _stripped(self, digits: str) -> Iterator[str]:
        """The digits as they are, and without a national prefix."""
        yield digits
        match = self._prefix.match(digits) if self._prefix is not None else None
        if match is not None:
            yield digits[match.end() :]
            if self._transform and match.lastindex:
                yield re.sub(match.re, self._transform, digits, count=1)


@functools.cache
def plan(region: str) -> Plan:
    """A region's plan; made once."""
    return Plan(region)


@functools.cache
def _numbers(code: int) -> Expression | None:
    """Every type of number of all regions that share a country code; None for what RE2 refuses."""
    found: dict[str, None] = {}
    for region in COUNTRY_CODE_TO_REGION_CODE[code]:
        metadata: Any = PhoneMetadata.metadata_for_region(region)
        for kind in _TYPES:
            described = getattr(metadata, kind)
            if described is not None and described.national_number_pattern:
                found[described.national_number_pattern] = None
    try:
        return Expression("\\A(?:" + "|".join(f"(?:{one})" for one in found) + ")\\z")
    except re2.error:
        return None
