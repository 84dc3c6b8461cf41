"""Moves what was committed from the write-ahead log into the file, off the event loop.

Rules of this file:
- A checkpoint waits for the disk (it is where `synchronous=NORMAL` syncs), so it runs in a
  thread of its own with a connection of its own. Writers go on meanwhile.
- A log that has grown long is started anew, which keeps writers out for a moment: they find the
  file busy and try again, without holding their loop.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from gateway.state.sqlite_file import connect

log = logging.getLogger(__name__)

LONGEST_LOG = 4096
"""Pages of 4 KiB after which the log is started anew."""
_PATIENCE_MS = 1000


class Checkpointer:
    """A thread that checkpoints a file, at most once in `every` seconds, after writes."""

    def __init__(self, path: Path, every: float) -> None:
        self._path = path
        self._every = every
        self._written = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="state-checkpoint", daemon=True)
        self.failed = False

    def start(self) -> None:
        self._thread.start()

    def note_write(self) -> None:
        """Something was committed."""
        self._written.set()

    def stop(self) -> None:
        """End the thread, after a last checkpoint of what was written."""
        self._ending.set()
        self._written.set()
        self._thread.join()

    def _run(self) -> None:
        ending = False
        while not ending:
            self._written.wait()
            self._written.clear()
            self._checkpoint()
            ending = self._ending.wait(self._every)
        if self._written.is_set():
            self._checkpoint()

    def _checkpoint(self) -> None:
        try:
            with closing(connect(self._path, _PATIENCE_MS)) as connection:
                _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if pages > LONGEST_LOG:
                    connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        except sqlite3.Error as error:
            # What was committed stays readable in the log; it only grows until this works again.
            if not self.failed:
                log.warning("state file %s: checkpoint failed: %s", self._path, error)
            self.failed = True
        else:
            self.failed = False
