"""How many calls of a tool run at once: slots that calls take, and a bounded queue for the rest.

Rules of this file:
- A slot is taken before upstream is called and given back once, when the call is over, however it
  ends. It never outlives its exchange.
- Who comes first is served first. Who waits too long, or finds too many waiting, is told at once.
- Slots belong to one worker: two workers let twice as many calls run.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

MOST_WAITING = 64
"""Calls of one tool that wait; the next one is refused without a wait."""

Key = tuple[str, str, int]
"""Upstream, tool and how many may run: another limit, after a reload, counts anew."""


class BusyError(Exception):
    """No slot became free in time, or too many calls wait for one."""


@dataclass(slots=True)
class _Lane:
    running: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Slot:
    """A place among a tool's running calls. Giving it back twice does no harm."""

    __slots__ = ("_key", "_slots")

    def __init__(self, slots: Slots, key: Key) -> None:
        self._slots: Slots | None = slots
        self._key = key

    def give_back(self) -> None:
        if self._slots is not None:
            self._slots._free(self._key)
            self._slots = None


class Slots:
    """The slots of one worker."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._lanes: dict[Key, _Lane] = {}
        self._most_waiting = most_waiting

    async def take(self, key: Key, wait: float) -> Slot:
        """Take a slot, waiting up to `wait` seconds for one. Raises BusyError."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
        if lane.running < key[2]:
            lane.running += 1
            return Slot(self, key)
        if len(lane.waiting) >= self._most_waiting:
            raise BusyError
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.waiting.append(turn)
        try:
            async with asyncio.timeout(wait):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._free(key)  # it was given the slot in the moment in which it gave up
            else:
                with suppress(ValueError):  # passed over in the moment in which it gave up
                    lane.waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise BusyError from None
            raise
        return Slot(self, key)

    def _free(self, key: Key) -> None:
        """Hand a slot on to who waits longest; a lane that nobody uses is forgotten."""
        lane = self._lanes[key]
        while lane.waiting:
            turn = lane.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        lane.running -= 1
        if not lane.running:
            del self._lanes[key]
