"""What readers of bodies with nested blocks share: where segments and unreadable parts go.

Rules of this file:
- A structure of the format is walked by the words of the format: ids are not text, encrypted
  and binary values are unscannable, every other string is a segment.
- What no reader knows is read leaf by leaf, and named as unscannable too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.dialects.base import Segment, Surface, Unscannable
from gateway.dialects.jsondoc import LONG_NUMBER, JsonDocument, leaf_segments
from gateway.dialects.jsontext import text_segments

ENCRYPTED = frozenset(
    {"encrypted_content", "encrypted_index", "encrypted_stdout", "encrypted_stderr"}
)
"""Fields whose value only the provider can read."""

NOT_TEXT = frozenset(
    {
        "approval_request_id",
        "cache_control",
        "call_id",
        "caller",
        "container_id",
        "created_by",
        "error_code",
        "expires_at",
        "file_id",
        "fingerprint",
        "id",
        "item_id",
        "media_type",
        "obfuscation",
        "role",
        "server_label",
        "signature",
        "status",
        "stop_reason",
        "tool_use_id",
        "type",
    }
)
"""Fields of the format that hold ids and closed words, never text for or from a model."""

PICTURES = frozenset({"image", "input_image", "output_image", "computer_screenshot"})

_SAMPLE = 64


class Reader:
    """Collects what a body holds. `fresh` is that of the part being read."""

    __slots__ = (
        "document",
        "fresh",
        "images",
        "media_bytes",
        "segments",
        "unbounded",
        "unscannable",
    )

    def __init__(self, document: JsonDocument, *, fresh: bool = True) -> None:
        self.document = document
        self.fresh = fresh
        self.segments: list[Segment] = []
        self.unscannable: list[Unscannable] = []
        self.images = 0
        self.media_bytes = 0  # of the body, in pictures: they count as images, not as text
        self.unbounded = False  # something whose tokens no length bounds: a file, a kept history

    def text(
        self, holder: Any, key: Any, surface: Surface, place: str, *, readonly: bool = False
    ) -> None:
        """The string `holder[key]`, where it is one and is not empty."""
        value = holder[key] if type(holder) is list else holder.get(key)
        if type(value) is str:
            if value:
                self.segments.append(
                    Segment(self.document, holder, key, value, surface, place, self.fresh, readonly)
                )
        elif value is not None:
            self.unknown(holder, key, surface, place)

    def json(self, root: Any, surface: Surface, place: str, *, readonly: bool = False) -> None:
        """Free JSON: tool arguments, schemas. Keys and long numbers are read too."""
        if type(root) is dict or type(root) is list:
            self.segments += leaf_segments(
                self.document, root, surface, place, fresh=self.fresh, readonly=readonly
            )

    def json_text(self, holder: Any, key: Any, surface: Surface, place: str) -> None:
        """JSON in a string: the arguments of a call."""
        value = holder.get(key)
        if type(value) is str:
            self.segments += text_segments(
                self.document, holder, key, surface, place, fresh=self.fresh
            )
        elif type(value) is dict or type(value) is list:  # as some servers send it
            self.json(value, surface, place)
        elif value is not None:
            self.unknown(holder, key, surface, place)

    def picture(self, holder: Any, key: str, surface: Surface, place: str) -> None:
        """An image whose data or address is `holder[key]`; an address is text too."""
        self.opaque("image", surface, place)
        value = holder.get(key) if type(holder) is dict else None
        if type(value) is not str:
            return
        if key == "data" or value[:5].lower() == "data:":
            self.media_bytes += len(value)
        else:
            self.text(holder, key, surface, f"{place}.{key}")

    def opaque(self, what: str, surface: Surface, place: str) -> None:
        """Something that no rule can read."""
        self.unscannable.append(Unscannable(what, surface, place, self.fresh))
        if what == "image":
            self.images += 1
        elif what in ("file", "history", "template"):
            self.unbounded = True

    def unknown(self, holder: Any, key: Any, surface: Surface, place: str) -> None:
        """A value that this version does not know: every leaf of it, and the fact itself."""
        value = holder[key]
        if type(value) is str:
            self.text(holder, key, surface, place)
        elif type(value) is dict or type(value) is list:
            self.json(value, surface, place)
        self.opaque("body", surface, place)

    def definition(
        self, entry: Any, place: str, fixed: frozenset[str], skipped: frozenset[str]
    ) -> None:
        """One entry of a list of tools.

        Fields in `fixed` are names: with another name it would be another tool, so they are
        flagged or blocked but never rewritten. Fields in `skipped` are not read.
        """
        if type(entry) is not dict:
            if entry is not None:
                self.opaque("body", Surface.TOOL_DEFINITION, place)
            return
        for key, value in entry.items():
            if key in skipped:
                continue
            at = f"{place}.{key}"
            if type(value) is str:
                self.text(entry, key, Surface.TOOL_DEFINITION, at, readonly=key in fixed)
            else:
                self.json(value, Surface.TOOL_DEFINITION, at)

    def structure(self, root: Any, surface: Surface, place: str) -> None:
        """A structure of the format: its strings, without ids and closed words."""
        stack = [root]
        while stack:
            node = stack.pop()
            if type(node) is dict:
                if self.special(node, surface, place):
                    continue
                for key, value in node.items():
                    self._field(node, key, value, surface, place, stack)
            elif type(node) is list:
                for number, value in enumerate(node):
                    self._field(node, number, value, surface, place, stack)

    def special(self, node: dict[str, Any], surface: Surface, place: str) -> bool:
        """Read an object of a kind of its own; False where it is to be walked."""
        if node.get("type") in PICTURES:
            self.opaque("image", surface, place)
            return True
        return False

    def _field(
        self, node: Any, key: Any, value: Any, surface: Surface, place: str, stack: list[Any]
    ) -> None:
        kind = type(value)
        if kind is str:
            if not value or key in NOT_TEXT:
                return
            if key in ENCRYPTED:
                self.opaque("encrypted", surface, place)
            elif value.startswith("data:"):
                self.opaque("file", surface, place)
            else:
                self.text(node, key, surface, place)
        elif kind is dict or kind is list:
            stack.append(value)
        elif kind in (int, float) and not -LONG_NUMBER < value < LONG_NUMBER:
            self.segments.append(
                Segment(self.document, node, key, str(value), surface, place, fresh=self.fresh)
            )

    def texts_since(self, mark: tuple[int, int]) -> str:
        """All text read since `mark()`, for comparing the results of tool calls."""
        texts = [segment.text for segment in self.segments[mark[0] :]]
        texts += [f"[{item.what}]" for item in self.unscannable[mark[1] :]]
        return "\n".join(texts)

    def mark(self) -> tuple[int, int]:
        return len(self.segments), len(self.unscannable)


def sample(data: Any) -> str:
    """A short stand-in for binary data, so that two results can be told apart without it."""
    if type(data) is not str:
        return ""
    middle = len(data) // 2
    return f"{len(data)}:{data[middle : middle + _SAMPLE]}{data[-_SAMPLE:]}"


def byte_length(segments: Iterable[Segment]) -> int:
    """The UTF-8 length of all segments' texts together."""
    total = 0
    for segment in segments:
        text = segment.text
        total += len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return total


def whole_number(value: Any) -> int:
    """A count that a provider reports; 0 for anything else."""
    return value if type(value) is int and value > 0 else 0


def asked_number(value: Any) -> int:
    """How many a caller asks for, as a server may read it: some take `"5"` and 5.0 for 5. 0 for
    anything else."""
    if type(value) is str and len(value) < 20:
        try:
            value = float(value)
        except ValueError:
            return 0
    if type(value) is float:
        value = int(value) if abs(value) < 1e15 else 0  # NaN compares false too
    return value if type(value) is int and value > 0 else 0


def string(value: Any) -> str:
    return value if type(value) is str else ""


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none where it is no list."""
    return [each for each in value if type(each) is dict] if type(value) is list else []


def mapping(value: Any) -> Mapping[str, Any]:
    """An object; an empty one for anything else."""
    return value if type(value) is dict else {}
