"""State in the memory of one process: for tests, and where nothing need survive a restart.

Rules of this file:
- The same arithmetic as every other store (`ledger.py`); here is only where it is kept.
- Bounded: what may be forgotten is dropped a little at every call, and a store that is full of
  what may not be forgotten refuses to take more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.state import ledger
from gateway.state.journal import Entry, Journal, Op
from gateway.state.ledger import LEASE, MICRO, Counter
from gateway.state.store import Admission, Claim, Level, StoreError
from gateway.state.waiters import Waiters

MOST_KEYS = 1_000_000


@dataclass(slots=True)
class _Lease:
    claims: tuple[Claim, ...]
    expires: int


class MemoryStore:
    """The store of `memory://`. `clock` gives unix seconds; `journal` is told every decision."""

    name = "memory"
    lease_seconds: float = ledger.LEASE_SECONDS

    def __init__(self, clock: Callable[[], float], journal: Journal | None = None) -> None:
        self._clock = clock
        self._journal = journal
        self._serial = 0
        # Counters and values in the order in which they are looked at for forgetting.
        self._counters: OrderedDict[str, Counter] = OrderedDict()
        self._values: OrderedDict[str, tuple[bytes, int]] = OrderedDict()
        # A lease lives equally long after each renewal, so the order of renewal is that of expiry.
        self._leases: OrderedDict[str, _Lease] = OrderedDict()
        self._waiters = Waiters()

    @property
    def away_since(self) -> float | None:
        return None

    def watch(self, told: Callable[[bool], None]) -> None:
        """It is never away."""

    async def open(self) -> None:
        """Nothing to make ready."""

    async def close(self) -> None:
        """Nothing to put away."""

    async def admit(self, claims: Sequence[Claim]) -> Admission:
        ledger.check_claims(claims)
        if not claims:
            return Admission("", (), 0)
        now = self._sweep()
        if len(self._counters) >= MOST_KEYS:
            self._forget_counters(2 * len(claims), now)
        if len(self._counters) >= MOST_KEYS:
            raise StoreError("the state in memory is full: use --state sqlite:///PATH")
        before = len(self._counters)
        decision = ledger.admit(self._counters, claims, now)
        self._forget_counters(1 + 2 * (len(self._counters) - before), now)
        lease, held = "", tuple(claims)
        self._serial += 1
        if decision.refusal is None:
            lease = f"{self._serial:x}"
            self._leases[lease] = _Lease(held, now + LEASE)
        else:
            self._drop_empty(claims)
        if self._journal is not None:
            self._journal(Entry(self._serial, now, "admit", lease, held, (), decision.refusal))
        return Admission(
            lease, decision.levels, self._serial, decision.refusal, decision.would_refuse
        )

    async def settle(self, lease: str, amounts: Sequence[int]) -> tuple[Level | None, ...]:
        ledger.check_amounts(amounts)
        now = self._sweep()
        held = self._leases.get(lease)
        if held is None or held.expires <= now:
            return ()
        if len(held.claims) != len(amounts):
            raise ValueError(f"{len(amounts)} amounts for {len(held.claims)} claims")
        return self._end(lease, held.claims, amounts, now, expired=False)

    async def renew(self, leases: Sequence[str]) -> None:
        now = self._sweep()
        for lease in leases:
            held = self._leases.get(lease)
            if held is not None:
                held.expires = now + LEASE
                self._leases.move_to_end(lease)

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        ledger.check_value(value)
        now = self._now()
        self._forget_values(2, now)
        if len(self._values) >= MOST_KEYS:
            raise StoreError("the state in memory is full: use --state sqlite:///PATH")
        self._values[key] = (value, now + int(ttl * MICRO))
        self._waiters.notify(key, value)

    async def get(self, key: str) -> bytes | None:
        found = self._values.get(key)
        return found[0] if found is not None and found[1] > self._now() else None

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        if await self.get(key) is not None:
            return False
        await self.put(key, value, ttl)
        return True

    async def wait(self, key: str, deadline: float) -> bytes | None:
        found = await self.get(key)
        return found if found is not None else await self._waiters.wait(key, deadline)

    async def peek(self, key: str) -> Level | None:
        return ledger.shown(self._counters, key, self._sweep())

    # --- inside ---

    def _now(self) -> int:
        return int(self._clock() * MICRO)

    def _sweep(self) -> int:
        """Charge the leases that ran out; the time."""
        now = self._now()
        while self._leases:
            lease, held = next(iter(self._leases.items()))
            if held.expires > now:
                break
            self._end(lease, held.claims, ledger.amounts_of(held.claims), now, expired=True)
        return now

    def _end(
        self,
        lease: str,
        claims: tuple[Claim, ...],
        amounts: Sequence[int],
        now: int,
        *,
        expired: bool,
    ) -> tuple[Level | None, ...]:
        del self._leases[lease]
        levels = ledger.settle(self._counters, claims, amounts, now)
        self._serial += 1
        if self._journal is not None:
            op: Op = "expire" if expired else "settle"
            self._journal(Entry(self._serial, now, op, lease, claims, tuple(amounts)))
        return levels

    def _drop_empty(self, claims: Sequence[Claim]) -> None:
        """What a refused admission looked at and found empty need not be kept."""
        for claim in claims:
            counter = self._counters.get(claim.key)
            if counter is not None and not (counter.used or counter.reserved or counter.expires):
                del self._counters[claim.key]

    def _forget_counters(self, most: int, now: int) -> None:
        """Look at the next few; more than twice as many as a call added, so that none pile up."""
        for _ in range(min(most, len(self._counters))):
            key, counter = next(iter(self._counters.items()))
            if counter.forgotten(now):
                del self._counters[key]
            else:
                self._counters.move_to_end(key)

    def _forget_values(self, most: int, now: int) -> None:
        for _ in range(min(most, len(self._values))):
            key, (_, expires) = next(iter(self._values.items()))
            if expires <= now:
                del self._values[key]
            else:
                self._values.move_to_end(key)
