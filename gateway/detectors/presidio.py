"""Personal data found by presidio-analyzer's own pattern recognizers, and by nothing else.

What a recognizer finds is its own word: patterns, checksums, scores and the removal of
duplicates are Presidio's code, without an NLP engine. What is ours is that a recognizer runs only
where an RE2 filter says that it could find something, that its patterns are tried only at the
places where RE2 says that they could begin, and how context words are looked for
(`presidio_context.py`).

Presidio is loaded when the first scanner is built, without its NLP engines (`presidio_loader.py`).
Nothing here asks the network: the public-suffix list is the snapshot inside tldextract.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

from gateway.detectors import presidio_loader
from gateway.detectors.matcher import LONGEST, LOOK_BEHIND, Matcher, Pattern, Quick
from gateway.detectors.overlaps import united
from gateway.detectors.own_recognizers import OwnRecognizer, Timed
from gateway.detectors.presidio_context import Context, with_context
from gateway.detectors.presidio_entities import ENTITIES
from gateway.detectors.regex_tree import width
from gateway.verdict import Finding

DEFAULT_THRESHOLD = 0.4
"""Below it are patterns that Presidio itself calls weak: any nine digits, any two capitals."""


class PresidioScanner:
    """Finds the given entities: names of ENTITIES, and those of `own`, what the operator brings.
    Raises KeyError for another name.

    `threshold` 0 to 1 is the least score of a finding. None stands for DEFAULT_THRESHOLD, but
    never more than an entity's recognizer can reach: who asks for one wants it found. `context`:
    whether words before a match raise its score.
    """

    longest = LONGEST

    def __init__(
        self,
        entities: Iterable[str],
        threshold: float | None = None,
        *,
        context: bool = True,
        own: Sequence[OwnRecognizer] = (),
    ) -> None:
        names = sorted(set(entities))
        brought = {each.entity: each for each in own if each.entity in names}
        self._least = {
            name: least(name, context=context, own=own) if threshold is None else threshold
            for name in names
        }
        self.version = (
            f"presidio-{version('presidio-analyzer')}:{','.join(names)}:{threshold or 'default'}"
            f":{'context' if context else 'alone'}"
        )
        if brought:
            said = repr([brought[name] for name in sorted(brought)])
            self.version += f":{hashlib.sha256(said.encode('utf-8', 'replace')).hexdigest()[:32]}"
        self._recognizers: list[_Recognizer] = []
        self._owner: list[int] = []  # pattern number -> recognizer number
        patterns: list[Pattern] = []
        for name in names:
            recognizer, filters = _prepare(name, brought.get(name), self._least[name], context)
            patterns += filters
            self._owner += [len(self._recognizers)] * len(filters)
            self._recognizers.append(recognizer)
        self._matcher = Matcher(patterns)
        self._matcher.warm()

    def find(self, text: str, start: int = 0) -> Sequence[Finding]:
        """All findings of at least the threshold, by start; those that overlap are one."""
        if start > LOOK_BEHIND:
            cut = start - LOOK_BEHIND
            return [
                Finding(f.entity, f.start + cut, f.end + cut, f.score)
                for f in self._find(text[cut:], LOOK_BEHIND)
            ]
        return self._find(text, start)

    def _find(self, text: str, start: int) -> Sequence[Finding]:
        return united(self.overlapping(text, start))

    def overlapping(self, text: str, start: int = 0) -> list[Finding]:
        """Presidio's own findings: of several recognizers they may overlap."""
        hits = self._matcher.hits(text)
        if not hits:
            return []
        kept: list[Finding] = []
        least = self._least
        for number in {self._owner[hit] for hit in hits}:
            recognizer = self._recognizers[number]
            kept += [
                Finding(result.entity_type, result.start, result.end, score)
                for result in recognizer.results(text, start)
                if result.start >= start
                and (score := recognizer.score(text, result)) >= least[result.entity_type]
            ]
        return kept

    def hold(self, text: str, start: int = 0) -> int:
        """See Scanner.hold.

        What a recognizer matched and then turned down (a wrong checksum) still hides what
        begins inside of it. So that a text in pieces gives what the whole one gives, such a
        match is not cut either.
        """
        place = self._matcher.hold(text, start)
        if place >= len(text) or place <= start:
            return place
        hits = self._matcher.hits(text)
        numbers = {self._owner[hit] for hit in hits}
        while numbers:
            earlier = min(self._recognizers[n].uncut(text, start, place) for n in numbers)
            if earlier == place:
                break
            place = earlier
        return place


class _Recognizer:
    """One of Presidio's recognizers, asked for what begins behind some place.

    `parts` have a `begin` and give all that is matched; `obeys`: the recognizer looks with
    them, so that it begins where they are told to.
    """

    __slots__ = ("_context", "_entities", "_obeys", "_parts", "_recognizer")

    def __init__(
        self,
        recognizer: Any,
        parts: Sequence[Any],
        context: Context | None,
        obeys: bool = True,
    ) -> None:
        self._context = context
        self._recognizer = recognizer
        self._entities = recognizer.supported_entities
        self._parts = parts
        self._obeys = obeys

    def uncut(self, text: str, start: int, place: int) -> int:
        """`place`, or where a match begins that it would cut."""
        for part in self._parts:
            part.begin = start
            for match in part.finditer(text):
                if match.start() >= place:
                    break
                if match.end() > place:
                    place = match.start()
                    break
            part.begin = 0
        return place

    def score(self, text: str, result: Any) -> float:
        """A result's score, with what the words before it add."""
        score: float = result.score
        if score < 1.0 and self._context is not None and self._context.supports(text, result.start):
            return with_context(score)
        return score

    def results(self, text: str, start: int) -> Any:
        """Presidio's results in `text`; nothing that begins before `start` hides one."""
        if not start:
            return self._recognizer.analyze(text, self._entities, None)
        if not self._obeys:
            # IBAN: its expression looks back one character, for a capital or a digit, and
            # begins with a capital.
            before = "0" if re.match("[A-Z0-9]", text[start - 1]) else " "
            text = " " * (start - 1) + before + text[start:]
        for part in self._parts:
            part.begin = start
        try:
            return self._recognizer.analyze(text, self._entities, None)
        finally:
            for part in self._parts:
                part.begin = 0


def best(entity: str, *, context: bool, own: Sequence[OwnRecognizer] = ()) -> float:
    """The highest score that an entity can reach."""
    brought = [each.best for each in own if each.entity == entity]
    score = brought[0] if brought else ENTITIES[entity].best
    return with_context(score) if context else score


def least(entity: str, *, context: bool, own: Sequence[OwnRecognizer] = ()) -> float:
    """The threshold where none is given."""
    return min(DEFAULT_THRESHOLD, best(entity, context=context, own=own))


@functools.lru_cache(maxsize=64)
def scanner(
    entities: frozenset[str],
    threshold: float | None,
    context: bool,
    own: tuple[OwnRecognizer, ...] = (),
) -> PresidioScanner:
    """A scanner for these settings; rules and reloads with the same ones share it."""
    return PresidioScanner(entities, threshold, context=context, own=own)


@functools.cache
def _quiet() -> None:
    """Keep the recognizers off the network and out of the logs."""
    import tldextract

    # The recognizers call `tldextract.extract`, which by default fetches the suffix list and
    # keeps it in the user's cache, so that findings would depend on machine and day.
    offline: Any = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())
    offline("a.example")  # reads the list now, not within the first call that needs it
    tldextract.extract = offline
    # Some recognizers log the text that they could not validate.
    logging.getLogger("presidio-analyzer").disabled = True


def _prepare(
    entity: str, own: OwnRecognizer | None, least: float, context: bool
) -> tuple[_Recognizer, list[Pattern]]:
    """A recognizer with its patterns replaced by quick ones where that is safe, and its filter."""
    _quiet()
    brought = own is not None and not own.predefined
    if own is not None and brought:
        name = ""
        recognizer = own.make(presidio_loader.core("PatternRecognizer"))
    else:
        name = ENTITIES[entity].recognizer
        recognizer = presidio_loader.recognizer(name)()
        if own is not None and own.context:
            recognizer.context = list(own.context)
    words = Context(recognizer.context) if context and recognizer.context else None
    if not hasattr(recognizer, "patterns"):
        from gateway.detectors import phone

        quick = phone.QuickPhone(recognizer)
        return _Recognizer(quick, [quick], words), phone.patterns(recognizer.supported_regions)
    if not _validates(recognizer):
        # A pattern below the threshold cannot matter: its results are dropped, and what they
        # would have hidden as duplicates scores no more than they do.
        reach = with_context if words is not None else float
        recognizer.patterns = [p for p in recognizer.patterns if reach(p.score) >= least]
    flags = int(recognizer.global_regex_flags)  # those of `regex`; these three are as in `re`
    flags &= int(re.IGNORECASE | re.MULTILINE | re.DOTALL)
    sources = [Pattern(pattern.regex, flags) for pattern in recognizer.patterns]
    # Copies: the originals are shared by all of a class.
    recognizer.patterns = [copy.copy(pattern) for pattern in recognizer.patterns]
    if brought:
        timed = _timed(recognizer)
        return _Recognizer(recognizer, timed, words), sources
    # The IBAN recognizer compiles its expression anew each time and looks by itself.
    parts = _quicken(recognizer, sources)
    return _Recognizer(recognizer, parts, words, name != "IbanRecognizer"), sources


def _validates(recognizer: Any) -> bool:
    """Whether the recognizer may raise a pattern's score, by a checksum for instance."""
    plain = presidio_loader.core("PatternRecognizer").validate_result
    return type(recognizer).validate_result is not plain


def _quicken(recognizer: Any, sources: Sequence[Pattern]) -> list[Quick]:
    """Let a recognizer's expressions be looked for by way of RE2."""
    import regex  # type: ignore[import-untyped]

    flags = recognizer.global_regex_flags
    parts = []
    for pattern, source in zip(recognizer.patterns, sources, strict=True):
        if width(source.regex, source.flags)[0] == 0:
            raise ValueError(f"{recognizer.name} has a pattern that can match nothing at all")
        quick = Quick(source, regex.compile(pattern.regex, flags=flags))
        # Presidio compiles anew where these two do not fit, and asks only for `finditer`.
        pattern.compiled_regex = quick
        pattern.compiled_with_flags = flags
        parts.append(quick)
    return parts


def _timed(recognizer: Any) -> list[Timed]:
    """Let an operator's expressions run as they are, but end in time: nobody has tried them on
    every text, as Presidio's own were."""
    import regex

    flags = recognizer.global_regex_flags
    parts = []
    for pattern in recognizer.patterns:
        timed = Timed(regex.compile(pattern.regex, flags=flags))
        pattern.compiled_regex = timed
        pattern.compiled_with_flags = flags
        parts.append(timed)
    return parts
