"""The store in a SQLite file: all that every store does, and what only a file can show."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings

from gateway.state import sqlite_turns
from gateway.state.journal import Entry
from gateway.state.sqlite import SqliteStore
from gateway.state.store import Admission, Claim, Level, Store, StoreError
from tests.state.conformance import Clock, Conformance, budget
from tests.state.model import StoreMachine

ROOT = Path(__file__).resolve().parents[2]


class TestSqlite(Conformance):
    @pytest.fixture
    async def store(
        self, tmp_path: Path, clock: Clock, journal: list[Entry]
    ) -> AsyncIterator[Store]:
        store = SqliteStore(tmp_path / "state.db", clock, journal.append)
        await store.open()
        yield store
        await store.close()

    async def size(self, store: Store) -> int:
        assert isinstance(store, SqliteStore)
        with sqlite3.connect(store._path) as file:
            return int(
                file.execute(
                    "SELECT (SELECT count(*) FROM counter) + (SELECT count(*) FROM value)"
                ).fetchone()[0]
            )

    async def test_everything_is_there_after_opening_again(
        self, store: SqliteStore, clock: Clock
    ) -> None:
        open_lease = await store.admit([budget(60), Claim("r", 4, 10, refill=(1, 60))])
        done = await store.admit([budget(30)])
        await store.settle(done.lease, [20])
        await store.put("v", b"x", 30)
        await store.close()
        again = SqliteStore(store._path, clock)
        await again.open()
        assert await again.get("v") == b"x"
        assert await again.peek("b") == Level(20, 60, 100)
        later = await again.admit([budget(1)])
        assert later.serial == 4
        assert await again.settle(open_lease.lease, [50, 3]) == (Level(70, 1, 100), Level(3, 0, 10))
        await again.close()

    async def test_calls_of_one_turn_are_one_transaction(self, store: SqliteStore) -> None:
        asked: list[str] = []
        assert store._open is not None
        store._open[0].set_trace_callback(asked.append)
        await asyncio.gather(*[store.admit([budget(1)]) for _ in range(64)])
        assert asked.count("COMMIT") == 1

    async def test_a_put_of_another_process_is_seen(self, store: SqliteStore, clock: Clock) -> None:
        other = SqliteStore(store._path, clock)
        await other.open()
        waiting = asyncio.ensure_future(store.wait("v", 30))
        await other.put("v", b"x", 60)
        assert await waiting == b"x"
        await other.close()

    async def test_a_busy_file_is_tried_again(self, store: SqliteStore) -> None:
        holder = sqlite3.connect(store._path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(store.admit([budget(1)]))
        for _ in range(20):  # the loop goes on meanwhile
            await asyncio.sleep(0)
        assert not waiting.done()
        holder.execute("ROLLBACK")
        assert (await waiting).lease
        holder.close()

    async def test_a_file_that_stays_busy_is_an_error_and_then_works_again(
        self, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite_turns, "PATIENCE", 0.02)
        holder = sqlite3.connect(store._path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        told: list[bool] = []
        store.watch(told.append)
        with pytest.raises(StoreError, match="another process holds it"):
            await store.admit([budget(1)])
        assert store.away_since is not None
        holder.execute("ROLLBACK")
        holder.close()
        assert (await store.admit([budget(1)])).lease
        assert (store.away_since, told) == (None, [True, False])

    async def test_a_full_disk_is_an_error_that_takes_nothing(self, store: SqliteStore) -> None:
        assert store._open is not None
        connection = store._open[0]
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="disk is full: free some space"):
            for number in range(1000):
                await store.put(f"v{number}", b"x" * 60_000, 60)
        connection.execute("PRAGMA max_page_count = 1000000")
        assert (await store.admit([budget(100)])).lease

    async def test_a_call_before_open_or_after_close_is_an_error(
        self, store: SqliteStore, clock: Clock, tmp_path: Path
    ) -> None:
        with pytest.raises(StoreError, match="not open"):
            await SqliteStore(tmp_path / "other.db", clock).admit([budget(1)])
        await store.close()
        await store.close()
        for call in (store.get("v"), store.peek("b"), store.settle("1.x", [1])):
            with pytest.raises(StoreError, match="not open"):
                await call

    async def test_closing_finishes_what_was_asked_for(
        self, store: SqliteStore, clock: Clock
    ) -> None:
        waiting = [asyncio.ensure_future(store.admit([budget(1)])) for _ in range(5)]
        await asyncio.sleep(0)
        await store.close()
        assert all(isinstance(each, Admission) for each in await asyncio.gather(*waiting))
        again = SqliteStore(store._path, clock)
        await again.open()
        assert await again.peek("b") == Level(0, 5, 100)
        await again.close()


class SqliteMachine(StoreMachine):
    def make(self) -> Store:
        self.folder = tempfile.TemporaryDirectory()
        return SqliteStore(Path(self.folder.name) / "state.db", self.clock, self.entries.append)

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


TestSqliteModel = SqliteMachine.TestCase
TestSqliteModel.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)


# --- several processes ---

SPENDER = """
import asyncio, sys, time
from pathlib import Path
from gateway.state.sqlite import SqliteStore
from gateway.state.store import Claim

async def main(path, name, calls, amount):
    store = SqliteStore(Path(path), time.time)
    await store.open()
    async def call(number):
        admission = await store.admit(
            [Claim("shared", 10, 20_000), Claim("own/" + name, 10, 10**9)]
        )
        if not admission.lease:
            return
        await store.settle(admission.lease, [amount, amount])
        print(admission.serial, flush=True)
    for start in range(0, calls, 8):
        await asyncio.gather(*[call(number) for number in range(start, start + 8)])
    await store.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


def spender(path: Path, name: str, calls: int, amount: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SPENDER), str(path), name, str(calls), str(amount)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(code: str) -> int:
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=60).returncode


async def levels(path: Path, *keys: str) -> list[Level | None]:
    store = SqliteStore(path, Clock())
    await store.open()
    found = [await store.peek(key) for key in keys]
    await store.close()
    return found


async def test_two_processes_spend_one_budget_exactly(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    both = [spender(path, name, 2400, 10) for name in ("a", "b")]
    serials = [int(line) for each in both for line in each.communicate(timeout=60)[0].split()]
    assert [each.returncode for each in both] == [0, 0]
    assert len(serials) == len(set(serials)) == 2000
    shared, one, other = await levels(path, "shared", "own/a", "own/b")
    assert shared == Level(20_000, 0, 20_000)
    spent = [level.used for level in (one, other) if level is not None]
    assert sum(spent) == 20_000


async def test_kill_9_never_takes_a_settled_amount_back(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    settled = 0
    for round_ in range(4):
        process = spender(path, "a", 10_000_000, 1)
        assert process.stdout is not None
        seen = [process.stdout.readline() for _ in range(30 * (round_ + 1))]
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read()
        process.wait(timeout=60)
        settled += len(seen) + rest.count("\n")
        # What the process was told is in the file; what it was not told may be.
        (level,) = await levels(path, "own/a")
        assert level is not None
        assert settled <= level.used <= settled + 8 * (round_ + 1)
        assert level.reserved % 10 == 0
    with sqlite3.connect(path) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_what_a_killed_process_had_reserved_is_charged_in_full(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    code = f"""
        import asyncio, os, time
        from pathlib import Path
        from gateway.state.sqlite import SqliteStore
        from gateway.state.store import Claim
        async def main():
            store = SqliteStore(Path({str(path)!r}), lambda: {Clock().now})
            await store.open()
            await store.admit([Claim("b", 70, 100)])
            os.kill(os.getpid(), 9)
        asyncio.run(main())
    """
    assert run(code) == -signal.SIGKILL
    clock = Clock()
    store = SqliteStore(path, clock)
    await store.open()
    assert await store.peek("b") == Level(0, 70, 100)
    clock.now += 60
    assert await store.peek("b") == Level(70, 0, 100)
    await store.close()
