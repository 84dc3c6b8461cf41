"""One chain sent to a stream: stdout, or a collector. Nothing of it can be read back.

Rules of this file:
- A line waits in memory until the stream has taken it: `unsynced().sync()` sends what waits, in
  order. What waits is bounded; a line beyond the bound is refused with OSError.
- Each process begins a chain of its own: there is no end to go on from.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Sequence
from typing import Any

from gateway.audit.chain import Head, RecordType, Seal
from gateway.audit.chain_end import ChainEnd, Copy
from gateway.audit.files import new_chain
from gateway.audit.sinks import Sink

MOST_BYTES = 8 * 1024 * 1024
"""Bytes of lines that wait: some thousand calls."""


class ChainStream(ChainEnd):
    """A chain that begins with this process."""

    def __init__(
        self, sink: Sink, writer: str, seal: Seal, state: str, copies: Sequence[Copy] = ()
    ) -> None:
        super().__init__(writer, seal, state, copies)
        self._sink = sink
        self._open = False
        self._waiting: deque[bytes] = deque()
        self._bytes = 0

    @property
    def where(self) -> str:
        return self._sink.name

    @property
    def is_open(self) -> bool:
        return self._open

    @property
    def ready(self) -> bool:
        return self._open

    def lock(self) -> None:
        """Nobody else can write a chain of this name."""

    def unlock(self) -> None:
        """See `lock`."""

    def begin(self, now: float, heads: Sequence[Head], introduction: dict[str, Any]) -> None:
        self._chain = new_chain(self._writer, now)
        self._open = True
        self.write(RecordType.GENESIS, self._genesis({}), now)
        self.write(RecordType.STARTED, self._started(introduction), now)

    def close(self) -> None:
        self._open = False

    def repair(self) -> None:
        """There is never half a line: lines wait whole."""

    def rotate_if_due(self, now: float) -> None:
        """A stream has no length."""

    def _hand_over(self, line: bytes) -> None:
        if self._bytes + len(line) > MOST_BYTES:
            raise OSError(errno.ENOBUFS, f"{self._sink.name} does not take the lines that wait")
        self._waiting.append(line)
        self._bytes += len(line)

    def unsynced(self) -> StreamUnsynced:
        return StreamUnsynced(self, self._sink, tuple(self._waiting))

    def sent(self, lines: int) -> None:
        """So many of those that waited are with the stream."""
        for _ in range(lines):
            self._bytes -= len(self._waiting.popleft())


class StreamUnsynced:
    """See `chain_end.Unsynced`."""

    __slots__ = ("_chain", "_lines", "_sent", "_sink")

    def __init__(self, chain: ChainStream, sink: Sink, lines: Sequence[bytes]) -> None:
        self._chain = chain
        self._sink = sink
        self._lines = lines
        self._sent = 0

    def sync(self) -> None:
        while self._sent < len(self._lines):
            self._sent += self._sink.send(self._lines[self._sent :])

    def release(self) -> None:
        self._chain.sent(self._sent)
