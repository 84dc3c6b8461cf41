"""Path patterns of HTTP tools: `/v1/weather/{city}`, and how a request's path is held against one.

Rules of this file:
- Servers read one path in different ways: some undo escapes before they cut it into segments,
  some resolve dots, some do not tell `/A` from `/a`. `readings` gives each of these ways, and who
  looks a path up refuses it where they lead to different tools, so that no spelling gets a call
  past a rule.
- What is rewritten in a path goes back into its own segment; every other byte stays.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote

from gateway.dialects.paths import plain_path

LONGEST = 512
"""Characters of a pattern."""

MOST_IN_SEGMENT = 4
"""Parameters of one segment: each more makes a match slower."""

_PARAMETER = re.compile(r"\{(\+?)([A-Za-z_][A-Za-z0-9_.-]{0,63})\}")
_NEVER = re.compile(r"[\x00-\x20\x7f?#%;\\]|//|/\.{1,2}(?:/|$)")
_SEPARATORS = re.compile(r"[/\\]")
_WORD = re.compile(r"|v\d{1,3}|[a-z][a-z_-]{0,23}(?:\.[a-z]{1,5})?")
_NO_VALUE = ("", ".", "..")
_KEPT = "!$&'()*+,:=@~"  # what a segment may hold unescaped, RFC 3986 section 3.3

_LITERAL, _MIXED, _ALL, _REST = range(4)


class PathTemplate:
    """A pattern: segments of plain text, `{name}` in them, `{+name}` for the rest of the path.

    Attributes:
        text: as it was written.
        names: its parameters, in their order.
        rank: sorts the more specific pattern first: from the left, plain text before text with
            a parameter, that before a parameter alone, that before the rest of the path.
        shape: equal for two patterns that match the same paths.
        lead: its segments of plain text before the first parameter, in lower case.
    """

    __slots__ = ("_rest", "_segments", "lead", "names", "rank", "shape", "text")

    def __init__(self, text: str) -> None:
        """Raises ValueError that says what is wrong with the pattern."""
        if not text.startswith("/") or len(text) > LONGEST:
            raise ValueError(
                f'expected a path of at most {LONGEST} characters, such as "/v1/{{id}}"'
            )
        if _NEVER.search(text) or not text.isprintable():
            raise ValueError(
                "a path pattern has no query, escapes, spaces, `;`, doubled slashes or dot segments"
            )
        self.text = text
        bare = text[1:].removesuffix("/")
        self._segments = [_Segment(part) for part in bare.split("/")] if bare else []
        self._rest = any(segment.rest for segment in self._segments)
        if any(segment.rest for segment in self._segments[:-1]):
            raise ValueError("{+name} takes the rest of the path: it stands at its end")
        self.names = tuple(name for segment in self._segments for name in segment.names)
        if len(set(self.names)) < len(self.names):
            raise ValueError("expected each parameter once")
        self.rank = tuple(segment.rank for segment in self._segments)
        self.shape = tuple(segment.shape for segment in self._segments)
        plain = itertools.takewhile(lambda segment: not segment.names, self._segments)
        self.lead = tuple(segment.shape[0] for segment in plain)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PathTemplate) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def count(self) -> int | None:
        """How many segments a path has that matches; None where it may be any number."""
        return None if self._rest else len(self._segments)

    def match(self, segments: Sequence[str], *, folded: bool = False) -> tuple[str, ...] | None:
        """The parameters' values, None for a path that is not of this pattern.

        Args:
            segments: one of the `readings` of a path.
            folded: the segments are in lower case.
        """
        own = self._segments
        if self._rest:
            if len(segments) < len(own):
                return None
            last = len(own) - 1
            segments = [*segments[:last], "/".join(segments[last:])]
        elif len(segments) != len(own):
            return None
        values: list[str] = []
        for segment, part in zip(own, segments, strict=True):
            found = segment.match(part, folded)
            if found is None:
                return None
            values += found
        return tuple(values)

    def rebuild(self, path: str, values: Mapping[str, str]) -> str:
        """A raw path of this pattern with other values of the parameters named in `values`."""
        parts = path[1:].split("/")
        held = self.match(readings(path)[0]) or ()
        now = {**dict(zip(self.names, held, strict=False)), **values}
        for number, segment in enumerate(self._segments):
            if not values.keys().isdisjoint(segment.names):
                if segment.rest:
                    parts[number:] = [segment.write(now)]
                else:
                    parts[number] = segment.write(now)
        return "/" + "/".join(parts)


class _Segment:
    """What stands between two slashes of a pattern."""

    __slots__ = ("_exact", "_folded", "_pieces", "names", "rank", "rest", "shape")

    def __init__(self, text: str) -> None:
        self._pieces: list[tuple[str, bool]] = []  # (text, whether it is a parameter's name)
        self.names: list[str] = []
        self.rest = False
        at = 0
        for found in _PARAMETER.finditer(text):
            self._add_literal(text[at : found.start()])
            self._pieces.append((found[2], True))
            self.names.append(found[2])
            self.rest = self.rest or bool(found[1])
            at = found.end()
        self._add_literal(text[at:])
        if self.rest and len(self._pieces) > 1:
            raise ValueError("{+name} stands for whole segments: write nothing beside it")
        if len(self.names) > MOST_IN_SEGMENT:
            raise ValueError(f"a segment has at most {MOST_IN_SEGMENT} parameters")
        pairs = zip(self._pieces, self._pieces[1:], strict=False)
        if any(one[1] and other[1] for one, other in pairs):
            raise ValueError("two parameters need something between them")
        literal = "".join(piece for piece, is_name in self._pieces if not is_name)
        if not self.names:
            self.rank: tuple[int, int] = (_LITERAL, 0)
        elif self.rest:
            self.rank = (_REST, 0)
        else:
            self.rank = (_MIXED, -len(literal)) if literal else (_ALL, 0)
        self.shape = tuple(
            ("+" if self.rest else "{}") if is_name else piece.lower()
            for piece, is_name in self._pieces
        )
        self._exact = _compiled(self._pieces)
        self._folded = _compiled([(p if name else p.lower(), name) for p, name in self._pieces])

    def _add_literal(self, text: str) -> None:
        if "{" in text or "}" in text:
            raise ValueError("expected parameters of the form {name}, or {+name} at the end")
        if text:
            self._pieces.append((text, False))

    def match(self, part: str, folded: bool) -> Sequence[str] | None:
        found = (self._folded if folded else self._exact).fullmatch(part)
        if found is None:
            return None
        values = found.groups()
        if self.rest:
            return None if any(each in _NO_VALUE for each in values[0].split("/")) else values
        return None if any(value in _NO_VALUE for value in values) else values

    def write(self, values: Mapping[str, str]) -> str:
        """The segment as it stands in a raw path."""
        safe = "/" if self.rest else ""
        written = "".join(
            quote(values.get(text, ""), safe=safe) if is_name else quote(text, safe=_KEPT)
            for text, is_name in self._pieces
        )
        return "/".join("-" if part in _NO_VALUE else part for part in written.split("/"))


def _compiled(pieces: Sequence[tuple[str, bool]]) -> re.Pattern[str]:
    parts = ["(.+?)" if is_name else re.escape(text) for text, is_name in pieces]
    return re.compile("".join(parts), re.DOTALL)


def readings(path: str) -> tuple[list[str], list[str], list[str]]:
    """The ways in which servers read a raw path, each as its segments.

    - cut at its slashes, then the escapes of each segment undone once; as it is spelled
    - in its plainest form (`plain_path`): escapes undone, dots resolved, in lower case
    - escapes undone, then cut, dots left as they are; in lower case

    The last two are folded: they are matched in lower case. A slash at the end is left out.
    """
    raw = path.partition("?")[0].partition("#")[0]
    exact = [unquote(part) for part in _cut(raw.split("/"))]
    plain = plain_path(raw)
    decoded = raw
    for _ in range(4):  # an escape may hold another
        further = unquote(decoded)
        if further == decoded:
            break
        decoded = further
    return exact, _cut(plain.split("/")), _cut(_SEPARATORS.split(decoded.lower()))


def words_of(path: str) -> str:
    """A path as records may have it: its plain words, and `*` for what may be a value."""
    plain = plain_path(path)[:LONGEST]
    return "/".join(part if _WORD.fullmatch(part) else "*" for part in plain.split("/"))


def _cut(parts: list[str]) -> list[str]:
    """Segments without the empty ones before the first slash and behind the last."""
    parts = parts[1:] if parts and not parts[0] else parts
    return parts[:-1] if parts and not parts[-1] else parts
