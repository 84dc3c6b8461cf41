"""A JSON array that is streamed element by element: an incremental reader and a writer.

Google's APIs stream so where `alt=sse` was not asked for: one array of objects over the whole
body, each object sent as soon as it is there (`[{...}\\n,\\r\\n{...}]`).

Rules of this file:
- Nothing is lost: the `raw` of all events, joined, is the input. An element's event begins with
  what stands before it (`[`, a comma, white space); what closes the array is an event without data.
- However the bytes are cut, the events are the same, and an element is given out with its last
  byte: nothing waits for the comma behind it.
- From the first byte on that belongs to no array of objects, everything is one torn event at the
  end, so that it is read as the text it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.dialects.base import Event, Framing
from gateway.dialects.sse import MAX_EVENT, TornEvent
from gateway.errors import UpstreamError
from gateway.verdict import Reason

_SPACE = b" \t\r\n"
_NEXT_BRACE = re.compile(rb'[^"{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}]*+)*+[{}]', re.DOTALL)
"""Up to the next brace that stands in no string, past all strings that are whole. (Possessive, so
that what does not match is found out in one pass.)"""

# Where the reader stands, outside of elements.
_START, _FIRST, _NEXT, _COMMA, _AFTER, _BROKEN = range(6)


@dataclass(slots=True)
class ArrayEvent(Event):
    """An element, or the end of the array (without data).

    `head` is how many bytes of `raw` stand before the element.
    """

    head: int = 0


class ArrayReader:
    """Bytes in, events out. Raises UpstreamError(ANSWER_MALFORMED) for an element over the limit.

    Elements that were complete before an oversized one are handed out first; the error comes
    with the next call then.
    """

    __slots__ = ("_buffer", "_depth", "_failed", "_head", "_max", "_quoted", "_scan", "_state")

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max = max_event
        self._buffer = bytearray()  # the event that is not complete yet
        self._scan = 0  # up to where the buffer was looked at
        self._head = 0  # where its element begins
        self._depth = 0  # of braces; 0 outside of elements
        self._quoted = False  # inside a string of the element
        self._state = _START
        self._failed = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        if self._failed:
            raise self._oversize()
        self._buffer += data
        events: list[Event] = []
        while self._step(events):
            pass
        if len(self._buffer) > self._max:
            self._failed = True
            if not events:
                raise self._oversize()
        return events

    def end(self) -> list[Event]:
        """What the end of the stream leaves: white space behind the array, or a torn event."""
        if self._failed:
            raise self._oversize()
        raw = bytes(self._buffer)
        self._buffer.clear()
        if not raw:
            return []
        if not raw.strip(_SPACE):
            return [ArrayEvent(raw, "", "", len(raw))]
        return [TornEvent(raw, "", raw.decode("utf-8", "replace"))]

    def _step(self, events: list[Event]) -> bool:
        """Go on as far as the next event; whether there may be more."""
        if self._depth:
            return self._inside(events)
        return self._state != _BROKEN and self._between(events)

    def _inside(self, events: list[Event]) -> bool:
        """Look for the brace that ends the element. Quotes and braces alone say where it is."""
        buffer = self._buffer
        while True:
            if self._quoted:
                at = buffer.find(b'"', self._scan)
                if at < 0:
                    self._scan = len(buffer)
                    return False
                self._scan = at + 1
                self._quoted = _is_escaped(buffer, at)
                continue
            found = _NEXT_BRACE.match(buffer, self._scan)
            if found is not None:
                at = found.end() - 1
                del found  # a match holds on to the buffer, which could not be cut then
                if self._brace(events, at):
                    return True
                if not self._depth:
                    return False
                continue
            self._skip_strings()
            return False

    def _skip_strings(self) -> None:
        """No brace is left outside of strings: find out whether the rest ends inside of one."""
        buffer = self._buffer
        while (at := buffer.find(b'"', self._scan)) >= 0:
            self._scan = at + 1
            self._quoted = not self._quoted or _is_escaped(buffer, at)
        self._scan = len(buffer)

    def _brace(self, events: list[Event], at: int) -> bool:
        """A brace outside of strings; whether it completes an element that may be given out."""
        self._scan = at + 1
        if self._buffer[at] == 123:
            self._depth += 1
            return False
        self._depth -= 1
        if self._depth:
            return False
        self._state = _NEXT
        if at + 1 > self._max:
            return False
        self._take(events, at + 1, self._head)
        return True

    def _between(self, events: list[Event]) -> bool:
        """Look for what stands between elements."""
        buffer = self._buffer
        while self._scan < len(buffer):
            byte = buffer[self._scan]
            if byte in _SPACE:
                self._scan += 1
                continue
            state = self._state
            if byte == 123 and state in (_FIRST, _COMMA):
                self._head = self._scan
                self._scan += 1
                self._depth = 1
                return True
            self._scan += 1
            if byte == 91 and state == _START:
                self._state = _FIRST
            elif byte == 44 and state == _NEXT:
                self._state = _COMMA
            elif byte == 93 and state in (_FIRST, _NEXT):
                self._state = _AFTER
                self._take(events, self._scan, self._scan)
                return True
            else:
                self._state = _BROKEN
                return False
        return False

    def _take(self, events: list[Event], stop: int, head: int) -> None:
        raw = bytes(self._buffer[:stop])
        del self._buffer[:stop]
        self._scan = self._head = 0
        events.append(ArrayEvent(raw, "", raw[head:].decode("utf-8", "replace"), head))

    def _oversize(self) -> UpstreamError:
        return UpstreamError(
            Reason.ANSWER_MALFORMED,
            f"The provider sent an element of more than {self._max} bytes.",
            retryable=False,
        )


class ArrayWriter:
    """Keeps what leaves a valid array, whatever elements were dropped, changed or added.

    An element that stands where it stood leaves with its own bytes.
    """

    __slots__ = ("_closed", "_opened")

    def __init__(self) -> None:
        self._opened = False
        self._closed = False

    def keep(self, event: ArrayEvent) -> bytes:
        """An element as it came, or the array's end."""
        head = event.raw[: event.head]
        if event.head == len(event.raw):
            return self._end(event.raw)
        if (b"[" in head) != self._opened:
            self._opened = True
            return event.raw
        return self.add(event.raw[event.head :])

    def add(self, element: bytes) -> bytes:
        """An element of our own, or one that was changed."""
        head = b",\r\n" if self._opened else b"["
        self._opened = True
        return head + element

    def close(self) -> bytes:
        """The end of an array that goes no further."""
        return self._end(b"\n]")

    def _end(self, raw: bytes) -> bytes:
        """What closes the array, or white space. Of an array whose elements are all gone `raw`
        ends nothing, and of one that was empty it begins it too."""
        if b"]" not in raw:
            return raw
        if self._closed:
            return b""
        self._closed = True
        if (b"[" in raw) != self._opened:
            return raw
        return b"]" if self._opened else b"[]"


ARRAY = Framing(ArrayReader, b"\n")
"""A streamed JSON array; white space between elements keeps the connection alive."""


def _is_escaped(buffer: bytearray, at: int) -> bool:
    """Whether the quote at `at` is part of a string: an odd number of backslashes before it."""
    count = 0
    while at > count and buffer[at - 1 - count] == 92:
        count += 1
    return count % 2 == 1
