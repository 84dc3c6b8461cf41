"""Rows whose time is over go, others stay."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.state.sqlite_file import open_file
from gateway.state.sqlite_forget import Forgetter


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_file(tmp_path / "state.db")
    yield connection
    connection.close()


def counter(file: sqlite3.Connection, key: str, *, reserved: int, expires: int) -> None:
    file.execute(
        "INSERT INTO counter VALUES (?, 1, ?, 0, 0, ?, 9, 0, 1, 0, NULL)", (key, reserved, expires)
    )


def keys(file: sqlite3.Connection, table: str) -> list[str]:
    return [key for (key,) in file.execute(f"SELECT key FROM {table} ORDER BY key")]


def test_only_what_is_over_and_not_reserved_goes(file: sqlite3.Connection) -> None:
    counter(file, "over", reserved=0, expires=5)
    counter(file, "reserved", reserved=1, expires=5)
    counter(file, "running", reserved=0, expires=500)
    counter(file, "endless", reserved=0, expires=0)
    file.execute("INSERT INTO value VALUES ('old', x'00', 5), ('new', x'00', 500)")
    Forgetter().forget(file, 100, now=10)
    assert keys(file, "counter") == ["endless", "reserved", "running"]
    assert keys(file, "value") == ["new"]


def test_it_goes_round_so_that_every_row_is_looked_at(file: sqlite3.Connection) -> None:
    for number in range(1000):
        counter(file, f"k{number:04}", reserved=0, expires=0 if number % 2 else 5)
    forgetter = Forgetter()
    for _ in range(20):
        forgetter.forget(file, 40, now=10)
    assert len(keys(file, "counter")) == 500


def test_it_does_nothing_while_little_is_written(file: sqlite3.Connection) -> None:
    counter(file, "over", reserved=0, expires=5)
    Forgetter().forget(file, 1, now=10)
    assert keys(file, "counter") == ["over"]
