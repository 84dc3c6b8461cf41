"""One worker process: its stations, its background work, and what the supervisor asks of it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.audit.chain import RecordType
from gateway.audit.writer import AuditWriter
from gateway.errors import ConfigError, OwnError
from gateway.exchange import Exchange
from gateway.message import Request
from gateway.proxy.closing import Closer, leases
from gateway.proxy.handler import Handler
from gateway.proxy.live import Live
from gateway.proxy.server import DataServer
from gateway.state.store import Store, StoreError
from gateway.telemetry.metrics import Metrics
from gateway.upstream.client import Client

RENEW_EVERY = 20.0
"""Seconds between two renewals of running leases; a lease lasts three times as long."""

HEAD_EVERY = 60.0
"""Seconds between two log lines that carry the audit chain's head."""

_log = logging.getLogger("portcullis.worker")


@dataclass(slots=True)
class Parts:
    """What `app.py` has wired for one worker."""

    store: Store
    audit: AuditWriter
    metrics: Metrics
    client: Client
    closer: Closer
    handler: Handler
    server: DataServer
    build: Callable[[dict[str, bytes]], Live]


class Current:
    """Makes exchanges that keep the policy of the moment at which they began."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self._ids = Ids()

    def begin(self, request: Request) -> Exchange:
        now, begun = time.time(), time.perf_counter_ns()
        traceparent = request.headers.get("traceparent")
        exchange = Exchange(self._ids.next(now), request, now, time.perf_counter_ns)
        if traceparent:
            exchange.trace_id = trace_of(traceparent)
        exchange.snapshot = self.live
        exchange.begun = exchange.left = begun
        return exchange


class Ids:
    """Makes the calls' ids: 12 hex digits of time in milliseconds, so that ids sort, and 80 random
    bits. The system is asked for many ids' worth at once: a call of it costs more than the rest.
    """

    def __init__(self) -> None:
        self._random = ""
        self._at = 0

    def next(self, now: float) -> str:
        if self._at == len(self._random):
            self._random, self._at = os.urandom(10 * 256).hex(), 0
        self._at += 20
        return f"ptx_{int(now * 1000):012x}{self._random[self._at - 20 : self._at]}"


def trace_of(traceparent: str) -> str:
    """The trace id of a W3C `traceparent` header; "" where there is none."""
    parts = traceparent.split("-")
    if len(parts) >= 4 and len(parts[1]) == 32 and parts[1].isalnum():
        return parts[1].lower()
    return ""


class Worker:
    """Starts, reloads, drains and stops the parts of one worker."""

    def __init__(self, parts: Parts, current: Current, *, number: int) -> None:
        self._parts = parts
        self._current = current
        self._number = number
        self._prepared: Live | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.stopped = asyncio.Event()

    async def start(self, introduction: dict[str, Any]) -> None:
        """Begin to serve. Raises ConfigError with what stands in the way."""
        parts = self._parts
        try:
            await parts.client.open()
            await parts.audit.start(introduction)
        except (StoreError, OwnError) as error:
            raise ConfigError([str(error)]) from error
        self._every(RENEW_EVERY, self._renew)
        self._every(HEAD_EVERY, self._log_head)
        # What is loaded by now lives as long as the process: no collection need look at it.
        gc.collect()
        gc.freeze()

    async def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """What the supervisor asks."""
        match message["do"]:
            case "metrics":
                return {"samples": self._parts.metrics.snapshot()}
            case "health":
                return self._health()
            case "prepare":
                return self._prepare(message["texts"])
            case "commit":
                return self._commit()
            case "drain":
                await self.drain(float(message["limit"]))
                return {"drained": True}
        return {"problems": [f"unknown request {message['do']!r}"]}

    # --- reload ---

    def _prepare(self, texts: dict[str, str]) -> dict[str, Any]:
        try:
            self._prepared = self._parts.build({n: t.encode() for n, t in texts.items()})
        except ConfigError as error:
            return {"problems": error.problems}
        return {"prepared": True}

    def _commit(self) -> dict[str, Any]:
        live, self._prepared = self._prepared, None
        if live is None:
            return {"problems": ["nothing was prepared"]}
        before, self._current.live = self._current.live, live
        self._note(RecordType.RELOADED, {"before": before.digest, "policy": live.digest})
        for change in _key_changes(before, live):
            self._note(RecordType.KEY_CHANGED, change)
        return {"committed": True}

    def _note(self, kind: RecordType, payload: dict[str, Any]) -> None:
        try:
            self._parts.audit.event(kind, payload)
        except OwnError as error:
            _log.error("%s", error)

    # --- background ---

    def _every(self, seconds: float, work: Callable[[], Any]) -> None:
        async def run() -> None:
            while True:
                await asyncio.sleep(seconds)
                await work()

        self._tasks.append(asyncio.get_running_loop().create_task(run()))

    async def _renew(self) -> None:
        held = leases(list(self._parts.closer.running.values()))
        if not held:
            return
        try:
            await self._parts.store.renew(held)
        except StoreError as error:
            self._parts.metrics.store_failed("renew")
            _log.error("leases not renewed: %s", error)

    async def _log_head(self) -> None:
        _log.info("audit head", extra=self._parts.audit.head_line())

    def _health(self) -> dict[str, Any]:
        return {
            "running": len(self._parts.closer.running),
            "audit": self._parts.audit.healthy,
            "policy": self._current.live.digest,
        }

    # --- stop ---

    async def drain(self, limit: float) -> None:
        """Take no new calls, let running ones finish for `limit` seconds, then stop."""
        parts = self._parts
        parts.handler.draining = True
        parts.server.stop_accepting()
        await parts.closer.drained(limit)
        await parts.server.close(0.5)
        await parts.closer.idle()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await parts.client.close()
        await parts.audit.stop({"policy": self._current.live.digest})
        await parts.store.close()
        self.stopped.set()


def _key_changes(before: Live, after: Live) -> list[dict[str, Any]]:
    """Gateway keys that a reload added or took away, by name."""

    def names(live: Live) -> set[tuple[str, str, str]]:
        return {
            (tenant, key.name, key.hash)
            for tenant, body in live.file.tenants.items()
            for key in body.keys
        }

    old, new = names(before), names(after)
    return [
        {"change": change, "tenant": tenant, "name": name, "hash": digest}
        for change, found in (("added", new - old), ("removed", old - new))
        for tenant, name, digest in sorted(found)
    ]
