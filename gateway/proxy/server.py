"""The one file of the data path that serves HTTP: aiohttp's low-level server behind our types."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from aiohttp import web
from multidict import CIMultiDict

from gateway.message import Headers, Reply, Request
from gateway.proxy.body import too_large

Read = Callable[[int], Awaitable[bytes]]
"""Reads the request's body up to a limit in bytes; raises CallerError over it."""

Handle = Callable[[Request, Read], Awaitable[Reply]]

_log = logging.getLogger("portcullis.proxy")


class _AsGiven(CIMultiDict[str]):
    """Headers to which aiohttp adds no `Server` and no `Content-Type` of its own making."""

    def setdefault(self, key: str, default: str = "") -> str:
        return self.get(key, default)


AnyResponse = TypeVar("AnyResponse", bound=web.StreamResponse)


def _dressed(response: AnyResponse, reply: Reply) -> AnyResponse:
    """aiohttp copies the headers it is given into a dictionary of its own class."""
    response._headers = _AsGiven(reply.headers.items)
    return response


class DataServer:
    """Serves `handle` on sockets that somebody else opened."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._server = web.Server(
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

    async def start(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._listeners.append(await loop.create_server(self._server, sock=sock, backlog=1024))

    def stop_accepting(self) -> None:
        for listener in self._listeners:
            listener.close()

    async def close(self, timeout: float) -> None:
        """Close idle connections at once, busy ones after `timeout` seconds."""
        self.stop_accepting()
        await self._server.shutdown(timeout)

    async def _serve(self, http: web.BaseRequest) -> web.StreamResponse:
        request = Request(
            http.method,
            http.raw_path if hasattr(http, "raw_path") else http.path_qs,
            Headers((k.decode("latin-1"), v.decode("latin-1")) for k, v in http.raw_headers),
            peer=http.remote or "",
        )

        async def read(limit: int) -> bytes:
            return await _read_body(http, limit)

        reply = await self._handle(request, read)
        if isinstance(reply.body, bytes):
            return _dressed(web.Response(status=reply.status, body=reply.body), reply)
        return await _stream(http, reply, reply.body)


async def _read_body(http: web.BaseRequest, limit: int) -> bytes:
    length = http.content_length
    if length is not None and length > limit:
        raise too_large(limit)
    if not http.body_exists:
        return b""
    if http.headers.get("Expect", "").lower() == "100-continue" and http.transport is not None:
        http.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    pieces: list[bytes] = []
    size = 0
    content = http.content
    while piece := await content.readany():
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _stream(
    http: web.BaseRequest, reply: Reply, pieces: AsyncIterator[bytes]
) -> web.StreamResponse:
    response = _dressed(web.StreamResponse(status=reply.status), reply)
    try:
        await response.prepare(http)
        async for piece in pieces:
            await response.write(piece)
        await response.write_eof()
    except ConnectionResetError:
        pass  # the caller hung up; the iterator's own end records it
    except Exception as error:  # noqa: BLE001
        # The status is sent: breaking the connection is the only honest sign that is left.
        _log.warning("stream broken off: %s", type(error).__name__)
        if http.transport is not None:
            http.transport.abort()
    finally:
        aclose = getattr(pieces, "aclose", None)
        if aclose is not None:
            await aclose()
    return response
