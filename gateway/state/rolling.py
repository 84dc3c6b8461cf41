"""What a rolling budget still counts: its amounts, by the slot of time in which they were settled.

Rules of this file:
- Pure: no I/O, no clock. `now` is whole microseconds of unix time.
- A slot counts until it lies wholly outside the window. So what is settled counts for the whole
  window and for at most one slot more, and never more than the limit is settled in any window.
- At most 61 slots: a slot is a sixtieth of the window, rounded up to whole seconds.
"""

from __future__ import annotations

MICRO = 1_000_000
PARTS = 60
LONGEST = 10 * 366 * 86400
"""Seconds of the longest window."""

Slots = dict[int, int]
"""The number of a slot (its start, in widths of a slot since 1970) and what it holds; in order."""


def width(seconds: int) -> int:
    """Microseconds of one slot of a window of so many seconds."""
    return -(-seconds // PARTS) * MICRO


def roll(slots: Slots, seconds: int, now: int) -> int | None:
    """Drop what has left the window; how much it was, None where nothing has changed.

    What a clock that was set back left in slots to come counts as settled now, so that it leaves
    the window one day and is never forgotten too early.
    """
    if not slots:
        return None
    each = width(seconds)
    present, oldest = now // each, (now - seconds * MICRO) // each
    first, last = next(iter(slots)), next(reversed(slots))
    if first >= oldest and last <= present:
        return None
    left = 0
    for number in [number for number in slots if number < oldest]:
        left += slots.pop(number)
    for number in [number for number in slots if number > present]:
        slots[present] = slots.get(present, 0) + slots.pop(number)
    return left


def put(slots: Slots, seconds: int, amount: int, now: int) -> None:
    """Count an amount in the present slot; the slots have been rolled to `now`."""
    if amount:
        present = now // width(seconds)
        slots[present] = slots.get(present, 0) + amount


def empty_at(slots: Slots, seconds: int) -> int:
    """When the last slot will have left, 0 where there is none."""
    if not slots:
        return 0
    return _leaves(next(reversed(slots)), seconds)


def time_to_leave(slots: Slots, seconds: int, amount: int, now: int) -> int | None:
    """Microseconds until so much has left, None where so much is not there."""
    for number, held in slots.items():
        amount -= held
        if amount <= 0:
            return _leaves(number, seconds) - now
    return None


def _leaves(number: int, seconds: int) -> int:
    return (number + 1) * width(seconds) + seconds * MICRO
