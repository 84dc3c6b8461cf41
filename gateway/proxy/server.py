"""The one file of the data path that serves HTTP: aiohttp's low-level server behind our types."""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import cast

from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.web_protocol import RequestHandler

from gateway.dialects.jsondoc import dumps
from gateway.message import Headers, Reply, Request
from gateway.proxy.body import too_large
from gateway.verdict import Reason

Read = Callable[[int], Awaitable[bytes]]
"""Reads the request's body up to a limit in bytes; raises CallerError over it."""

Handle = Callable[[Request, Read], Awaitable[Reply]]

HIGH_WATER = 64 * 1024
"""Bytes written but not yet taken by the caller, above which a stream waits."""

_BODILESS = (204, 304)
_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n" for s in HTTPStatus}

_log = logging.getLogger("portcullis.proxy")


class _Protocol(RequestHandler):
    """Answers what is not HTTP in our own words: aiohttp's repeat what was sent."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        _log.warning("not a request that can be read: %s", type(exc).__name__)
        error = {
            "message": "This is not a request that this gateway can read as HTTP/1.1.",
            "type": "invalid_request_error",
            "param": None,
            "code": Reason.BODY_MALFORMED.value,
        }
        reply = Reply(
            status, Headers([("content-type", "application/json")]), dumps({"error": error})
        )
        written = _Written(request, reply)
        written.keep_alive = False
        return cast("web.StreamResponse", written)


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class DataServer:
    """Serves `handle` on sockets that somebody else opened."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._server = _Server(
            self._serve,
            access_log=None,
            auto_decompress=False,
            handler_cancellation=True,
            keepalive_timeout=75.0,
            max_field_size=32 * 1024,
            max_line_size=16 * 1024,
            lingering_time=2.0,
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

    async def _serve(self, http: web.BaseRequest) -> web.StreamResponse:
        request = Request(
            http.method,
            http.raw_path,
            Headers([(k.decode("latin-1"), v.decode("latin-1")) for k, v in http.raw_headers]),
        )
        reply = await self._handle(request, functools.partial(_read_body, http, request))
        written = _Written(http, reply)
        if self._ending:  # whoever sends again finds another gateway, or none
            written.keep_alive = False
        if not isinstance(reply.body, bytes):
            await written.stream(reply.body)
        # The server asks no more of a response than `_Written` has.
        return cast("web.StreamResponse", written)


async def _read_body(http: web.BaseRequest, request: Request, limit: int) -> bytes:
    length = request.headers.get("content-length")
    if length.isdigit() and int(length) > limit:
        raise too_large(limit)
    if not http.body_exists:
        return b""
    if request.headers.get("expect").lower() == "100-continue" and http.transport is not None:
        http.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    content = http.content
    pieces: list[bytes] = []
    size = 0
    while not content.at_eof():
        piece = await content.readany()
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

    __slots__ = ("_http", "_reply", "keep_alive")

    def __init__(self, http: web.BaseRequest, reply: Reply) -> None:
        self._http = http
        self._reply = reply
        self.keep_alive = http.keep_alive

    # --- what aiohttp's server calls when the handler has returned ---

    async def prepare(self, http: web.BaseRequest) -> None:
        body = self._reply.body
        if isinstance(body, bytes):
            bodiless = http.method == "HEAD" or self._reply.status in _BODILESS
            self._write(
                self._head("" if bodiless else f"Content-Length: {len(body)}\r\n")
                + (b"" if bodiless else body)
            )

    async def write_eof(self) -> None:
        """All was written by `prepare` or `stream`."""

    # --- streams ---

    async def stream(self, pieces: AsyncIterator[bytes]) -> None:
        """Write pieces as they come, at the pace at which the caller reads."""
        try:
            await self._stream(pieces)
        except ConnectionResetError:
            self.keep_alive = False  # the caller hung up; the iterator's own end records it
        except Exception as error:  # noqa: BLE001
            # The status is sent: breaking the connection is the only honest sign that is left.
            _log.warning("stream broken off: %s", type(error).__name__)
            self.keep_alive = False
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
                await self._http.writer.drain()
        if chunked:
            self._write(b"0\r\n\r\n")

    def _begin_stream(self) -> bool:
        """Write the head; whether the body comes in chunks."""
        http, reply = self._http, self._reply
        if http.method == "HEAD" or reply.status in _BODILESS or "content-length" in reply.headers:
            self._write(self._head(""))
            return False
        if http.version.minor == 0:  # HTTP/1.0 knows no chunks: the body ends with the connection
            self.keep_alive = False
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
        if not self.keep_alive:
            lines.append("Connection: close\r\n")
        elif self._http.version.minor == 0:
            lines.append("Connection: keep-alive\r\n")
        lines += (framing, "\r\n")
        return "".join(lines).encode("latin-1")

    def _write(self, data: bytes) -> None:
        transport = self._http.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the caller hung up")
        transport.write(data)
