"""A multipart body of an HTTP tool: the texts of its parts, and what of it cannot be read.

A part that is text is read, whatever it says of itself; another one is named as unscannable. How a
body is taken apart: multipart.py.
"""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import Document, Segment, Surface, Unscannable
from gateway.dialects.http_tool_media import Media, unread_as
from gateway.dialects.http_tool_text import TextDocument, read_text, text_codec
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.multipart import Part, parts, rewritten

MOST_PARTS = 1000
_LONGEST_HEAD = 8192
_IDENTITY = frozenset({"", "7bit", "8bit", "binary"})


class MultipartDocument(JsonDocument):
    """The parts of a body. `root` is a list of parts and their contents.

    Attributes:
        segments: the text of the parts, and what their heads say, which is never rewritten.
        unscannable: one for each part that no rule can read.
    """

    __slots__ = ("_boundary", "segments", "unscannable")

    def __init__(self, body: bytes, boundary: str, surface: Surface, place: str) -> None:
        """Raises ValueError where the body cannot be taken apart in one way only."""
        super().__init__([], body)
        self._boundary = boundary.encode("latin-1")
        self.segments: list[Segment] = []
        self.unscannable: list[Unscannable] = []
        for part in parts(body, self._boundary, most=MOST_PARTS, longest_head=_LONGEST_HEAD):
            said = part.head.decode("utf-8", "replace")
            if said:
                self.segments.append(Segment(self, [said], 0, said, surface, place, readonly=True))
            self.root.append((part, self._read(part, surface, place)))

    def _read(self, part: Part, surface: Surface, place: str) -> Document:
        content = self.raw[part.start : part.end]
        media = Media(_said(part, "content-type"))
        encoding = _said(part, "content-transfer-encoding").lower()
        codec = text_codec(media.charset, wide=False)
        if codec is not None and encoding in _IDENTITY and not media.multipart:
            try:
                document, found = read_text(
                    content, codec, surface, place, lines=media.lines, outer=self
                )
            except ValueError:
                pass
            else:
                self.segments += found
                return document
        self.unscannable.append(Unscannable(unread_as(media, default="file"), surface, place))
        return Document(None, content)

    def encode(self) -> bytes:
        """Raises CallerError where what a rule wrote would end its own part."""
        if not self.changed:
            return self.raw
        changes = [
            (part, content.encode())
            for part, content in self.root
            if isinstance(content, JsonDocument) and content.changed
        ]
        return rewritten(self.raw, self._boundary, changes)

    def view(self) -> list[Any]:
        """Each part as `[head, text]`; None for a part that cannot be read."""
        return [
            [
                part.head.decode("utf-8", "replace"),
                content.text if isinstance(content, TextDocument) else None,
            ]
            for part, content in self.root
        ]


def _said(part: Part, header: str) -> str:
    return part.headers.get(header, b"").decode("utf-8", "replace")
