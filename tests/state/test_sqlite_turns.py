"""The queue before the file: what one bad call does to the others, and when too many wait."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.state import sqlite_turns
from gateway.state.presence import Presence
from gateway.state.sqlite_batch import Batch
from gateway.state.sqlite_file import open_file
from gateway.state.sqlite_turns import Turns
from gateway.state.store import Claim, Level, StoreError
from tests.state.conformance import Clock


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_file(tmp_path / "state.db")
    yield connection
    connection.close()


def turns(file: sqlite3.Connection, committed: list[Batch]) -> Turns:
    return Turns(Path("state.db"), file, Clock(), committed.append, Presence(), journal=False)


def bad(batch: Batch) -> None:
    raise ValueError("a bad argument")


def broken(batch: Batch) -> None:
    raise sqlite3.OperationalError("disk I/O error")


def bug(batch: Batch) -> None:
    raise KeyError("a bug")


async def test_a_bad_argument_fails_only_its_own_call(file: sqlite3.Connection) -> None:
    queue = turns(file, [])
    wrong = queue.ask(bad)
    right = queue.ask(lambda batch: batch.admit((Claim("b", 1, 10),)))
    assert (await right).lease
    with pytest.raises(ValueError, match="a bad argument"):
        await wrong


async def test_a_failing_file_fails_all_and_takes_nothing(file: sqlite3.Connection) -> None:
    committed: list[Batch] = []
    queue = turns(file, committed)
    first = queue.ask(lambda batch: batch.admit((Claim("b", 1, 10),)))
    second = queue.ask(broken)
    for each in (first, second):
        with pytest.raises(StoreError, match="disk I/O error"):
            await each
    assert committed == []
    assert await queue.ask(lambda batch: batch.peek("b")) is None


async def test_a_bug_is_not_hidden_and_stops_nobody_after_it(file: sqlite3.Connection) -> None:
    seen: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))
    queue = turns(file, [])
    with pytest.raises(StoreError):
        await queue.ask(bug)
    assert [type(each) for each in seen] == [KeyError]
    assert (await queue.ask(lambda batch: batch.admit((Claim("b", 1, 10),)))).lease


async def test_long_queues_are_worked_off_in_pieces(
    file: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_turns, "AT_ONCE", 10)
    committed: list[Batch] = []
    queue = turns(file, committed)
    claim = (Claim("b", 1, 100),)
    asked = [queue.ask(lambda batch: batch.admit(claim)) for _ in range(35)]
    await asyncio.gather(*asked)
    assert len(committed) == 4


async def test_too_many_waiting_is_an_error_at_once(
    file: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_turns, "MOST_WAITING", 2)
    queue = turns(file, [])
    asked = [queue.ask(lambda batch: batch.peek("b")) for _ in range(2)]
    with pytest.raises(StoreError, match="2 calls wait"):
        queue.ask(lambda batch: batch.peek("b"))
    await asyncio.gather(*asked)


async def test_only_a_needless_call_is_left_out_when_its_caller_has_gone(
    file: sqlite3.Connection,
) -> None:
    queue = turns(file, [])
    claim = (Claim("b", 1, 100),)
    queue.ask(lambda batch: batch.admit(claim), needless_if_gone=True).cancel()
    queue.ask(lambda batch: batch.admit(claim)).cancel()
    assert await queue.ask(lambda batch: batch.peek("b")) == Level(0, 1, 100)


async def test_what_has_failed_as_busy_fails_at_once_until_it_is_free(
    file: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_turns, "PATIENCE", 0.05)
    presence = Presence()
    queue = Turns(tmp_path, file, Clock(), lambda batch: None, presence, journal=False)
    other = open_file(tmp_path / "state.db")
    other.execute("BEGIN IMMEDIATE")
    tried = 0

    def count(statement: str) -> None:
        nonlocal tried
        tried += statement == "BEGIN IMMEDIATE"

    file.set_trace_callback(count)
    with pytest.raises(StoreError):
        await queue.ask(lambda batch: batch.peek("b"))
    assert tried > 1
    assert presence.away_since is not None
    tried = 0
    with pytest.raises(StoreError):
        await queue.ask(lambda batch: batch.peek("b"))
    assert tried == 1
    other.execute("ROLLBACK")
    assert await queue.ask(lambda batch: batch.peek("b")) is None
    assert presence.away_since is None
    other.close()
