"""Counts in the words of a sentence: "an email address and 2 card numbers"."""

from __future__ import annotations

from collections.abc import Iterable

_MOST = 5
"""Sorts of things that a sentence names before it says how many more there are."""


def counted(name: str, count: int) -> str:
    """`name` with its article where there is one of it, else the number and the plural."""
    if count == 1:
        return name
    article, _, rest = name.partition(" ")
    noun = rest if article in ("a", "an") else name
    return f"{count} {noun}{'es' if noun.endswith(('s', 'x', 'ch')) else 's'}"


def joined(parts: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`; of many the first few and how many more."""
    every = list(parts)
    if len(every) > _MOST:
        every[_MOST:] = [f"{len(every) - _MOST} more"]
    if len(every) < 2:
        return "".join(every)
    return f"{', '.join(every[:-1])} and {every[-1]}"
