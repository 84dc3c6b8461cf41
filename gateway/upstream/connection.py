"""One HTTP/1.1 connection to an upstream: an asyncio protocol around a native parser (httptools).

Rules of this file:
- One request at a time, each with an `Incoming` answer of its own: whoever still holds an
  earlier answer can never see bytes of a later one.
- A connection goes back to its pool only when its answer has come to its end and was read to
  its end, and neither side asked to close; whatever else happens ends it.
- What upstream sends is taken at the pace at which it is read: above `HIGH_WATER` bytes the
  socket is not read until the buffer is empty.
- The parser decides about framing; an answer that it refuses is a broken connection.
- docs/adr/0004-own-upstream-client.md says why this is not a library's client.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.duplex import DuplexProtocol, TransportDuplex

HIGH_WATER = 256 * 1024
"""Bytes of an answer that are kept before the socket is paused."""

MAX_HEAD = 256 * 1024
"""Bytes that may come before an answer's head is complete; as many may come around its chunks."""


PATIENCE = 366 * 86400.0
"""Seconds of silence that a stream without an end may keep."""

_PROBES = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 20, "TCP_KEEPCNT": 4}
"""How TCP looks whether a silent peer is still there, where the system lets us say."""


class BrokenError(Exception):
    """The connection ended before the answer did. `begun`: some of the answer had come."""

    def __init__(self, why: str, *, begun: bool) -> None:
        super().__init__(why)
        self.begun = begun


class Incoming:
    """One answer as it comes: `head`, then `piece` until it gives b"", or `close`.

    It is also what the parser calls back; the connection below feeds the parser.
    """

    def __init__(self, connection: Connection, *, no_body: bool, may_switch: bool = False) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.complete = False
        self.begun = False  # the head is complete
        self.buffered = 0
        self.keep_alive = False
        self.error: BaseException | None = None
        self.duplex: TransportDuplex | None = None  # after a switch of protocols
        self._connection: Connection | None = connection
        self._no_body = no_body
        self._coded = False
        self._may_switch = may_switch
        self._pieces: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._take: Callable[[bytes], bool] | None = None
        self.parser: Any = HttpResponseParser(self)

    # --- for the client ---

    async def head(self) -> None:
        """Wait for `status` and `headers`. Raises BrokenError or TimeoutError, and closes."""
        try:
            while not self.begun:
                await self._wait()
        except BaseException:
            self.close()
            raise

    async def piece(self) -> bytes:
        """What has come of the body; b"" at its end. Raises BrokenError or TimeoutError."""
        while not self._pieces:
            if self.complete:
                self._let_go()
                return b""
            if self.error is not None:
                raise self.error
            waiter = self._waiter = asyncio.get_running_loop().create_future()
            try:
                await waiter  # as `_wait` does: it is waited here for each piece
            finally:
                self._waiter = None
        return self.take()

    async def pass_on(self, take: Callable[[bytes], bool]) -> None:
        """See `UpstreamReply.pass_on`."""
        if self._pieces or self.complete or self.error is not None:
            return
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        self._take = take
        try:
            await waiter
        finally:
            self._waiter = self._take = None

    def is_taken(self) -> bool:
        """Whether what has come was handed on, so that nobody need be woken."""
        take = self._take
        if take is None or not self._pieces or self.complete or self.error is not None:
            return False
        if self._waiter is None or self._waiter.done():
            return False  # it is about to go on by itself
        return take(self.take())

    def take(self) -> bytes:
        """What has come of the body and was not taken yet, without waiting."""
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        self.buffered = 0
        if self.complete:
            self._let_go()
        elif self._connection is not None:
            self._connection.resume()
        return data

    def be_patient(self) -> None:
        """It may be silent for as long as it likes: a stream that only listens."""
        if self._connection is not None:
            self._connection.be_patient()

    def close(self) -> None:
        """No more of it is wanted. May be called at any time, and more than once."""
        self._let_go()

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release(reusable=self.complete and self.keep_alive and self.error is None)

    async def _wait(self) -> None:
        if self.error is None:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self.error is not None:
            raise self.error

    # --- for the connection ---

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def fail(self, error: BaseException) -> None:
        if not self.complete:
            self.error = error
        self.wake()

    def end_with_connection(self) -> bool:
        """The connection closed: whether that is how this body ends (RFC 9112, 6.3)."""
        if not self.begun:
            return False
        names = {name.lower() for name, _ in self.headers}
        if names & {"content-length", "transfer-encoding"}:
            return False
        self.complete = True
        return True

    # --- httptools' callbacks; what they raise is a parser's error to `feed_data` ---

    def on_message_begin(self) -> None:
        if self.complete:
            raise ValueError("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.begun:
            return  # a trailer: those are not passed on
        if len(name) == 17 and name.lower() == b"transfer-encoding":
            if self._coded or value.strip(b" \t").lower() != b"chunked":
                raise ValueError("its body is in a coding that nobody asked for")
            self._coded = True
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status == 101:
            if not self._may_switch or not self.parser.should_upgrade():
                raise ValueError("it switched to another protocol, which nobody asked for")
            self.status, self.begun = status, True
            return  # the parser stops here: what follows is no HTTP
        if 100 <= status < 200:
            self.headers = []  # an interim answer: the real one follows
            return
        self.status = status
        self.begun = True
        if self._no_body:
            self.complete = True  # the parser would wait for a body: not used again

    def on_body(self, data: bytes) -> None:
        self._pieces.append(data)
        self.buffered += len(data)

    def on_message_complete(self) -> None:
        if self.begun and not self.complete:
            self.complete = True
            self.keep_alive = self.parser.should_keep_alive()


class Connection(asyncio.Protocol):
    """A connection. `done` is told each time it is let go, with whether it can be used again."""

    def __init__(self, done: Callable[[Connection, bool], None]) -> None:
        self._done = done
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answer: Incoming | None = None
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._timeout = 0.0
        self._heard = 0.0
        self._head_bytes = 0  # that came without any of a body
        self.closed = False
        self._ended = False  # and `done` knows it
        self._idle_since = 0.0

    def request(
        self, data: bytes, *, no_body: bool, timeout: float, may_switch: bool = False
    ) -> Incoming:
        """Send a whole request.

        Args:
            no_body: its answer has none (HEAD).
            timeout: seconds of silence after which the connection is given up.
            may_switch: it asks for another protocol; the answer has a `duplex` where it gets it.
        """
        assert self._transport is not None
        self._answer = answer = Incoming(self, no_body=no_body, may_switch=may_switch)
        self._timeout = timeout
        self._head_bytes = 0
        self._heard = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_at(self._heard + timeout, self._on_timer)
        self._transport.write(data)
        return answer

    def be_patient(self) -> None:
        """Take any silence of this answer, and ask the system to notice a peer that is gone."""
        self._timeout = PATIENCE
        sock = self._transport.get_extra_info("socket") if self._transport is not None else None
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _PROBES.items():
                if (option := getattr(socket, name, None)) is not None:
                    sock.setsockopt(socket.IPPROTO_TCP, option, value)

    def release(self, *, reusable: bool) -> None:
        """The answer is no longer wanted."""
        self._answer = None
        patient = self._timeout == PATIENCE  # and so would be the timer of the next answer
        if not reusable or self.closed or patient:
            self.abort()
            return
        self._idle_since = self._loop.time()
        self.resume()
        self._done(self, True)

    def idle(self) -> float:
        """Seconds since it was let go."""
        return self._loop.time() - self._idle_since

    def abort(self) -> None:
        """End the connection, whatever it was doing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None and not self.closed:
            self.closed = True
            self._transport.abort()
        if not self._ended:
            self._ended = True
            self._done(self, False)

    def resume(self) -> None:
        if self._paused and self._transport is not None and not self.closed:
            self._paused = False
            self._transport.resume_reading()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None or answer.complete:
            self.abort()  # nothing was asked: whatever this is, it must not reach a caller
            return
        self._heard = self._loop.time()
        before = answer.buffered
        try:
            answer.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            if answer.status == 101:
                self._switch(answer, data[upgrade.args[0] :])
                return
            self._fail(answer, "it switched to another protocol")
        except (HttpParserError, ValueError) as error:
            self._fail(answer, f"its answer is not HTTP ({type(error).__name__})")
        if answer.begun and answer.buffered != before:
            self._head_bytes = 0
        else:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD:
                self._fail(answer, "the head of its answer is too large")
        if answer.is_taken():
            return
        answer.wake()
        if answer.buffered > HIGH_WATER and not self._paused and not self.closed:
            assert self._transport is not None
            self._paused = True
            self._transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        answer = self._answer
        if answer is not None and not answer.complete and not answer.end_with_connection():
            why = "it closed the connection" if error is None else type(error).__name__
            answer.fail(BrokenError(why, begun=answer.begun))
        elif answer is not None:
            answer.wake()
        self.abort()

    def _switch(self, answer: Incoming, rest: bytes) -> None:
        """The connection is no longer HTTP, and no longer ours: hand it to a duplex."""
        transport, self._transport = self._transport, None
        assert transport is not None
        protocol = DuplexProtocol()
        protocol.connection_made(transport)
        transport.set_protocol(protocol)
        if rest:
            protocol.data_received(rest)
        answer.duplex, answer.complete = protocol.duplex, True
        self.closed = True  # as far as the pool is concerned
        self.abort()
        answer.wake()

    def _fail(self, answer: Incoming, why: str) -> None:
        answer.keep_alive = False
        answer.fail(BrokenError(why, begun=answer.begun))
        self.abort()

    def _on_timer(self) -> None:
        """One timer for the life of the connection, put off lazily. Silence for too long is the
        upstream's fault; while we do not read it is our own, and idle is no silence."""
        now = self._loop.time()
        waiting = self._answer is not None and not self._answer.complete and not self._paused
        due = self._heard + self._timeout if waiting else now + self._timeout
        if now < due:
            self._timer = self._loop.call_at(due, self._on_timer)
            return
        assert self._answer is not None
        self._timer = None
        self._answer.fail(TimeoutError())
        self.abort()
