"""The operator's listeners over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.admin.listener import LONGEST_BODY, Answer, Ask, Listener, Told
from gateway.config.settings import Address, UnixSocket
from gateway.sockets import listen

Serve = Callable[[Answer, socket.socket], Coroutine[Any, Any, None]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    listeners: list[Listener] = []

    async def begin(answer: Answer, sock: socket.socket) -> None:
        listeners.append(Listener(answer))
        await listeners[-1].start(sock)

    yield begin
    for listener in listeners:
        await listener.stop()


async def test_a_request_arrives_with_path_headers_and_where_it_arrived(serve: Serve) -> None:
    seen: list[Ask] = []

    async def answer(ask: Ask) -> Told:
        seen.append(ask)
        return Told(201, {"a": [1, "é"]}, headers={"allow": "GET"})

    sock = listen("--admin", Address("127.0.0.1", 0))
    await serve(answer, sock)
    base = f"http://127.0.0.1:{sock.getsockname()[1]}"
    async with aiohttp.ClientSession() as client:
        async with client.post(base + "/a%20b?c=d", data=b"x" * LONGEST_BODY) as reply:
            assert (reply.status, await reply.json()) == (201, {"a": [1, "é"]})
            assert reply.headers["allow"] == "GET"
            assert (await reply.read()).endswith(b"\n")
        async with client.head(base + "/") as reply:
            assert (reply.status, await reply.read()) == (201, b"")
    assert [(ask.method, ask.path, ask.local) for ask in seen] == [
        ("POST", "/a b", "127.0.0.1"),
        ("HEAD", "/", "127.0.0.1"),
    ]
    assert seen[0].headers["host"] == base.removeprefix("http://")
    assert [ask.body for ask in seen] == [b"x" * LONGEST_BODY, b""]


async def test_a_body_that_is_too_long_is_not_handed_on(serve: Serve) -> None:
    async def answer(ask: Ask) -> Told:
        raise AssertionError("it was asked")

    sock = listen("--admin", Address("127.0.0.1", 0))
    await serve(answer, sock)
    base = f"http://127.0.0.1:{sock.getsockname()[1]}"
    async with (
        aiohttp.ClientSession() as client,
        client.post(base, data=b"x" * (LONGEST_BODY + 1)) as reply,
    ):
        assert reply.status == 413


async def test_text_goes_out_as_it_is(serve: Serve) -> None:
    async def answer(ask: Ask) -> Told:
        return Told(200, "plain\n", "text/plain; version=0.0.4; charset=utf-8")

    sock = listen("--probes", Address("127.0.0.1", 0))
    await serve(answer, sock)
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"http://127.0.0.1:{sock.getsockname()[1]}/metrics") as reply,
    ):
        assert await reply.text() == "plain\n"
        assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_a_socket_file_is_served_too(serve: Serve, tmp_path: Path) -> None:
    async def answer(ask: Ask) -> Told:
        return Told(200, {"local": ask.local})

    path = tmp_path / "admin.sock"
    await serve(answer, listen("--admin", UnixSocket(path)))
    connector = aiohttp.UnixConnector(str(path))
    async with (
        aiohttp.ClientSession(connector=connector) as client,
        client.get("http://localhost/") as reply,
    ):
        assert await reply.json() == {"local": ""}


async def test_what_fails_inside_is_a_500_that_says_nothing_of_it(serve: Serve) -> None:
    async def answer(ask: Ask) -> Told:
        raise RuntimeError("inner secret")

    sock = listen("--admin", Address("127.0.0.1", 0))
    await serve(answer, sock)
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"http://127.0.0.1:{sock.getsockname()[1]}/") as reply,
    ):
        assert reply.status == 500
        assert "secret" not in await reply.text()


async def test_it_stops_though_somebody_waits(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def answer(ask: Ask) -> Told:
        begun.set()
        await asyncio.sleep(3600)
        return Told(200, {})

    monkeypatch.setattr("gateway.admin.listener.STOP_GRACE", 0.01)
    sock = listen("--admin", Address("127.0.0.1", 0))
    listener = Listener(answer)
    await listener.start(sock)
    async with aiohttp.ClientSession() as client:
        waiting = asyncio.create_task(client.get(f"http://127.0.0.1:{sock.getsockname()[1]}/"))
        await begun.wait()
        await listener.stop()
        with pytest.raises(aiohttp.ClientError):
            await waiting
