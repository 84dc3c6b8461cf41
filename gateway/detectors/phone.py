"""Presidio's phone recognizer made quick: the same findings, without trying what cannot be one.

The recognizer is code, not a pattern: libphonenumber cuts candidates out of a text with one
regular expression, then tries to read each as a number of each region, which takes a tenth of a
millisecond a time. Here the candidates are cut once for all regions, a region is asked only about
those that have digits enough for it and that its numbering plan does not rule out
(`phone_plans.py`), and what it could not read once it is not asked again. Reading them is left to
libphonenumber.

Facts used, all checked by tests against libphonenumber's metadata:
- No country has numbers of fewer than four digits behind its country code.
- Of Presidio's regions only Germany has national numbers of fewer than seven digits; those of
  fewer than six have the prefix 0 or begin with 16 (pagers).
- What is dialled before a country code where there is no plus sign begins with 0.
- A candidate that looks like a timestamp is dropped if `:dd` follows it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from phonenumbers import phonenumbermatcher, phonenumberutil
from phonenumbers.phonenumbermatcher import PhoneNumberMatcher

from gateway.detectors.matcher import Expression, Pattern, derive, encode
from gateway.detectors.phone_plans import digits_of, plan
from gateway.detectors.presidio_loader import core
from gateway.detectors.regex_tree import ANYTHING, loosen

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


_HELD = re.compile(
    "[" + re.escape("".join(sorted(set(_CANDIDATE.pattern)))) + r"\d\u2010-\u2015\uff0d-\uff0f]",
    re.IGNORECASE,
)
"""Every character that a candidate can hold (those of its expression), and some more."""


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


MOST_MISSES = 65_536
"""Candidates that are remembered as no number of a region. Each is a hash: no text is kept."""

_BEHIND = 3
"""Characters behind a candidate that libphonenumber looks at (`:30` makes a time of it)."""


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
        regions = recognizer.supported_regions
        parts = {region: _parts(region) for region in regions}
        self._regions = [
            (region, re.compile("|".join(parts[region]), re.IGNORECASE)) for region in regions
        ]
        self._likely = _Likely(part for region in regions for part in parts[region])
        self._misses: set[int] = set()

    def analyze(self, text: str, entities: Sequence[str], artifacts: Any = None) -> Any:
        """Results as Presidio gives them, without an explanation."""
        candidates = _Candidates(text, self._likely)
        whole: set[int] = set()
        spans: set[tuple[int, int]] = set()
        for region, plausible in self._regions:
            spans.update(self._spans(region, plausible, candidates, whole))
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
        region: str,
        plausible: re.Pattern[str],
        candidates: _Candidates,
        whole: set[int],
    ) -> list[tuple[int, int]]:
        """One region's numbers: `PhoneNumberMatcher._find`, over and over.

        `whole` holds the starts of candidates that another region took from end to end: what this
        one could find in them would only be dropped as a duplicate.
        """
        reader = PhoneNumberMatcher(candidates.text, region, leniency=self._leniency)
        numbering = plan(region)
        found: list[tuple[int, int]] = []
        index = self.begin
        while (cut := candidates.behind(index)) is not None:
            start, candidate = cut
            index = start + len(candidate)
            if start in whole or not plausible.search(candidate):
                continue
            digits = digits_of(candidate)
            if digits and numbering.rules_out(digits):
                continue
            match = self._read(reader, region, candidate, start)
            if match is not None:
                if self._counts(match.number):
                    found.append((match.start, match.end))
                if match.start == start and match.end == index:
                    whole.add(start)
                index = match.end
        return found

    def _read(self, reader: Any, region: str, candidate: str, start: int) -> Any:
        """What libphonenumber makes of a candidate, but for what it made nothing of before."""
        text, end = reader.text, start + len(candidate)
        around = (text[start - 1 : start] if start else "", text[end : end + _BEHIND])
        known = hash((region, candidate, around))
        if known in self._misses:
            return None
        match = reader._extract_match(candidate, start)
        if match is None:
            if len(self._misses) >= MOST_MISSES:
                self._misses.clear()
            self._misses.add(known)
        return match


class _Candidates:
    """What libphonenumber cuts out of a text, but for what has too few digits for any region.

    RE2 finds the next place with digits enough. The candidate there begins somewhere before it, and
    no candidate goes across a character that none can hold: from behind the last one of those the
    text is cut as libphonenumber does it.
    """

    def __init__(self, text: str, likely: _Likely) -> None:
        self.text = text
        self._likely = likely
        self._data = encode(text)
        self._ascii = len(self._data) == len(text)
        self._known: dict[int, tuple[int, str] | None] = {}
        self._place, self._byte = 0, 0  # the same position in code points and in bytes

    def behind(self, index: int) -> tuple[int, str] | None:
        """The next candidate, from a place where one ends. All regions ask for the same ones."""
        if index not in self._known:
            self._known[index] = self._find(index)
        return self._known[index]

    def _find(self, index: int) -> tuple[int, str] | None:
        while (hit := self._hit(index)) >= 0:
            while hit > index and _HELD.match(self.text, hit - 1):
                hit -= 1
            cut = _cut(self.text, hit)
            if cut is None or self._likely.holds(cut[1]):
                return cut
            index = cut[0] + len(cut[1])
        return None

    def _hit(self, index: int) -> int:
        """The next place at `index` or behind it with digits enough, -1 without one."""
        data = self._data
        rough = self._likely.rough(self._ascii)
        if self._ascii:
            return rough.start(data, index, len(data))
        if index < self._place:
            self._place, self._byte = 0, 0
        self._byte += len(encode(self.text[self._place : index]))
        self._place = index
        found = rough.start(data, self._byte, len(data))
        return found if found < 0 else index + len(data[self._byte : found].decode())


class _Likely:
    """Whether a candidate has digits enough for any of some regions."""

    def __init__(self, parts: Iterable[str]) -> None:
        self._regex = "|".join(dict.fromkeys(parts))
        self.holds = re.compile(self._regex, re.IGNORECASE).search
        self.rough = functools.cache(self._rough)

    def _rough(self, only_ascii: bool) -> Expression:
        flags = int(re.IGNORECASE)
        return Expression(derive(self._regex, flags, loosen, only_ascii=only_ascii, last=ANYTHING))


def _cut(text: str, index: int) -> tuple[int, str] | None:
    """The next candidate at or after `index`, and where it starts."""
    match = _CANDIDATE.search(text, index)
    if match is None:
        return None
    candidate = match.group()
    second = _SECOND_NUMBER.search(candidate)
    return match.start(), candidate[: second.start()] if second else candidate
