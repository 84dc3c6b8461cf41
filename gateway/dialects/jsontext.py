"""JSON inside a string of another document: the arguments of tool calls.

Rules of this file:
- What a parser could see is seen: strings with their escapes undone, keys, long numbers, and
  the values that a duplicate key hides.
- A change is written back into the outer string once, when the outer document is encoded.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from gateway.dialects.base import Document, Segment, Surface
from gateway.dialects.jsondoc import (
    JsonDocument,
    dumps,
    is_pairs,
    leaf_segments,
    parse_pairs,
    unique_keys,
)

_LONG_DIGITS = re.compile(r"\d{16}")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_SHORT_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


class EmbeddedDocument(Document):
    """The JSON text in `holder[key]` of `outer`, parsed. `root` is an object or a list.

    Where an object has a key twice, `root` has the last value, as most parsers give it, and
    `hidden` the values before; a change then leaves only the last.
    """

    __slots__ = ("hidden", "holder", "key", "outer")

    def __init__(self, outer: JsonDocument, holder: Any, key: Any, text: str) -> None:
        """Raises ValueError where the text is not a JSON object or list, or is too deep."""
        super().__init__(None, b"")
        self.outer = outer
        self.holder = holder
        self.key = key
        self.hidden: list[Any] = []
        self.root = self._read(text)

    def touch(self) -> None:
        if not self.changed:
            self.changed = True
            self.outer.dirty.append(self)
            self.outer.touch()

    def write_back(self) -> None:
        """Put the changed tree into the outer string."""
        self.holder[self.key] = dumps(self.root).decode()
        self.changed = False

    def _read(self, text: str) -> Any:
        root = orjson.loads(text)
        if type(root) is not dict and type(root) is not list:
            raise ValueError("not an object or a list")
        if not unique_keys(text.encode(), root):
            return _last_wins(parse_pairs(text), self.hidden)
        if _LONG_DIGITS.search(text):
            return json.loads(text)  # keeps numbers whole that orjson would round
        return root


class UnescapedSegment(Segment):
    """Text that looks like JSON but is not, read as a forgiving parser would."""

    __slots__ = ()


def text_segments(
    outer: JsonDocument,
    holder: Any,
    key: Any,
    surface: Surface,
    place: str,
    *,
    fresh: bool = True,
    readonly: bool = False,
) -> list[Segment]:
    """The segments of the string `holder[key]`, which should hold JSON.

    Text that is not a JSON object or list is one segment, and where it begins like one, one more
    with its escapes undone. Of the two the last to be replaced stands.
    """
    text: str = holder[key]
    if not text or text == "{}":
        return []
    try:
        inner = EmbeddedDocument(outer, holder, key, text)
    except ValueError:
        whole = Segment(outer, holder, key, text, surface, place, fresh=fresh, readonly=readonly)
        plain = unescape(text) if text.lstrip()[:1] in ("{", "[") else text
        if plain == text:
            return [whole]
        return [
            whole,
            UnescapedSegment(
                outer, holder, key, plain, surface, place, fresh=fresh, readonly=readonly
            ),
        ]
    found = leaf_segments(inner, inner.root, surface, place, fresh=fresh, readonly=readonly)
    if inner.hidden:
        found += leaf_segments(inner, inner.hidden, surface, place, fresh=fresh, readonly=readonly)
    return found


class JsonText:
    """A JSON text that stands alone, such as the assembled arguments of a streamed call."""

    __slots__ = ("_document",)

    def __init__(self, text: str) -> None:
        self._document = JsonDocument([text], b"")

    def segments(self, surface: Surface, place: str) -> list[Segment]:
        return text_segments(self._document, self._document.root, 0, surface, place)

    @property
    def changed(self) -> bool:
        return self._document.changed

    @property
    def text(self) -> str:
        """The text with what was replaced."""
        self._document.flush()
        text: str = self._document.root[0]
        return text


def unescape(text: str) -> str:
    """Undo the escapes of JSON strings anywhere in a text; what is no escape stays."""
    if "\\" not in text:
        return text
    plain = _ESCAPE.sub(_undo, text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _undo(found: re.Match[str]) -> str:
    if code := found.group(1):
        return chr(int(code, 16))
    char = found.group(2)
    return _SHORT_ESCAPES.get(char, char)


def _last_wins(tree: Any, hidden: list[Any]) -> Any:
    """The tree of pairs as dicts and lists; values that a later key replaced go to `hidden`."""
    box: list[Any] = [tree]
    work: list[tuple[Any, Any]] = [(box, 0)]
    while work:
        holder, key = work.pop()
        node = holder[key]
        if is_pairs(node):
            made: dict[str, Any] = {}
            for name, value in node:
                if name in made:
                    work.append((hidden, len(hidden)))
                    hidden.append(made[name])
                made[name] = value
            holder[key] = made
            work.extend((made, name) for name in made)
        elif type(node) is list:
            work.extend((node, number) for number in range(len(node)))
    return box[0]
