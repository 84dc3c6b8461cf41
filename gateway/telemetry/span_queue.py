"""Spans on their way out: a bounded queue, and a thread that sends it.

Why not the SDK's own `BatchSpanProcessor`: it counts no drops unless its metrics SDK is there,
waits for up to 30 s at its end, and takes only spans that are built on the caller's thread.

Rules of this file:
- `put` never waits. What finds no room is dropped and counted.
- One thread, a daemon: a collector that hangs keeps neither a call nor the process.
- A batch that could not be sent is lost: the exporter has tried for as long as its timeout allows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from gateway.telemetry.spans import Span

Export = Callable[[Sequence[Span]], bool]
"""Send spans; whether they arrived. Runs in the queue's thread, and may wait there."""

TELL_EVERY = 60.0
"""Seconds between two log lines while spans are being lost."""

_log = logging.getLogger("portcullis.tracing")


class SpanQueue:
    """Takes spans from the event loop's thread.

    Args:
        stop: makes an `export` that waits give up.
        most: spans that may wait; `batch`: spans sent at once; `delay`: seconds between two looks.

    Attributes:
        sent, failed, dropped: spans that arrived, that could not be sent, that found no room.
    """

    def __init__(
        self, export: Export, stop: Callable[[], None], *, most: int, batch: int, delay: float
    ) -> None:
        self.sent = 0
        self.failed = 0
        self.dropped = 0
        self._export = export
        self._stop = stop
        self._most = most
        self._batch = batch
        self._delay = delay
        self._waiting: deque[Span] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._ended: Callable[[], None] = lambda: None  # told when the thread is over
        self._told = 0
        self._told_at = -TELL_EVERY
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def put(self, spans: Sequence[Span]) -> None:
        """Take spans that belong together: all of them, or none."""
        waiting = len(self._waiting) + len(spans)
        if waiting > self._most or self._closing:
            self.dropped += len(spans)
            return
        self._waiting.extend(spans)
        if waiting >= self._batch:
            self._wake.set()

    async def close(self, limit: float) -> None:
        """Send what waits, for `limit` seconds at most; what is left then is dropped."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()

        def tell() -> None:
            loop.call_soon_threadsafe(ended.set)

        self._ended = tell
        self._closing = True
        self._wake.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), limit)
        self._stop()
        self.dropped += len(self._waiting)
        self._waiting.clear()
        if self.dropped or self.failed:
            self._tell()

    # --- the thread ---

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(self._delay)
            self._wake.clear()
            self._send_all()
            lost = self.failed + self.dropped
            if lost > self._told and time.monotonic() - self._told_at >= TELL_EVERY:
                self._tell()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._ended()

    def _send_all(self) -> None:
        """Send what waits; while a batch cannot be sent, no other one is tried in this round."""
        while self._waiting:
            spans = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
            try:
                arrived = self._export(spans)
            except Exception:  # noqa: BLE001  a thread that ended would end all tracing
                _log.exception("spans not sent")
                arrived = False
            if not arrived:
                self.failed += len(spans)
                return
            self.sent += len(spans)

    def _tell(self) -> None:
        self._told, self._told_at = self.failed + self.dropped, time.monotonic()
        _log.warning(
            "spans lost: the collector does not take them",
            extra={"failed": self.failed, "dropped": self.dropped, "sent": self.sent},
        )
