"""The session of a call on the data path: entered after decoding, left when the call is closed."""

from __future__ import annotations

import time

from gateway.exchange import Exchange
from gateway.identity.kept_stand_ins import KeptStandIns
from gateway.identity.session_book import SessionBook
from gateway.identity.task_outcomes import TaskOutcomes
from gateway.proxy.live import Live


class Sessions:
    """Binds the session book, the stand-ins that are kept and the outcomes that callers tell to
    exchanges. One a worker."""

    def __init__(self, book: SessionBook, stand_ins: KeptStandIns, outcomes: TaskOutcomes) -> None:
        self._book = book
        self._stand_ins = stand_ins
        self._outcomes = outcomes

    async def enter(self, exchange: Exchange) -> None:
        """Find the call's session; `exchange.identity.session` is its key afterwards."""
        live: Live = exchange.snapshot
        plan = live.tenants[exchange.identity.tenant]
        exchange.visit = await self._book.enter(
            exchange, live.file.sessions, shared=plan.counts_sessions, timed=plan.times_runs
        )
        if plan.pseudonymizes:
            await self._stand_ins.load(exchange)

    async def leave(self, exchange: Exchange) -> None:
        """Note that the call is over."""
        if exchange.pseudonyms:
            live: Live = exchange.snapshot
            await self._stand_ins.keep(exchange, live.file.sessions.max)
        if exchange.visit is not None:
            await self._book.leave(exchange, exchange.visit, time.time())
            if exchange.identity.outcome:
                await self._outcomes.of_call(exchange)
