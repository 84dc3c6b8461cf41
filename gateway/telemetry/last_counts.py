"""The workers' last known counts: all that is left of a worker that is killed.

A scrape looks too, but Prometheus comes every 15 s or every minute. A look takes a worker about
0.4 ms of CPU.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from gateway.telemetry.exposition import Snapshot

INTERVAL = 1.0
"""Seconds between two looks."""

_log = logging.getLogger("portcullis.metrics")


class LastCounts:
    """Looks at the workers every second, and whenever somebody scrapes.

    One look at a time: an older one that ends after a newer would let totals fall, or count twice
    what a worker had counted that died between them.

    Args:
        ask: every worker's series; of one that is silent the last known ones.
        note: what is told of each look.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[Sequence[Snapshot]]],
        note: Callable[[Sequence[Snapshot]], None],
    ) -> None:
        self._ask = ask
        self._note = note
        self._looking = asyncio.Lock()

    async def look(self) -> Sequence[Snapshot]:
        """Every worker's series, noted."""
        async with self._looking:
            snapshots = await self._ask()
            self._note(snapshots)
            return snapshots

    async def keep_looking(self, interval: float = INTERVAL) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(interval)
            try:
                await self.look()
            except Exception:  # noqa: BLE001  the next look must come
                _log.exception("the workers' counts were not read")
