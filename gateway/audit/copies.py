"""A copy of the audit log's lines for somebody else, sent beside the path of calls.

Rules of this file:
- A copy holds up nobody and fails nobody: what it cannot send waits, up to a bound; beyond it the
  newest lines are left out and counted. In the copy they are missing, and `verify` says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque

from gateway.audit.sinks import Sink

MOST_BYTES = 8 * 1024 * 1024
"""Bytes of lines that wait for one copy."""

MOST_LINES = 512
"""Lines that are sent at a time."""

PAUSE = 0.2
"""Seconds for which lines gather."""

RETRY = 2.0
"""Seconds until what could not be sent is offered again."""

STOP_WAIT = 3.0
"""Seconds for which the last lines are waited for when the gateway stops."""

_log = logging.getLogger("portcullis.audit")


class CopyTo:
    """Sends every line to one sink.

    Attributes:
        name: of the sink; `sent` and `lost` are lines, `healthy` whether the last try went well.
    """

    def __init__(self, sink: Sink, pause: float = PAUSE, retry: float = RETRY) -> None:
        self.name = sink.name
        self.sent = 0
        self.lost = 0
        self.healthy = True
        self._sink = sink
        self._pause = pause
        self._retry = retry
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._some = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    def add(self, line: bytes) -> None:
        if self._bytes + len(line) > MOST_BYTES:
            self.lost += 1
            return
        self._waiting.append(line)
        self._bytes += len(line)
        if not self._some.is_set():
            self._some.set()

    async def stop(self) -> None:
        """Send what waits, for a while; what is left then is lost, and counted."""
        self._stopping.set()
        self._some.set()
        if self._task is not None:
            _, late = await asyncio.wait({self._task}, timeout=STOP_WAIT)
            if late:
                self._sink.close()
                self._task.cancel()
        if self._waiting:
            self.lost += len(self._waiting)
            _log.error(
                "audit copy: lines were not sent", extra={"to": self.name, "lines": self.lost}
            )
            self._waiting.clear()

    async def _run(self) -> None:
        while self._waiting or not self._stopping.is_set():
            await self._some.wait()
            await self._rest(self._pause)
            self._some.clear()
            while self._waiting:
                if not await self._send():
                    if self._stopping.is_set():
                        return
                    await self._rest(self._retry)

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _send(self) -> bool:
        lines = [self._waiting[at] for at in range(min(MOST_LINES, len(self._waiting)))]
        try:
            sent = await asyncio.to_thread(self._sink.send, lines)
        except OSError as error:
            if self.healthy:
                _log.error("audit copy: %s", error.strerror or error, extra={"to": self.name})
            self.healthy = False
            return False
        self.healthy = True
        self.sent += sent
        for _ in range(sent):
            self._bytes -= len(self._waiting.popleft())
        return True
