"""Injected instructions found by weighted signatures over normalised text.

Every signature that matches is a hit. Hits that stand within REACH characters of each other are
weighed together: the chance that at least one of them means it, 1 - (1-w1)(1-w2)..., each
signature counted once. Where that reaches the threshold the whole passage is a finding: from
the beginning of the first hit's sentence to the end of the last one's line, within limits,
because what an injection asks for stands beside its signature.

A text that is written in code (HTML entities, base64, spelled-out letters ...) is decoded and
read too; a hit in it counts for the whole encoded run. See unwrap.py.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.detectors.matcher import Matcher, Pattern, Quick
from gateway.detectors.normalise import Normalised, normalise
from gateway.detectors.signature_table import SIGNATURES
from gateway.detectors.signature_words import KEYS
from gateway.detectors.unwrap import Unwrapped, growing_run, unwrap
from gateway.verdict import Finding

REACH = 400  # characters that hits weighed together may span
BEFORE = 160  # how far back a passage may reach for the beginning of its sentence
AFTER = 400  # and how far on for the end of its line
CONTEXT = 4  # characters before a hit that signatures look back at
LONGEST = BEFORE + REACH + AFTER + 64

DEFAULT_THRESHOLD = 0.5

_VERSION = "signatures-1"
_SENTENCE = re.compile(r"[.!?;]\s|[\n\r\"]|\\n|\\\"|'\s*:\s*'")
_LINE = re.compile(r"[\n\r\"]|\\n|\\\"|'\s*[,}]")
# Text in characters that show nothing: tags (not after a flag, which is made of them), runs of
# variation selectors, and of zero-width signs used as bits.
_INVISIBLE = re.compile(
    "(?<!\U0001f3f4)[\U000e0020-\U000e007e]{5,}"
    "|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}"
    "|[\u200b-\u200d\u2060-\u2064\ufeff]{8,}"
)


@dataclass(frozen=True, slots=True)
class Hit:
    """One signature in the original text."""

    name: str
    group: str
    weight: float
    start: int
    end: int


class _Machinery:
    """The compiled signatures: what could be in a text at all, then each on its own.

    The keys of all signatures are looked for in one pass; a signature is tried where all of
    its keys occur. One without keys is looked for in that pass itself.
    """

    def __init__(self) -> None:
        sources = [Pattern(signature.regex, re.IGNORECASE) for signature in SIGNATURES]
        self.quick = [Quick(source, re.compile(source.regex, source.flags)) for source in sources]
        keys = [Pattern(regex, re.IGNORECASE) for regex in KEYS.values()]
        numbers = {name: number for number, name in enumerate(KEYS)}
        self._wanted: list[int] = []  # signature -> the keys it needs, as bits
        for signature, source in zip(SIGNATURES, sources, strict=True):
            if signature.needs:
                self._wanted.append(sum(1 << numbers[name] for name in signature.needs))
            else:
                self._wanted.append(1 << len(keys))
                keys.append(source)
        self._keys = Matcher(keys)
        self._keys.hits("")
        self._keys.hits("\u00e9")

    def possible(self, text: str) -> list[int]:
        """The signatures that may match."""
        seen = 0
        for hit in self._keys.hits(text):
            seen |= 1 << hit
        if not seen:
            return []
        return [n for n, wanted in enumerate(self._wanted) if wanted & seen == wanted]


@functools.cache
def _machinery() -> _Machinery:
    """Made when first needed and shared by all scanners."""
    return _Machinery()


class SignatureScanner:
    """Finds passages whose signatures weigh at least `threshold` (0 to 1) together.

    A finding's entity is the group of its heaviest signature.
    """

    longest = LONGEST

    def __init__(self, threshold: float = DEFAULT_THRESHOLD) -> None:
        self.threshold = threshold
        self.version = f"{_VERSION}:{threshold}"
        self._machinery = _machinery()

    def find(self, text: str, start: int = 0) -> Sequence[Finding]:
        """All passages, by start, not overlapping; see Scanner.find."""
        least = min(start, CONTEXT)
        cut = start - least
        if cut:
            text = text[cut:]
        hits = self.hits(text, least)
        if not hits:
            return ()
        passages: list[Finding] = []
        done = least
        for first, last, weight in _weighed(hits, self.threshold):
            some = hits[first : last + 1]
            begin, end = _passage(text, some[0].start, max(hit.end for hit in some), done)
            group = max(some, key=lambda hit: hit.weight).group
            if some[0].start < done:
                before = passages.pop()
                group = before.entity if before.score >= weight else group
                begin, end = before.start - cut, max(end, done)
                weight = max(weight, before.score)
            done = end
            passages.append(Finding(group, begin + cut, end + cut, round(weight, 3)))
        return tuple(passages)

    def score(self, text: str) -> float:
        """The heaviest passage's weight, whatever the threshold; 0 without any hit."""
        return max((weight for _, _, weight in _weighed(self.hits(text), 0.0)), default=0.0)

    def hits(self, text: str, start: int = 0) -> list[Hit]:
        """Every signature in a text that begins at `start` or behind it, by start."""
        spelled = normalise(text)
        begin = len(normalise(text[:start]).text) if start else 0
        hits = self._read(spelled, begin)
        for run in unwrap(spelled.text, begin):
            hits += self._decoded(spelled, run)
        if spelled.text is not text:
            hits += [
                Hit("invisible-text", "hidden", 0.7, match.start(), match.end())
                for match in _INVISIBLE.finditer(text, start)
            ]
        hits.sort(key=lambda hit: (hit.start, hit.end, hit.name))
        return hits

    def _read(self, spelled: Normalised, begin: int = 0) -> list[Hit]:
        hits = []
        for number in self._machinery.possible(spelled.text):
            signature, quick = SIGNATURES[number], self._machinery.quick[number]
            quick.begin = begin
            for match in quick.finditer(spelled.text):
                start, end = spelled.back(match.start(), match.end())
                if end - start > REACH:
                    continue
                hits.append(Hit(signature.name, signature.group, signature.weight, start, end))
            quick.begin = 0
        return hits

    def _decoded(self, spelled: Normalised, run: Unwrapped) -> list[Hit]:
        start, end = spelled.back(run.start, run.end)
        plain = normalise(run.text)
        inner = self._read(plain)
        for again in unwrap(plain.text):  # spelled out and in digits at once, for instance
            inner += self._read(normalise(again.text))
        hits = [Hit(hit.name, hit.group, hit.weight, start, end) for hit in inner]
        if hits:
            # Hiding it says as much as what is hidden.
            hits.append(Hit("unwrapped", "hidden", 0.4, start, end))
        return hits

    def hold(self, text: str, start: int = 0) -> int:
        """See Scanner.hold: the last REACH characters, for as long may signatures be and be
        weighed together, and from there back to the beginning of a sentence, a run in code, or
        a passage. What single signatures could still become is not asked: so many at once take
        longer to ask than the answer is worth, on surfaces that are seldom watched.
        """
        least = min(start, CONTEXT)
        cut = start - least
        if cut:
            text = text[cut:]
        size = len(text)
        spelled = normalise(text)
        begin = len(normalise(text[:least]).text) if least else 0
        run = growing_run(spelled.text, begin)
        reached = max(least, size - REACH)
        if run < len(spelled.text):
            reached = min(reached, spelled.back(run, run + 1)[0])
        for passage in self.find(text, least):
            if passage.end == size:
                reached = min(reached, passage.start)
        return cut + _sentence_start(text, reached, least)


def _weighed(hits: Sequence[Hit], threshold: float) -> list[tuple[int, int, float]]:
    """(first, last, weight) of every group of hits within REACH that weighs enough."""
    groups = []
    for first, hit in enumerate(hits):
        best: dict[str, float] = {}
        last = first
        for number in range(first, len(hits)):
            other = hits[number]
            if other.start - hit.start > REACH:
                break
            if other.end - hit.start <= REACH or number == first:
                best[other.name] = other.weight
                last = number
        miss = 1.0
        for weight in best.values():
            miss *= 1.0 - weight
        if best and 1.0 - miss >= threshold:
            groups.append((first, last, 1.0 - miss))
    return groups


def _passage(text: str, start: int, end: int, least: int) -> tuple[int, int]:
    """The span widened to the beginning of its sentence and the end of its line."""
    stop = _LINE.search(text, end, end + AFTER)
    return (
        _sentence_start(text, start, least),
        stop.start() if stop else min(len(text), end + AFTER),
    )


def _sentence_start(text: str, place: int, least: int) -> int:
    """Where the sentence around `place` begins, at most BEFORE characters earlier, nor before
    `least`."""
    start = max(least, place - BEFORE)
    for match in _SENTENCE.finditer(text, start, place):
        start = match.end()
    return min(start, place)


@functools.lru_cache(maxsize=64)
def scanner(threshold: float) -> SignatureScanner:
    """A scanner for this threshold; rules and reloads with the same one share it."""
    return SignatureScanner(threshold)
