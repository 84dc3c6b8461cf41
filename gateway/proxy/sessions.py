"""The session of a call on the data path: entered after decoding, left when the call is closed."""

from __future__ import annotations

import time

from gateway.exchange import Exchange
from gateway.identity.session_book import SessionBook
from gateway.proxy.live import Live


class Sessions:
    """Binds the session book to exchanges. One a worker."""

    def __init__(self, book: SessionBook) -> None:
        self._book = book

    async def enter(self, exchange: Exchange) -> None:
        """Find the call's session; `exchange.identity.session` is its key afterwards."""
        live: Live = exchange.snapshot
        plan = live.tenants[exchange.identity.tenant]
        exchange.visit = await self._book.enter(
            exchange, live.file.sessions, shared=plan.counts_sessions, timed=plan.times_runs
        )

    async def leave(self, exchange: Exchange) -> None:
        """Note that the call is over."""
        if exchange.visit is not None:
            await self._book.leave(exchange, exchange.visit, time.time())
