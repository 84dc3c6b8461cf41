"""Slots: never more calls than a tool takes, in the order in which they came, and none is lost."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.slots import BusyError, Slots

LONG = 60.0
KEY = ("up", "tool", 2)


def run(work: object) -> None:
    asyncio.run(work)  # type: ignore[arg-type]


def test_as_many_run_as_may_and_the_next_waits_for_the_first_that_ends() -> None:
    async def work() -> None:
        slots = Slots()
        one, two = await slots.take(KEY, LONG), await slots.take(KEY, LONG)
        third = asyncio.create_task(slots.take(KEY, LONG))
        await asyncio.sleep(0)
        assert not third.done()
        one.give_back()
        one.give_back()  # twice does no harm
        slot = await third
        fourth = asyncio.create_task(slots.take(KEY, LONG))
        await asyncio.sleep(0)
        assert not fourth.done()
        two.give_back()
        slot.give_back()
        (await fourth).give_back()
        assert not slots._lanes

    run(work())


def test_who_waits_too_long_is_told() -> None:
    async def work() -> None:
        slots = Slots()
        held = [await slots.take(KEY, LONG) for _ in range(2)]
        with pytest.raises(BusyError):
            await slots.take(KEY, 0.001)
        for slot in held:
            slot.give_back()
        assert not slots._lanes

    run(work())


def test_the_queue_is_bounded() -> None:
    async def work() -> None:
        slots = Slots(most_waiting=1)
        held = [await slots.take(KEY, LONG) for _ in range(2)]
        waits = asyncio.create_task(slots.take(KEY, LONG))
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await slots.take(KEY, LONG)
        held[0].give_back()
        (await waits).give_back()
        held[1].give_back()
        assert not slots._lanes

    run(work())


def test_a_caller_that_hangs_up_leaves_its_place() -> None:
    async def work() -> None:
        slots = Slots()
        held = [await slots.take(KEY, LONG) for _ in range(2)]
        gone = asyncio.create_task(slots.take(KEY, LONG))
        waits = asyncio.create_task(slots.take(KEY, LONG))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        held[0].give_back()
        (await waits).give_back()
        held[1].give_back()
        assert not slots._lanes

    run(work())


def test_a_slot_that_is_handed_to_a_caller_who_hangs_up_is_not_lost() -> None:
    async def work() -> None:
        slots = Slots()
        held = [await slots.take(KEY, LONG) for _ in range(2)]
        gone = asyncio.create_task(slots.take(KEY, LONG))
        await asyncio.sleep(0)
        held[0].give_back()  # its turn has come, and in the same moment it is cancelled
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        (await slots.take(KEY, 0.001)).give_back()
        held[1].give_back()
        assert not slots._lanes

    run(work())


def test_a_caller_that_gives_up_in_the_moment_in_which_a_slot_is_free_is_passed_over() -> None:
    async def work() -> None:
        slots = Slots()
        held = [await slots.take(KEY, LONG) for _ in range(2)]
        gone = asyncio.create_task(slots.take(KEY, LONG))
        await asyncio.sleep(0)
        gone.cancel()
        held[0].give_back()  # its turn comes before it has left its place
        with pytest.raises(asyncio.CancelledError):
            await gone
        (await slots.take(KEY, 0.001)).give_back()
        held[1].give_back()
        assert not slots._lanes

    run(work())


def test_another_tool_and_another_limit_count_by_themselves() -> None:
    async def work() -> None:
        slots = Slots()
        for key in (("up", "a", 1), ("up", "b", 1), ("other", "a", 1), ("up", "a", 5)):
            await slots.take(key, 0.001)

    run(work())


@given(steps=st.lists(st.sampled_from(["take", "end", "cancel"]), max_size=40))
def test_no_order_of_events_lets_more_run_or_loses_a_slot(steps: list[str]) -> None:
    async def work() -> None:
        slots, key = Slots(most_waiting=3), ("up", "tool", 2)
        tasks: list[asyncio.Task[object]] = []

        async def call(end: asyncio.Event) -> None:
            slot = await slots.take(key, LONG)
            running.add(id(end))
            assert len(running) <= 2
            try:
                await end.wait()
            finally:
                running.discard(id(end))
                slot.give_back()

        running: set[int] = set()
        ends: list[asyncio.Event] = []
        for step in steps:
            if step == "take":
                ends.append(asyncio.Event())
                tasks.append(asyncio.create_task(call(ends[-1])))
            elif step == "end" and ends:
                ends[len(ends) // 2].set()
            elif step == "cancel" and tasks:
                tasks[len(tasks) // 3].cancel()
            for _ in range(3):
                await asyncio.sleep(0)
        for end in ends:
            end.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not slots._lanes

    run(work())
