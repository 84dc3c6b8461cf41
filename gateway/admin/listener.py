"""The operator's listeners as small routed HTTP servers; aiohttp stays in this file."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
from aiohttp import web

MAX_BODY = 64 * 1024
"""Bytes of a request to an operator's listener."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to an operator's listener."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """The answer: JSON where `body` is not text."""

    status: int
    body: object
    content_type: str = "application/json"


Answer = Callable[[Ask], Awaitable[Told]]


class Listener:
    """Serves `answer` on a socket or a unix socket's path."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None))

    async def start(self, where: socket.socket | Path) -> None:
        """Raises OSError where the address cannot be used."""
        await self._runner.setup()
        site: web.BaseSite
        if isinstance(where, Path):
            where.parent.mkdir(parents=True, exist_ok=True)
            where.unlink(missing_ok=True)
            site = web.UnixSite(self._runner, str(where))
        else:
            site = web.SockSite(self._runner, where)
        await site.start()
        if isinstance(where, Path):
            where.chmod(0o600)

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _serve(self, http: web.BaseRequest) -> web.StreamResponse:
        if (http.content_length or 0) > MAX_BODY:
            told = Told(413, {"error": "too large"})
        else:
            body = await http.content.read(MAX_BODY)
            headers = {name.lower(): value for name, value in http.headers.items()}
            told = await self._answer(Ask(http.method, http.path, http.query, headers, body))
        text = told.body if isinstance(told.body, str) else orjson.dumps(told.body).decode() + "\n"
        return web.Response(
            status=told.status, body=text.encode(), headers={"content-type": told.content_type}
        )
