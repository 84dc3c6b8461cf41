"""The operator's own phrases and RE2 expressions, all looked for at once.

Rules of this file:
- RE2 alone decides what matches, in time linear in the text: an operator's expression is never
  run by an engine that backtracks.
- Of matches that overlap the one that begins first stands; of those that begin together the
  longest, then the one that is listed first.
- Offsets outside are code points, inside they are bytes of UTF-8.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import re2

from gateway.detectors.matcher import EVERYTHING, LONGEST, Matcher, Pattern, derive, encode
from gateway.detectors.re2_syntax import as_python, without_names
from gateway.detectors.regex_tree import unfinished
from gateway.verdict import Finding

_VERSION = "patterns-1"
_MEMORY = 64 << 20  # bytes that all expressions in one may take
_ANYWHERE: Any = re2._Anchor.UNANCHORED

# What stands between the words of a phrase: white space as Unicode has it.
_BETWEEN = "[\\t-\\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+"
_PROBES = ("", "a", " ", "a b", "1", "-", "\n", "\u00e9")


class Named(NamedTuple):
    """An RE2 expression and the name that its findings have."""

    name: str
    regex: str


def phrase(text: str, *, case_sensitive: bool) -> str:
    """The RE2 expression for a phrase: any white space stands for any other."""
    form = "{}" if case_sensitive else "(?i:{})"
    return _BETWEEN.join(form.format(re.escape(word)) for word in text.split())


def problem_of(regex: str) -> str | None:
    """Why an expression cannot be used; None where it can."""
    try:
        compiled = _compile(regex)
    except re2.error as error:
        said = error.args[0] if error.args else "not understood"
        return f"RE2 cannot read it: {said.decode() if isinstance(said, bytes) else said}"
    for probe in _PROBES:
        data = probe.encode()
        start, end = compiled.Match(_ANYWHERE, data, 0, len(data))[0]
        if start == end >= 0:
            return "it matches where there is nothing: it would match everywhere"
    return None


class PatternScanner:
    """Finds what any of the expressions matches. Raises re2.error for one that RE2 refuses.

    `longest` is for streams, in characters: a longer match is only surely found there if its
    expression has a form that Python can read (see `holds_exactly`).
    """

    def __init__(self, patterns: Sequence[Named], longest: int = LONGEST) -> None:
        self.longest = longest
        digest = blake2b(repr((tuple(patterns), longest)).encode(), digest_size=12)
        self.version = f"{_VERSION}:{digest.hexdigest()}"
        self._names = [pattern.name for pattern in patterns]
        self._each = [_compile(pattern.regex) for pattern in patterns]
        self._set = re2.Set.SearchSet(_options())
        for pattern in patterns:
            self._set.Add(pattern.regex)
        self._set.Compile()
        joined = "|".join(f"(?:{without_names(pattern.regex)})" for pattern in patterns)
        self._any = _compile(joined)
        grows = [_grows(pattern.regex) for pattern in patterns]
        self.holds_exactly = None not in grows
        self._growing = Matcher([one for one in grows if one is not None])
        for probe in ("a", "\u00e9"):
            self._growing.hold(probe)  # made now rather than within the first stream

    def find(self, text: str, start: int = 0) -> Sequence[Finding]:
        """All findings, by start, not overlapping; see Scanner.find."""
        data = encode(text)
        ascii_only = len(data) == len(text)
        at = start if ascii_only else len(encode(text[:start]))
        size = len(data)
        if self._any.Match(_ANYWHERE, data, at, size)[0][0] < 0:
            return ()
        spans = self._spans(data, at)
        if not ascii_only:
            spans = _in_code_points(data, spans)
        return [Finding(self._names[number], begin, end) for number, begin, end in spans]

    def _spans(self, data: bytes, at: int) -> list[tuple[int, int, int]]:
        """(expression, start, end) of every finding, in bytes."""
        spans: list[tuple[int, int, int]] = []
        # Where each expression that occurs at all matches next.
        hits = self._set.Match(data) or range(len(self._each))
        waiting = {number: _next(self._each[number], data, at) for number in sorted(hits)}
        while True:
            best: tuple[int, int, int] | None = None
            for number, span in list(waiting.items()):
                if span is not None and span[0] < at:
                    span = waiting[number] = _next(self._each[number], data, at)
                if span is None:
                    del waiting[number]
                elif best is None or (span[0], -span[1]) < (best[1], -best[2]):
                    best = (number, *span)
            if best is None:
                return spans
            spans.append(best)
            at = best[2]

    def hold(self, text: str, start: int = 0) -> int:
        """See Scanner.hold. Of an expression that Python cannot read, only what is longer than
        `longest` is let go."""
        held = self._growing.hold(text, start)
        return held if self.holds_exactly else min(held, max(start, len(text) - self.longest))


@functools.lru_cache(maxsize=64)
def scanner(patterns: tuple[Named, ...], longest: int) -> PatternScanner:
    """A scanner for these patterns; rules and reloads with the same ones share it."""
    return PatternScanner(patterns, longest)


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    options.never_capture = True  # where groups match is not asked, and takes another engine
    return options


def _compile(regex: str) -> Any:
    return re2.compile(regex, _options())._regexp


def _next(compiled: Any, data: bytes, at: int) -> tuple[int, int] | None:
    """The leftmost match at `at` or behind it that is not empty."""
    size = len(data)
    while at <= size:
        start, end = compiled.Match(_ANYWHERE, data, at, size)[0]
        if start < 0:
            return None
        if end > start:
            return start, end
        at = start + 1
        while at < size and data[at] & 0xC0 == 0x80:
            at += 1
    return None


def _in_code_points(
    data: bytes, spans: Sequence[tuple[int, int, int]]
) -> list[tuple[int, int, int]]:
    made = []
    byte = place = 0
    for number, start, end in spans:
        begin = place + len(data[byte:start].decode())
        byte, place = end, begin + len(data[start:end].decode())
        made.append((number, begin, place))
    return made


def _grows(regex: str) -> Pattern | None:
    """The expression as Python reads it; None where its beginnings cannot be told."""
    python = as_python(regex)
    if python is None:
        return None
    for only_ascii in (True, False):
        known = derive(python, re.ASCII, unfinished, only_ascii=only_ascii, last=EVERYTHING)
        if known == EVERYTHING:
            return None
    return Pattern(python, re.ASCII)
