"""One transaction: read once, decided in memory, written once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.state.ledger import LEASE, MICRO
from gateway.state.sqlite_batch import Batch
from gateway.state.sqlite_file import open_file
from gateway.state.store import Claim, Level

NOW = 1_700_000_000 * MICRO
CLAIM = Claim("b", 10, 100, expires=1_800_000_000)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_file(tmp_path / "state.db")
    yield connection
    connection.close()


def batch(file: sqlite3.Connection, now: int = NOW, nonce: str = "me") -> Batch:
    return Batch(file, now, nonce, journal=True)


def test_a_key_that_many_claim_is_read_and_written_once(file: sqlite3.Connection) -> None:
    asked: list[str] = []
    file.set_trace_callback(asked.append)
    work = batch(file)
    for _ in range(9):
        work.admit((CLAIM,))
    work.write()
    assert sum("FROM counter" in each for each in asked) == 1
    assert sum("INTO counter" in each for each in asked) == 1


def test_admitted_and_settled_in_one_transaction_leaves_no_lease(file: sqlite3.Connection) -> None:
    work = batch(file)
    admission = work.admit((CLAIM,))
    assert work.settle(admission.lease, [3]) == (Level(3, 0, 100),)
    assert work.settle(admission.lease, [3]) == ()
    work.write()
    assert file.execute("SELECT count(*) FROM lease").fetchone() == (0,)
    assert batch(file).peek("b") == Level(3, 0, 100)


def test_settled_twice_in_one_transaction_counts_once(file: sqlite3.Connection) -> None:
    first = batch(file)
    lease = first.admit((CLAIM,)).lease
    first.write()
    second = batch(file)
    assert second.settle(lease, [3]) == (Level(3, 0, 100),)
    assert second.settle(lease, [3]) == ()
    second.write()
    assert batch(file).peek("b") == Level(3, 0, 100)


def test_a_lease_of_another_life_of_the_file_is_unknown(file: sqlite3.Connection) -> None:
    first = batch(file)
    lease = first.admit((CLAIM,)).lease
    first.write()
    serial = lease.partition(".")[0]
    assert batch(file).settle(f"{serial}.other", [3]) == ()


def test_the_sweep_charges_leases_of_every_process(file: sqlite3.Connection) -> None:
    for nonce in ("me", "dead"):
        work = batch(file, nonce=nonce)
        work.admit((CLAIM, Claim("r", 1, 5, refill=(1, 60))))
        work.write()
    later = batch(file, NOW + LEASE)
    later.sweep()
    later.write()
    assert [entry.op for entry in later.entries] == ["expire", "expire"]
    assert batch(file, NOW + LEASE).peek("b") == Level(20, 0, 100)
    assert file.execute("SELECT count(*) FROM lease").fetchone() == (0,)


def test_sums_that_no_integer_column_holds_are_written_as_the_largest(
    file: sqlite3.Connection,
) -> None:
    huge = Claim("b", 2**62, 2**62, shadow=True)
    work = batch(file)
    for _ in range(3):
        work.admit((huge,))
    work.write()
    assert file.execute("SELECT reserved FROM counter").fetchone() == (2**63 - 1,)
