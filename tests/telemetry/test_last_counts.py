"""What a worker had counted is not lost with it, whether anybody scrapes or not."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from gateway.telemetry.exposition import Merger, Snapshot
from gateway.telemetry.last_counts import LastCounts
from tests.telemetry.test_exposition import Declared, snapshot


async def test_what_a_worker_had_counted_stays_though_nobody_scraped() -> None:
    merger, ended = Merger(Declared), asyncio.Event()
    answers = deque([[snapshot("1", 10)], [snapshot("1", 12)], []])

    async def ask() -> Sequence[Snapshot]:
        if len(answers) == 1:
            ended.set()
            await asyncio.Event().wait()
        return answers.popleft()

    looking = asyncio.ensure_future(LastCounts(ask, merger.note).keep_looking(0))
    await ended.wait()
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking
    assert merger.merged([]).calls.series == {("a",): 12}


async def test_two_looks_at_once_are_noted_in_their_order() -> None:
    """The second begins while the first waits for a worker, and would be over before it."""
    noted: list[Any] = []
    first = asyncio.Event()
    asked = 0

    async def ask() -> Sequence[Snapshot]:
        nonlocal asked
        asked += 1
        number = asked
        if number == 1:
            await first.wait()
        return [{"worker": "1", "series": number}]

    counts = LastCounts(ask, noted.extend)
    looks = [asyncio.ensure_future(counts.look()) for _ in range(2)]
    await asyncio.sleep(0)
    first.set()
    await asyncio.gather(*looks)
    assert [each["series"] for each in noted] == [1, 2]


async def test_a_look_that_fails_is_not_the_last() -> None:
    looked = asyncio.Event()
    asked = 0

    async def ask() -> Sequence[Snapshot]:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise OSError("the line broke")
        looked.set()
        return []

    looking = asyncio.ensure_future(LastCounts(ask, list).keep_looking(0))
    async with asyncio.timeout(5):
        await looked.wait()
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking
