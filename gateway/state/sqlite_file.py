"""The SQLite file: how it is opened, what is in it, and what to do when it fails.

Rules of this file:
- WAL with `synchronous=NORMAL`. A committed transaction MUST survive the death of the process
  (kill -9 included): it is in the operating system's page cache by then. A power cut or a crash
  of the kernel may take back what was committed since the last checkpoint, which runs every
  second while there is anything to write; it never corrupts the file.
- Nobody waits inside SQLite for another process: `busy_timeout` is 0 once the file is open, so
  that the event loop is never held by a lock.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from gateway.state.store import StoreError

SCHEMA = 2
OPEN_PATIENCE_MS = 5000

_TABLES = """
CREATE TABLE counter (
    key TEXT PRIMARY KEY, used INTEGER NOT NULL, reserved INTEGER NOT NULL, at INTEGER NOT NULL,
    rest INTEGER NOT NULL, expires INTEGER NOT NULL, most INTEGER NOT NULL,
    units INTEGER NOT NULL, seconds INTEGER NOT NULL, rolling INTEGER NOT NULL, slots BLOB
) WITHOUT ROWID;
CREATE TABLE lease (
    serial INTEGER PRIMARY KEY, nonce TEXT NOT NULL, expires INTEGER NOT NULL, claims BLOB NOT NULL
);
CREATE INDEX lease_expires ON lease (expires);
CREATE TABLE value (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE serial (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), value INTEGER NOT NULL);
INSERT INTO serial VALUES (1, 0);
"""

_ADVICE = {
    sqlite3.SQLITE_BUSY: "another process holds it for too long: give each machine its own file, "
    "and open it with nothing else while the gateway runs",
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    sqlite3.SQLITE_READONLY: "it cannot be written: look at the owner and mode of file and folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: look at the owner and mode of file and folder",
    sqlite3.SQLITE_PERM: "it cannot be opened: look at the owner and mode of file and folder",
    sqlite3.SQLITE_CORRUPT: "it is damaged: stop the gateway, move the file away or put a "
    "backup in its place (without one, budgets begin at nothing)",
    sqlite3.SQLITE_NOTADB: "it is not a state file: name another one with --state",
    sqlite3.SQLITE_IOERR: "the disk failed: look at the system's log",
}


def is_busy(error: sqlite3.Error) -> bool:
    """Whether only another process is in the way, for now."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def explain(path: Path, error: BaseException) -> StoreError:
    """The same failure in words an operator can act on."""
    advice = ""
    if isinstance(error, sqlite3.Error):
        advice = _ADVICE.get(_code(error), "")
    return StoreError(f"state file {path}: {error}" + (f"; {advice}" if advice else ""))


def open_file(path: Path) -> sqlite3.Connection:
    """Open the file, and make it if there is none (mode 0600: it says who spent what).

    Raises:
        StoreError: with what to do about it.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        connection = connect(path, OPEN_PATIENCE_MS)
    except (OSError, sqlite3.Error) as error:
        raise explain(path, error) from error
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        _make_tables(path, connection)
        connection.execute("PRAGMA busy_timeout = 0")
    except sqlite3.Error as error:
        connection.close()
        raise explain(path, error) from error
    except StoreError:
        connection.close()
        raise
    return connection


def connect(path: Path, patience_ms: int) -> sqlite3.Connection:
    """A connection with the settings that every connection to the file needs.

    It may be used from another thread than the one that made it, by one at a time.
    """
    connection = sqlite3.connect(
        path, timeout=patience_ms / 1000, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA synchronous = NORMAL")
    # Checkpoints wait for the disk; they are made in a thread of their own (sqlite_checkpoint.py).
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def _make_tables(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
        elif version != SCHEMA:
            raise StoreError(
                f"state file {path}: its format is {version}, this version reads {SCHEMA}; "
                "run the gateway version that made it, or name another file with --state"
            )
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _code(error: sqlite3.Error) -> int:
    """The primary result code (the extended ones keep it in their low byte)."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
