"""The body of a request to an HTTP tool, or of its answer: what of it rules can read.

JSON, forms, multipart forms, lines of JSON and text of every sort are read; what cannot be decoded
as text is unscannable. The content-type says how a body is taken apart, never whether it is read.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from gateway.dialects.base import Segment, Surface, Unscannable
from gateway.dialects.http_tool_media import Media, unread_as
from gateway.dialects.http_tool_multipart import MultipartDocument
from gateway.dialects.http_tool_pairs import PairsDocument
from gateway.dialects.http_tool_text import TextDocument, read_text, text_codec
from gateway.dialects.jsondoc import JsonDocument, dumps, leaf_segments, parse

_LONG_DIGITS = re.compile(rb"\d{16}")
PLACE = "body"


class Body:
    """A body, read.

    Attributes:
        document: its bytes, as they came or with what rules changed.
    """

    __slots__ = ("document", "segments", "unscannable")

    def __init__(self, document: JsonDocument) -> None:
        self.document = document
        self.segments: list[Segment] = []
        self.unscannable: list[Unscannable] = []

    def view(self) -> Any:
        """What the body says now, as a JSON value; None where there is none.

        Of one that no rule can read its length and its SHA-256.
        """
        document = self.document
        if isinstance(document, TextDocument):
            return document.text
        if isinstance(document, PairsDocument | MultipartDocument):
            return document.view()
        if document.root is None and document.raw:
            digest = hashlib.sha256(document.raw).hexdigest()
            return {"bytes": len(document.raw), "sha256": digest}
        return document.root


def read_request(body: bytes, content_type: str) -> Body:
    """The body of a request.

    Raises:
        CallerError: JSON that two parsers could read differently, or that is none; a form with too
            many fields.
    """
    surface = Surface.TOOL_CALL
    media = Media(content_type)
    if not body:
        return Body(JsonDocument(None, b""))
    if media.json:
        document = parse(body)
        if _LONG_DIGITS.search(body):
            document.root = json.loads(body)  # keeps numbers whole that orjson would round
        if type(document.root) is dict or type(document.root) is list:
            read = Body(document)
            read.segments = leaf_segments(document, document.root, surface, PLACE)
            return read
    if media.form and body.isascii():
        pairs = PairsDocument(body.decode("ascii"))
        read = Body(pairs)
        read.segments = pairs.segments(surface, PLACE)
        return read
    if media.multipart:
        return _multipart(body, media, surface)
    return _text(body, media, surface, wide=False)


def read_answer(body: bytes, content_type: str) -> Body:
    """The body of an answer: what is no good JSON is read as text."""
    if not body:
        return Body(JsonDocument(None, b""))
    media = Media(content_type)
    if media.multipart:
        return _multipart(body, media, Surface.TOOL_RESULT)
    return _text(body, media, Surface.TOOL_RESULT, wide=not media.json)


def _multipart(body: bytes, media: Media, surface: Surface) -> Body:
    try:
        document = MultipartDocument(body, media.boundary or "?", surface, PLACE)
    except ValueError:
        read = Body(JsonDocument(None, body))
        read.unscannable = [Unscannable("body", surface, PLACE)]
        return read
    read = Body(document)
    read.segments, read.unscannable = document.segments, document.unscannable
    return read


def _text(body: bytes, media: Media, surface: Surface, *, wide: bool) -> Body:
    codec = text_codec(media.charset, wide=wide)
    if codec is not None:
        try:
            document, segments = read_text(body, codec, surface, PLACE, lines=media.lines)
        except ValueError:
            pass
        else:
            read = Body(document)
            read.segments = segments
            return read
    read = Body(JsonDocument(None, body))
    what = "encoding" if codec is None else unread_as(media, default="file")
    read.unscannable = [Unscannable(what, surface, PLACE)]
    return read


def view_of(value: Any) -> str:
    """A JSON value as text."""
    return dumps(value).decode("utf-8", "replace")
