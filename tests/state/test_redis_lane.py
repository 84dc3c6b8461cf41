"""Calls of a turn go together, in order; what fails is told to all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from gateway.state import redis_lane
from gateway.state.redis_lane import Asked, Lane
from gateway.state.store import StoreError


class Road:
    """Answers every call with itself, one batch whenever it is let through."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Semaphore(0)

    async def carry(self, batch: Sequence[Asked[int]]) -> None:
        self.batches.append([asked.call for asked in batch])
        await self.gate.acquire()
        for asked in batch:
            asked.answer(asked.call)


async def test_calls_of_one_turn_go_together_and_later_ones_wait_for_them() -> None:
    road = Road()
    lane = Lane(road.carry)
    first = [lane.ask(number) for number in range(3)]
    await asyncio.sleep(0.01)
    later = [lane.ask(number) for number in range(3, 6)]
    await asyncio.sleep(0.01)
    assert road.batches == [[0, 1, 2]]
    road.gate.release()
    road.gate.release()
    assert await asyncio.gather(*first, *later) == list(range(6))
    assert road.batches == [[0, 1, 2], [3, 4, 5]]


async def test_a_busy_lane_waits_for_more_calls_and_an_idle_one_for_nothing() -> None:
    road = Road()
    road.gate.release()
    road.gate.release()
    lane = Lane(road.carry, pace=0.05)
    assert await lane.ask(0) == 0
    asked = [lane.ask(1)]
    await asyncio.sleep(0.01)
    asked.append(lane.ask(2))
    assert await asyncio.gather(*asked) == [1, 2]
    assert road.batches == [[0], [1, 2]]


async def test_a_batch_has_an_upper_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_lane, "AT_ONCE", 4)
    road = Road()
    lane = Lane(road.carry)
    asked = [lane.ask(number) for number in range(10)]
    for _ in range(3):
        road.gate.release()
    assert await asyncio.gather(*asked) == list(range(10))
    assert [len(batch) for batch in road.batches] == [4, 4, 2]


async def test_who_has_gone_before_it_was_sent_is_left_out_only_where_that_is_allowed() -> None:
    road = Road()
    lane = Lane(road.carry)
    lane.ask(1, needless_if_gone=True).cancel()
    lane.ask(2).cancel()
    road.gate.release()
    await lane.drain()
    assert road.batches == [[2]]


async def test_too_many_that_wait_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_lane, "MOST_WAITING", 2)
    road = Road()
    lane = Lane(road.carry)
    asked = [lane.ask(1), lane.ask(2)]
    with pytest.raises(StoreError, match="2 calls wait"):
        lane.ask(3)
    road.gate.release()
    await asyncio.gather(*asked)


async def test_a_fault_of_ours_is_told_to_all_who_wait() -> None:
    async def carry(batch: Sequence[Asked[int]]) -> None:
        raise RuntimeError("broken")

    lane = Lane(carry)
    asked = [lane.ask(1), lane.ask(2)]
    for each in asked:
        with pytest.raises(StoreError, match="broken"):
            await each
    with pytest.raises(StoreError, match="broken"):
        await lane.ask(3)
