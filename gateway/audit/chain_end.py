"""The end of a chain, whatever it is written to: the next line's number, and what it links to.

Rules of this file:
- A line that could not be handed over is not in the chain: its number is the next line's.
- Copies are told of a line once it is in the chain, never before.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from gateway import __version__
from gateway.audit.chain import NO_HASH, VERSION, Head, RecordType, Seal, moment


class Copy(Protocol):
    """Who else gets each line. Never waits, never fails."""

    def add(self, line: bytes) -> None: ...


class Unsynced(Protocol):
    """Lines that must survive: `sync` in any thread, `release` afterwards in the writer's."""

    def sync(self) -> None:
        """Block until they do. Raises OSError."""
        ...

    def release(self) -> None: ...


class ChainEnd(ABC):
    """One writer's newest chain. `state` says where its heads are kept."""

    def __init__(self, writer: str, seal: Seal, state: str, copies: Sequence[Copy]) -> None:
        self._writer = writer
        self._seal = seal
        self._state = state
        self._copies = tuple(copies)
        self._chain = ""
        self._seq = -1
        self._prev = NO_HASH

    @property
    @abstractmethod
    def where(self) -> str:
        """What it is written to, in words."""

    @property
    @abstractmethod
    def is_open(self) -> bool: ...

    @property
    @abstractmethod
    def ready(self) -> bool:
        """Whether a line may be written: open, and no half a line at the end."""

    @property
    def head(self) -> Head | None:
        """The last line written; None before the first."""
        return Head(self._chain, self._seq, self._prev) if self._seq >= 0 else None

    @abstractmethod
    def lock(self) -> None:
        """Keep other writers off. Raises files.Locked, or OSError."""

    @abstractmethod
    def unlock(self) -> None: ...

    @abstractmethod
    def begin(self, now: float, heads: Sequence[Head], introduction: dict[str, Any]) -> None:
        """Open the chain's end, or begin a chain, and write `started`. Raises OSError."""

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def repair(self) -> None:
        """Cut off half a line that a failed write left."""

    @abstractmethod
    def rotate_if_due(self, now: float) -> None:
        """Go on elsewhere where this is long enough."""

    @abstractmethod
    def unsynced(self) -> Unsynced:
        """What must survive so that everything written so far does."""

    def write(self, kind: RecordType, payload: dict[str, Any], now: float) -> None:
        """Seal a payload as the chain's next line and hand it over. Raises OSError."""
        seq = self._seq + 1
        payload["v"] = VERSION
        payload["chain"] = self._chain
        payload["seq"] = seq
        payload["prev"] = self._prev
        payload["type"] = str(kind)
        payload["time"] = moment(now)
        line, hashed = self._seal.line(payload)
        self._hand_over(line)
        self._seq = seq
        self._prev = hashed
        for copy in self._copies:
            copy.add(line)

    @abstractmethod
    def _hand_over(self, line: bytes) -> None: ...

    def _started(self, introduction: dict[str, Any]) -> dict[str, Any]:
        started = {**introduction, "state": self._state, "gateway": __version__}
        started["pid"] = os.getpid()
        return started

    def _genesis(self, after: dict[str, str]) -> dict[str, Any]:
        payload: dict[str, Any] = {"key": self._seal.key_id, "gateway": __version__}
        if after:
            payload["after"] = after
        return payload
