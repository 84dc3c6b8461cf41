"""Reads records of the audit log for showing them, newest first. Checks nothing: see `verify`."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.audit.chain import RecordType, read_line

_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Entry:
    """One record and where it stands."""

    record: dict[str, Any]
    hash: str
    file: str


def newest_first(folder: Path, having: str = "") -> Iterator[Entry]:
    """Every record of a folder, by time, newest first; lines that are no records are left out.

    `having` is a text that the line must hold: lines without it are not even parsed.

    Raises:
        OSError: the folder or a file in it cannot be read.
    """
    chains: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir(), reverse=True):
        if path.name.endswith(".jsonl"):
            chains.setdefault(path.name.split(".")[0], []).append(path)
    wanted = having.encode()
    walks = [_chain(files, wanted) for files in chains.values()]
    return heapq.merge(*walks, key=lambda entry: str(entry.record["time"]), reverse=True)


def exchanges(folder: Path, id_part: str = "") -> Iterator[Entry]:
    """The `closed` record of each exchange, and `opened` ones that were never closed.

    `id_part` is how the wanted exchange's id begins.
    """
    closed: set[str] = set()
    for entry in newest_first(folder, f'"id":"{id_part}' if id_part else ""):
        kind, name = entry.record["type"], str(entry.record.get("id", ""))
        if not name.startswith(id_part):
            continue
        if kind == RecordType.CLOSED:
            closed.add(name)
            yield entry
        elif kind == RecordType.OPENED:
            if name not in closed:
                yield entry
            closed.discard(name)


def last_state(folder: Path) -> str:
    """Where the gateway that wrote here last keeps the heads; "" where nobody says."""
    for entry in newest_first(folder, '"type":"started"'):
        return str(entry.record.get("state", ""))
    return ""


def _chain(files: list[Path], wanted: bytes) -> Iterator[Entry]:
    for path in files:
        for raw in _backwards(path):
            line = read_line(raw) if wanted in raw else None
            if line is not None:
                yield Entry(line.record, line.hash, path.name)


def _backwards(path: Path) -> Iterator[bytes]:
    """The whole lines of a file, the last one first."""
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END)
        rest = b""
        while at:
            size = min(_BLOCK, at)
            at -= size
            file.seek(at)
            lines = (file.read(size) + rest).split(b"\n")
            rest = lines[0]
            yield from reversed(lines[1:])
        yield rest
