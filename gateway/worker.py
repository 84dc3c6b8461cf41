"""One worker process: its stations, its background work, and what the supervisor asks of it."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.audit.chain import RecordType
from gateway.audit.writer import AuditWriter
from gateway.errors import ConfigError, OwnError
from gateway.identity.task_outcomes import Facts, TaskOutcome, TaskOutcomes
from gateway.proxy.begin import Current
from gateway.proxy.closing import Closer, leases
from gateway.proxy.handler import Handler
from gateway.proxy.live import Live
from gateway.proxy.server import DataServer
from gateway.state.store import Store, StoreError
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.notices import Notifier
from gateway.telemetry.tracing import Tracing
from gateway.tls import Pems, server_context
from gateway.upstream.client import Client
from gateway.upstream.tunnels import Connector

RENEWALS = 3
"""How often a running lease is renewed in its time."""

HEAD_EVERY = 60.0
"""Seconds between two log lines that carry the audit chain's head."""

CUT_GRACE = 0.5
"""Seconds that calls may take to end once they are cut."""

NOTICE_GRACE = 3.0
"""Seconds in which the last notices may be delivered; then they are kept in the file."""

YOUNG_OBJECTS = 20_000
"""Objects after which the garbage collector looks through the young ones. The calls that run at
one time hold some thousand; with Python's own 700 they are looked through again and again, and
promoted, before they end and are freed without it: 8% of a call's CPU at 64 connections."""

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
    connector: Connector
    notifier: Notifier
    outcomes: TaskOutcomes
    tracing: Tracing | None = None


class Worker:
    """Starts, reloads, drains and stops the parts of one worker."""

    def __init__(self, parts: Parts, current: Current) -> None:
        self._parts = parts
        self._current = current
        self._prepared: Live | None = None
        self._preparing = asyncio.Lock()
        self._hurried = asyncio.Event()
        self._draining: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._renewing: asyncio.Task[None] | None = None
        self._store_lost = 0.0
        self.stopped = asyncio.Event()

    async def start(self, introduction: dict[str, Any]) -> None:
        """Begin to serve. Raises ConfigError with what stands in the way."""
        parts = self._parts
        try:
            await parts.client.open()
            await parts.audit.start(introduction)
        except (StoreError, OwnError) as error:
            raise ConfigError([str(error)]) from error
        parts.store.watch(self._store_changed)
        self._expect(self._current.live)
        self._every(parts.store.lease_seconds / RENEWALS, self._renew)
        self._every(HEAD_EVERY, self._log_head)
        # What is loaded by now lives as long as the process: no collection need look at it.
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS)

    async def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """What the supervisor asks."""
        match message["do"]:
            case "metrics":
                return {"samples": self._parts.metrics.snapshot()}
            case "health":
                return self._health()
            case "prepare":
                return await self._prepare(message["texts"])
            case "commit":
                return self._commit()
            case "secure":
                await self._parts.server.secure(server_context(pems_of(message["tls"])))
                return {"secured": True}
            case "facts":
                facts = self._parts.outcomes.facts(message["session"])
                return {"facts": None if facts is None else asdict(facts)}
            case "outcome":
                return await self._outcome(message)
            case "drain":
                await self.drain(float(message["limit"]))
                return {"drained": True}
            case "hurry":
                self._hurried.set()
                return {"hurrying": True}
        return {"problems": [f"unknown request {message['do']!r}"]}

    def _health(self) -> dict[str, Any]:
        return {
            "running": len(self._parts.closer.running),
            "audit": self._parts.audit.healthy,
            "store": self._store_state(),
            "policy": self._current.live.digest,
        }

    def _store_state(self) -> str:
        since = self._parts.store.away_since
        if since is None:
            return "ok"
        return f"away since {datetime.fromtimestamp(since, UTC):%Y-%m-%dT%H:%M:%SZ}"

    # --- reload ---

    async def _prepare(self, texts: dict[str, str]) -> dict[str, Any]:
        """Build what follows from a policy, in a thread: calls go on meanwhile."""
        async with self._preparing:
            self._prepared = None
            files = unpacked(texts)
            try:
                self._prepared = await asyncio.to_thread(self._parts.build, files)
            except ConfigError as error:
                return {"problems": error.problems}
            return {"prepared": True}

    def _commit(self) -> dict[str, Any]:
        live, self._prepared = self._prepared, None
        if live is None:
            return {"problems": ["nothing was prepared"]}
        before, self._current.live = self._current.live, live
        self._expect(live)
        self._parts.client.keep(plan.way for plan in live.upstreams.values())
        self._note(RecordType.RELOADED, {"before": before.digest, "policy": live.digest})
        for change in _key_changes(before, live):
            self._note(RecordType.KEY_CHANGED, change)
        return {"committed": True}

    def _expect(self, live: Live) -> None:
        rules = {rule.ref: rule for t in live.tenants.values() for rule in t.pipeline.rules}
        self._parts.metrics.expect(rules.values())

    async def _outcome(self, message: dict[str, Any]) -> dict[str, Any]:
        """Record and count what an operator says that a session came to."""
        session, outcome = message["session"], TaskOutcome(message["outcome"])
        facts = None if message["facts"] is None else Facts(**message["facts"])
        try:
            known = await self._parts.outcomes.report(session, outcome, facts)
        except StoreError:
            return {"problems": ["the state store does not answer; send it again later"]}
        if known is None:
            said = {"session": session, "outcome": outcome, "by": message["by"]}
            self._note(RecordType.OUTCOME, {**said, **_noted(message["note"])})
        return {"outcome": known or outcome, "counted": known is None}

    def _note(self, kind: RecordType, payload: dict[str, Any]) -> None:
        try:
            self._parts.audit.event(kind, payload)
        except OwnError as error:
            _log.error("%s", error)

    # --- background ---

    def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            while True:
                await asyncio.sleep(seconds)
                try:
                    await work()
                except Exception:  # noqa: BLE001 - the next round must come
                    _log.exception("background work failed")

        self._tasks.append(asyncio.get_running_loop().create_task(run()))

    def _store_changed(self, away: bool) -> None:
        """Record that the store was lost or is back; the leases of what runs are renewed then."""
        store = self._parts.store
        if away:
            self._store_lost = time.time()
            self._note(RecordType.STORE_LOST, {"store": store.name})
            return
        seconds = round(time.time() - self._store_lost, 3)
        self._note(RecordType.STORE_FOUND, {"store": store.name, "away_seconds": seconds})
        self._renewing = asyncio.get_running_loop().create_task(self._renew())

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

    # --- stop ---

    def stop(self, limit: float | None = None) -> None:
        """Take no new calls, let running ones finish, then stop. Asked twice, it is done once.

        Args:
            limit: seconds until calls that still run are cut; the policy's own by default.
        """
        if self._draining is None:
            if limit is None:
                limit = self._current.live.file.limits.drain
            self._draining = asyncio.get_running_loop().create_task(self._drain(limit))

    async def drain(self, limit: float) -> None:
        """`stop`, and wait until it is done."""
        self.stop(limit)
        await self.stopped.wait()

    async def _drain(self, limit: float) -> None:
        parts = self._parts
        parts.handler.drain()
        parts.server.stop_accepting()
        await self._calls_end(limit)
        parts.closer.cutting = True
        await parts.server.close(CUT_GRACE)
        await parts.closer.drained(CUT_GRACE)
        await parts.closer.idle()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await parts.notifier.close(NOTICE_GRACE)
        await parts.client.close()
        if parts.tracing is not None:
            await parts.tracing.close()
        await parts.audit.stop({"policy": self._current.live.digest})
        await self._log_head()
        await parts.store.close()
        self.stopped.set()

    async def _calls_end(self, limit: float) -> None:
        """Wait until no call runs, the limit is over, or somebody is in a hurry."""
        loop = asyncio.get_running_loop()
        ends = (
            loop.create_task(self._parts.closer.drained(limit)),
            loop.create_task(self._hurried.wait()),
        )
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()


def pems_of(message: dict[str, str]) -> Pems:
    """The certificates of a message: a character stands for a byte."""
    return Pems(**{part: pem.encode("latin-1") for part, pem in message.items()})


def unpacked(texts: dict[str, str]) -> dict[str, bytes]:
    """The policy files of a message, byte for byte: a character stands for a byte."""
    return {name: text.encode("latin-1") for name, text in texts.items()}


def _noted(note: str) -> dict[str, str]:
    return {"note": note} if note else {}


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
