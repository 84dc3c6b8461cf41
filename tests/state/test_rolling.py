"""Slots of time: what counts, for how long, and in how many slots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.state import rolling
from gateway.state.rolling import LONGEST, MICRO, Slots

WINDOWS = st.one_of(st.integers(1, 200), st.integers(1, LONGEST))
MOMENTS = st.integers(10**15, 2 * 10**15)


@pytest.mark.parametrize(
    ("window", "width"), [(1, 1), (60, 1), (61, 2), (119, 2), (3600, 60), (86400, 1440)]
)
def test_a_slot_is_a_sixtieth_in_whole_seconds(window: int, width: int) -> None:
    assert rolling.width(window) == width * MICRO


@given(window=WINDOWS, now=MOMENTS)
def test_an_amount_counts_for_the_window_and_less_than_two_slots_more(
    window: int, now: int
) -> None:
    slots: Slots = {}
    rolling.put(slots, window, 5, now)
    wait = rolling.time_to_leave(slots, window, 5, now)
    assert wait is not None
    assert window * MICRO < wait <= window * MICRO + rolling.width(window)
    assert rolling.empty_at(slots, window) == now + wait
    assert rolling.roll(slots, window, now + wait - 1) is None
    assert rolling.roll(slots, window, now + wait) == 5
    assert slots == {}


@given(window=WINDOWS, now=MOMENTS, steps=st.lists(st.floats(0, 0.05), max_size=150))
def test_there_are_never_more_than_61_slots(window: int, now: int, steps: list[float]) -> None:
    slots: Slots = {}
    for step in steps:
        now += int(step * window * MICRO)
        rolling.roll(slots, window, now)
        rolling.put(slots, window, 1, now)
        assert len(slots) <= 61
        assert list(slots) == sorted(slots)


def test_the_wait_is_that_of_the_slot_with_which_enough_leaves() -> None:
    slots = {100: 3, 101: 4, 105: 1}
    now = 106 * MICRO
    waits = [rolling.time_to_leave(slots, 60, amount, now) for amount in (1, 3, 4, 7, 8, 9)]
    assert waits == [55 * MICRO, 55 * MICRO, 56 * MICRO, 56 * MICRO, 60 * MICRO, None]


def test_what_lies_ahead_of_the_clock_counts_as_settled_now() -> None:
    slots = {100: 1, 102: 2, 5000: 4, 5001: 8}
    assert rolling.roll(slots, 60, 102 * MICRO) == 0
    assert slots == {100: 1, 102: 14}
    assert rolling.roll(slots, 60, 102 * MICRO) is None


def test_nothing_takes_no_slot() -> None:
    slots: Slots = {}
    rolling.put(slots, 60, 0, MICRO)
    assert slots == {}
    assert rolling.empty_at(slots, 60) == 0
