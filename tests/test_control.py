"""The line between supervisor and worker: nobody waits for who is gone, nothing is left unsent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.control import MOST_TEXT, GoneError, Line


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Line, Line]]:
    left, right = socket.socketpair()
    ends = await Line.open(left), await Line.open(right)
    yield ends
    for end in ends:
        await end.close()


async def echo(message: dict[str, Any]) -> dict[str, Any]:
    return {"said": message.get("word")}


async def test_answers_find_who_asked_whatever_their_order(pair: tuple[Line, Line]) -> None:
    asking, answering = pair
    later = asyncio.Event()

    async def answer(message: dict[str, Any]) -> dict[str, Any]:
        if message["word"] == "slow":
            await later.wait()
        else:
            later.set()
        return await echo(message)

    serving = [asyncio.create_task(asking.serve()), asyncio.create_task(answering.serve(answer))]
    found = await asyncio.gather(
        asking.ask("echo", 10, word="slow"), asking.ask("echo", 10, word="quick")
    )
    assert [each["said"] for each in found] == ["slow", "quick"]
    await asking.close()
    await asyncio.gather(*serving)


async def test_who_asks_learns_that_the_other_side_is_gone(pair: tuple[Line, Line]) -> None:
    asking, other = pair
    serving = asyncio.create_task(asking.serve())
    waiting = asyncio.create_task(asking.ask("anything", 60))
    await asyncio.sleep(0)
    await other.close()
    with pytest.raises(GoneError):
        await waiting
    await serving
    with pytest.raises(GoneError):
        await asking.ask("more", 60)


async def test_silence_ends_with_the_patience_of_who_asked(pair: tuple[Line, Line]) -> None:
    asking, _ = pair
    serving = asyncio.create_task(asking.serve())
    with pytest.raises(TimeoutError):
        await asking.ask("anything", 0)
    serving.cancel()


async def test_an_answer_that_fails_is_answered_with_a_problem(pair: tuple[Line, Line]) -> None:
    asking, answering = pair

    async def answer(message: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("a secret")

    serving = [asyncio.create_task(asking.serve()), asyncio.create_task(answering.serve(answer))]
    assert (await asking.ask("prepare", 10))["problems"] == ["prepare failed: RuntimeError"]
    await asking.close()
    await asyncio.gather(*serving)


async def test_closing_waits_until_what_was_asked_is_answered(pair: tuple[Line, Line]) -> None:
    asking, answering = pair
    asked = asyncio.Event()

    async def answer(message: dict[str, Any]) -> dict[str, Any]:
        asked.set()
        await asyncio.sleep(0)
        return await echo(message)

    serving = [asyncio.create_task(asking.serve()), asyncio.create_task(answering.serve(answer))]
    waiting = asyncio.create_task(asking.ask("echo", 10, word="last"))
    await asked.wait()
    await answering.close()
    assert (await waiting)["said"] == "last"
    await asyncio.gather(*serving)


@pytest.mark.parametrize("broken", [b"no json\n", b'{"id": 1'])
async def test_a_line_that_is_none_ends_it(broken: bytes) -> None:
    left, right = socket.socketpair()
    line = await Line.open(left)
    with right:
        right.sendall(broken)
    with pytest.raises(GoneError):
        await line.receive()
    await line.close()


async def test_policy_files_of_the_largest_size_fit(pair: tuple[Line, Line]) -> None:
    asking, answering = pair
    text = "\xff" * MOST_TEXT  # a byte that JSON doubles

    async def measure(message: dict[str, Any]) -> dict[str, Any]:
        return {"length": len(message["texts"]["a.yaml"])}

    serving = [asyncio.create_task(asking.serve()), asyncio.create_task(answering.serve(measure))]
    assert (await asking.ask("prepare", 60, texts={"a.yaml": text}))["length"] == MOST_TEXT
    await asking.close()
    await asyncio.gather(*serving)
