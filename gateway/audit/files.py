"""The files of one writer's chains: names, the lock, and where to go on after a restart.

    <folder>/<writer>.lock                   held while a process writes
    <folder>/<chain>.<number>.jsonl          number from 000001; a chain's lines run on across files

A chain's id is `<writer>-<time><random>` (8 and 4 hex digits), so that a writer's newest chain is
the one whose id sorts last, and no two machines ever have the same.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.audit.chain import NO_HASH, Head, Line, Seal, read_line

_WINDOW = 1 << 20  # bytes read from a file's end; doubled until a whole line is in it


_NAME = re.compile(r"((.+)-[0-9a-f]{12})\.([0-9]{6,})\.jsonl")


class Locked(OSError):
    """Another process writes there."""


class Damaged(Exception):
    """A chain that must not be written on; the text says why."""


@dataclass(frozen=True, slots=True)
class End:
    """Where a chain can go on: its last line and file, and what a crash left behind it.

    `size` is the file's length in whole lines, `torn` the bytes after them (cut off by whoever
    goes on). `seq` is -1 where not even the first line was finished.
    """

    chain: str
    number: int
    seq: int
    hash: str
    size: int
    torn: bytes


def path_of(folder: Path, chain: str, number: int) -> Path:
    return folder / f"{chain}.{number:06d}.jsonl"


def new_chain(writer: str, now: float, after: str = "") -> str:
    """An id that sorts behind `after`, the writer's chain before, whatever the clock says."""
    begun = int(now)
    if after:
        begun = max(begun, int(after[-12:-4], 16) + 1)
    return f"{writer}-{begun:08x}{secrets.token_hex(2)}"


def newest(folder: Path, writer: str) -> tuple[str, int] | None:
    """The writer's newest chain and the number of its last file."""
    names = (_NAME.fullmatch(path.name) for path in folder.glob(f"{writer}-*.jsonl"))
    found = [(name[1], int(name[3])) for name in names if name and name[2] == writer]
    return max(found, default=None)


def lock(folder: Path, writer: str) -> int:
    """Take the writer's lock; the descriptor holds it until it is closed or the process ends.

    Raises:
        Locked: another process holds it.
        OSError: the folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd = os.open(folder / f"{writer}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
        os.close(fd)
        raise Locked(
            errno.EWOULDBLOCK, f"process {holder or '?'} writes this audit log already"
        ) from None
    os.ftruncate(fd, 0)
    os.pwrite(fd, str(os.getpid()).encode(), 0)
    return fd


def find_end(folder: Path, chain: str, number: int, seal: Seal, heads: Sequence[Head]) -> End:
    """Where to go on with a chain.

    Raises:
        Damaged: its end is not what this key wrote, or lies before the head that is known.
        OSError: it cannot be read.
    """
    lines, size, torn = _tail(path_of(folder, chain, number))
    if not lines and number > 1:  # the process died before the new file had its first line
        lines, _, _ = _tail(path_of(folder, chain, number - 1))
        if not lines:
            raise Damaged("its last file but one is empty")
    if not lines:
        end = End(chain, number, -1, NO_HASH, 0, torn)
    else:
        last = _sealed(lines[-1], seal, chain)
        end = End(chain, number, last.record["seq"], last.hash, size, torn)
    for head in heads:
        if head.chain == chain:
            _check_head(head, end, lines)
    return end


def _sealed(raw: bytes, seal: Seal, chain: str) -> Line:
    line = read_line(raw)
    if line is None or line.computed != line.hash or line.record["chain"] != chain:
        raise Damaged("its last line is damaged")
    if line.mac != seal.mac(line.hash):
        raise Damaged("it was written with another key")
    return line


def _check_head(head: Head, end: End, lines: Sequence[bytes]) -> None:
    if head.seq > end.seq:
        raise Damaged(f"{head.seq - end.seq} lines are missing at its end")
    back = end.seq - head.seq
    if back < len(lines):
        line = read_line(lines[-1 - back])
        if line is None or line.hash != head.hash:
            raise Damaged(f"line {head.seq} is not the one that the state store knows")


def _tail(path: Path) -> tuple[list[bytes], int, bytes]:
    """The last whole lines of a file, the length up to their end, and the bytes after it."""
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        window = _WINDOW
        while True:
            start = max(0, length - window)
            file.seek(start)
            data = file.read(length - start)
            end = data.rfind(b"\n") + 1
            lines = data[:end].split(b"\n")[:-1]
            if start == 0:
                return lines, end, data[end:]
            if len(lines) > 1:  # the first may have been cut by the window's edge
                return lines[1:], start + end, data[end:]
            window *= 2
