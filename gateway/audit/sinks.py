"""Where sealed lines can be sent besides files: the program's own stdout, or a collector.

Rules of this file:
- A sink is used by one thread at a time, and may block for a bounded time only.
- Lines arrive whole and in order; a line that was not taken is offered again, never left out.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import time
from collections.abc import Sequence
from typing import Protocol

PATIENCE = 2.0
"""Seconds for which a sink waits for its other side before it gives up this time."""

_PIECE = select.PIPE_BUF
"""Bytes that a pipe takes without a wait once it says that it takes any (POSIX)."""


class Sink(Protocol):
    """Takes lines. `name` says what it is, in words."""

    @property
    def name(self) -> str: ...

    def send(self, lines: Sequence[bytes]) -> int:
        """Hand over some lines from the front, one at least; how many. Blocks for a while at most.

        Raises OSError where none could be handed over.
        """
        ...

    def close(self) -> None:
        """Give up what is being sent. From any thread."""
        ...


class Stdout:
    """Lines on a descriptor that other workers write to as well: one after the other, never mixed.

    Whoever reads it too slowly is waited for; a blocked write would hold this process up for ever.
    """

    name = "stdout"

    def __init__(self, fd: int = 1, patience: float = PATIENCE) -> None:
        self._fd = fd
        self._patience = patience
        self._done = 0  # bytes of the first line that were written before a wait was given up
        self._closed = False
        self._locked = False
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def send(self, lines: Sequence[bytes]) -> int:
        ends = time.monotonic() + self._patience
        for number, line in enumerate(lines):
            try:
                self._write(line, ends)
            except OSError:
                if number:
                    return number
                raise
        return len(lines)

    def close(self) -> None:
        self._closed = True

    def _write(self, line: bytes, ends: float) -> None:
        """Give up with half a line written, and nobody else writes until the rest is."""
        self._lock(ends)
        try:
            while self._done < len(line):
                self._await_room(ends)
                self._done += os.write(self._fd, line[self._done : self._done + _PIECE])
            self._done = 0
        finally:
            if not self._done:
                self._unlock()

    def _await_room(self, ends: float) -> None:
        while not (found := self._poll.poll(100)):
            if self._closed or time.monotonic() > ends:
                raise OSError(errno.EAGAIN, "nobody reads stdout")
        if found[0][1] & select.POLLERR:
            raise OSError(errno.EPIPE, "stdout is closed")

    def _lock(self, ends: float) -> None:
        """Other workers write there too, and a pipe may split what is longer than a page."""
        while not self._locked:
            try:
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._locked = True
            except BlockingIOError:
                if self._closed or time.monotonic() > ends:
                    raise OSError(errno.EAGAIN, "another worker waits for stdout") from None
                time.sleep(0.001)
            except OSError:
                return  # no locks on such a thing: lines up to a page are whole all the same

    def _unlock(self) -> None:
        if self._locked:
            fcntl.lockf(self._fd, fcntl.LOCK_UN)
            self._locked = False
