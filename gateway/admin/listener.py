"""The operator's listeners as small routed HTTP servers; aiohttp stays in this file."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import orjson
from aiohttp import web

STOP_GRACE = 1.0
"""Seconds that running requests may take when the listener stops."""

LONGEST_BODY = 16 * 1024


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to an operator's listener. `body` has at most `LONGEST_BODY` bytes.

    `headers` are in lower case; `local` is the address on which it arrived, "" for a unix socket.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    local: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Told:
    """The answer: JSON where `body` is not text."""

    status: int
    body: object
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Callable[[Ask], Awaitable[Told]]


class Listener:
    """Serves `answer` on a listening socket."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._runner = web.ServerRunner(
            web.Server(self._serve, access_log=None), shutdown_timeout=STOP_GRACE
        )

    async def start(self, sock: socket.socket) -> None:
        await self._runner.setup()
        await web.SockSite(self._runner, sock).start()

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _serve(self, http: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in http.headers.items()}
        local = http.get_extra_info("sockname") or ""
        body = await _body(http)
        if len(body) > LONGEST_BODY:
            told = Told(413, {"error": f"a body has at most {LONGEST_BODY} bytes"})
        else:
            address = local[0] if isinstance(local, tuple) else ""
            told = await self._answer(Ask(http.method, http.path, headers, address, body))
        text = told.body if isinstance(told.body, str) else orjson.dumps(told.body).decode() + "\n"
        return web.Response(
            status=told.status,
            body=text.encode(),
            headers={**told.headers, "content-type": told.content_type},
        )


async def _body(http: web.BaseRequest) -> bytes:
    """The request's body, or somewhat more than the most that one may have."""
    body = b""
    if http.can_read_body:
        async for piece in http.content.iter_chunked(4096):
            body += piece
            if len(body) > LONGEST_BODY:
                break
    return body
