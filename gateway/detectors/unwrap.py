"""Runs of a text that are written in code, decoded: what a model would read in them.

Looked for only where a cheap sign of each code is seen, so a plain text costs one RE2 pass.
Codes: numeric HTML entities, per cent signs, base64, hexadecimal, letters spelled out one by
one, ROT13, digits for letters, and text turned round.
"""

from __future__ import annotations

import base64
import codecs
import functools
import html
import itertools
import re
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.detectors.matcher import Matcher, Pattern, Quick

MOST = 16  # runs decoded per text and code
LARGEST = 8192  # characters decoded per run


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """What `[start, end)` of the text says."""

    text: str
    start: int
    end: int


def _entities(run: str) -> str:
    return html.unescape(run)


def _percent(run: str) -> str:
    return urllib.parse.unquote(run)


def _base64(run: str) -> str:
    compact = run.rstrip("=")
    if len(compact) % 4 == 1:
        compact = compact[:-1]
    return _readable(base64.b64decode(compact + "=" * (-len(compact) % 4)))


def _hex(run: str) -> str:
    return _readable(bytes.fromhex(re.sub(r"(?:0x|\\x|[\s:,])", "", run)))


def _readable(data: bytes) -> str:
    """The text that the bytes are, or "" where they are none."""
    text = data.decode("utf-8", "ignore")
    plain = sum(char.isprintable() or char.isspace() for char in text)
    return text if len(text) >= 0.9 * len(data) and plain >= 0.95 * len(text) else ""


def _spelled_out(run: str) -> str:
    """Letters one by one; where words are apart by more, by that much, else all in one."""
    separators = re.findall(r"(?<=\w)[^\w]+(?=\w)|(?<=\w)_+(?=\w)", run)
    usual = max(set(separators), key=separators.count)
    words = [
        re.sub(r"[\W_]", "", word) for word in re.split(re.escape(usual) + r"[\s._\-|/]+", run)
    ]
    return " ".join(words)


def _rot13(run: str) -> str:
    return codecs.decode(run, "rot13")


_DIGITS = str.maketrans("01345789@$!|+", "oieastbgasilt")
_STAND_INS = {"a": "4@", "e": "3", "i": "1!|", "l": "1|", "o": "0", "s": "5$", "t": "7+"}


def _leet(run: str) -> str:
    return run.translate(_DIGITS)


def _reversed(run: str) -> str:
    return run[::-1]


def _disguised(word: str) -> str:
    """An expression for a word with at least one letter written as a digit or a sign."""
    ways = []
    for place, letter in enumerate(word):
        if letter in _STAND_INS:
            rest = "".join(
                f"[{re.escape(char + _STAND_INS[char])}]" if char in _STAND_INS else char
                for char in word[place + 1 :]
            )
            ways.append(f"{word[:place]}[{re.escape(_STAND_INS[letter])}]{rest}")
    return "|".join(ways)


WORDS = (
    "ignore",
    "disregard",
    "forget",
    "previous",
    "instructions",
    "system",
    "prompt",
    "reveal",
    "bypass",
    "override",
    "secret",
)
"""Words that give a disguise away: nearly every signature has one of them."""


@dataclass(frozen=True, slots=True)
class _Code:
    """`pattern` finds a run; with `line`, what is decoded is the line around it."""

    pattern: Pattern
    decode: Callable[[str], str]
    line: bool = False


_CODES = (
    _Code(Pattern(r"(?:&#x?[0-9a-fA-F]{1,6};[ \w]{0,2}){6,}"), _entities),
    _Code(Pattern(r"%[0-9A-Fa-f]{2}(?:[\w.]{1,20}%[0-9A-Fa-f]{2}){3}"), _percent, line=True),
    _Code(Pattern(r"\b[A-Za-z0-9+/]{24,}={0,2}"), _base64),
    _Code(Pattern(r"\b(?:(?:0x|\\x)?[0-9A-Fa-f]{2}[ \t:,]?){12,}"), _hex),
    _Code(Pattern(r"\b(?:[^\W\d_][ ._\-|/*]{1,3}){9,}[^\W\d_]\b"), _spelled_out),
    _Code(
        Pattern(
            r"\b(?:" + "|".join(codecs.encode(word, "rot13") for word in WORDS) + r")\b",
            re.IGNORECASE,
        ),
        _rot13,
        line=True,
    ),
    _Code(
        Pattern(
            r"(?<![^\W_])(?:" + "|".join(_disguised(word) for word in WORDS) + r")(?![^\W_])",
            re.IGNORECASE,
        ),
        _leet,
        line=True,
    ),
    _Code(
        Pattern(r"\b(?:" + "|".join(word[::-1] for word in WORDS) + r")\b", re.IGNORECASE),
        _reversed,
        line=True,
    ),
)
_LINE = 400  # characters of a line that are decoded on either side of a word


@functools.cache
def _machinery() -> tuple[Matcher, list[Quick]]:
    patterns = [code.pattern for code in _CODES]
    return Matcher(patterns), [Quick(p, re.compile(p.regex, p.flags)) for p in patterns]


def unwrap(text: str, begin: int = 0) -> Iterator[Unwrapped]:
    """Every run at `begin` or behind it that decodes to something."""
    matcher, quick = _machinery()
    for number in matcher.hits(text):
        code = _CODES[number]
        done = begin
        quick[number].begin = begin
        matches = list(itertools.islice(quick[number].finditer(text), MOST))
        quick[number].begin = 0
        for match in matches:
            start, end = match.span()
            if start < done:
                continue
            if code.line:
                start, end = _line(text, start, end, begin)
            end = done = min(end, start + LARGEST)
            try:
                decoded = code.decode(text[start:end])
            except ValueError:
                continue
            if decoded:
                yield Unwrapped(decoded, start, end)


def growing_run(text: str, begin: int = 0) -> int:
    """Where a run in code may be growing at the end of a text; its length if nowhere."""
    return _machinery()[0].hold(text, begin)


def _line(text: str, start: int, end: int, least: int) -> tuple[int, int]:
    begin = max(least, start - _LINE, text.rfind("\n", 0, start) + 1)
    stop = text.find("\n", end)
    return begin, min(end + _LINE, len(text) if stop < 0 else stop)
