"""The data listener: connections of callers in, our own types to the handler, replies back out."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import formatdate
from http import HTTPStatus

from gateway.dialects.jsondoc import dumps
from gateway.message import Headers, Reply, Request, Switch
from gateway.proxy.body import too_large
from gateway.proxy.connection import Connection, Inbound, Patience
from gateway.verdict import Reason

Read = Callable[[int], Awaitable[bytes]]
"""Reads the request's body up to a limit in bytes; raises CallerError over it."""

Handle = Callable[[Request, Read], Awaitable[Reply]]

HANDSHAKE_TIMEOUT = 15.0
"""Seconds that a TLS handshake may take."""

_BODILESS = (204, 304)
_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n" for s in HTTPStatus}

_UNREADABLE = {
    400: (Reason.BODY_MALFORMED, "This is not a request that this gateway can read as HTTP/1.1."),
    408: (Reason.REQUEST_TIMEOUT, "The rest of this request's head did not come in time."),
    414: (Reason.BODY_MALFORMED, "This request's target is too long."),
    429: (Reason.BODY_MALFORMED, "Too many requests were sent before the first was answered."),
    431: (Reason.BODY_MALFORMED, "This request's headers are too many, or too large."),
    505: (Reason.BODY_MALFORMED, "This gateway speaks HTTP/1.1 here."),
}

_log = logging.getLogger("portcullis.proxy")


class DataServer:
    """Serves `handle` on sockets that somebody else opened.

    Args:
        patience: how long is waited for a request, as the policy of the moment says.
    """

    def __init__(self, handle: Handle, patience: Callable[[], Patience] = Patience) -> None:
        self._handle = handle
        self._patience = patience
        self._connections: set[Connection] = set()
        self._listeners: list[asyncio.Server] = []
        self._sockets: list[socket.socket] = []
        self._ending = False

    async def start(self, sock: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Serve on a listening socket, which is ours from now on."""
        self._sockets.append(sock)
        await self._listen(sock, tls)

    async def secure(self, tls: ssl.SSLContext) -> None:
        """Serve new connections with another certificate; those there are go on with theirs.

        A context of its own, tickets included: nobody resumes what another authority let in. The
        new listener is there before the old one goes, on the same queue of connections.
        """
        before, self._listeners = self._listeners, []
        if not self._ending:
            for sock in self._sockets:
                await self._listen(sock, tls)
        for listener in before:
            listener.close()

    async def _listen(self, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        def accept() -> Connection:
            return Connection(self._serve, self._patience, self._connections)

        timeout = HANDSHAKE_TIMEOUT if tls is not None else None
        self._listeners.append(
            await asyncio.get_running_loop().create_server(
                accept, sock=sock.dup(), backlog=1024, ssl=tls, ssl_handshake_timeout=timeout
            )
        )

    def stop_accepting(self) -> None:
        """Take no more connections, and keep none beyond its next reply."""
        self._ending = True
        for listener in self._listeners:
            listener.close()
        for sock in self._sockets:
            sock.close()

    async def close(self, timeout: float) -> None:
        """Close idle connections at once, busy ones after `timeout` seconds."""
        self.stop_accepting()
        tasks = [one.task for one in self._connections if one.task is not None]
        for connection in list(self._connections):
            connection.finish()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=timeout)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(self._connections):
            connection.abort()

    async def _serve(self, http: Inbound) -> bool:
        """Answer one request; whether its connection stays."""
        if http.refused:
            _log.warning("not a request that can be read: %d", http.refused)
            _Written(http, _unreadable(http.refused)).whole()
            return False
        request = Request(http.method, http.target, Headers(http.headers), switches=http.raw)
        reply = await self._handle(request, functools.partial(_read_body, http, request))
        # What follows a request for another protocol is not read as a request; and whoever sends
        # again while we stop finds another gateway, or none.
        if http.raw or self._ending:
            http.keep_alive = False
        written = _Written(http, reply)
        if isinstance(reply.body, bytes):
            written.whole()
        elif isinstance(reply.body, Switch):
            await written.switch(reply.body)
        else:
            await written.stream(reply.body)
        return http.keep_alive


def _unreadable(status: int) -> Reply:
    """The reply to what is not a request; it repeats nothing of what was sent."""
    reason, message = _UNREADABLE.get(status, _UNREADABLE[400])
    told = {
        "message": message,
        "type": "invalid_request_error",
        "param": None,
        "code": reason.value,
    }
    headers = Headers([("content-type", "application/json")])
    return Reply(status, headers, dumps({"error": told}))


async def _read_body(http: Inbound, request: Request, limit: int) -> bytes:
    length = request.headers.get("content-length")
    if length.isdigit() and int(length) > limit:
        raise too_large(limit)
    if http.complete:  # it came with its head
        body = http.take()
        if len(body) > limit:
            raise too_large(limit)
        return body
    if request.headers.get("expect").lower() == "100-continue" and not http.old:
        http.connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    pieces: list[bytes] = []
    size = 0
    while piece := await http.piece():
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class _Written:
    """A reply on its way to the caller, written to the transport by ourselves.

    aiohttp's own response objects cost several times as much (`make bench` shows what the server
    takes), and put headers of their own beside upstream's.
    """

    __slots__ = ("_http", "_reply")

    def __init__(self, http: Inbound, reply: Reply) -> None:
        self._http = http
        self._reply = reply

    def whole(self) -> None:
        """Write a reply whose body is all there."""
        body = self._reply.body
        assert isinstance(body, bytes)
        if self._http.method == "HEAD" or self._reply.status in _BODILESS:
            self._write(self._head(""))
        else:
            self._write(self._head(f"Content-Length: {len(body)}\r\n") + body)

    async def switch(self, switch: Switch) -> None:
        """Write the head of a reply after which the connection is no longer HTTP, and hand it
        over."""
        http = self._http
        with contextlib.suppress(ConnectionResetError):  # `run` finds out by itself
            http.keep_alive = True  # no `Connection: close` in this head
            self._write(self._head(""))
        http.keep_alive = False
        await switch.run(http.connection.switch())

    # --- streams ---

    async def stream(self, pieces: AsyncIterator[bytes]) -> None:
        """Write pieces as they come, at the pace at which the caller reads."""
        try:
            await self._stream(pieces)
        except ConnectionResetError:
            self._http.keep_alive = False  # the caller hung up; the iterator's own end records it
        except Exception as error:  # noqa: BLE001
            # The status is sent: breaking the connection is the only honest sign that is left.
            _log.warning("stream broken off: %s", type(error).__name__)
            self._http.keep_alive = False
            self._http.connection.abort()
        finally:
            aclose = getattr(pieces, "aclose", None)
            if aclose is not None:
                await aclose()

    async def _stream(self, pieces: AsyncIterator[bytes]) -> None:
        chunked = self._begin_stream()
        connection = self._http.connection

        def write(piece: bytes) -> bool:
            try:
                connection.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            except ConnectionResetError:
                return False  # the task hears of it
            return not connection.full

        write_by = getattr(pieces, "write_by", None)
        if write_by is not None:
            write_by(write)
        async for piece in pieces:
            connection.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if connection.full:
                await connection.drain()
        if chunked:
            connection.write(b"0\r\n\r\n")

    def _begin_stream(self) -> bool:
        """Write the head; whether the body comes in chunks."""
        http, reply = self._http, self._reply
        if http.method == "HEAD" or reply.status in _BODILESS or "content-length" in reply.headers:
            self._write(self._head(""))
            return False
        if http.old:  # HTTP/1.0 knows no chunks: the body ends with the connection
            self._http.keep_alive = False
            self._write(self._head(""))
            return False
        self._write(self._head("Transfer-Encoding: chunked\r\n"))
        return True

    # --- bytes ---

    def _write(self, data: bytes) -> None:
        self._http.connection.write(data)

    def _head(self, framing: str) -> bytes:
        reply = self._reply
        lines = [_STATUS_LINES.get(reply.status) or f"HTTP/1.1 {reply.status} \r\n"]
        if reply.phrase:
            lines[0] = f"HTTP/1.1 {reply.status} {reply.phrase}\r\n"
        lines += [f"{name}: {value}\r\n" for name, value in reply.headers.items]
        if "date" not in reply.headers:
            lines.append(f"Date: {_date(int(time.time()))}\r\n")
        if not self._http.keep_alive:
            lines.append("Connection: close\r\n")
        elif self._http.old:
            lines.append("Connection: keep-alive\r\n")
        lines += (framing, "\r\n")
        return "".join(lines).encode("latin-1")


@functools.lru_cache(maxsize=2)
def _date(second: int) -> str:
    """The Date header's value (RFC 9110, 5.6.7)."""
    return formatdate(second, usegmt=True)
