"""Server-sent events: an incremental reader and a writer.

The grammar is the WHATWG HTML standard's, section 9.2.6 "Interpreting an event stream": lines
end with LF, CR or CRLF, a blank line ends an event, `data` lines are joined with LF, a leading
byte order mark is dropped, a line that begins with a colon is a comment.

Rules of this file:
- Nothing is lost: the `raw` of all events, joined, is the input. A comment or a blank line that
  stands outside an event is an event of its own, without data.
- However the bytes are cut into chunks, the events are the same.
- An event without a `data` line has `data == ""`: clients see nothing of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.dialects.base import Event, Framing
from gateway.errors import UpstreamError
from gateway.verdict import Reason

MAX_EVENT = 16 * 1024 * 1024
"""Bytes of the longest event that is read, by default."""

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\r|\n")
_TEXT_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(slots=True)
class TornEvent(Event):
    """What was left when the stream ended without a blank line.

    The standard tells clients to drop it, but clients that work line by line do not, so `name`
    and `data` hold what such a client would see of it.
    """


class EventReader:
    """Bytes in, events out. Raises UpstreamError(ANSWER_MALFORMED) for an event over the limit.

    Events that were complete before an oversized one are handed out first; the error comes with
    the next call then.
    """

    __slots__ = ("_buffer", "_failed", "_first", "_line", "_max", "_scan")

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max = max_event
        self._buffer = bytearray()  # the event that is not complete yet
        self._line = 0  # where its unfinished line begins
        self._scan = 0  # up to where the buffer was searched for a line's end
        self._first = True  # nothing was handed out yet: a byte order mark may stand here
        self._failed = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        if self._failed:
            raise self._oversize()
        events: list[Event] = []
        buffer = self._buffer
        fits = not buffer and not self._first and len(data) <= self._max
        if fits and b"\r" in data:
            whole = _whole_crlf(data)
            if whole is not None:
                return whole
        elif fits:
            pieces = data.split(b"\n\n")
            rest = pieces.pop()
            for piece in pieces:
                event = _whole(piece)
                if event is not None:
                    events.append(event)
                else:
                    buffer += piece
                    buffer += b"\n\n"
                    self._drain(events, at_end=False)
            if not rest:
                return events
            data = rest
        buffer += data
        if not self._drain(events, at_end=False):
            self._failed = True
            if not events:
                raise self._oversize()
        return events

    def end(self) -> list[Event]:
        """What the end of the stream leaves: at most one TornEvent, last."""
        if self._failed:
            raise self._oversize()
        events: list[Event] = []
        if not self._drain(events, at_end=True):
            raise self._oversize()
        if self._buffer:
            raw = bytes(self._buffer)
            self._buffer.clear()
            name, text = _fields(raw, self._first)
            self._first = False
            events.append(TornEvent(raw, name, text))
        return events

    def _drain(self, events: list[Event], *, at_end: bool) -> bool:
        """Take every complete event, line by line, out of the buffer; False over the limit."""
        buffer = self._buffer
        search = _LINE_END.search
        while found := search(buffer, self._scan):
            start, stop = found.span()
            del found  # a match holds on to the buffer, which could not be cut then
            if stop == len(buffer) and stop - start == 1 and buffer[start] == 13 and not at_end:
                self._scan = start  # perhaps the first half of a CRLF
                break
            line = self._line
            if line == 0 and self._first and buffer.startswith(_BOM):
                line = 3
            outside = self._line == 0  # the first line of what would be an event
            self._line = self._scan = stop
            if start == line or (outside and buffer[line] == 58):
                if stop > self._max:
                    return False
                self._take(events, stop)
        else:
            self._scan = len(buffer)
        return len(buffer) <= self._max

    def _take(self, events: list[Event], stop: int) -> None:
        raw = bytes(self._buffer[:stop])
        del self._buffer[:stop]
        self._line = self._scan = 0
        name, text = _fields(raw, self._first)
        self._first = False
        events.append(Event(raw, name, text))

    def _oversize(self) -> UpstreamError:
        return UpstreamError(
            Reason.ANSWER_MALFORMED,
            f"The provider sent an event of more than {self._max} bytes.",
            retryable=False,
        )


def encode(data: bytes | str, name: str = "") -> bytes:
    """One event's bytes. Line ends inside `data` become `data` lines of their own."""
    head = b"event: " + name.encode() + b"\n" if name else b""
    if isinstance(data, bytes):
        if b"\n" not in data and b"\r" not in data:
            return head + b"data: " + data + b"\n\n"
        data = data.decode("utf-8", "replace")
    lines = _TEXT_LINE_END.split(data)
    return head + "".join(f"data: {line}\n" for line in lines).encode() + b"\n"


def with_data(raw: bytes, data: bytes) -> bytes:
    """An event's bytes with other data, which holds no line end; all other lines stay."""
    out: list[bytes] = []
    start, put = 0, False
    if raw.startswith(_BOM):
        out.append(_BOM)
        start = len(_BOM)
    while start < len(raw):
        found = _LINE_END.search(raw, start)
        stop = found.end() if found is not None else len(raw)
        end = found.group() if found is not None else b""
        line = raw[start : stop - len(end)]
        if line.partition(b":")[0] != b"data":
            out.append(raw[start:stop])
        elif not put:
            out.append(b"data: " + data + end)
            put = True
        start = stop
    return b"".join(out)


SSE = Framing(EventReader, b": portcullis is reading ahead\n\n")
"""Server-sent events; a comment keeps the connection alive."""


def _whole(piece: bytes) -> Event | None:
    """An event of the usual shape, `data: ...` or `event: ...` then `data: ...`, else None."""
    if piece.startswith(b"data: "):
        if b"\n" not in piece:
            return Event(piece + b"\n\n", "", piece[6:].decode("utf-8", "replace"))
    elif piece.startswith(b"event: "):
        head, _, body = piece.partition(b"\n")
        if body.startswith(b"data: ") and b"\n" not in body:
            return Event(
                piece + b"\n\n",
                head[7:].decode("utf-8", "replace"),
                body[6:].decode("utf-8", "replace"),
            )
    return None


def _whole_crlf(data: bytes) -> list[Event] | None:
    """The events of data that is nothing but whole ones of the shape `data: ...`, with the line
    ends that Google's servers write."""
    if not data.endswith(b"\r\n\r\n"):
        return None
    events: list[Event] = []
    for piece in data[:-4].split(b"\r\n\r\n"):
        if not piece.startswith(b"data: ") or b"\n" in piece or b"\r" in piece:
            return None
        events.append(Event(piece + b"\r\n\r\n", "", piece[6:].decode("utf-8", "replace")))
    return events


def _fields(raw: bytes, first: bool) -> tuple[str, str]:
    """The name and the data of one event's lines. `id` and `retry` change neither."""
    if first and raw.startswith(_BOM):
        raw = raw[3:]
    name = ""
    data: list[str] = []
    for line in _TEXT_LINE_END.split(raw.decode("utf-8", "replace")):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
    return name, "\n".join(data)
