"""A connection to an upstream through an HTTP proxy: CONNECT (RFC 9110, 9.3.6), then TLS inside it.

Rules of this file:
- What the proxy says goes no further than its status: neither to callers nor into the log.
- A proxy that says more than its answer's head is not believed.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import TypeVar, cast

from gateway.upstream.connection import BrokenError
from gateway.upstream.way import Proxy

MAX_HEAD = 16 * 1024
"""Bytes of the proxy's answer."""

P = TypeVar("P", bound=asyncio.Protocol)


async def connect_through(
    proxy: Proxy, host: str, port: int, make: Callable[[], P], context: ssl.SSLContext | None
) -> P:
    """A connection to `host`, with TLS where a context is given.

    Raises:
        BrokenError: the proxy is away, or does not want to.
        OSError: the host's TLS is not what it should be.
    """
    loop = asyncio.get_running_loop()
    try:
        transport, knock = await loop.create_connection(_Knock, proxy.host, proxy.port)
    except OSError as error:
        why = f"no connection to the outgoing proxy: {type(error).__name__}"
        raise BrokenError(why, begun=False) from error
    try:
        transport.write(_request(proxy, host, port))
        status = await knock.answered
        if not 200 <= status < 300:
            wants = ", it wants credentials" if status == 407 else ""
            raise BrokenError(f"the outgoing proxy answered {status}{wants}", begun=False)
        made = make()
        if context is None:
            transport.set_protocol(made)
            made.connection_made(transport)
            transport.resume_reading()
            return made
        # It is given its protocol's calls from now on, except that the connection was made.
        secured = await loop.start_tls(transport, made, context, server_hostname=host)
        if secured is None:
            raise BrokenError("the connection ended in its TLS handshake", begun=False)
        made.connection_made(secured)
    except BaseException:
        transport.abort()
        raise
    return made


def _request(proxy: Proxy, host: str, port: int) -> bytes:
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class _Knock(asyncio.Protocol):
    """Waits for the head of the proxy's answer; `answered` is its status."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.answered.done():
            return
        self._data += data
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if not end:
            if len(head) > MAX_HEAD:
                self._fail("the outgoing proxy's answer is too large")
            return
        line = head.split(b"\r\n", 1)[0].split(b" ")
        known = line[0] in (b"HTTP/1.0", b"HTTP/1.1") and len(line) > 1
        if not known or len(line[1]) != 3 or not line[1].isdigit():
            self._fail("the outgoing proxy does not speak HTTP")
        elif rest and line[1].startswith(b"2"):
            self._fail("the outgoing proxy said more than it was asked")
        else:
            if self._transport is not None:
                self._transport.pause_reading()  # what follows is the upstream's
            self.answered.set_result(int(line[1]))

    def connection_lost(self, error: Exception | None) -> None:
        self._fail("the outgoing proxy closed the connection")

    def _fail(self, why: str) -> None:
        if not self.answered.done():
            self.answered.set_exception(BrokenError(why, begun=False))
            self.answered.exception()  # who waits may be gone
