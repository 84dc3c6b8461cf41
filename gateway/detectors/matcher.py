"""Which of many patterns could match a text at all, and where a match may be growing at its end.

Both questions are answered by RE2 over derived expressions (regex_tree), in one pass each: about
two microseconds a kilobyte for the first, under one for the second. The patterns themselves are
Python's and run only where these say that it is worth it.

Rules of this file:
- Offsets outside are code points, inside they are bytes of UTF-8.
- Where RE2 refuses a derived expression, a coarser one takes its place, in the end one that
  matches everything: never a narrower one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import re2

from gateway.detectors.regex_tree import ANYTHING, Untranslatable, loosen, unfinished

LONGEST = 512
"""Characters: the longest match that is found whatever way a stream is cut (DESIGN 1.3)."""

LOOK_BEHIND = 64
"""Characters before a match that a pattern may look at; as policy/content_rule.py has it."""

EVERYTHING = f"{ANYTHING}+"
"""The beginnings of an expression of which nothing is known."""

_MEMORY = 64 << 20  # bytes a compiled expression may take; a Set whose DFA is starved misses
_SURROGATE = re.compile("[\ud800-\udfff]")
_RETRIES = 64  # candidates that may fail in a row before the plain search takes over

# What the module's `search` calls in the end. Called directly, for `search` builds a generator
# and a match object, which take longer than the search itself.
_ANYWHERE: Any = re2._Anchor.UNANCHORED


@dataclass(frozen=True, slots=True)
class Pattern:
    """A Python regular expression. `flags` are those of `re`.

    `grows` is the expression whose beginnings are held back in a stream, where it is another.
    """

    regex: str
    flags: int = 0
    grows: str | None = None


def encode(text: str) -> bytes:
    """UTF-8 for RE2. A lone surrogate becomes U+FFFD, so that offsets stay what they are."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text).encode()


def compile_re2(expression: str) -> Any:
    """An RE2 object with room to work in. Raises re2.error."""
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    return re2.compile(expression, options)


def new_set() -> Any:
    """An RE2 Set for searching, with room to work in."""
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    return re2.Set.SearchSet(options)


@functools.lru_cache(maxsize=2048)  # what a reload does not change is not derived anew
def derive(regex: str, flags: int, make: Callable[..., str], *, only_ascii: bool, last: str) -> str:
    """`make`'s expression for a pattern, or a coarser one that RE2 takes, or `last`."""
    for plain in (False, True):
        try:
            expression = make(regex, flags, only_ascii=only_ascii, plain=plain)
            compile_re2(expression)
        except (Untranslatable, re2.error):
            continue
        return expression
    return last


class Expression:
    """One RE2 expression, searched for its leftmost match."""

    __slots__ = ("_native",)

    def __init__(self, expression: str) -> None:
        self._native = compile_re2(expression)._regexp

    def start(self, data: bytes, begin: int, end: int) -> int:
        """The byte at which the leftmost match in `data[begin:end]` starts, -1 without one."""
        found: int = self._native.Match(_ANYWHERE, data, begin, end)[0][0]
        return found


class Growing:
    """Where a match of any of some patterns may be growing at the end of a text."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._sources = list(
            dict.fromkeys((p.regex if p.grows is None else p.grows, p.flags) for p in patterns)
        )

    @cached_property
    def _ascii(self) -> Expression | None:
        return self._compile(True)

    @cached_property
    def _any(self) -> Expression | None:
        return self._compile(False)

    def _compile(self, only_ascii: bool) -> Expression | None:
        if not self._sources:
            return None
        endings = [
            derive(regex, flags, unfinished, only_ascii=only_ascii, last=EVERYTHING)
            for regex, flags in self._sources
        ]
        try:
            return Expression(f"(?:{'|'.join(dict.fromkeys(endings))})\\z")
        except re2.error:
            return Expression(f"{EVERYTHING}\\z")

    def hold(self, text: str, start: int = 0) -> int:
        """That place, at `start` or behind it, or the text's length; see Scanner.hold."""
        size = len(text)
        if start >= size:
            return size
        # One character more, so that what stands before the first one can be seen.
        begin = max(0, start - 1)
        tail = text[begin:] if begin else text
        data = encode(tail)
        if len(data) == len(tail):
            growing = self._ascii
            found = growing.start(data, start - begin, len(data)) if growing else -1
            return size if found < 0 else begin + found
        first = len(encode(tail[: start - begin]))
        growing = self._any
        found = growing.start(data, first, len(data)) if growing else -1
        return size if found < 0 else size - len(data[found:].decode())


class Matcher:
    """Many patterns at once. `hits` gives their positions in the list that it was built with.

    What it needs is made when first needed, or all at once by `warm`.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = patterns
        self._growing = Growing(patterns)
        self.hold = self._growing.hold

    def warm(self) -> None:
        """Make every expression now, rather than within the first call that needs it."""
        self.hits("")
        self.hits("\u00e9")
        self.hold("a")
        self.hold("\u00e9")

    def hits(self, text: str) -> Sequence[int]:
        """Which patterns may match; none that is not named here does."""
        if text.isascii():
            return self._ascii.Match(text) or ()
        return self._any.Match(encode(text)) or ()

    @cached_property
    def _ascii(self) -> Any:
        return self._set(True)

    @cached_property
    def _any(self) -> Any:
        return self._set(False)

    def _set(self, only_ascii: bool) -> Any:
        made = new_set()
        for pattern in self._patterns:
            made.Add(
                derive(pattern.regex, pattern.flags, loosen, only_ascii=only_ascii, last=ANYTHING)
            )
        made.Compile()
        return made


class CompiledPattern(Protocol):
    """What `re` and `regex` patterns have in common."""

    def match(self, string: str, pos: int) -> Any: ...

    def finditer(self, string: str, pos: int) -> Iterator[Any]: ...


class Quick:
    """A compiled Python pattern with a faster `finditer` that gives the very same matches.

    RE2 says where a match may start; only there the pattern is tried. The leftmost match of the
    coarser expression never starts behind the pattern's own leftmost match, so going from one
    candidate to the next meets every match in order. A pattern that can match the empty string
    must not be given.

    `begin` is the code point from which matches count, for callers that cannot pass it: it is
    set before such a call and put back to 0 behind it. Nothing here awaits.
    """

    def __init__(self, source: Pattern, compiled: CompiledPattern) -> None:
        self._pattern = compiled
        self.begin = 0
        self._source = source

    @cached_property
    def _ascii(self) -> Expression:
        return self._rough(True)

    @cached_property
    def _any(self) -> Expression:
        return self._rough(False)

    def _rough(self, only_ascii: bool) -> Expression:
        regex, flags = self._source.regex, self._source.flags
        return Expression(derive(regex, flags, loosen, only_ascii=only_ascii, last=ANYTHING))

    def finditer(self, text: str, timeout: float | None = None) -> Iterator[Any]:
        """All matches that start at `begin` or behind it, left to right; what stands before can
        be seen by look-behinds. `timeout` is there for callers of `regex` only."""
        data = encode(text)
        ascii_only = len(data) == len(text)
        rough = self._ascii if ascii_only else self._any
        size = len(data)
        place = self.begin  # the same position in code points, and in bytes
        at = place if ascii_only else len(encode(text[:place]))
        failed = 0
        while at < size:
            found = rough.start(data, at, size)
            if found < 0:
                return
            place += found - at if ascii_only else len(data[at:found].decode())
            match = self._pattern.match(text, place)
            if match is None:
                failed += 1
                if failed > _RETRIES:
                    yield from self._pattern.finditer(text, place + 1)
                    return
                step = text[place]
            else:
                yield match
                failed = 0
                step = match.group()
            place += len(step)
            at = found + (len(step) if ascii_only else len(encode(step)))
