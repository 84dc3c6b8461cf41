"""One HTTP/1.1 connection to an upstream: an asyncio protocol around a native parser (httptools).

Rules of this file:
- One request at a time. A connection goes back to its pool only when the answer was read to its
  end and neither side asked to close; whatever else happens ends it.
- What upstream sends is taken at the pace at which it is read: above `HIGH_WATER` bytes the
  socket is not read until the buffer is empty.
- The parser decides about framing; an answer that it refuses is a broken connection.
- docs/adr/0004-own-upstream-client.md says why this is not a library's client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

HIGH_WATER = 256 * 1024
"""Bytes of an answer that are kept before the socket is paused."""

MAX_HEAD = 256 * 1024
"""Bytes of an answer's head, all its header lines together."""


class BrokenError(Exception):
    """The connection ended before the answer did. `begun`: some of the answer had come."""

    def __init__(self, why: str, *, begun: bool) -> None:
        super().__init__(why)
        self.begun = begun


class Connection(asyncio.Protocol):
    """Use `request`, then `head`, then `piece` until it gives b"".

    `done` is called once, with whether the connection can be used again.
    """

    def __init__(self, done: Callable[[Connection, bool], None]) -> None:
        self._done = done
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timeout = 0.0
        self._heard = 0.0
        self._no_body = False
        self._head_bytes = 0
        self._head_complete = False
        self._complete = False
        self._error: BaseException | None = None
        self._busy = False
        self.closed = False
        self.idle_since = 0.0
        self.status = 0
        self.headers: list[tuple[str, str]] = []

    # --- for the client ---

    def request(self, data: bytes, *, no_body: bool, timeout: float) -> None:
        """Send a whole request. `no_body`: its answer has none (HEAD). `timeout`: seconds of
        silence after which the connection is given up."""
        assert self._transport is not None
        self._parser = HttpResponseParser(self)
        self._no_body = no_body
        self._head_complete = self._complete = False
        self._head_bytes = 0
        self._error = None
        self._busy = True
        self._timeout = timeout
        self._heard = self._loop.time()
        self._timer = self._loop.call_at(self._heard + timeout, self._on_timer)
        self._transport.write(data)

    async def head(self) -> None:
        """Wait for `status` and `headers`. Raises BrokenError or TimeoutError."""
        while not self._head_complete:
            await self._wait()

    async def piece(self) -> bytes:
        """What has come of the body; b"" at its end. Raises BrokenError or TimeoutError."""
        while not self._pieces:
            if self._complete:
                return b""
            await self._wait()
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._buffered = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    def abort(self) -> None:
        """End the connection, whatever it was doing."""
        if self._transport is not None and not self.closed:
            self._transport.abort()
        self._finish(reusable=False)

    def abort_unless_done(self) -> None:
        """End the connection if its answer was not read to the end."""
        if self._busy:
            self.abort()

    async def _wait(self) -> None:
        self._raise()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        self._raise()

    def _raise(self) -> None:
        if self._error is not None and not self._complete:
            raise self._error

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        if not self._busy:  # nothing was asked: whatever this is, it must not reach a caller
            self.abort()
            return
        self._heard = self._loop.time()
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._fail("it switched to another protocol")
        except HttpParserError as error:
            if not self._complete:
                self._fail(f"its answer is not HTTP ({type(error).__name__})")
        self._wake()
        if self._buffered > HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self._busy and not self._complete:
            if self._head_complete and self._ends_with_connection():
                self._complete = True
            else:
                why = "it closed the connection" if error is None else type(error).__name__
                self._error = BrokenError(why, begun=self._head_complete)
        self._wake()
        self._finish(reusable=False)

    def _ends_with_connection(self) -> bool:
        """Whether an answer's body goes on until the connection closes (RFC 9112, 6.3)."""
        names = {name.lower() for name, _ in self.headers}
        return not names & {"content-length", "transfer-encoding"}

    # --- httptools' callbacks ---

    def on_message_begin(self) -> None:
        if self._complete:  # a second answer to one request
            raise HttpParserError("more than one answer")
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD:
            raise HttpParserError("a head too large")
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            return  # an interim answer: the real one follows
        self.status = status
        self._head_complete = True
        if self._no_body:
            self._complete = True
            self._finish(reusable=False)  # the parser would wait for a body

    def on_body(self, data: bytes) -> None:
        self._pieces.append(data)
        self._buffered += len(data)

    def on_message_complete(self) -> None:
        if not self._head_complete or self._complete:
            return
        self._complete = True
        self._finish(reusable=self._parser.should_keep_alive() and not self._paused)

    # --- ends ---

    def _on_timer(self) -> None:
        """Silence for too long is the upstream's; while we do not read it is our own."""
        due = self._heard + self._timeout
        now = self._loop.time()
        if self._paused:
            due = now + self._timeout
        if now < due:
            self._timer = self._loop.call_at(due, self._on_timer)
            return
        self._error = TimeoutError()
        self._wake()
        self.abort()

    def _fail(self, why: str) -> None:
        self._error = BrokenError(why, begun=self._head_complete)
        self._wake()
        self.abort()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _finish(self, *, reusable: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._busy:
            if not reusable:
                self._done(self, False)
            return
        self._busy = False
        if not reusable and self._transport is not None and not self.closed:
            self._transport.close()
        self._done(self, reusable)
