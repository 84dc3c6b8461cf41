"""Puts all calls that come while the last ones are on their way into one round trip.

Rules of this file:
- One batch at a time, in the order in which calls were made: what a caller does next is decided
  after what it did before, and the busier the loop, the larger the batches.
- Calls of one turn of the loop go together.
- A batch leaves at once where none has left just now, else a moment later (`pace`). So a call that
  is alone never waits, and a busy loop sends fewer batches of more calls, which cost less each.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gateway.state.store import StoreError

C = TypeVar("C")

MOST_WAITING = 20_000
AT_ONCE = 256
"""Calls of one round trip: a few milliseconds, in which the server does nothing else."""


@dataclass(slots=True)
class Asked(Generic[C]):
    """A call, who waits for it, and whether it may be left out when nobody does any more."""

    call: C
    future: asyncio.Future[Any]
    needless_if_gone: bool

    def answer(self, result: Any) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


PACE = 0.002
"""Seconds between two batches of a busy loop: half of them is what a call of it waits."""


class Lane(Generic[C]):
    """A queue before one round trip. `carry` MUST answer or fail all that it is given.

    `pace` is in seconds.
    """

    def __init__(
        self, carry: Callable[[Sequence[Asked[C]]], Awaitable[None]], pace: float = 0.0
    ) -> None:
        self._carry = carry
        self._pace = pace
        self._next = 0.0  # the loop's time from which the next batch may leave
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Asked[C]] = deque()
        self._scheduled = False
        self._under_way: asyncio.Task[None] | None = None

    def ask(self, call: C, *, needless_if_gone: bool = False) -> asyncio.Future[Any]:
        """Put a call into the next batch. Raises StoreError when too many wait already."""
        if len(self._queue) >= MOST_WAITING:
            raise StoreError(f"{MOST_WAITING} calls wait for the state store already")
        future: asyncio.Future[Any] = self._loop.create_future()
        self._queue.append(Asked(call, future, needless_if_gone))
        self._wake()
        return future

    async def drain(self) -> None:
        """Until everything that was asked for is done or has failed."""
        while self._queue or self._under_way is not None:
            waiting = [asked.future for asked in self._queue]
            if self._under_way is not None:
                waiting.append(self._under_way)
            await asyncio.wait(waiting)

    def _wake(self) -> None:
        if not self._scheduled and self._under_way is None:
            self._scheduled = True
            wait = self._next - self._loop.time() if self._pace else 0.0
            if wait > 0 and len(self._queue) < AT_ONCE:
                self._loop.call_later(wait, self._turn)
            else:
                self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        batch: list[Asked[C]] = []
        while self._queue and len(batch) < AT_ONCE:
            asked = self._queue.popleft()
            if not (asked.needless_if_gone and asked.future.cancelled()):
                batch.append(asked)
        if batch:
            self._next = self._loop.time() + self._pace
            self._under_way = self._loop.create_task(self._go(batch))

    async def _go(self, batch: Sequence[Asked[C]]) -> None:
        try:
            await self._carry(batch)
        except Exception as error:
            for asked in batch:
                asked.fail(StoreError(f"the state store's client failed: {error!r}"))
            raise
        finally:
            for asked in batch:  # only where this task itself was cancelled
                asked.future.cancel()
            self._under_way = None
            if self._queue:
                self._wake()
