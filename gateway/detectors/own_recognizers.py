"""Recognizers that operators bring: what one may be, so that it can be run on every text.

Presidio decides what such a recognizer finds, as with its own. What is asked of its expressions
besides is what the gateway needs: that a filter can be made of them, that a stream can be held
where a match may be growing, and that they end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.detectors.matcher import EVERYTHING, LOOK_BEHIND, derive
from gateway.detectors.regex_tree import ANYTHING, Untranslatable, loosen, unfinished, width

_parser: Any = re._parser  # type: ignore[attr-defined]

FLAGS = int(re.IGNORECASE | re.MULTILINE | re.DOTALL)
"""What Presidio sets where `global_regex_flags` says nothing, and all that may be set."""

TIME_LIMIT = 0.5
"""Seconds that one expression may take on one text. Presidio's own limit is a minute, behind which
it goes on as if nothing were there."""

LONGEST_REGEX = 4096
"""Characters of one expression: the longest of Presidio's own has 1,200, but for its list of
domains."""

# What `regex` reads in another way than `re` does: named classes, and mistakes that it allows.
_OTHERWISE = re.compile(r"\[:|(?<!\\)\{[^{}]*[a-z][^{}]*\}")
_NAMED = re.compile(r"\\[NpP]\{[^{}]*\}|\\x\{[^{}]*\}")


class TooSlow(Exception):
    """An expression took longer than TIME_LIMIT: the rule's `on_error` decides."""


@dataclass(frozen=True, slots=True)
class OwnRecognizer:
    """One recognizer of an operator's registry.

    Attributes:
        entity: what it finds.
        best: its highest score without context words.
        predefined: whether it is one of Presidio's own, with other context words.
        patterns: of (name, expression, score).
        flags: those of `re`.
    """

    entity: str
    best: float
    predefined: bool = False
    patterns: tuple[tuple[str, str, float], ...] = ()
    deny_list: tuple[str, ...] = ()
    deny_list_score: float = 1.0
    context: tuple[str, ...] = ()
    flags: int = FLAGS

    def make(self, kind: Any) -> Any:
        """The recognizer itself. `kind` is Presidio's PatternRecognizer."""
        patterns = [{"name": n, "regex": r, "score": s} for n, r, s in self.patterns]
        return kind.from_dict(
            {
                "name": f"{self.entity} recognizer",
                "supported_entity": self.entity,
                "patterns": patterns,
                "deny_list": list(self.deny_list),
                "deny_list_score": self.deny_list_score,
                "context": list(self.context),
                "global_regex_flags": self.flags,
            }
        )


class Timed:
    """A compiled expression whose `finditer` ends in time. Raises TooSlow.

    `begin` is the code point from which matches count, as `matcher.Quick` has it.
    """

    def __init__(self, compiled: Any, limit: float = TIME_LIMIT) -> None:
        self._compiled = compiled
        self._limit = limit
        self.begin = 0

    def finditer(self, text: str, timeout: float | None = None) -> Iterator[Any]:
        """All matches from `begin` on. `timeout`, which Presidio gives, is too long a one."""
        try:
            yield from self._compiled.finditer(text, self.begin, timeout=self._limit)
        except TimeoutError:
            # Presidio takes a TimeoutError for "nothing found".
            raise TooSlow("an expression took too long") from None


def check_regex(expression: str, flags: int = FLAGS) -> None:
    """Raises ValueError, with what is wrong with an expression."""
    import regex  # type: ignore[import-untyped]

    if len(expression) > LONGEST_REGEX:
        raise ValueError(f"longer than {LONGEST_REGEX} characters")
    try:
        regex.compile(expression, flags)
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"does not compile: {error}") from None
    if _OTHERWISE.search(_NAMED.sub("", expression)):
        raise ValueError(
            "[:classes:] and {e<=1} are read by `regex` alone; write what Python's `re` reads"
        )
    try:
        least = width(expression, flags)[0]
    except Untranslatable as error:
        raise ValueError(f"not what Python's `re` reads: {error}") from None
    if least == 0:
        raise ValueError("can match nothing at all, and so would everywhere")
    try:
        tree = _parser.parse(expression, flags)
    except re.error as error:
        raise ValueError(f"not what Python's `re` reads: {error}") from None
    if _looks_behind(tree) > LOOK_BEHIND:
        raise ValueError(f"looks back more than {LOOK_BEHIND} characters")
    check_filter(expression, flags)


def check_filter(expression: str, flags: int = FLAGS) -> None:
    """Raises ValueError where no filter can be made of an expression."""
    for ascii_only in (True, False):
        rough = derive(expression, flags, loosen, only_ascii=ascii_only, last=ANYTHING)
        grows = derive(expression, flags, unfinished, only_ascii=ascii_only, last=EVERYTHING)
        if rough == ANYTHING or grows == EVERYTHING:
            raise ValueError("too large or too loose to be looked for: write a narrower one")


def _looks_behind(tree: Any) -> int:
    """The furthest that a look-behind goes."""
    furthest = 0
    for op, value in tree:
        if str(op) in ("ASSERT", "ASSERT_NOT") and value[0] < 0:
            furthest = max(furthest, int(value[1].getwidth()[1]))
        for inner in _inside(value):
            furthest = max(furthest, _looks_behind(inner))
    return furthest


def _inside(value: Any) -> Iterator[Any]:
    """The expressions within a node's value."""
    if hasattr(value, "getwidth"):
        yield value
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _inside(each)
