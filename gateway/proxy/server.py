"""The one file of the data path that serves HTTP: aiohttp's low-level server behind our types."""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import cast

from aiohttp import StreamReader, web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import ERROR, RequestHandler, _ErrInfo

from gateway.dialects.jsondoc import dumps
from gateway.message import Headers, Reply, Request
from gateway.proxy.body import too_large
from gateway.verdict import Reason

Read = Callable[[int], Awaitable[bytes]]
"""Reads the request's body up to a limit in bytes; raises CallerError over it."""

Handle = Callable[[Request, Read], Awaitable[Reply]]

HIGH_WATER = 64 * 1024
"""Bytes written but not yet taken by the caller, above which a stream waits."""

LINGER = 2.0
"""Seconds for which the rest of a body is read that was refused before its end."""

_BODILESS = (204, 304)
_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n" for s in HTTPStatus}

_log = logging.getLogger("portcullis.proxy")


class _Http:
    """One request as the parser gave it."""

    __slots__ = ("body", "keep_alive", "message", "protocol")

    def __init__(
        self, message: RawRequestMessage, body: StreamReader, protocol: RequestHandler
    ) -> None:
        self.message = message
        self.body = body
        self.protocol = protocol
        # What follows a request for another protocol is not parsed as a request.
        self.keep_alive = not message.should_close and not protocol._upgraded

    @property
    def transport(self) -> asyncio.Transport | None:
        """None once the caller hung up."""
        return self.protocol.transport

    @property
    def old(self) -> bool:
        """HTTP/1.0."""
        return self.message.version.minor == 0


class _Protocol(RequestHandler):
    """One caller's connection: aiohttp's parser and flow control, and our own loop over requests.

    aiohttp's loop makes a task, a request object and a writer for each request, which cost as much
    as all else that its server does (docs/performance.md). This one leans on names that aiohttp
    does not promise to keep: pyproject.toml allows one minor version of it, and
    tests/proxy/test_server.py drives it over sockets.
    """

    async def start(self) -> None:
        """Answer one request after the other. Cancelled when the caller hangs up."""
        try:
            while not self._force_close:
                if not self._messages:
                    self._waiter = self._loop.create_future()
                    try:
                        await self._waiter
                    finally:
                        self._waiter = None
                message, body = self._messages.popleft()
                if self._parser is not None:
                    self._parser.message_consumed()
                if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
                    self._resume_reading_if_drained()
                self._request_in_progress = True
                try:
                    kept = await self._answer(message, body)
                finally:
                    self._request_in_progress = False
                    if self._handler_waiter is not None and not self._handler_waiter.done():
                        self._handler_waiter.set_result(None)
                if not body.is_eof():
                    kept = await _read_rest(body) and kept
                if not kept or self._close:
                    break
                self._expect_another()
        except ConnectionError:
            pass  # the caller hung up
        except Exception:  # noqa: BLE001  one connection's fault must not be silent
            _log.exception("connection broken off")
        finally:
            if not self._force_close:
                self._task_handler = None
                if self.transport is not None:
                    self.transport.close()

    async def _answer(self, message: RawRequestMessage | _ErrInfo, body: StreamReader) -> bool:
        """Write the reply to one request; whether the connection stays."""
        if isinstance(message, _ErrInfo):
            _Written(_Http(ERROR, body, self), _unreadable(message)).whole()
            return False
        serve = cast("Callable[[_Http], Awaitable[bool]]", self._request_handler)
        return await serve(_Http(message, body, self))

    def _expect_another(self) -> None:
        """Put off the end of a connection on which nothing comes."""
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(
                self._next_keepalive_close_time, self._process_keepalive
            )


async def _read_rest(body: StreamReader) -> bool:
    """Read what the caller still sends, for it would not read a reply before that; whether it
    came to an end in `LINGER` seconds."""
    try:
        async with asyncio.timeout(LINGER):
            while not body.is_eof():
                await body.readany()
    except Exception:  # noqa: BLE001  too late, or no body at all: the connection ends
        return False
    return True


def _unreadable(error: _ErrInfo) -> Reply:
    """The reply to what is not HTTP, in our own words: aiohttp's repeat what was sent."""
    _log.warning("not a request that can be read: %s", type(error.exc).__name__)
    told = {
        "message": "This is not a request that this gateway can read as HTTP/1.1.",
        "type": "invalid_request_error",
        "param": None,
        "code": Reason.BODY_MALFORMED.value,
    }
    headers = Headers([("content-type", "application/json")])
    return Reply(error.status, headers, dumps({"error": told}))


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class DataServer:
    """Serves `handle` on sockets that somebody else opened."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._server = _Server(
            cast("Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]", self._serve),
            access_log=None,
            auto_decompress=False,
            handler_cancellation=True,
            keepalive_timeout=75.0,
            max_field_size=32 * 1024,
            max_line_size=16 * 1024,
        )
        self._listeners: list[asyncio.Server] = []
        self._ending = False

    async def start(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._listeners.append(await loop.create_server(self._server, sock=sock, backlog=1024))

    def stop_accepting(self) -> None:
        """Take no more connections, and keep none beyond its next reply."""
        self._ending = True
        for listener in self._listeners:
            listener.close()

    async def close(self, timeout: float) -> None:
        """Close idle connections at once, busy ones after `timeout` seconds."""
        self.stop_accepting()
        await self._server.shutdown(timeout)

    async def _serve(self, http: _Http) -> bool:
        """Answer one request; whether its connection stays."""
        message = http.message
        request = Request(
            message.method,
            message.path,
            Headers([(k.decode("latin-1"), v.decode("latin-1")) for k, v in message.raw_headers]),
        )
        reply = await self._handle(request, functools.partial(_read_body, http, request))
        if self._ending:  # whoever sends again finds another gateway, or none
            http.keep_alive = False
        written = _Written(http, reply)
        if isinstance(reply.body, bytes):
            written.whole()
        else:
            await written.stream(reply.body)
        return http.keep_alive


async def _read_body(http: _Http, request: Request, limit: int) -> bytes:
    length = request.headers.get("content-length")
    if length.isdigit() and int(length) > limit:
        raise too_large(limit)
    body = http.body
    if body.at_eof():
        return b""
    if request.headers.get("expect").lower() == "100-continue" and http.transport is not None:
        http.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    pieces: list[bytes] = []
    size = 0
    while not body.at_eof():
        piece = await body.readany()
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

    def __init__(self, http: _Http, reply: Reply) -> None:
        self._http = http
        self._reply = reply

    def whole(self) -> None:
        """Write a reply whose body is all there."""
        body = self._reply.body
        assert isinstance(body, bytes)
        if self._http.message.method == "HEAD" or self._reply.status in _BODILESS:
            self._write(self._head(""))
        else:
            self._write(self._head(f"Content-Length: {len(body)}\r\n") + body)

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
            if self._http.transport is not None:
                self._http.transport.abort()
        finally:
            aclose = getattr(pieces, "aclose", None)
            if aclose is not None:
                await aclose()

    async def _stream(self, pieces: AsyncIterator[bytes]) -> None:
        chunked = self._begin_stream()
        async for piece in pieces:
            self._write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            transport = self._http.transport
            if transport is not None and transport.get_write_buffer_size() > HIGH_WATER:
                await self._http.protocol._drain_helper()
        if chunked:
            self._write(b"0\r\n\r\n")

    def _begin_stream(self) -> bool:
        """Write the head; whether the body comes in chunks."""
        http, reply = self._http, self._reply
        if (
            http.message.method == "HEAD"
            or reply.status in _BODILESS
            or "content-length" in reply.headers
        ):
            self._write(self._head(""))
            return False
        if http.old:  # HTTP/1.0 knows no chunks: the body ends with the connection
            self._http.keep_alive = False
            self._write(self._head(""))
            return False
        self._write(self._head("Transfer-Encoding: chunked\r\n"))
        return True

    # --- bytes ---

    def _head(self, framing: str) -> bytes:
        reply = self._reply
        lines = [_STATUS_LINES.get(reply.status) or f"HTTP/1.1 {reply.status} \r\n"]
        lines += [f"{name}: {value}\r\n" for name, value in reply.headers.items]
        if "date" not in reply.headers:
            lines.append(f"Date: {rfc822_formatted_time()}\r\n")
        if not self._http.keep_alive:
            lines.append("Connection: close\r\n")
        elif self._http.old:
            lines.append("Connection: keep-alive\r\n")
        lines += (framing, "\r\n")
        return "".join(lines).encode("latin-1")

    def _write(self, data: bytes) -> None:
        transport = self._http.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the caller hung up")
        transport.write(data)
