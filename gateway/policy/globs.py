"""Globs: `*` any text, `?` one character, `[ab]` one of these. Case matters, the whole name too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate

_SPECIAL = re.compile(r"[*?\[]")


def is_glob(text: str) -> bool:
    """Whether a text is more than the name it spells."""
    return _SPECIAL.search(text) is not None


def glob_error(text: str) -> str | None:
    """What is wrong with a glob, None where nothing is."""
    if not text:
        return "an empty glob matches nothing; leave the key out, or write '*'"
    if text.count("[") != text.count("]"):
        return f"the glob {text!r} has a bracket without its other half"
    return None


def compile_globs(globs: Iterable[str]) -> Callable[[str], bool]:
    """A test whether a name matches one of them; plain names cost one set lookup."""
    named: set[str] = set()
    patterns: list[str] = []
    for glob in globs:
        if is_glob(glob):
            patterns.append(translate(glob))
        else:
            named.add(glob)
    plain = frozenset(named)
    if not patterns:
        return plain.__contains__
    matches = re.compile("|".join(patterns)).match
    if not plain:
        return lambda name: matches(name) is not None
    return lambda name: name in plain or matches(name) is not None
