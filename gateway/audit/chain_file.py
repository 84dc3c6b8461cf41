"""One chain on disk, line after line: resumed after a restart, run on from file to file.

Rules of this file:
- A line has been handed to the operating system when `write` returns.
- Nothing is caught here: whoever writes decides what an `OSError` means.
- After a failed write the file may end in half a line; `repair` MUST come before the next write.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.audit import files
from gateway.audit.chain import NO_HASH, Head, RecordType, Seal
from gateway.audit.chain_end import ChainEnd, Copy

_DAY = 86400


class ChainFile(ChainEnd):
    """The end of one writer's newest chain, in a folder.

    Args:
        state: where the chain's heads are kept, for the `started` records.
        file_bytes: a file is closed and the next one begun when it is longer than this, or a
            UTC day has ended.
        copies: told of every line that was written.
    """

    def __init__(
        self,
        folder: Path,
        writer: str,
        seal: Seal,
        state: str,
        file_bytes: int,
        copies: Sequence[Copy] = (),
    ) -> None:
        super().__init__(writer, seal, state, copies)
        self._folder = folder
        self._file_bytes = file_bytes
        self._lock = -1
        self._fd = -1
        self._retired: list[int] = []  # files that are complete but not on disk yet
        self._named = True  # the folder knows the file's name on disk
        self._number = 0
        self._size = 0
        self._tomorrow = 0.0
        self._torn = False

    @property
    def where(self) -> str:
        return str(self._folder)

    def lock(self) -> None:
        self._lock = files.lock(self._folder, self._writer)

    def unlock(self) -> None:
        os.close(self._lock)
        self._lock = -1

    @property
    def is_open(self) -> bool:
        return self._fd >= 0

    @property
    def ready(self) -> bool:
        """Whether a line may be written: open, and no half a line at the end."""
        return self._fd >= 0 and not self._torn

    # --- begin and end ---

    def begin(self, now: float, heads: Sequence[Head], introduction: dict[str, Any]) -> None:
        """Open the chain's end, or a new chain where there is none that may be written on.

        A chain that is damaged, or written with another key, stays as it is for `verify` to
        see; the new one's first record says after which chain it comes, and why.
        """
        try:
            self._open_end(now, heads, introduction)
        except OSError:
            self.close()
            raise

    def _open_end(self, now: float, heads: Sequence[Head], introduction: dict[str, Any]) -> None:
        found = files.newest(self._folder, self._writer)
        started = self._started(introduction)
        after: dict[str, str] = {}
        if found is not None:
            try:
                end = files.find_end(self._folder, *found, self._seal, heads)
            except files.Damaged as error:
                after = {"chain": found[0], "why": str(error)}
            else:
                self._resume(end, now)
                self.write(RecordType.STARTED, started, now)
                return
        self._chain = files.new_chain(self._writer, now, found[0] if found else "")
        self._seq, self._prev = -1, NO_HASH
        self._open_file(1, now)
        self.write(RecordType.GENESIS, self._genesis(after), now)
        self.write(RecordType.STARTED, started, now)

    def _resume(self, end: files.End, now: float) -> None:
        self._chain, self._seq, self._prev = end.chain, end.seq, end.hash
        self._number, self._size, self._torn = end.number, end.size, False
        path = files.path_of(self._folder, end.chain, end.number)
        self._tomorrow = _next_day(path.stat().st_mtime)
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        if end.torn:
            os.ftruncate(self._fd, end.size)
        if end.seq < 0:
            self.write(RecordType.GENESIS, self._genesis({}), now)
        elif end.size == 0:
            self.write(RecordType.ROTATED, self._rotated(), now)
        if end.torn:
            torn = {"bytes": len(end.torn), "sha256": hashlib.sha256(end.torn).hexdigest()}
            self.write(RecordType.RECOVERED, torn, now)

    def close(self) -> None:
        """Close the files; what is not on disk yet is left to the operating system."""
        for fd in (*self._retired, self._fd):
            if fd >= 0:
                os.close(fd)
        self._retired = []
        self._fd = -1

    # --- lines ---

    def _hand_over(self, line: bytes) -> None:
        written = os.write(self._fd, line)
        if written != len(line):  # the rest fits, or says why it does not
            self._torn = True
            while written < len(line):
                written += os.write(self._fd, line[written:])
            self._torn = False
        self._size += written

    def repair(self) -> None:
        """Cut off half a line that a failed write left."""
        if self._torn:
            os.ftruncate(self._fd, self._size)
            self._torn = False

    # --- files ---

    def rotate_if_due(self, now: float) -> None:
        """Go on in a new file where this one is long enough or of yesterday."""
        if self._size >= self._file_bytes or now >= self._tomorrow:
            self._open_file(self._number + 1, now)
            self.write(RecordType.ROTATED, self._rotated(), now)

    def _rotated(self) -> dict[str, Any]:
        return {"previous": files.path_of(self._folder, self._chain, self._number - 1).name}

    def _open_file(self, number: int, now: float) -> None:
        path = files.path_of(self._folder, self._chain, number)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open(path, flags, 0o600)
        if self._fd >= 0:
            self._retired.append(self._fd)
        self._fd = fd
        self._named = False
        self._number, self._size, self._tomorrow = number, 0, _next_day(now)

    # --- to the disk ---

    def unsynced(self) -> Unsynced:
        """What must be put on disk so that everything written so far survives a power cut."""
        work = Unsynced(tuple(self._retired), self._fd, None if self._named else self._folder)
        self._retired = []
        self._named = True
        return work


class Unsynced:
    """Files to put on disk, from any thread; `release` afterwards, from the writer's."""

    __slots__ = ("_current", "_folder", "_retired")

    def __init__(self, retired: tuple[int, ...], current: int, folder: Path | None) -> None:
        self._retired = retired
        self._current = current
        self._folder = folder

    def sync(self) -> None:
        """Block until it is all on disk. Raises OSError."""
        for fd in (*self._retired, self._current):
            os.fdatasync(fd)
        if self._folder is not None:  # a new file's name must be on disk too
            fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def release(self) -> None:
        """Close the files that are complete."""
        for fd in self._retired:
            os.close(fd)


def _next_day(now: float) -> float:
    return (now // _DAY + 1) * _DAY
