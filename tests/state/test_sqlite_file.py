"""Opening a state file: made privately, refused with advice when it cannot be used."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from gateway.state.sqlite_file import explain, is_busy, open_file
from gateway.state.store import StoreError


def test_a_new_file_is_private_and_in_wal_mode(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "state.db"
    connection = open_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (1,)
    assert connection.execute("PRAGMA busy_timeout").fetchone() == (0,)
    connection.close()


def test_opening_again_keeps_what_is_there(tmp_path: Path) -> None:
    first = open_file(tmp_path / "state.db")
    first.execute("UPDATE serial SET value = 7")
    second = open_file(tmp_path / "state.db")
    assert second.execute("SELECT value FROM serial").fetchone() == (7,)
    second.close()
    first.close()


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    connection = open_file(tmp_path / "state.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="its format is 99"):
        open_file(tmp_path / "state.db")


def test_something_that_is_no_state_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be looked at as one" * 50)
    with pytest.raises(StoreError, match="not a state file: name another one with --state"):
        open_file(path)
    assert path.read_text().startswith("not a database")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    open_file(path).close()
    content = bytearray(path.read_bytes())
    content[100:4096] = os.urandom(3996)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        open_file(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=str(tmp_path)):
        open_file(tmp_path)


def test_a_busy_file_is_told_from_a_broken_one(tmp_path: Path) -> None:
    first = open_file(tmp_path / "state.db")
    second = open_file(tmp_path / "state.db")
    first.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError) as caught:
        second.execute("BEGIN IMMEDIATE")
    assert is_busy(caught.value)
    assert not is_busy(sqlite3.OperationalError("no such table"))
    assert "another process" in str(explain(tmp_path, caught.value))
    second.close()
    first.close()
