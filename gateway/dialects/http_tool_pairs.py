"""`name=value&name=value`: the query of a path, and bodies of forms.

What is not touched stays byte for byte, however it was escaped.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_plus, unquote_plus

from gateway.dialects.base import Document, Segment, Surface
from gateway.dialects.http_tool_text import segments_of
from gateway.dialects.jsondoc import JsonDocument
from gateway.errors import CallerError
from gateway.verdict import Reason

MOST_PAIRS = 10_000
"""Pairs of one query or form: what has more was not written for a tool."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "LINK", "UNLINK"})


class PairsDocument(JsonDocument):
    """The pairs of a query or a form. `root` is a list of `[name, value]`; a pair without `=` has
    only its name."""

    __slots__ = ("_outer", "_was", "_written")

    def __init__(self, text: str, outer: Document | None = None) -> None:
        """Raises CallerError for more pairs than a tool takes."""
        super().__init__([], text.encode("latin-1", "replace"))
        self._written = text.split("&") if text else []
        if len(self._written) > MOST_PAIRS:
            raise CallerError(
                Reason.BODY_MALFORMED,
                f"A query or a form has more than {MOST_PAIRS:,} fields. Send fewer.",
            )
        self.root = [[unquote_plus(p) for p in pair.split("=", 1)] for pair in self._written]
        self._was = [tuple(pair) for pair in self.root]
        self._outer = outer

    def touch(self) -> None:
        self.changed = True
        if self._outer is not None:
            self._outer.touch()

    def segments(self, surface: Surface, place: str) -> list[Segment]:
        """Every value, JSON in one by its leaves, and every name."""
        found: list[Segment] = []
        for pair in self.root:
            if pair[0]:
                found.append(Segment(self, pair, 0, pair[0], surface, place))
            if len(pair) > 1:
                found += segments_of(self, pair, 1, surface, place)
        return found

    def names_method(self, method: str) -> bool:
        """Whether a pair asks the server to take the request for one of another method, in the way
        that Rails, Laravel and Symfony read forms."""
        return any(
            len(pair) > 1
            and pair[0].strip().lower() == "_method"
            and (asked := pair[1].strip().upper()) in _METHODS
            and asked != method.upper()
            for pair in self.root
        )

    @property
    def text(self) -> str:
        """The pairs as they are to be sent."""
        self.flush()
        return "&".join(
            written if tuple(pair) == was else "=".join(quote_plus(part) for part in pair)
            for written, was, pair in zip(self._written, self._was, self.root, strict=True)
        )

    def encode(self) -> bytes:
        return self.text.encode("latin-1", "replace") if self.changed else self.raw

    def view(self) -> list[Any]:
        """The pairs as they are now."""
        self.flush()
        return [list(pair) for pair in self.root]
