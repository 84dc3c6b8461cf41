"""Newline-delimited JSON as a stream: one line is one event.

Rules of this file:
- Nothing is lost: the `raw` of all events, joined, is the input. A line without text is an event
  without data.
- However the bytes are cut into chunks, the events are the same.
- Only a line feed ends a line; a carriage return before it is white space of JSON.
"""

from __future__ import annotations

from gateway.dialects.base import Event, Framing
from gateway.dialects.sse import MAX_EVENT
from gateway.errors import UpstreamError
from gateway.verdict import Reason


class LineReader:
    """Bytes in, events out. `data` is the line's text without white space around it.

    Raises UpstreamError(ANSWER_MALFORMED) for a line over the limit; lines that were complete
    before it are handed out first, and the error comes with the next call then.
    """

    __slots__ = ("_failed", "_max", "_parts", "_size")

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max = max_event
        self._parts: list[bytes] = []  # of the line that is not complete yet
        self._size = 0
        self._failed = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        if self._failed:
            raise self._oversize()
        events: list[Event] = []
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._keep(line + b"\n")
            if self._size > self._max:
                return self._fail(events)
            events.append(self._take())
        if rest:
            self._keep(rest)
            if self._size > self._max:
                return self._fail(events)
        return events

    def end(self) -> list[Event]:
        """What is left when the stream has ended: a last line that nothing ended."""
        if self._failed:
            raise self._oversize()
        return [self._take()] if self._parts else []

    def _keep(self, piece: bytes) -> None:
        self._parts.append(piece)
        self._size += len(piece)

    def _take(self) -> Event:
        raw = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return Event(raw, "", raw.decode("utf-8", "replace").strip())

    def _fail(self, events: list[Event]) -> list[Event]:
        self._failed = True
        self._parts.clear()
        if not events:
            raise self._oversize()
        return events

    def _oversize(self) -> UpstreamError:
        return UpstreamError(
            Reason.ANSWER_MALFORMED,
            f"The provider sent a line of more than {self._max} bytes.",
            retryable=False,
        )


NDJSON = Framing(LineReader, b"\n")
"""Lines of JSON; an empty line keeps the connection alive."""
