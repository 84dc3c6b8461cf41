"""Through an outgoing proxy: what it lets pass, what it refuses, what it must not say."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.duplex import DuplexProtocol
from gateway.upstream.connection import BrokenError
from gateway.upstream.knock import MAX_HEAD, connect_through
from gateway.upstream.way import Proxy
from tests.proxy.far import Far, echo
from tests.upstream.outgoing_proxy import OutgoingProxy


async def through(proxy: OutgoingProxy, port: int = 1, asked: str = "") -> DuplexProtocol:
    way = Proxy("127.0.0.1", proxy.port, asked)
    async with asyncio.timeout(20):
        return await connect_through(way, "127.0.0.1", port, DuplexProtocol, None)


async def test_bytes_pass_after_the_proxy_agreed() -> None:
    with OutgoingProxy() as proxy, Far(echo) as far:
        made = await through(proxy, far.port)
        await made.duplex.write(b"hello")
        assert await made.duplex.read() == b"hello"
        made.duplex.abort()
        (asked,) = proxy.asked
        assert asked.line == f"CONNECT 127.0.0.1:{far.port} HTTP/1.1"
        assert asked.get("host") == f"127.0.0.1:{far.port}"


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (b"HTTP/1.1 403 Forbidden: hunter2\r\n\r\n", "answered 403$"),
        (b"HTTP/1.1 407 x\r\n\r\n", "answered 407, it wants credentials"),
        (b"HTTP/1.1 200 OK\r\n\r\nhunter2", "said more than it was asked"),
        (b"SSH-2.0-hunter2\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 2oo OK\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * MAX_HEAD, "too large"),
    ],
)
async def test_a_proxy_that_does_not_let_pass_is_told_by_its_status(says: bytes, why: str) -> None:
    with OutgoingProxy(says=says) as proxy:
        with pytest.raises(BrokenError, match=why) as caught:
            await through(proxy)
        assert "hunter2" not in str(caught.value)
        assert not caught.value.begun


async def test_a_proxy_that_is_away_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(BrokenError, match="no connection to the outgoing proxy: ConnectionRefused"):
        await connect_through(Proxy("127.0.0.1", port), "h", 1, DuplexProtocol, None)
