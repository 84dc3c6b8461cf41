"""`multipart/form-data`: the fields of a form with files, RFC 7578 and RFC 2046 section 5.1.

Rules of this file:
- Read strictly: what two parsers could take apart differently (text before the first part or
  behind the last, bare line feeds, a part without its blank line) is not taken apart at all.
- A part that is text is read, whatever it says of itself; another one is named as unscannable.
- A changed part is written in its own place; every other byte stays.
"""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import Document, Segment, Surface, Unscannable
from gateway.dialects.http_tool_media import Media, unread_as
from gateway.dialects.http_tool_text import TextDocument, read_text, text_codec
from gateway.dialects.jsondoc import JsonDocument

MOST_PARTS = 1000
_MOST_HEAD = 8192


class MultipartDocument(JsonDocument):
    """The parts of a body. `root` is a list of parts: their heads' bytes and their contents.

    Attributes:
        segments: the text of the parts, and what their heads say, which is never rewritten.
        unscannable: one for each part that no rule can read.
    """

    __slots__ = ("_boundary", "segments", "unscannable")

    def __init__(self, body: bytes, boundary: str, surface: Surface, place: str) -> None:
        """Raises ValueError where the body cannot be taken apart in one way only."""
        super().__init__([], body)
        self._boundary = b"\r\n--" + boundary.encode("latin-1")
        self.segments: list[Segment] = []
        self.unscannable: list[Unscannable] = []
        for head, content in _parts(body, self._boundary):
            said = head.decode("utf-8", "replace")
            if said:
                self.segments.append(Segment(self, [said], 0, said, surface, place, readonly=True))
            self.root.append((head, self._read(_fields(said), content, surface, place)))

    def _read(
        self, fields: dict[str, str], content: bytes, surface: Surface, place: str
    ) -> Document:
        media = Media(fields.get("content-type", ""))
        encoding = fields.get("content-transfer-encoding", "binary").lower()
        codec = text_codec(media.charset, wide=False)
        if codec is not None and encoding in ("binary", "8bit", "7bit") and not media.multipart:
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
        if not self.changed:
            return self.raw
        pieces = [self._boundary[2:]]
        for head, content in self.root:
            data = content.encode() if isinstance(content, JsonDocument) else content.raw
            pieces += (b"\r\n", head, b"\r\n\r\n" if head else b"\r\n", data, self._boundary)
        return b"".join([*pieces, b"--\r\n"])

    def view(self) -> list[Any]:
        """Each part as `[head, text]`; None for a part that cannot be read."""
        return [
            [
                head.decode("utf-8", "replace"),
                content.text if isinstance(content, TextDocument) else None,
            ]
            for head, content in self.root
        ]


def _parts(body: bytes, boundary: bytes) -> list[tuple[bytes, bytes]]:
    """The head and the content of each part. Raises ValueError."""
    first, *pieces = (b"\r\n" + body).split(boundary, MOST_PARTS + 1)
    if first or not pieces or pieces[-1] not in (b"--", b"--\r\n"):
        raise ValueError("not a plain multipart body")
    parts = []
    for piece in pieces[:-1]:
        if piece.startswith(b"\r\n\r\n"):  # a part without a head
            parts.append((b"", piece[4:]))
            continue
        head, blank, content = piece[2:].partition(b"\r\n\r\n")
        if not piece.startswith(b"\r\n") or not blank or len(head) > _MOST_HEAD:
            raise ValueError("not a plain part")
        if b"\n" in head.replace(b"\r\n", b"") or b"\r" in head.replace(b"\r\n", b""):
            raise ValueError("not a plain head")
        parts.append((head, content))
    return parts


def _fields(head: str) -> dict[str, str]:
    """The head's fields by their lower-case names. Raises ValueError for one given twice."""
    fields: dict[str, str] = {}
    for line in head.split("\r\n") if head else ():
        name, colon, value = line.partition(":")
        low = name.strip().lower()
        if not colon or low in fields or name[:1] in (" ", "\t"):
            raise ValueError("not a plain field")
        fields[low] = value.strip()
    return fields
