"""Notices that could not be delivered, in a file, until somebody has them sent again.

Rules of this file:
- One line a letter, appended with one write, so that workers do not mix theirs.
- Names of webhooks stand in it, never their addresses: those may be secrets.
- Bounded: beyond `LARGEST` nothing is added, and the caller is told.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from gateway.telemetry.notice_formats import Notice

NAME = "notices.undelivered.jsonl"
LARGEST = 10_000_000
"""Bytes of the file."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A notice that a webhook did not take, and why."""

    webhook: str
    why: str
    notice: Notice


class DeadLetters:
    """The file in a folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def keep(self, letter: Letter) -> bool:
        """Add a letter; False where the file is full. Raises OSError."""
        line = _line(letter)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        handle = os.open(self.path, flags, 0o600)
        try:
            if os.fstat(handle).st_size + len(line) > LARGEST:
                return False
            os.write(handle, line)
        finally:
            os.close(handle)
        return True

    def read(self) -> list[Letter]:
        """All letters; lines that are none are left out. Raises OSError."""
        return _letters(self._aside) + _letters(self.path)

    def take(self) -> list[Letter]:
        """All letters, which from now on are the caller's: what it cannot send it must `keep`.

        They lie in a file beside until `taken` is called, so that none is lost if the caller
        dies; the next `take` gives them again. Raises OSError.
        """
        aside = self._aside
        if not aside.exists():
            try:
                self.path.rename(aside)
            except FileNotFoundError:
                return []
        return _letters(aside)

    def taken(self, left: Sequence[Letter] = ()) -> None:
        """Forget what `take` gave, but for `left`: the next `take` gives those again. Raises
        OSError."""
        if not left:
            self._aside.unlink(missing_ok=True)
            return
        fresh = self._aside.with_suffix(".left")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.writelines(map(_line, left))
        fresh.replace(self._aside)

    @property
    def _aside(self) -> Path:
        return self.path.with_suffix(".sending")


def _line(letter: Letter) -> bytes:
    return orjson.dumps(asdict(letter)) + b"\n"


def _letters(path: Path) -> list[Letter]:
    try:
        lines: Iterable[bytes] = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            stored = orjson.loads(line)
            notice = Notice.of(stored["notice"])
            found.append(Letter(str(stored["webhook"]), str(stored["why"]), notice))
        except (orjson.JSONDecodeError, TypeError, KeyError):
            continue
    return found
