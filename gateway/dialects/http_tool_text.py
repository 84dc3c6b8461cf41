"""Text bodies of HTTP tools: any text by its charset, JSON in it, lines of JSON, markup.

Rules of this file:
- A body that is not touched is its own bytes; a touched one is written in its own charset.
- What a reader of the text would see is seen: JSON's escapes and hidden duplicates, and entities
  of markup and escapes of scripts that stand for plain letters.
"""

from __future__ import annotations

import codecs
import html
import json
import re
from typing import Any

from gateway.dialects.base import Document, Segment, Surface
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.jsontext import text_segments

_SINGLE = re.compile(r"utf-8(?:-sig)?|ascii|iso8859-\d+|cp125\d|cp874|koi8-[rut]|mac-roman")
_WIDE = re.compile(r"utf-(?:16|32)(?:-[lb]e)?|gb\w+|big5\w*|shift_jis\w*|cp9\d\d|euc_\w+")
_LINE = re.compile(r"[^\n]+\n?|\n")
_BOM = "\ufeff"
_ENTITY = re.compile(r"&(?:#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,7}|[A-Za-z][A-Za-z0-9]{1,31});?")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")
_MARKUP = frozenset("<>&\"'`\\\u00a0")
"""Characters with a meaning of their own in markup or scripts: how they are written stays."""

MOST_LINES = 200_000
"""Lines of one NDJSON body that are read one by one; a longer one is read as one text."""


def text_codec(charset: str, *, wide: bool) -> str | None:
    """The name of a charset that texts are read in; None for one that is not read.

    Args:
        charset: as a content-type names it, "" for none, which is UTF-8.
        wide: also those in which ASCII is not itself. (In a request that is no choice: a server
            that does not care for the charset would read another text than the rules did.)
    """
    try:
        name = codecs.lookup(charset or "utf-8").name
    except (LookupError, ValueError):
        return None
    if _SINGLE.fullmatch(name) or (wide and _WIDE.fullmatch(name)):
        return name
    return None


class TextDocument(JsonDocument):
    """A text body: `root` is a list of texts that follow one another.

    Args:
        outer: the document that this one is a part of, which is changed when this one is.
    """

    __slots__ = ("_codec", "_outer")

    def __init__(
        self, texts: list[str], raw: bytes, codec: str, outer: Document | None = None
    ) -> None:
        super().__init__(texts, raw)
        self._codec = codec
        self._outer = outer

    def touch(self) -> None:
        self.changed = True
        if self._outer is not None:
            self._outer.touch()

    @property
    def text(self) -> str:
        """The text as it is now."""
        self.flush()
        return "".join(self.root)

    def encode(self) -> bytes:
        if not self.changed:
            return self.raw
        return self.text.encode(self._codec, "replace")


class PlainSegment(Segment):
    """A text with the entities and escapes undone that stand for plain characters: still the same
    markup, and the same script (JSON in a call of JSONP, JSON behind a prefix)."""

    __slots__ = ()


class ScalarSegment(Segment):
    """A JSON string that is a whole text by itself, with its quotes."""

    __slots__ = ()

    def replace(self, text: str) -> None:
        super().replace(json.dumps(text))
        self.text = text


def read_text(
    body: bytes,
    codec: str,
    surface: Surface,
    place: str,
    *,
    lines: bool = False,
    outer: Document | None = None,
) -> tuple[TextDocument, list[Segment]]:
    """A text body and its segments.

    Args:
        lines: each line is JSON of its own.

    Raises:
        ValueError: the bytes are no text in this charset.
    """
    text = body.decode(codec)
    texts = _LINE.findall(text) if lines else [text]
    if len(texts) > MOST_LINES:
        texts = [text]
    if text.startswith(_BOM):
        texts[:1] = [_BOM, texts[0].removeprefix(_BOM)]
    document = TextDocument(texts, body, codec, outer)
    found: list[Segment] = []
    for number in range(len(texts)):
        found += segments_of(document, texts, number, surface, place)
    return document, found


def segments_of(
    document: JsonDocument, holder: Any, key: Any, surface: Surface, place: str
) -> list[Segment]:
    """The segments of the text `holder[key]`: JSON by its leaves, else the text itself."""
    text: str = holder[key]
    start = text.lstrip()[:1]
    if start == '"' and (plain := _scalar(text)) is not None:
        return [ScalarSegment(document, holder, key, plain, surface, place)] if plain else []
    if start in ("{", "["):
        return text_segments(document, holder, key, surface, place)
    if not text.strip():
        return []
    found = [Segment(document, holder, key, text, surface, place)]
    if "&" in text or "\\" in text:
        plain = _ESCAPE.sub(_undo_escape, _ENTITY.sub(_undo_entity, text))
        if plain != text:
            found.append(PlainSegment(document, holder, key, plain, surface, place))
    return found


def _undo_entity(found: re.Match[str]) -> str:
    char = html.unescape(found.group())
    return found.group() if _MARKUP.intersection(char) else char


def _undo_escape(found: re.Match[str]) -> str:
    char = chr(int(found[1] or found[2], 16))
    return char if char.isprintable() and char not in _MARKUP else found.group()


def _scalar(text: str) -> str | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, str) else None
