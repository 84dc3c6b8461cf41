"""State in one SQLite file, shared exactly by all processes of a machine: the embedded default.

Rules of this file:
- What an `await` has returned MUST be committed: it survives a kill -9 of this process. (What a
  power cut may take back: `sqlite_file.py`.)
- SQLite runs on the event loop's own thread, because handing a turn's calls to another thread
  costs more than the calls (docs/state.md has the figures). What waits for the disk
  (`sqlite_checkpoint.py`) or for another process (`sqlite_turns.py`) does not hold the loop.
- An admission whose caller has gone is given back.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.state import ledger
from gateway.state.journal import Journal
from gateway.state.ledger import MICRO
from gateway.state.presence import Presence
from gateway.state.sqlite_batch import Batch
from gateway.state.sqlite_checkpoint import Checkpointer
from gateway.state.sqlite_file import explain, open_file
from gateway.state.sqlite_turns import Turns
from gateway.state.store import Admission, Claim, Level, StoreError
from gateway.state.waiters import Waiters

_CHECKPOINT_EVERY = 1.0
_POLL = 0.1  # a value that another process puts is seen after at most this

_READ_VALUE = "SELECT value FROM value WHERE key = ? AND expires > ?"


class SqliteStore:
    """The store of `sqlite:///PATH`. Belongs to the event loop that opened it.

    `clock` gives unix seconds; `journal` is told every decision of this process.
    """

    name = "sqlite"
    lease_seconds: float = ledger.LEASE_SECONDS

    def __init__(
        self, path: Path, clock: Callable[[], float], journal: Journal | None = None
    ) -> None:
        self._path = path
        self._clock = clock
        self._journal = journal
        self._waiters = Waiters()
        self._presence = Presence()
        self._open: tuple[sqlite3.Connection, Turns, Checkpointer] | None = None

    @property
    def away_since(self) -> float | None:
        return self._presence.away_since

    def watch(self, told: Callable[[bool], None]) -> None:
        self._presence.watch(told)

    async def open(self) -> None:
        connection = await asyncio.to_thread(open_file, self._path)
        turns = Turns(
            self._path,
            connection,
            self._clock,
            self._committed,
            self._presence,
            journal=self._journal is not None,
        )
        checkpointer = Checkpointer(self._path, _CHECKPOINT_EVERY)
        checkpointer.start()
        self._open = (connection, turns, checkpointer)

    async def close(self) -> None:
        """Finish what was asked for, put everything into the file, let go of it."""
        if self._open is None:
            return
        connection, turns, checkpointer = self._open
        await turns.drain()
        self._open = None
        await asyncio.to_thread(checkpointer.stop)
        await asyncio.to_thread(connection.close)

    async def admit(self, claims: Sequence[Claim]) -> Admission:
        ledger.check_claims(claims)
        if not claims:
            return Admission("", (), 0)
        asked = tuple(claims)
        future = self._turns().ask(lambda batch: batch.admit(asked), needless_if_gone=True)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._give_back(future.result())
            raise

    async def settle(self, lease: str, amounts: Sequence[int]) -> tuple[Level | None, ...]:
        ledger.check_amounts(amounts)
        return await self._turns().ask(lambda batch: batch.settle(lease, amounts))

    async def renew(self, leases: Sequence[str]) -> None:
        if leases:
            await self._turns().ask(lambda batch: batch.renew(leases))

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        ledger.check_value(value)
        await self._turns().ask(lambda batch: batch.put(key, value, ttl))

    async def get(self, key: str) -> bytes | None:
        self._turns()
        assert self._open is not None
        now = int(self._clock() * MICRO)
        try:
            row = self._open[0].execute(_READ_VALUE, (key, now)).fetchone()
        except sqlite3.Error as error:
            raise explain(self._path, error) from error
        return row[0] if row is not None else None

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        ledger.check_value(value)
        return await self._turns().ask(lambda batch: batch.add(key, value, ttl))

    async def wait(self, key: str, deadline: float) -> bytes | None:
        time = asyncio.get_running_loop().time
        ends = time() + deadline
        found = await self.get(key)
        while found is None and (left := ends - time()) > 0:
            found = await self._waiters.wait(key, min(left, _POLL)) or await self.get(key)
        return found

    async def peek(self, key: str) -> Level | None:
        return await self._turns().ask(lambda batch: batch.peek(key))

    # --- inside ---

    def _turns(self) -> Turns:
        if self._open is None:
            raise StoreError(f"state file {self._path} is not open")
        return self._open[1]

    def _committed(self, batch: Batch) -> None:
        if self._open is not None:
            self._open[2].note_write()
        if self._journal is not None:
            for entry in batch.entries:
                self._journal(entry)
        for key, value in batch.new_values:
            self._waiters.notify(key, value)

    def _give_back(self, admission: Admission) -> None:
        """The caller went away between the decision and its answer: nothing was sent."""
        if admission.lease and self._open is not None:
            nothing = [0] * len(admission.levels)
            future = self._open[1].ask(lambda batch: batch.settle(admission.lease, nothing))
            # If this fails the lease runs out and is charged; there is nobody to tell.
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
