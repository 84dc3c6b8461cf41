"""Brings notices to their webhooks, off the path of calls.

Rules of this file:
- `put` never waits and never raises. What finds no room in the queue becomes a dead letter.
- One notice at a time to each webhook, in order. Attempts are repeated with growing pauses; while
  a webhook is away, each later notice gets one attempt, until one arrives.
- Nothing that was taken is dropped silently: it is delivered, or kept in the file, or counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from gateway.config.notices import Webhook
from gateway.errors import UpstreamError
from gateway.message import Headers, UpstreamReply
from gateway.telemetry.dead_letters import DeadLetters, Letter
from gateway.telemetry.notice_formats import Notice, body_of, headers_of
from gateway.upstream.client import Timeouts
from gateway.upstream.way import Way

PAUSES = (1.0, 5.0, 25.0, 60.0)
"""Seconds between the attempts for one notice."""
MOST_WAITING = 1000
TIMEOUTS = Timeouts(connect=5.0, read=10.0)
_LARGEST_ANSWER = 1_000_000
_FINAL = frozenset(range(300, 500)) - {408, 425, 429}
"""Statuses after which asking again would change nothing."""

Send = Callable[
    [str, Way, str, Headers, bytes, Timeouts, int],
    Awaitable[UpstreamReply],
]
"""As `Client.send`."""
Count = Callable[[str, str], None]
"""Told of each notice's event and what became of it: `sent`, `undelivered`, `dropped`."""

_log = logging.getLogger("portcullis.notices")


class FailedError(Exception):
    """An attempt failed. `final`: another one would too."""

    def __init__(self, why: str, *, final: bool) -> None:
        super().__init__(why)
        self.final = final


async def deliver(webhook: Webhook, notice: Notice, send: Send) -> None:
    """One attempt. Raises FailedError."""
    parts = urlsplit(webhook.url.get_secret_value())
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    secret = webhook.secret.get_secret_value() if webhook.secret is not None else ""
    body = body_of(notice, webhook.format)
    headers = Headers(headers_of(notice, body, secret, time.time()))
    way = Way(f"{parts.scheme}://{parts.netloc}")
    try:
        answer = await send("POST", way, target, headers, body, TIMEOUTS, _LARGEST_ANSWER)
        await answer.read()
    except UpstreamError as error:
        raise FailedError(error.reason.value, final=False) from error
    if not 200 <= answer.status < 300:
        raise FailedError(f"status {answer.status}", final=answer.status in _FINAL)


class _Lane:
    """One webhook's notices."""

    def __init__(self) -> None:
        self.queue: deque[tuple[Webhook, Notice]] = deque()
        self.task: asyncio.Task[None] | None = None
        self.away = False


class Delivery:
    """All webhooks of one worker, by their names."""

    def __init__(self, send: Send, letters: DeadLetters, count: Count) -> None:
        self._send = send
        self._letters = letters
        self._count = count
        self._lanes: dict[str, _Lane] = {}
        self._closing = False

    def put(self, webhook: Webhook, notice: Notice) -> None:
        """Have a notice sent."""
        lane = self._lanes.setdefault(webhook.name, _Lane())
        if self._closing or len(lane.queue) >= MOST_WAITING:
            self._bury(webhook, notice, "too many wait" if not self._closing else "stopping")
            return
        lane.queue.append((webhook, notice))
        if lane.task is None:
            lane.task = asyncio.get_running_loop().create_task(self._work(lane))

    async def close(self, limit: float) -> None:
        """Send what waits, for `limit` seconds at most; keep the rest in the file."""
        self._closing = True
        running = [lane.task for lane in self._lanes.values() if lane.task is not None]
        if running:
            await asyncio.wait(running, timeout=limit)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for lane in self._lanes.values():
            while lane.queue:
                self._bury(*lane.queue.popleft(), "stopped before it was delivered")

    async def _work(self, lane: _Lane) -> None:
        try:
            while lane.queue:
                webhook, notice = lane.queue[0]
                await self._persist(lane, webhook, notice)
                lane.queue.popleft()
        finally:
            lane.task = None

    async def _persist(self, lane: _Lane, webhook: Webhook, notice: Notice) -> None:
        """Attempts until it is delivered or given up."""
        pauses = () if lane.away or self._closing else PAUSES
        for pause in (*pauses, None):
            try:
                await deliver(webhook, notice, self._send)
            except FailedError as error:
                if pause is None or error.final:
                    lane.away = not error.final
                    self._bury(webhook, notice, str(error))
                    return
                await asyncio.sleep(pause)
            else:
                lane.away = False
                self._count(notice.event, "sent")
                return

    def _bury(self, webhook: Webhook, notice: Notice, why: str) -> None:
        try:
            kept = self._letters.keep(Letter(webhook.name, why, notice))
        except OSError as error:
            why, kept = f"{why}; {error.strerror or error}", False
        self._count(notice.event, "undelivered" if kept else "dropped")
        _log.error(
            "notice not delivered: %s",
            why,
            extra={"webhook": webhook.name, "notice": notice.id, "kept": kept},
        )
