"""What kind of request this is: a call, a tunnel, a WebSocket, or one for a plain HTTP proxy."""

from __future__ import annotations

from collections.abc import Awaitable

from gateway.errors import CallerError
from gateway.exchange import Exchange
from gateway.message import Reply, Request
from gateway.proxy.handler import Handler, Read
from gateway.proxy.tunnel import Tunnels
from gateway.proxy.upgrade import Upgrades
from gateway.verdict import Reason


class Front:
    """Hands each request to who answers it."""

    def __init__(self, handler: Handler, tunnels: Tunnels, upgrades: Upgrades) -> None:
        self._handler = handler
        self._tunnels = tunnels
        self._upgrades = upgrades

    def handle(self, request: Request, read: Read) -> Awaitable[Reply]:
        """Answer one request. (No coroutine of its own: a call passes here in a few checks.)"""
        if request.method == "CONNECT":
            return self._tunnels.handle(request, read)
        if request.switches:
            return self._upgrades.handle(request, read)
        if not request.target.startswith("/") and "://" in request.target:
            return self._handler.handle(request, read, _absolute)
        return self._handler.handle(request, read)


async def _absolute(exchange: Exchange) -> Reply:
    """`GET http://example.com/ HTTP/1.1`, as clients with HTTP_PROXY send it."""
    raise CallerError(
        Reason.PROXY_UNSUPPORTED,
        "This gateway forwards no plain-http requests to other servers. Nothing was sent. Use an "
        "https URL, which goes through CONNECT where the operator has switched it on; for the "
        "gateway itself, set NO_PROXY to its address.",
    )
