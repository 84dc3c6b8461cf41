"""Forgets what is over in a state file, a little with every transaction.

For every row that is written two are looked at, in the order of their keys, round and round, so
that rows that may be forgotten never pile up, and no single transaction has much to do.
"""

from __future__ import annotations

import sqlite3

_AT_ONCE = 64
_MOST = 1024

_LOOK = {
    "counter": "SELECT key, expires != 0 AND expires <= ? AND reserved = 0 FROM counter"
    " WHERE key > ? ORDER BY key LIMIT ?",
    "value": "SELECT key, expires <= ? FROM value WHERE key > ? ORDER BY key LIMIT ?",
}
_DELETE = {
    "counter": "DELETE FROM counter WHERE key = ?",
    "value": "DELETE FROM value WHERE key = ?",
}


class Forgetter:
    """Remembers how far the round has come; one for each process."""

    def __init__(self) -> None:
        self._owed = 0
        self._place = dict.fromkeys(_LOOK, "")

    def forget(self, connection: sqlite3.Connection, written: int, now: int) -> None:
        """Look at twice as many rows as were written. Inside the caller's transaction."""
        self._owed += 2 * written
        if self._owed < _AT_ONCE:
            return
        look_at, self._owed = min(self._owed, _MOST), 0
        for table, look in _LOOK.items():
            rows = connection.execute(look, (now, self._place[table], look_at)).fetchall()
            self._place[table] = rows[-1][0] if len(rows) == look_at else ""
            over = [(key,) for key, is_over in rows if is_over]
            if over:
                connection.executemany(_DELETE[table], over)
