"""Streamed answers of HTTP tools: server-sent events and lines of JSON, each judged by itself.

Rules of this file:
- An event that no rule touched leaves byte for byte. Of one that was changed only the data is
  written anew: its name, id and comments stay.
- An event that is stopped is replaced by one that says so; the stream goes on.
"""

from __future__ import annotations

import re

import orjson

from gateway.dialects.base import Answer, Event, MessageStream, Surface, Unscannable
from gateway.dialects.http_tool_media import LINES
from gateway.dialects.http_tool_text import TextDocument, segments_of
from gateway.dialects.ndjson import NDJSON
from gateway.dialects.sse import encode

FRAMINGS = dict.fromkeys(LINES, NDJSON)
"""What a streamed answer looks like besides server-sent events."""

_LINE_END = re.compile(rb"\r\n|\r|\n")


class HttpToolEvent(Answer):
    """One event of a stream: its data, JSON by its leaves or a text."""

    def __init__(self, event: Event) -> None:
        self._text = TextDocument([event.data], event.raw, "utf-8")
        super().__init__(self._text)
        self.segments = segments_of(self._text, self._text.root, 0, Surface.TOOL_RESULT, "data")
        if "\ufffd" in event.data and not _is_text(event.raw):
            self.unscannable = [Unscannable("encoding", Surface.TOOL_RESULT, "data")]

    @property
    def text(self) -> str:
        """The data as it is now."""
        return self._text.text

    def encode(self) -> bytes:
        return self._text.encode()

    def remove_tool_calls(self, keys: frozenset[str], notice: str) -> None:
        """A tool calls none."""

    def replace_arguments(self, key: str, arguments: str) -> None:
        """A tool calls none."""


class HttpToolStream(MessageStream):
    """The events of one answer.

    Args:
        lines: they are lines of JSON, not server-sent events.
    """

    def __init__(self, *, lines: bool = False) -> None:
        super().__init__()
        self._lines = lines

    def read(self, event: Event) -> Answer | None:
        return HttpToolEvent(event) if event.data else None

    def write(self, event: Event, answer: Answer) -> bytes:
        assert isinstance(answer, HttpToolEvent)
        if not answer.document.changed:
            return event.raw
        if self._lines:
            return answer.text.encode("utf-8", "replace") + b"\n"
        return _with_data(event.raw, answer.text)

    def refuse(self, event: Event, code: str, message: str) -> bytes:
        said = orjson.dumps({"error": {"message": message, "code": code}})
        return said + b"\n" if self._lines else encode(said, "error")


def _with_data(raw: bytes, data: str) -> bytes:
    """An event's bytes with other data: all its other fields stay."""
    kept = [
        line
        for line in _LINE_END.split(raw)
        if line and line.partition(b":")[0].removeprefix(b"\xef\xbb\xbf") != b"data"
    ]
    return b"".join(line + b"\n" for line in kept) + encode(data)


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
