"""Bytes both ways between two connections, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.duplex import TransportDuplex
from gateway.proxy.pipe import Ended, Gate, Pipe, ShutError
from tests.test_duplex import pair, read_all

Scene = Callable[[TransportDuplex, TransportDuplex], Awaitable[None]]


def play(scene: Scene, *, idle: float = 20.0, gate: Gate | None = None) -> tuple[Ended, Pipe]:
    """Run a scene of (caller, far end) at the outer ends of a pipe."""

    async def run() -> tuple[Ended, Pipe]:
        async with pair() as (caller, near), pair() as (beyond, far):
            pipe = Pipe(near, beyond, idle, gate)
            ended, _ = await asyncio.gather(pipe.run(), scene(caller, far))
            near.close()  # which the server does
            return ended, pipe

    return asyncio.run(run())


async def exchange(caller: TransportDuplex, far: TransportDuplex) -> None:
    await caller.write(b"question")
    caller.end()
    assert await read_all(far) == b"question"
    await far.write(b"answer")
    far.end()
    assert await read_all(caller) == b"answer"


def test_an_end_of_one_way_leaves_the_other_open() -> None:
    ended, pipe = play(exchange)
    assert ended is Ended.DONE
    assert (pipe.sent, pipe.received) == (8, 6)


def test_what_is_on_its_way_at_the_end_arrives() -> None:
    size = 3 * 1024 * 1024

    async def scene(caller: TransportDuplex, far: TransportDuplex) -> None:
        far.end()
        writing = asyncio.create_task(caller.write(b"x" * size))
        await asyncio.sleep(0)
        caller.end()
        assert len(await read_all(far)) == size
        await writing

    assert play(scene)[0] is Ended.DONE


@pytest.mark.parametrize("who", [0, 1])
def test_a_break_of_one_breaks_the_other(who: int) -> None:
    async def scene(*ends: TransportDuplex) -> None:
        await ends[who].write(b"half of")
        assert await ends[1 - who].read() == b"half of"
        ends[who].abort()
        with pytest.raises(ConnectionResetError):
            await ends[1 - who].read()

    ended, _ = play(scene)
    assert ended is (Ended.CALLER_BROKE, Ended.FAR_BROKE)[who]


def test_silence_ends_it() -> None:
    async def scene(caller: TransportDuplex, far: TransportDuplex) -> None:
        await caller.write(b"hello")
        assert await far.read() == b"hello"

    ended, pipe = play(scene, idle=0.05)
    assert ended is Ended.IDLE
    assert pipe.sent == 5


def test_a_cancelled_pipe_ends_the_far_connection() -> None:
    async def run() -> None:
        async with pair() as (_, near), pair() as (beyond, far):
            running = asyncio.create_task(Pipe(near, beyond, 20.0).run())
            await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            with pytest.raises(ConnectionResetError):
                await far.read()

    asyncio.run(run())


def test_a_gate_sees_the_first_bytes_until_it_opens() -> None:
    seen: list[bytes] = []

    def gate(first: bytes) -> bytes | None:
        seen.append(first)
        return first.upper() if len(first) >= 4 else None

    async def scene(caller: TransportDuplex, far: TransportDuplex) -> None:
        await caller.write(b"ab")
        await far.write(b"from the far end")  # the other way is open from the beginning
        assert await caller.read() == b"from the far end"
        await caller.write(b"cd")
        assert await far.read() == b"ABCD"
        await caller.write(b"ef")
        assert await far.read() == b"ef"
        caller.end()
        far.end()

    ended, pipe = play(scene, gate=gate)
    assert (ended, pipe.sent) == (Ended.DONE, 6)
    assert seen[-1] == b"abcd"


def test_a_shut_gate_says_its_last_word_to_the_caller_only() -> None:
    def gate(first: bytes) -> bytes | None:
        raise ShutError(b"no")

    async def scene(caller: TransportDuplex, far: TransportDuplex) -> None:
        await caller.write(b"let me in")
        assert await caller.read() == b"no"
        with pytest.raises(ConnectionResetError):
            await far.read()

    ended, pipe = play(scene, gate=gate)
    assert (ended, pipe.sent) == (Ended.SHUT, 0)
