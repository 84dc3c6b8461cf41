"""Presidio's phone recognizer made quick: the same findings, without trying what cannot be one.

The recognizer is code, not a pattern: libphonenumber cuts candidates out of a text with one
regular expression, then tries to read each as a number of each region, which takes a tenth of a
millisecond a time. Here the candidates are cut once for all regions, and a region is asked only
about those that have digits enough for it. Reading them is left to libphonenumber.

Facts used, all checked by tests against libphonenumber's metadata:
- No country has numbers of fewer than four digits behind its country code.
- Of Presidio's regions only Germany has national numbers of fewer than seven digits; those of
  fewer than six have the prefix 0 or begin with 16 (pagers).
- What is dialled before a country code where there is no plus sign begins with 0.
- A candidate that looks like a timestamp is dropped if `:dd` follows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from phonenumbers import phonenumbermatcher, phonenumberutil
from phonenumbers.phonenumbermatcher import PhoneNumberMatcher

from gateway.detectors.matcher import Pattern
from gateway.detectors.presidio_loader import core

# libphonenumber's VALID_PUNCTUATION (phonenumberutil.py), as often as it may stand in a row.
_BETWEEN = (
    "[-x\u2010-\u2015\u2212\u30fc\uff0d-\uff0f \u00a0\u00ad\u200b\u2060\u3000()"
    "\uff08\uff09\uff3b\uff3d.\\[\\]/~\u2053\u223c\uff5e]{0,4}"
)
_ZERO = "[0\u0660-\U0001fbf9]"  # or a digit of another script
_ONE, _SIX = "[1\u0660-\U0001fbf9]", "[6\u0660-\U0001fbf9]"

LEAST_DIGITS = {"US": 10, "GB": 7, "DE": 6, "FR": 9, "IL": 7, "IN": 8, "CA": 7, "BR": 8}
"""Region -> digits of its shortest national number, but for Germany's with 0 or 16."""

_CANDIDATE = phonenumbermatcher._PATTERN
_SECOND_NUMBER = phonenumberutil._SECOND_NUMBER_START_PATTERN


def _digits(count: int) -> str:
    return rf"\d(?:{_BETWEEN}\d){{{count - 1}}}"


def _parts(region: str) -> list[str]:
    """Expressions of which one matches in every candidate that a region can accept."""
    least = LEAST_DIGITS.get(region)
    if least is None:
        return [_digits(4)]
    parts = [
        rf"[+\uff0b]{_BETWEEN}{_digits(4)}",
        rf"{_ZERO}{_BETWEEN}{_digits(6)}",
        _digits(least),
    ]
    if region == "DE":
        parts += [
            rf"{_ZERO}{_BETWEEN}{_digits(3)}",
            rf"{_ONE}{_BETWEEN}{_SIX}{_BETWEEN}{_digits(2)}",
        ]
    return parts


def patterns(regions: Iterable[str]) -> list[Pattern]:
    """Filters for a recognizer of these regions; in streams, candidates are what is held."""
    grows = rf"(?:{_CANDIDATE.pattern})(?::[0-5]?\d?)?"
    parts = dict.fromkeys(part for region in regions for part in _parts(region))
    return [Pattern(part, int(_CANDIDATE.flags) & re.IGNORECASE, grows) for part in parts]


class QuickPhone:
    """Stands in for a `PhoneRecognizer`, or for one of South Africa's: same entity, score and
    spans. Numbers count that start at `begin` or behind it."""

    def __init__(self, recognizer: Any) -> None:
        self.supported_entities: list[str] = recognizer.supported_entities
        self.begin = 0
        self._score: float = recognizer.SCORE
        self._result = core("RecognizerResult")
        self._remove_duplicates = core("EntityRecognizer").remove_duplicates
        self._leniency = recognizer.leniency
        self._recognizer = recognizer
        self._classified = hasattr(recognizer, "target_classification")
        self._regions = [
            (region, re.compile("|".join(_parts(region)), re.IGNORECASE))
            for region in recognizer.supported_regions
        ]

    def analyze(self, text: str, entities: Sequence[str], artifacts: Any = None) -> Any:
        """Results as Presidio gives them, without an explanation."""
        cuts: dict[int, tuple[int, str] | None] = {}
        whole: set[int] = set()
        spans: set[tuple[int, int]] = set()
        for region, plausible in self._regions:
            spans.update(self._spans(text, region, plausible, cuts, whole))
        results = [
            self._result(self.supported_entities[0], start, end, self._score)
            for start, end in spans
        ]
        return self._remove_duplicates(results)

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """All that libphonenumber would try to read, from `begin` on."""
        return _CANDIDATE.finditer(text, self.begin)

    def _counts(self, number: Any) -> bool:
        """Whether the recognizer takes a number: South Africa's look at the sort of line."""
        if not self._classified:
            return True
        recognizer = self._recognizer
        return bool(
            phonenumberutil.region_code_for_number(number) == recognizer.REGION
            and recognizer._classify(number) == recognizer.target_classification
        )

    def _spans(
        self,
        text: str,
        region: str,
        plausible: re.Pattern[str],
        cuts: dict[int, tuple[int, str] | None],
        whole: set[int],
    ) -> list[tuple[int, int]]:
        """One region's numbers: `PhoneNumberMatcher._find`, over and over.

        `cuts` remembers candidates by where they were looked for, `whole` the starts of those
        that another region took from end to end: what this one could find in them would only
        be dropped as a duplicate.
        """
        reader = PhoneNumberMatcher(text, region, leniency=self._leniency)
        found: list[tuple[int, int]] = []
        index = self.begin
        while True:
            if index not in cuts:
                cuts[index] = _cut(text, index)
            cut = cuts[index]
            if cut is None:
                return found
            start, candidate = cut
            index = start + len(candidate)
            if start in whole or not plausible.search(candidate):
                continue
            match = reader._extract_match(candidate, start)
            if match is not None:
                if self._counts(match.number):
                    found.append((match.start, match.end))
                if match.start == start and match.end == index:
                    whole.add(start)
                index = match.end


def _cut(text: str, index: int) -> tuple[int, str] | None:
    """The next candidate at or after `index`, and where it starts."""
    match = _CANDIDATE.search(text, index)
    if match is None:
        return None
    candidate = match.group()
    second = _SECOND_NUMBER.search(candidate)
    return match.start(), candidate[: second.start()] if second else candidate
