"""JSON bodies: strict for what a caller sends, lenient for what a provider answers.

Rules of this file:
- A request that two parsers could read differently is refused: duplicate keys, lone surrogates,
  a byte order mark, NaN, invalid UTF-8. What the rules read is what the provider reads.
- The usual body is parsed once, by orjson. Only where that tree, written again, does not
  give the same bytes (white space apart) is it parsed again to look for duplicate keys.
- No walk recurses, and no document is deeper than `MAX_DEPTH`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import orjson

from gateway.dialects.base import Document, Segment, Surface
from gateway.dialects.spelling import refuse_keys
from gateway.errors import CallerError
from gateway.verdict import Reason

if TYPE_CHECKING:
    from gateway.dialects.jsontext import EmbeddedDocument

MAX_DEPTH = 254
"""Levels of nesting: what orjson writes. (It reads 1024.)"""

_SPACE = b" \t\r\n"
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z_-]{0,39}")


class JsonDocument(Document):
    """A parsed body. Documents inside its strings are written back when it is encoded."""

    __slots__ = ("dirty",)

    def __init__(self, root: Any, raw: bytes) -> None:
        super().__init__(root, raw)
        self.dirty: list[EmbeddedDocument] = []

    def flush(self) -> None:
        """Write the changed documents inside strings back into their strings."""
        for inner in self.dirty:
            inner.write_back()
        self.dirty.clear()

    def encode(self) -> bytes:
        """The original bytes, or the changed tree's."""
        if not self.changed:
            return self.raw
        self.flush()
        return dumps(self.root)


def parse(body: bytes) -> JsonDocument:
    """Read a caller's JSON.

    Raises:
        CallerError: BODY_MALFORMED, DUPLICATE_KEY or LONE_SURROGATE.
    """
    try:
        root = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _refusal(body, error) from None
    try:
        written = orjson.dumps(root)
    except TypeError:
        raise CallerError(
            Reason.BODY_MALFORMED, f"The body is nested more than {MAX_DEPTH} levels deep."
        ) from None
    if not _surely_unique(body, written) and (path := duplicate_key(body.decode())):
        raise CallerError(
            Reason.DUPLICATE_KEY,
            f"The body has a key twice in one object, at {path}. Send it once.",
        )
    return JsonDocument(root, body)


def parse_object(body: bytes) -> JsonDocument:
    """`parse`, for bodies that must be an object. Raises CallerError.

    A field's name in another case is refused here too, for no cost; `spelling.py` says why.
    """
    document = parse(body)
    if type(document.root) is not dict:
        raise CallerError(Reason.BODY_MALFORMED, "The body must be a JSON object.")
    refuse_keys(document.root)
    return document


def parse_answer(body: bytes) -> JsonDocument:
    """Read a provider's JSON object. Raises ValueError where it is none."""
    root = loads_lenient(body)
    if type(root) is not dict:
        raise ValueError("not a JSON object")
    return JsonDocument(root, body)


def loads_lenient(body: bytes | str) -> Any:
    """Parse what a provider sent; a lone surrogate reads as U+FFFD. Raises ValueError.

    (A provider that cuts its text into UTF-16 units may split a pair over two events.)
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body if isinstance(body, str) else body.decode("utf-8")
        mended = _mend_surrogates(text)
        if mended == text:
            raise
        return orjson.loads(mended)


def dumps(root: Any) -> bytes:
    """Compact JSON. Whole numbers beyond 64 bits, which orjson does not write, are kept."""
    try:
        return orjson.dumps(root)
    except TypeError:
        return json.dumps(root, separators=(",", ":")).encode()


def unique_keys(raw: bytes, root: Any) -> bool:
    """Whether no object of the JSON text `raw`, parsed as `root`, has a key twice.

    Raises ValueError for a tree deeper than MAX_DEPTH.
    """
    try:
        written = orjson.dumps(root)
    except TypeError:
        raise ValueError("nested too deeply") from None
    return _surely_unique(raw, written) or not duplicate_key(raw.decode())


# --- walks ------------------------------------------------------------------------------------

LONG_NUMBER = 1_000_000
"""From here on (7 digits) a number is read as text: a card or phone number may be sent as one."""


SCHEMA_KEYS = frozenset(
    "$defs $ref additionalProperties allOf anyOf const default definition definitions description "
    "enum examples exclusiveMaximum exclusiveMinimum format function items json_schema maxItems "
    "maxLength maximum minItems minLength minimum multipleOf name not nullable oneOf parameters "
    "pattern properties required schema strict syntax title type uniqueItems".split()
)
"""Keys of tool declarations and JSON Schema: words of the format, never content."""

SCHEMA_WORDS = frozenset(
    "array boolean custom function integer json_object json_schema null number object "
    "string".split()
)
"""Values of tool declarations and JSON Schema that are words of the format."""


class KeySegment(Segment):
    """The name of an object's key. Replacing it renames the key, which goes to the end."""

    __slots__ = ("number", "value")

    value: Segment | None  # the segment of the key's own value, which must follow it
    number: int  # unique in its document

    def replace(self, text: str) -> None:
        content = self.holder.pop(self.key)
        name = text
        if name in self.holder:
            name = f"{text} {self.number}"
            while name in self.holder:
                name += "+"
        self.holder[name] = content
        if self.value is not None:
            self.value.key = name
        self.key = name
        self.text = text
        self.document.touch()


def leaf_segments(
    document: Document,
    root: Any,
    surface: Surface,
    place: str,
    *,
    fresh: bool = True,
    readonly: bool = False,
    known: frozenset[str] = frozenset(),
    words: frozenset[str] = frozenset(),
) -> list[Segment]:
    """Every string, every key and every long number under `root` as segments.

    `root` must be an object or a list. All segments have the same `place`, because a path of
    keys could hold content. Keys in `known` and strings in `words` are the format's own and are
    not read. A number that is replaced becomes a string.
    """
    found: list[Segment] = []
    stack = [root]
    while stack:
        node = stack.pop()
        keyed = type(node) is dict
        items: Iterable[tuple[Any, Any]] = node.items() if keyed else enumerate(node)
        for key, value in items:
            kind = type(value)
            leaf: Segment | None = None
            if kind is str:
                text = "" if value in words else value
            elif kind is dict or kind is list:
                stack.append(value)
                text = ""
            elif kind is not int and kind is not float:
                text = ""
            else:
                text = "" if -LONG_NUMBER < value < LONG_NUMBER else str(value)
            if text:
                leaf = Segment(
                    document, node, key, text, surface, place, fresh=fresh, readonly=readonly
                )
                found.append(leaf)
            if keyed and key and key not in known:
                name = KeySegment(
                    document, node, key, key, surface, place, fresh=fresh, readonly=readonly
                )
                name.value = leaf
                name.number = len(found)
                found.append(name)
    return found


def strings(root: Any) -> Iterator[str]:
    """Every string value and every key under `root`."""
    stack = [root]
    while stack:
        node = stack.pop()
        kind = type(node)
        if kind is str:
            yield node
        elif kind is dict:
            yield from node
            stack.extend(node.values())
        elif kind is list:
            stack.extend(node)


# --- what is refused --------------------------------------------------------------------------


def _surely_unique(body: bytes, written: bytes) -> bool:
    """Whether a body surely has no duplicate key, given its parsed tree as orjson writes it.

    Most clients send compact JSON, which is `written` itself; others add white space. White
    space is left out on both sides, in strings too: that leaves the tokens as they are, so the
    same bytes have the same number of keys, and a tree has none twice. A body that spells its
    strings in another way (`\\u00e9`) is parsed again.
    """
    return body == written or body.translate(None, _SPACE) == written.translate(None, _SPACE)


class _Pairs(list[tuple[str, Any]]):
    """An object as the list of its pairs, duplicates included."""


def parse_pairs(text: str) -> Any:
    """Parse JSON text with every object as a list of pairs. Raises ValueError."""
    return json.loads(text, object_pairs_hook=_Pairs)


def is_pairs(node: Any) -> bool:
    """Whether a node of `parse_pairs` is an object."""
    return type(node) is _Pairs


def duplicate_key(text: str) -> str:
    """Where an object of valid JSON text has a key twice, as a path; "" where none has.

    Keys that might be content (anything but a short plain word) show as `*`.
    """
    try:
        json.loads(text, object_pairs_hook=_refuse_twice, parse_int=len, parse_float=len)
    except _TwiceError:
        return _duplicate_path(text)
    return ""


class _TwiceError(Exception):
    pass


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _TwiceError
    return found


def _duplicate_path(text: str) -> str:
    stack: list[tuple[Any, str]] = [
        (json.loads(text, object_pairs_hook=_Pairs, parse_int=len, parse_float=len), "")
    ]
    while stack:
        node, path = stack.pop()
        if is_pairs(node):
            seen: set[str] = set()
            for key, value in node:
                word = key if _PLAIN_KEY.fullmatch(key) else "*"
                below = f"{path}.{word}" if path else word
                if key in seen:
                    return below
                seen.add(key)
                stack.append((value, below))
        elif type(node) is list:
            stack.extend((value, f"{path}[{number}]") for number, value in enumerate(node))
    return "an unknown place"


def _refusal(body: bytes, error: orjson.JSONDecodeError) -> CallerError:
    """Say why a body cannot be read, without repeating any of it."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return CallerError(Reason.BODY_MALFORMED, "The body is not valid UTF-8.")
    mended = _mend_surrogates(text)
    if mended != text:
        try:
            orjson.loads(mended)
        except orjson.JSONDecodeError:
            pass
        else:
            return CallerError(
                Reason.LONE_SURROGATE,
                "The body has half of a UTF-16 surrogate pair as an escape (\\ud800 to \\udfff); "
                "such text has no UTF-8 form. Remove it and send again.",
            )
    return CallerError(
        Reason.BODY_MALFORMED,
        f"The body is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno}).",
    )


def _mend_surrogates(text: str) -> str:
    """JSON text with every escape of a lone surrogate replaced by that of U+FFFD."""
    return _ESCAPE.sub(lambda found: "\\ufffd" if found.group(1) else found.group(), text)
