"""What callers and providers have named, as it may stand in an operator's terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """A text without what a terminal would obey: `?` for each character that does not print."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
