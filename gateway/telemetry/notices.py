"""What is worth telling somebody at once: budgets, loops, limits, the state store.

Rules of this file:
- A call pays nothing for it unless a rule spoke; whoever is told waits for nobody.
- The same thing (a rule and whom it counts, a loop of a session) is told once in `quiet` seconds,
  by one gateway of all that share a store. A budget's step is announced once, by the rule itself.
- Rules in shadow mode tell nothing.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from gateway.config.notices import NoticeEvent, Notices
from gateway.exchange import Exchange
from gateway.state.store import Store, StoreError
from gateway.telemetry.notice_delivery import Delivery
from gateway.telemetry.notice_formats import Notice
from gateway.verdict import Reason, Verdict

EVENTS: Mapping[Reason, NoticeEvent] = {
    Reason.BUDGET_WARNING: "budget_warning",
    Reason.BUDGET_EXCEEDED: "budget_exceeded",
    Reason.BUDGET_DOWNGRADED: "budget_exceeded",
    Reason.BUDGET_WRAP_UP: "budget_exceeded",
    Reason.RATE_LIMITED: "rate_limited",
    Reason.CONCURRENCY_LIMITED: "rate_limited",
    Reason.LOOP_DETECTED: "loop_detected",
}
MOST_KNOWN = 4096
"""Things of which a worker remembers that they were told of."""
MOST_ASKING = 256
"""Notices that wait for the store's word on whether somebody else has told of it."""

STORE_PAUSE = 60.0
"""Seconds in which it is told once that the store is away, however often it comes and goes."""


class Notifier:
    """Makes the notices of one worker.

    Args:
        wanted: the policy's section at this moment.
        digest: keyed digest, for what must not stand in a store by name.
    """

    def __init__(
        self,
        wanted: Callable[[], Notices],
        store: Store,
        delivery: Delivery,
        digest: Callable[[str], str],
        worker: int,
    ) -> None:
        self._wanted = wanted
        self._store = store
        self._delivery = delivery
        self._digest = digest
        self._where = f"{socket.gethostname()}, worker {worker}"
        self._known: OrderedDict[str, float] = OrderedDict()
        self._asking: set[asyncio.Task[None]] = set()
        self._store_away = False  # as it was told
        self._store_next = 0.0  # from when on it may be told again
        self._later: asyncio.TimerHandle | None = None
        store.watch(self._store_changed)

    def exchange(self, exchange: Exchange) -> None:
        """Tell of what rules said of a call that has ended."""
        wanted = self._wanted()
        if not wanted.webhooks:
            return
        for verdict in exchange.verdicts:
            event = EVENTS.get(verdict.reason)
            if event is not None and not verdict.shadow:
                self._tell(wanted, event, _of_call(event, exchange, verdict), exchange, verdict)

    async def close(self, limit: float) -> None:
        """Deliver what is known by now."""
        if self._later is not None:
            self._later.cancel()
        if self._asking:
            await asyncio.wait(self._asking, timeout=limit / 2)
        await self._delivery.close(limit)

    def _tell(
        self,
        wanted: Notices,
        event: NoticeEvent,
        notice: Notice,
        exchange: Exchange,
        verdict: Verdict,
    ) -> None:
        if event == "budget_warning":  # announced once, by the rule
            self._send(wanted, notice)
            return
        key = "notice:" + self._digest(f"{event}\0{_subject(exchange, verdict)}")
        now = time.monotonic()
        if self._known.get(key, 0.0) > now or len(self._asking) >= MOST_ASKING:
            return
        self._known[key] = now + wanted.quiet
        self._known.move_to_end(key)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        task = asyncio.get_running_loop().create_task(self._ask(wanted, key, notice))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask(self, wanted: Notices, key: str, notice: Notice) -> None:
        """Send it, unless another process has told of the same."""
        try:
            first = await self._store.add(key, b"1", wanted.quiet)
        except StoreError:
            first = True  # twice is better than never
        if first:
            self._send(wanted, notice)

    def _send(self, wanted: Notices, notice: Notice) -> None:
        for webhook in wanted.webhooks:
            if webhook.events is None or notice.event in webhook.events:
                self._delivery.put(webhook, notice)

    def _store_changed(self, away: bool) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        wait = self._store_next - time.monotonic()
        if away and wait > 0:
            loop = asyncio.get_running_loop()
            self._later = loop.call_later(wait, self._tell_of_store, True)
        elif away != self._store_away:
            self._tell_of_store(away)

    def _tell_of_store(self, away: bool) -> None:
        self._store_away = away
        if away:
            self._store_next = time.monotonic() + STORE_PAUSE
            text = f"The state store does not answer ({self._where}). Rules follow their on_error."
        else:
            text = f"The state store answers again ({self._where})."
        event: NoticeEvent = "store_away" if away else "store_back"
        self._send(self._wanted(), _made(event, text, {"store": self._store.name}))


def _of_call(event: NoticeEvent, exchange: Exchange, verdict: Verdict) -> Notice:
    who = exchange.identity
    details = {
        "rule": str(verdict.rule),
        "reason": verdict.reason.value,
        "tenant": who.tenant,
        "agent": who.agent,
        "task": who.task,
        "session": who.session[:16],
        "exchange": exchange.id,
    }
    given = {name: value for name, value in details.items() if value}
    return _made(event, f"Rule {verdict.rule} {verdict.what}.", given)


def _made(event: NoticeEvent, text: str, details: Mapping[str, str]) -> Notice:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Notice(f"ntc_{os.urandom(12).hex()}", event, now, text, details)


def _subject(exchange: Exchange, verdict: Verdict) -> str:
    """What a verdict is about: the counter that refused, or one of the rule's; else the session."""
    refusal = exchange.admission.refusal if exchange.admission is not None else None
    own = [
        (refusal is None or refusal.index != index, claim.key)
        for index, (claim, rule) in enumerate(
            zip(exchange.claims, exchange.claim_rules, strict=True)
        )
        if rule.ref == verdict.rule
    ]
    if own:
        return min(own)[1]
    return f"{verdict.rule}\0{exchange.identity.tenant}\0{exchange.identity.session}"
