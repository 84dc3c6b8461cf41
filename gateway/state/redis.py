"""State in Redis or Valkey, shared exactly by all gateways of an installation.

Rules of this file:
- All counters of an installation lie in one slot, so that one script decides a whole call, in a
  Cluster too (docs/adr/0011-redis-keys.md). Values lie anywhere.
- The time is the server's.
- An admission whose caller has gone is given back.
- What this promises after a failover is what the server had replicated (docs/state.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from gateway.state import ledger, redis_script
from gateway.state.journal import Journal
from gateway.state.presence import Presence
from gateway.state.redis_counters import Counters
from gateway.state.redis_link import Link
from gateway.state.redis_url import Place
from gateway.state.redis_values import Values
from gateway.state.store import Admission, Claim, Level, StoreError
from gateway.state.waiters import Waiters

FORMAT = 3
"""In every key: versions of the gateway that write other forms do not meet."""
_POLL = 0.1  # a value that another process puts is seen after at most this and a round trip


class RedisStore:
    """The store of `redis://`, `redis+sentinel://` and `redis+cluster://`.

    Belongs to the event loop that opened it. `clock` gives unix seconds in the place of the
    server's time; `journal` is told every decision of this process.
    """

    name = "redis"

    def __init__(
        self,
        place: Place,
        clock: Callable[[], float] | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.lease_seconds: float = place.lease
        self._place = place
        self._clock = clock
        self._journal = journal
        self._waiters = Waiters()
        self._presence = Presence()
        self._open: tuple[Link, Counters, Values] | None = None

    @property
    def away_since(self) -> float | None:
        return self._presence.away_since

    def watch(self, told: Callable[[bool], None]) -> None:
        self._presence.watch(told)

    async def open(self) -> None:
        place = self._place
        tagged = f"{{{place.namespace}}}:{FORMAT}:"
        link = Link(place, self._presence, f"{tagged}c:?", self._found)
        await link.open()
        counters = Counters(link, tagged, self._presence, self._clock, self._journal)
        values = Values(place, link, f"{place.namespace}:{FORMAT}:v:")
        self._open = (link, counters, values)
        try:
            await counters.lane.ask(redis_script.try_out())
        except StoreError:
            await self.close()
            raise

    async def close(self) -> None:
        """Finish what was asked for, let go of the server."""
        if self._open is None:
            return
        link, counters, values = self._open
        counters.pay()
        await counters.lane.drain()
        await values.lane.drain()
        counters.close()
        self._open = None
        await link.close()

    async def admit(self, claims: Sequence[Claim]) -> Admission:
        ledger.check_claims(claims)
        if not claims:
            return Admission("", (), 0)
        counters = self._parts()[1]
        lease = counters.new_lease()
        future = counters.lane.ask(redis_script.admit(lease, tuple(claims)), needless_if_gone=True)
        try:
            admission: Admission = await future
        except asyncio.CancelledError:
            # It may be on its way. Calls keep their order, so this one finds what it has to undo.
            counters.ask_aside(redis_script.undo(lease))
            raise
        return admission

    async def settle(self, lease: str, amounts: Sequence[int]) -> tuple[Level | None, ...]:
        ledger.check_amounts(amounts)
        levels: tuple[Level | None, ...] = await self._parts()[1].settle(lease, amounts)
        return levels

    async def renew(self, leases: Sequence[str]) -> None:
        if leases:
            await self._parts()[1].lane.ask(redis_script.renew(leases))

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        ledger.check_value(value)
        await self._parts()[2].put(key, value, ttl)
        self._waiters.notify(key, value)

    async def get(self, key: str) -> bytes | None:
        return await self._parts()[2].get(key)

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        ledger.check_value(value)
        added = await self._parts()[2].add(key, value, ttl)
        if added:
            self._waiters.notify(key, value)
        return added

    async def wait(self, key: str, deadline: float) -> bytes | None:
        time = asyncio.get_running_loop().time
        ends = time() + deadline
        found = await self.get(key)
        while found is None and (left := ends - time()) > 0:
            found = await self._waiters.wait(key, min(left, _POLL)) or await self.get(key)
        return found

    async def peek(self, key: str) -> Level | None:
        level: Level | None = await self._parts()[1].lane.ask(redis_script.peek(key))
        return level

    # --- inside ---

    def _parts(self) -> tuple[Link, Counters, Values]:
        if self._open is None:
            raise StoreError(f"{self._place}: the state store is not open")
        return self._open

    def _found(self) -> None:
        if self._open is not None:
            self._open[1].pay()
