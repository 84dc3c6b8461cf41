"""The upstream end of Responses over WebSocket: one connection, one response after the other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import uvloop

from gateway.dialects.sse import EventReader
from gateway.errors import UpstreamError
from gateway.message import Headers, UpstreamReply
from gateway.testing.answers import Say
from gateway.upstream.client import Client, Timeouts
from gateway.upstream.responses_socket import ResponsesSocket
from gateway.upstream.way import Way
from gateway.verdict import Reason
from tests.proxy.far import make_certificate
from tests.proxy.socket_provider import Close, SocketProvider, Step, Wait, events
from tests.proxy.wire import WAIT, Upstream, answer

MESSAGE = b'{"type":"response.create","model":"m","input":"x"}'
MORE = 10_000_000


class Bench:
    """A socket to a provider; `left` holds what it was told of the connection's end."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.left: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
        self.client = Client()
        self.socket = ResponsesSocket(
            self.client, lambda code, last: self.left.put_nowait((code, last))
        )

    async def ask(
        self, headers: Headers | None = None, *, silence: float = WAIT, message: bytes = MESSAGE
    ) -> UpstreamReply:
        return await self.socket.send(
            "POST",
            Way(self.url),
            "/v1/responses",
            headers or Headers(),
            message,
            Timeouts(read=silence),
            MORE,
        )


def play(url: str, scene: Callable[[Bench], Awaitable[None]]) -> None:
    async def run() -> None:
        bench = Bench(url)
        await bench.client.open()
        try:
            async with asyncio.timeout(WAIT):
                await scene(bench)
        finally:
            bench.socket.abort()
            await bench.client.close()

    asyncio.run(run())


async def kinds(reply: UpstreamReply) -> list[str]:
    reader = EventReader()
    return [orjson.loads(event.data)["type"] for event in reader.feed(await reply.read())]


def test_events_come_as_server_sent_ones_and_end_with_the_last() -> None:
    async def scene(bench: Bench) -> None:
        reply = await bench.ask()
        assert (reply.status, reply.headers.get("content-type")) == (200, "text/event-stream")
        found = await kinds(reply)
        assert (found[0], found[-1]) == ("response.created", "response.completed")
        assert await reply.next_piece() == b""
        reply.close()
        assert (await kinds(await bench.ask()))[-1] == "response.completed"

    with SocketProvider() as provider:
        play(provider.url, scene)
        assert provider.raw == [MESSAGE.decode()] * 2
        assert len(provider.open) == 1


@pytest.mark.parametrize("last", ["response.failed", "response.incomplete", "error"])
def test_a_response_that_fails_ends_too(last: str) -> None:
    async def scene(bench: Bench) -> None:
        for _ in range(2):
            assert (await kinds(await bench.ask()))[-1] == last

    script: list[Step] = [{"type": "response.created", "response": {}}, {"type": last}]
    with SocketProvider(lambda got, number: script) as provider:
        play(provider.url, scene)
        assert len(provider.open) == 1


def test_other_headers_need_another_connection() -> None:
    async def scene(bench: Bench) -> None:
        for key in ("one", "one", "two"):
            await kinds(await bench.ask(Headers([("Authorization", key)])))

    with SocketProvider() as provider:
        play(provider.url, scene)
        assert [asked.headers["authorization"] for asked in provider.asked] == ["one", "two"]


def test_a_trace_that_differs_from_call_to_call_needs_no_other_connection() -> None:
    async def scene(bench: Bench) -> None:
        for number in range(3):
            await kinds(await bench.ask(Headers([("Traceparent", f"00-{number}")])))

    with SocketProvider() as provider:
        play(provider.url, scene)
        assert [asked.headers["traceparent"] for asked in provider.asked] == ["00-0"]


def test_a_response_that_is_not_wanted_any_more_costs_the_connection() -> None:
    never = threading.Event()

    def script(got: dict[str, Any], number: int) -> list[Step]:
        return [events(Say())[0], Wait(never)] if number == 0 else events(Say())

    async def scene(bench: Bench) -> None:
        reply = await bench.ask()
        assert await reply.next_piece()
        reply.close()
        reply.close()
        never.set()
        assert (await kinds(await bench.ask()))[-1] == "response.completed"
        assert bench.left.empty()

    with SocketProvider(script) as provider:
        play(provider.url, scene)
        assert len(provider.open) == 2


def test_a_refusal_is_a_whole_answer_with_its_status() -> None:
    told = {"type": "error", "status": 429, "error": {"code": "rate_limit_exceeded"}}

    async def scene(bench: Bench) -> None:
        for _ in range(2):
            reply = await bench.ask()
            assert (reply.status, orjson.loads(await reply.read())) == (429, told)

    with SocketProvider(lambda got, number: [told]) as provider:
        play(provider.url, scene)
        assert len(provider.open) == 1


def test_a_refused_handshake_is_the_answer() -> None:
    async def scene(bench: Bench) -> None:
        reply = await bench.ask()
        assert (reply.status, await reply.read()) == (401, b'{"error":{}}')

    with SocketProvider(refuse=(401, b'{"error":{}}')) as provider:
        play(provider.url, scene)


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


@pytest.mark.parametrize(
    "head",
    [
        answer(b"[]").pieces[0],
        SWITCH + b"Sec-WebSocket-Accept: wrong\r\n\r\n",
        SWITCH + b"\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ],
)
def test_who_speaks_no_websocket_is_told_apart(head: bytes) -> None:
    async def scene(bench: Bench) -> None:
        with pytest.raises(UpstreamError) as caught:
            await bench.ask()
        assert caught.value.reason in (Reason.ANSWER_MALFORMED, Reason.UPSTREAM_UNREACHABLE)

    script = answer()
    script.pieces = [head]
    script.then = "hang"
    with Upstream(lambda got: script) as upstream:
        play(upstream.url, scene)


def test_a_break_in_the_middle_is_an_error_and_what_came_before_is_not_lost() -> None:
    async def scene(bench: Bench) -> None:
        reply = await bench.ask()
        assert b"response.created" in await reply.next_piece()
        with pytest.raises(UpstreamError) as caught:
            await reply.next_piece()
        assert caught.value.reason is Reason.UPSTREAM_UNREACHABLE
        reply.close()

    with SocketProvider(lambda got, number: [events(Say())[0], Close(1006)]) as provider:
        play(provider.url, scene)


def test_silence_and_binary_messages_are_errors() -> None:
    never = threading.Event()

    async def silent(bench: Bench) -> None:
        reply = await bench.ask(silence=0.2)
        await reply.next_piece()
        with pytest.raises(UpstreamError) as caught:
            await reply.next_piece()
        assert (caught.value.reason, caught.value.status) == (Reason.UPSTREAM_TIMEOUT, 504)
        never.set()

    async def binary(bench: Bench) -> None:
        with pytest.raises(UpstreamError) as caught:
            await bench.ask()
        assert caught.value.reason is Reason.ANSWER_MALFORMED

    with SocketProvider(lambda got, number: [events(Say())[0], Wait(never)]) as provider:
        play(provider.url, silent)
    with SocketProvider(lambda got, number: [b"\x00"]) as provider:
        play(provider.url, binary)


@pytest.mark.parametrize(
    ("last", "told"),
    [
        ([], (4000, "")),
        (['{"type":"error","error":{}}'], (1011, '{"type":"error","error":{}}')),
        (['{"type":"response.output_text.delta","delta":"x"}'], (1011, "")),
        ([b"\x00"], (1011, "")),
    ],
)
def test_what_happens_between_two_responses_is_told(
    last: list[Step], told: tuple[int, str]
) -> None:
    more = threading.Event()

    async def scene(bench: Bench) -> None:
        await kinds(await bench.ask())
        more.set()
        assert await bench.left.get() == told

    steps: list[Step] = [*events(Say()), Wait(more), *last, Close(4000)]
    with SocketProvider(lambda got, number: steps) as provider:
        play(provider.url, scene)


def test_a_message_without_a_connection_is_not_sent() -> None:
    async def scene(bench: Bench) -> None:
        assert not await bench.socket.pass_on("x")
        await kinds(await bench.ask())
        assert await bench.socket.pass_on('{"type":"response.steer"}')
        await kinds(await bench.ask())

    with SocketProvider(
        lambda got, number: events(Say()) if got["type"] == "response.create" else []
    ) as provider:
        play(provider.url, scene)
        assert [got["type"] for got in provider.got][1] == "response.steer"


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_it_is_the_same_over_tls(
    tmp_path: Path, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    certificate = make_certificate(tmp_path, ["localhost"])
    never = threading.Event()

    def script(got: dict[str, Any], number: int) -> list[Step]:
        big = {"type": "response.output_text.delta", "delta": "x" * 300_000}
        match got["input"]:
            case "x":
                return [*events(Say())[:-1], big, events(Say())[-1]]
            case "hang":
                return [events(Say())[0], Wait(never)]
        return [events(Say())[0], Close(1000)]

    async def scene() -> None:
        bench = Bench(provider.url.replace("http://127.0.0.1", "https://localhost"))
        await bench.client.open()
        bench.client._context.load_verify_locations(certificate)
        try:
            for _ in range(2):
                assert (await kinds(await bench.ask()))[-1] == "response.completed"
            reply = await bench.ask(message=MESSAGE.replace(b'"x"', b'"hang"'))
            await reply.next_piece()
            reply.close()
            never.set()
            reply = await bench.ask(message=MESSAGE.replace(b'"x"', b'"break"'))
            await reply.next_piece()
            with pytest.raises(UpstreamError):
                await reply.next_piece()
        finally:
            bench.socket.abort()
            await bench.client.close()

    with (
        SocketProvider(script, certificate=certificate) as provider,
        asyncio.Runner(loop_factory=loop_factory) as runner,
    ):
        runner.run(asyncio.wait_for(scene(), WAIT))
        assert len(provider.open) == 2
