"""One caller's HTTP/1.1 connection: an asyncio protocol around a native parser (httptools).

Rules of this file:
- One request in is one request out, or one refusal: what the parser refuses, or what two readers
  could frame differently (RFC 9112, 11.2), ends the connection after its refusal.
- Requests are answered in the order in which they came, one at a time.
- Nothing that a caller sends is kept without a bound: heads, bodies, requests sent ahead; and
  nothing is waited for without one: a head, a body, the next request.
- Trailers are read and dropped: they belong to no request's headers.
- docs/adr/0007-own-server-connection.md says why this is not a library's server.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from gateway.duplex import TransportDuplex
from gateway.errors import CallerError
from gateway.verdict import Reason

HIGH_WATER = 256 * 1024
"""Bytes of bodies that are kept before the socket is paused."""

MAX_HEAD = 64 * 1024
"""Bytes of a request line and headers; as many may come around the chunks of a body."""

MAX_TARGET = 16 * 1024
MAX_HEADERS = 128

MAX_AHEAD = 64
"""Requests that may be sent before the one in front of them is answered."""

KEEP_IDLE = 75.0
"""Seconds without a request after which a connection is closed."""

LINGER = 2.0
"""Seconds for which is read what a caller still sends that was refused before its end."""

_NOTHING_SENT = "Nothing was sent to the provider."

_log = logging.getLogger("portcullis.proxy")


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds in which a request's head must have come, and its body."""

    head: float = 30.0
    body: float = 300.0


class Inbound:
    """One request as it comes; its body is read by `piece` until that gives b"".

    Attributes:
        refused: the status of the answer where this is no request; else 0.
        keep_alive: whether the connection may carry another one.
        old: HTTP/1.0.
        raw: what follows it is no HTTP, if it is granted (CONNECT, a WebSocket).
    """

    __slots__ = (
        "_pieces",
        "_size",
        "_waiter",
        "complete",
        "connection",
        "error",
        "headers",
        "keep_alive",
        "method",
        "old",
        "raw",
        "refused",
        "target",
    )

    def __init__(self, connection: Connection, refused: int = 0) -> None:
        self.connection = connection
        self.refused = refused
        self.method = ""
        self.target = ""
        self.headers: list[tuple[str, str]] = []
        self.old = self.raw = self.keep_alive = False
        self.complete = bool(refused)
        self.error: CallerError | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None

    async def piece(self) -> bytes:
        """What has come of the body; b"" at its end. Raises CallerError where it broke off."""
        while not self._pieces:
            if self.error is not None:
                raise self.error
            if self.complete:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self.take()

    def take(self) -> bytes:
        """What has come of the body and was not taken yet."""
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        size, self._size = self._size, 0
        self.connection.taken(size)
        return data

    # --- for the connection ---

    def add(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        self._wake()

    def end(self, error: CallerError | None = None) -> None:
        """Nothing more comes; with an error where more should have come."""
        if error is None:
            self.complete = True
        else:
            self.error = error
            self.keep_alive = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


Serve = Callable[[Inbound], Awaitable[bool]]
"""Answers a request; whether the connection may carry another one."""


class _RefusedError(Exception):
    """The parser reads on, we do not."""

    def __init__(self, status: int) -> None:
        super().__init__(f"refused with {status}")
        self.status = status


class Connection(asyncio.Protocol):
    """A connection. `everyone` is the set of those that are open, which it joins and leaves."""

    def __init__(
        self, serve: Serve, patience: Callable[[], Patience], everyone: set[Connection]
    ) -> None:
        self._serve = serve
        self._patience = patience
        self._everyone = everyone
        self._loop = asyncio.get_running_loop()
        self._parser: Any = HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self.task: asyncio.Task[None] | None = None
        # requests
        self._waiting: deque[Inbound] = deque()
        self._open: Inbound | None = None  # begun, and not at its end
        self._head = False  # the open one's head is not complete
        self._busy = False  # one is being answered
        self._ended = False  # nothing more is read
        self._waiter: asyncio.Future[None] | None = None
        # of the open one
        self._url = b""
        self._size = 0
        self._around = 0
        self._hosts = 0
        self._coding = b""
        self._length = b""
        self._offered: Inbound | None = None  # asks for another protocol, and does not get it
        # pace
        self._received = 0
        self._buffered = 0
        self._paused = False
        self._drained: asyncio.Future[None] | None = None
        self._since = self._loop.time()
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        # behind a request for another protocol
        self._raw: list[bytes] | None = None
        self._duplex: TransportDuplex | None = None

    # --- for the server ---

    def write(self, data: bytes) -> None:
        """Raises ConnectionResetError where the caller hung up."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the caller hung up")
        transport.write(data)

    def switch(self) -> TransportDuplex:
        """Hand the connection over: what came behind a `raw` request, and all that will."""
        duplex = self._duplex = TransportDuplex(self._transport)
        raw, self._raw = self._raw or [], []
        if self._drained is not None:
            duplex.pause_writing()
        self.taken(self._buffered)
        for piece in raw:
            duplex.feed(piece)
        return duplex

    @property
    def full(self) -> bool:
        """Whether more was written than the caller has taken in a while."""
        return self._drained is not None

    async def drain(self) -> None:
        """Wait until the caller has taken most of what was written."""
        if self._drained is not None:
            await self._drained

    def abort(self) -> None:
        """Break the connection off, so that the caller sees that something is missing."""
        if self._transport is not None:
            self._transport.abort()

    def finish(self) -> None:
        """Take no more requests; close as soon as none is being answered."""
        self._ended = True
        self._waiting.clear()
        if not self._busy:
            self._wake()

    # --- the life of a connection ---

    async def _run(self) -> None:
        """Answer one request after the other. Cancelled when the caller hangs up."""
        kept = True
        try:
            while kept:
                if not self._waiting:
                    if self._ended:
                        break
                    await self._woken()
                    continue
                inbound = self._waiting.popleft()
                self._busy = True
                kept = await self._serve(inbound)
                if not inbound.complete and not inbound.raw:
                    kept = await _read_rest(inbound) and kept
                inbound.take()
                self._busy = False
                self._since = self._loop.time() if self._open is None else self._since
                if inbound.refused:
                    await self._linger()
        except ConnectionError:
            pass  # the caller hung up
        except Exception:  # noqa: BLE001  one connection's fault must not be silent
            _log.exception("connection broken off")
        finally:
            self._ended = True
            if self._transport is not None:
                self._transport.close()

    async def _woken(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def _linger(self) -> None:
        """Let the caller read the refusal before its unread bytes reset the connection
        (RFC 9112, 9.6)."""
        transport = self._transport
        if transport is not None:
            if transport.can_write_eof():  # over TLS the refusal's own framing is its end
                transport.write_eof()
            await asyncio.sleep(LINGER)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _queue(self, inbound: Inbound) -> None:
        self._waiting.append(inbound)
        self._wake()

    def _refuse(self, status: int) -> None:
        """Read no more. A request whose head is known fails with its body; else this is its
        answer."""
        self._ended = True
        if self._open is not None and not self._head:
            self._open.end(_broken_body(status))
        else:
            self._queue(Inbound(self, status))
        self._open = None

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._everyone.add(self)
        self._watch()
        self.task = self._loop.create_task(self._run())

    def data_received(self, data: bytes) -> None:
        if self._duplex is not None:
            self._duplex.feed(data)
            return
        if self._ended:
            return
        if self._raw is None:
            self._feed(data)
        else:
            self._raw.append(data)
            self._buffered += len(data)
        if self._buffered > HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Who sends no more requests takes no more answers; a tunnel has two directions."""
        return self._duplex is not None and self._duplex.feed_end()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._ended = True
        self._everyone.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._drained is not None and not self._drained.done():
            self._drained.set_exception(ConnectionResetError("the caller hung up"))
            self._drained.exception()  # nobody may be waiting
        if self._duplex is not None:
            self._duplex.lost(error)  # whoever has it ends by itself
        elif self.task is not None:
            self.task.cancel()

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()
        if self._duplex is not None:
            self._duplex.pause_writing()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
        if self._duplex is not None:
            self._duplex.resume_writing()

    # --- reading ---

    def _feed(self, data: bytes) -> None:
        before = self._received
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as switch:
            self._switch(data[switch.args[0] :])
        except HttpParserError as error:
            why = error.__context__
            self._refuse(why.status if isinstance(why, _RefusedError) else 400)
        if self._open is not None:
            if self._head or self._received == before:
                self._around += len(data)
                if self._around > MAX_HEAD:
                    self._refuse(431)
            self._watch()

    def _switch(self, rest: bytes) -> None:
        """The parser stopped behind a head that asks for another protocol."""
        if self._offered is None:
            self._raw = [rest] if rest else []
            self._buffered += len(rest)
            return
        # RFC 9110, 7.8: an offer may be ignored. httptools cannot read on, so that a fresh
        # parser is told what it must know of the head: how the body is framed.
        head = [b"POST / HTTP/1.1\r\nHost: x\r\n"]
        if not self._offered.keep_alive:
            head.append(b"Connection: close\r\n")
        if self._coding:
            head.append(b"Transfer-Encoding: chunked\r\n")
        elif self._length:
            head.append(b"Content-Length: %b\r\n" % self._length)
        self._parser = HttpRequestParser(self)
        self._feed(b"".join([*head, b"\r\n", rest]))

    def taken(self, size: int) -> None:
        """So many bytes are no longer kept."""
        self._buffered -= size
        if self._paused and self._buffered <= HIGH_WATER // 2 and self._transport is not None:
            self._paused = False
            self._since = self._loop.time()
            self._transport.resume_reading()

    # --- httptools' callbacks; what they raise is a parser's error to `feed_data` ---

    def on_message_begin(self) -> None:
        if len(self._waiting) >= MAX_AHEAD:
            raise _RefusedError(429)
        self._open = Inbound(self)
        self._head = True
        self._since = self._loop.time()
        self._url = self._coding = self._length = b""
        self._size = self._around = self._hosts = 0

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > MAX_TARGET:
            raise _RefusedError(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        inbound = self._open
        assert inbound is not None
        if not self._head:
            return  # a trailer
        headers = inbound.headers
        headers.append((name.decode("latin-1"), value.decode("latin-1").rstrip(" \t")))
        self._size += len(name) + len(value)
        if self._size > MAX_HEAD or len(headers) > MAX_HEADERS:
            raise _RefusedError(431)
        match len(name):
            case 4 if name.lower() == b"host":
                self._hosts += 1
            case 14 if name.lower() == b"content-length":
                self._length = value.rstrip(b" \t")
            case 17 if name.lower() == b"transfer-encoding":
                value = value.rstrip(b" \t")
                self._coding = b"%b, %b" % (self._coding, value) if self._coding else value

    def on_headers_complete(self) -> None:
        inbound, parser = self._open, self._parser
        assert inbound is not None
        if self._offered is not None:  # the body of a request that is known already
            self._open, self._offered = self._offered, None
            self._head = False
            return
        inbound.method = parser.get_method().decode("latin-1")
        inbound.target = self._url.decode("latin-1")
        inbound.keep_alive = parser.should_keep_alive()
        version = parser.get_http_version()
        inbound.old = version == "1.0"
        if version != "1.1" and not inbound.old:
            raise _RefusedError(505)
        if self._hosts > 1 or (not self._hosts and not inbound.old) or b"#" in self._url:
            raise _RefusedError(400)
        if self._coding and (inbound.old or self._coding.lower() != b"chunked"):
            raise _RefusedError(400)  # a body in another coding would reach upstream unsaid
        if parser.should_upgrade():
            self._note_offer(inbound)
        self._head = False
        self._queue(inbound)

    def _note_offer(self, inbound: Inbound) -> None:
        """A request for another protocol: only one without a body can be granted."""
        framed = bool(self._coding or self._length)
        if inbound.method == "CONNECT":
            if framed:
                raise _RefusedError(400)
            inbound.raw = True
        elif inbound.method == "GET" and not framed and not inbound.old:
            offers = [value.lower() for name, value in inbound.headers if name.lower() == "upgrade"]
            inbound.raw = offers == ["websocket"]
        if not inbound.raw:
            self._offered = inbound

    def on_body(self, data: bytes) -> None:
        assert self._open is not None
        self._open.add(data)
        self._received += len(data)
        self._buffered += len(data)

    def on_message_complete(self) -> None:
        if self._offered is None and self._open is not None:
            self._open.end()
            self._open = None

    # --- time ---

    def _watch(self) -> None:
        """Have the timer run out in time for what is waited for now."""
        due = self._deadline()
        if self._timer is None or due < self._due:
            if self._timer is not None:
                self._timer.cancel()
            self._due = due
            self._timer = self._loop.call_at(due, self._on_timer)

    def _deadline(self) -> float:
        """When what is waited for comes too late. While we do not read, it is not the caller's
        fault."""
        now = self._loop.time()
        if self._open is not None and not self._paused:
            patience = self._patience()
            return self._since + (patience.head if self._head else patience.body)
        return (now if self._busy or self._waiting or self._paused else self._since) + KEEP_IDLE

    def _on_timer(self) -> None:
        """One timer for the life of the connection, put off lazily."""
        self._timer = None
        if self._loop.time() < self._deadline():
            self._watch()
        elif self._open is not None:
            self._refuse(408)
        else:
            self.finish()


def _broken_body(status: int) -> CallerError:
    if status == 408:
        why = "The rest of this request's body did not come in time."
        return CallerError(Reason.REQUEST_TIMEOUT, f"{why} {_NOTHING_SENT}", status=408)
    why = "This request's body is not framed as HTTP/1.1 says."
    return CallerError(Reason.BODY_MALFORMED, f"{why} {_NOTHING_SENT}", status=status)


async def _read_rest(inbound: Inbound) -> bool:
    """Read what the caller still sends, for it would not read a reply before that; whether it
    came to an end in `LINGER` seconds."""
    try:
        async with asyncio.timeout(LINGER):
            while await inbound.piece():
                pass
    except (TimeoutError, CallerError):
        return False
    return True
