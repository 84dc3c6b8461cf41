"""Checkpoints: off the loop, after writes, and the log does not grow without end."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from gateway.state import sqlite_checkpoint
from gateway.state.sqlite_checkpoint import Checkpointer
from gateway.state.sqlite_file import open_file


def write(connection: sqlite3.Connection, times: int = 1) -> None:
    for number in range(times):
        connection.execute(
            "INSERT OR REPLACE INTO value VALUES (?, ?, 1)", (f"v{number}", b"x" * 5000)
        )


def in_main_file(path: Path, copy: Path) -> int:
    """Rows that are in the file itself, without its log."""
    copy.write_bytes(path.read_bytes())
    with sqlite3.connect(copy) as alone:
        return int(alone.execute("SELECT count(*) FROM value").fetchone()[0])


def test_what_was_written_is_in_the_file_when_it_stops(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    connection = open_file(path)
    checkpointer = Checkpointer(path, every=0.001)
    checkpointer.start()
    write(connection, 5)
    checkpointer.note_write()
    checkpointer.stop()
    assert in_main_file(path, tmp_path / "copy.db") == 5
    connection.close()


def test_a_long_log_is_started_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_checkpoint, "LONGEST_LOG", 3)
    path = tmp_path / "state.db"
    connection = open_file(path)
    log = path.with_name("state.db-wal")
    write(connection, 50)
    length = log.stat().st_size
    for _ in range(5):
        checkpointer = Checkpointer(path, every=0.001)
        checkpointer.start()
        checkpointer.note_write()
        checkpointer.stop()
        write(connection, 20)
    assert log.stat().st_size <= length
    connection.close()


def test_a_failure_is_logged_once_and_the_thread_lives_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.db"
    open_file(path).close()
    path.write_bytes(b"no longer a database, as far as anyone can see" * 100)
    checkpointer = Checkpointer(path, every=0)
    checkpointer.start()
    for _ in range(3):
        checkpointer.note_write()
        while checkpointer._written.is_set():
            threading.Event().wait(0.001)
    assert checkpointer._thread.is_alive()
    checkpointer.stop()
    assert checkpointer.failed
    assert len([r for r in caplog.records if "checkpoint failed" in r.message]) == 1
