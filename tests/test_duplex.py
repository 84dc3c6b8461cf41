"""Bytes both ways over a transport: bounded, half-closed in order, nothing lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from gateway.duplex import HIGH_WATER, DuplexProtocol, TransportDuplex
from gateway.tls import Pems, client_context, server_context
from tests.certificates import Authority

OURS = Authority()


@contextlib.asynccontextmanager
async def pair(*, tls: bool = False) -> AsyncIterator[tuple[TransportDuplex, TransportDuplex]]:
    """Two ends of one TCP connection, or of one over TLS."""
    shown = OURS.issue()
    theirs_tls = server_context(Pems(cert=shown.cert, key=shown.key)) if tls else None
    ours_tls = client_context(Pems(ca=OURS.pem)) if tls else None
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[TransportDuplex] = loop.create_future()

    class Accepting(DuplexProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            accepted.set_result(self.duplex)

    server = await loop.create_server(Accepting, "127.0.0.1", 0, ssl=theirs_tls)
    port = server.sockets[0].getsockname()[1]
    _, ours = await loop.create_connection(DuplexProtocol, "127.0.0.1", port, ssl=ours_tls)
    theirs = await accepted
    server.close()
    try:
        yield ours.duplex, theirs
    finally:
        ours.duplex.abort()
        theirs.abort()
        await asyncio.sleep(0)


async def read_all(duplex: TransportDuplex) -> bytes:
    pieces = []
    while piece := await duplex.read():
        pieces.append(piece)
    return b"".join(pieces)


def test_each_way_ends_by_itself() -> None:
    async def scene() -> None:
        async with pair() as (one, other):
            await one.write(b"question")
            one.end()
            assert await read_all(other) == b"question"
            await other.write(b"answer")
            other.end()
            assert await read_all(one) == b"answer"
            with pytest.raises(ConnectionError):
                await one.write(b"more")

    asyncio.run(scene())


def test_over_tls_an_end_is_the_end_of_both_ways_after_what_was_written() -> None:
    async def scene() -> None:
        async with pair(tls=True) as (one, other):
            await one.write(b"last words")
            one.end()
            assert await read_all(one) == b""
            assert await read_all(other) == b"last words"
            with pytest.raises(ConnectionError):
                await one.write(b"more")

    asyncio.run(scene())


def test_what_nobody_reads_is_not_taken_without_bound() -> None:
    async def scene() -> None:
        async with pair() as (one, other):
            sent = 0

            async def send() -> None:
                nonlocal sent
                for _ in range(1000):
                    await one.write(b"x" * 65536)
                    sent += 65536
                one.end()

            sending = asyncio.create_task(send())
            for _ in range(200):
                await asyncio.sleep(0)
            assert not sending.done()
            assert other._size <= HIGH_WATER + 1024 * 1024
            assert len(await read_all(other)) == 65536 * 1000 == sent

    asyncio.run(scene())


def test_a_cancelled_read_loses_nothing() -> None:
    async def scene() -> None:
        async with pair() as (one, other):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await other.read()
            await one.write(b"hello")
            assert await other.read() == b"hello"

    asyncio.run(scene())


def test_who_was_cut_off_is_told_after_what_had_come() -> None:
    async def scene() -> None:
        async with pair() as (one, other):
            await one.write(b"last words")
            await asyncio.sleep(0.01)
            other.lost(ConnectionResetError("gone"))
            assert await other.read() == b"last words"
            with pytest.raises(ConnectionResetError):
                await other.read()
            with pytest.raises(ConnectionResetError):
                await other.write(b"x")

    asyncio.run(scene())


def test_a_close_lets_leave_what_was_written() -> None:
    async def scene() -> None:
        async with pair() as (one, other):
            size = 4 * 1024 * 1024
            writing = asyncio.create_task(one.write(b"x" * size))
            await asyncio.sleep(0)
            one.close()
            assert len(await read_all(other)) == size
            await asyncio.gather(writing, return_exceptions=True)

    asyncio.run(scene())


def test_a_duplex_without_a_connection_is_broken() -> None:
    async def scene() -> None:
        gone = TransportDuplex(None)
        with pytest.raises(ConnectionResetError):
            await gone.read()
        with pytest.raises(ConnectionResetError):
            await gone.write(b"x")
        gone.end()
        gone.close()
        gone.abort()

    asyncio.run(scene())
