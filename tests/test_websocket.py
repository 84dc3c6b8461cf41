"""Messages over a duplex: handshakes, fragments, pings, closes, bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import OP_CONT, OP_PING, OP_PONG, OP_TEXT, Frame, Opcode
from websockets.utils import accept_key

from gateway.message import Headers
from gateway.websocket import ClosedError, Handshake, WebSocket, accept, without_handshake
from tests.test_duplex import pair

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ASKED = [
    ("Host", "gw"),
    ("Upgrade", "websocket"),
    ("Connection", "keep-alive, Upgrade"),
    ("Sec-WebSocket-Key", KEY),
    ("Sec-WebSocket-Version", "13"),
]


@asynccontextmanager
async def sockets(max_size: int = 1000) -> AsyncIterator[tuple[WebSocket, WebSocket]]:
    """(server, client) of one connection."""
    async with pair() as (one, other):
        yield WebSocket(one, "server", max_size), WebSocket(other, "client", max_size)


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=True)


def test_messages_go_both_ways() -> None:
    async def scene() -> None:
        async with sockets() as (server, client):
            await client.send("häl\nlo")
            await client.send(b"\x00\xff")
            assert await server.receive() == "häl\nlo"
            assert await server.receive() == b"\x00\xff"
            await server.send("")
            assert await client.receive() == ""

    asyncio.run(scene())


@given(st.text(max_size=50), st.lists(st.integers(0, 20), max_size=5), st.integers(1, 9))
def test_however_a_message_is_cut_it_is_the_same(text: str, cuts: list[int], step: int) -> None:
    data, frames, at = text.encode("utf-8", "replace"), b"", 0
    for number, size in enumerate([*cuts, len(data)]):
        last = number == len(cuts)
        piece = data[at:] if last else data[at : at + size]
        at += len(piece)
        frames += frame(OP_CONT if number else OP_TEXT, piece, fin=last)
        frames += b"" if last else frame(OP_PING, b"p")

    async def scene() -> None:
        async with pair() as (one, other):
            server = WebSocket(one, "server", 1000)
            receiving = asyncio.create_task(server.receive())
            for start in range(0, len(frames), step):
                await other.write(frames[start : start + step])
            assert await receiving == data.decode()

    asyncio.run(scene())


def test_a_ping_is_answered_while_somebody_receives() -> None:
    async def scene() -> None:
        async with pair() as (one, other):
            server = WebSocket(one, "server", 1000)
            receiving = asyncio.create_task(server.receive())
            await other.write(frame(OP_PING, b"there?"))
            assert await other.read() == Frame(OP_PONG, b"there?").serialize(mask=False)
            receiving.cancel()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(OP_TEXT, b"x" * 1001), 1009),
        (frame(OP_TEXT, b"x" * 600, fin=False) + frame(OP_CONT, b"x" * 600), 1009),
        (frame(OP_TEXT, b"\xff\xfe"), 1007),
        (frame(OP_CONT, b"x"), 1002),
        (Frame(OP_TEXT, b"not masked").serialize(mask=False), 1002),
        (b"\xff\xff\xff\xff\xff\xff", 1002),
        (b"\xc1\x80\x00\x00\x00\x00", 1002),  # compressed, which was not agreed
    ],
)
def test_what_may_not_come_closes_the_connection_with_its_code(sent: bytes, code: int) -> None:
    async def scene() -> None:
        async with pair() as (one, other):
            server = WebSocket(one, "server", 1000)
            await other.write(sent)
            with pytest.raises(ClosedError):
                await server.receive()
            told = await other.read()
            assert told[:1] == b"\x88"
            assert int.from_bytes(told[2:4], "big") == code
            with pytest.raises(ClosedError):
                await server.send("more")

    asyncio.run(scene())


def test_a_close_is_answered_and_its_code_is_known() -> None:
    async def scene() -> None:
        async with sockets() as (server, client):
            closing = asyncio.create_task(client.close(4001, "bye"))
            with pytest.raises(ClosedError) as caught:
                await server.receive()
            assert caught.value.code == 4001
            await server.close()
            await closing

    asyncio.run(scene())


def test_a_connection_that_just_ends_has_no_code() -> None:
    async def scene() -> None:
        async with pair() as (one, other):
            server = WebSocket(one, "server", 1000)
            other.abort()
            with pytest.raises(ClosedError) as caught:
                await server.receive()
            assert caught.value.code == 1006
            await server.close(1006)

    asyncio.run(scene())


def test_who_leaves_says_so() -> None:
    async def scene() -> None:
        async with sockets() as (server, client):
            await server.leave(1001)
            with pytest.raises(ClosedError) as caught:
                await client.receive()
            assert caught.value.code == 1001

    asyncio.run(scene())


# --- handshakes ---


def test_a_handshake_is_granted_without_extensions() -> None:
    asked = Headers([*ASKED, ("Sec-WebSocket-Extensions", "permessage-deflate")])
    granted = accept("/v1/responses", asked)
    assert granted.get("sec-websocket-accept") == accept_key(KEY)
    assert "sec-websocket-extensions" not in granted


@pytest.mark.parametrize(
    "change",
    [
        {"Upgrade": "h2c"},
        {"Connection": "keep-alive"},
        {"Sec-WebSocket-Key": "short"},
        {"Sec-WebSocket-Version": "8"},
        {"Sec-WebSocket-Key": None},
    ],
)
def test_what_is_no_handshake_is_refused(change: dict[str, str | None]) -> None:
    pairs = [(name, change.get(name, value)) for name, value in ASKED]
    asked = Headers((name, value) for name, value in pairs if value is not None)
    with pytest.raises(ValueError, match="header"):
        accept("/", asked)


def test_our_own_handshake_takes_only_the_answer_to_it() -> None:
    mine = Handshake()
    good = accept("/", mine.headers)
    mine.check(101, good)
    for status, headers in (
        (200, good),
        (101, accept("/", Handshake().headers)),
        (101, Headers([*good, ("Sec-WebSocket-Extensions", "permessage-deflate")])),
        (101, Headers([*good, ("Sec-WebSocket-Protocol", "chat")])),
    ):
        with pytest.raises(ValueError, match="handshake"):
            Handshake().check(status, headers)


def test_a_callers_handshake_does_not_travel() -> None:
    left = without_handshake(Headers([*ASKED, ("Authorization", "Bearer x")]))
    assert [name for name, _ in left] == ["Host", "Upgrade", "Connection", "Authorization"]
