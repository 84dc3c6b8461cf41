"""Puts all calls of one turn of the event loop into one transaction.

Rules of this file:
- A future gets its result only after COMMIT has returned.
- The loop never waits for another process: a busy file is tried again later.
- One call's bad argument fails that call alone; a failure of the file fails all calls of the
  transaction, and none of them has taken effect.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import sqlite3
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from gateway.state.ledger import MICRO
from gateway.state.presence import Presence
from gateway.state.sqlite_batch import Batch
from gateway.state.sqlite_file import explain, is_busy
from gateway.state.sqlite_forget import Forgetter
from gateway.state.store import StoreError

T = TypeVar("T")

MOST_WAITING = 20_000
AT_ONCE = 256
"""Calls of one transaction: a few milliseconds, after which the loop does other things first."""
PATIENCE = 5.0
"""Seconds for which a busy file is tried again before the calls that wait for it fail."""
_RETRY = 0.001


class Turns:
    """The queue before one connection. Belongs to the loop that made it.

    `committed` is called after each transaction, before its callers go on; `presence` is told
    whether it went well.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        clock: Callable[[], float],
        committed: Callable[[Batch], None],
        presence: Presence,
        *,
        journal: bool,
    ) -> None:
        self._path = path
        self._connection = connection
        self._clock = clock
        self._committed = committed
        self._presence = presence
        self._journal = journal
        self._loop = asyncio.get_running_loop()
        self._nonce = secrets.token_hex(4)
        self._forgetter = Forgetter()
        self._queue: deque[_Asked] = deque()
        self._scheduled = False
        self._busy_since: float | None = None

    def ask(
        self, work: Callable[[Batch], T], *, needless_if_gone: bool = False
    ) -> asyncio.Future[T]:
        """Put a call into the next transaction.

        A call that is `needless_if_gone` is left out when its future was cancelled by then; any
        other is carried out all the same. Raises StoreError when too many wait already.
        """
        if len(self._queue) >= MOST_WAITING:
            raise StoreError(f"state file {self._path}: {MOST_WAITING} calls wait for it already")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.append((work, future, needless_if_gone))
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)
        return future

    async def drain(self) -> None:
        """Until everything that was asked for is done or has failed."""
        while self._queue:
            await asyncio.wait([future for _, future, _ in self._queue])

    def _turn(self) -> None:
        self._scheduled = False
        if not self._queue:
            return
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._not_begun(error)
            return
        self._busy_since = None
        asked = [self._queue.popleft() for _ in range(min(len(self._queue), AT_ONCE))]
        if self._queue:
            self._again(0.0)
        try:
            batch, results = self._decide(asked)
            connection.execute("COMMIT")
        except BaseException as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._presence.lost()
            _fail(asked, explain(self._path, error))
            if isinstance(error, sqlite3.Error):
                return
            raise
        self._presence.found()
        self._committed(batch)
        for (_, future, _), (result, refused) in zip(asked, results, strict=True):
            if future.done():
                continue
            if refused is None:
                future.set_result(result)
            else:
                future.set_exception(refused)

    def _decide(self, asked: list[_Asked]) -> tuple[Batch, list[tuple[Any, Exception | None]]]:
        # The clock is read under the lock: times are then in the order of the decisions.
        now = int(self._clock() * MICRO)
        batch = Batch(self._connection, now, self._nonce, journal=self._journal)
        batch.sweep()
        results: list[tuple[Any, Exception | None]] = []
        for work, future, needless_if_gone in asked:
            if needless_if_gone and future.cancelled():
                results.append((None, None))
                continue
            try:
                results.append((work(batch), None))
            except ValueError as error:
                results.append((None, error))
        batch.write()
        self._forgetter.forget(self._connection, batch.written, now)
        return batch, results

    def _not_begun(self, error: sqlite3.Error) -> None:
        now = self._loop.time()
        if is_busy(error):
            if self._busy_since is None:
                self._busy_since = now
            patient = self._presence.away_since is None  # what has failed is not waited for again
            if patient and now - self._busy_since < PATIENCE:
                # Not all processes at the same moment again.
                self._again(_RETRY * (0.5 + random.random()))
                return
        self._busy_since = None
        asked = list(self._queue)
        self._queue.clear()
        self._presence.lost()
        _fail(asked, explain(self._path, error))

    def _again(self, delay: float) -> None:
        self._scheduled = True
        self._loop.call_later(delay, self._turn)


_Asked = tuple[Callable[[Batch], Any], asyncio.Future[Any], bool]


def _fail(asked: list[_Asked], error: StoreError) -> None:
    for _, future, _ in asked:
        if not future.done():
            future.set_exception(error)
