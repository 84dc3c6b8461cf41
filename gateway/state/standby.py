"""A store, and what its process does while it is away: counts by itself, and pays it back.

Rules of this file:
- While the store answers, every call is the store's own. What stands in for it is asked for by
  name (`take`), by rules that say so (`policy/away.py`).
- What was used meanwhile is charged to the store once, and never refused there: as a reservation
  of exactly that, settled at once. If its settlement is lost the lease runs out and is charged in
  full, which is the same. An admission that nobody heard of the store gives back itself.
- A call that was taken here and still runs becomes a reservation in the store, with its lease.
- Until this is done, calls wait for it (up to `WAIT`), so that what was used here counts.
- Only the death of this process loses what it owes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice

from gateway.state.ledger import MICRO
from gateway.state.local_share import LocalShare
from gateway.state.store import Admission, Claim, Level, Store, StoreError

WAIT = 0.25
"""Seconds that a call waits at most until what was used meanwhile has been charged."""
MOST_KNOWN = 20_000
"""Budgets of which it is remembered what they had left."""
MOST_UNSETTLED = 20_000
_AGAIN = 1.0  # seconds until the store is tried again, where nobody says that it is back
_AT_ONCE = 64  # claims of one charge, and calls of the store that go together

_log = logging.getLogger("portcullis.state")


@dataclass(frozen=True, slots=True)
class _Unsettled:
    """What is still to be settled in the store; `until`: its lease has run out by then."""

    amounts: Sequence[int]
    until: float


@dataclass(slots=True)
class _Moving:
    """A call on its way to the store; `amounts` where it has ended meanwhile."""

    amounts: Sequence[int] | None = None


class StandbyStore:
    """The store of one worker. Belongs to its event loop.

    Args:
        clock: unix seconds.
        workers: how many processes of this gateway divide its share among them.

    Attributes:
        outages: how often the store was lost.
        admitted, refused: calls that were decided here.
    """

    def __init__(self, store: Store, clock: Callable[[], float], workers: int = 1) -> None:
        self.name = store.name
        self.lease_seconds = store.lease_seconds
        self.outages = 0
        self.admitted = 0
        self.refused = 0
        self._store = store
        self._clock = clock
        self._workers = workers
        self._share = LocalShare()
        self._left: dict[str, int] = {}
        self._moving: dict[str, _Moving] = {}
        self._moved: dict[str, str] = {}  # lease here -> lease in the store, while the call runs
        self._unsettled: dict[str, _Unsettled] = {}
        self._payer: asyncio.Task[None] | None = None
        self._back = asyncio.Event()
        self._not_paying = asyncio.Event()
        self._not_paying.set()
        store.watch(self._changed)

    @property
    def away_since(self) -> float | None:
        return self._store.away_since

    def watch(self, told: Callable[[bool], None]) -> None:
        self._store.watch(told)

    @property
    def pending(self) -> int:
        """Counters and settlements that wait for the store."""
        return len(self._share) + len(self._unsettled)

    async def open(self) -> None:
        await self._store.open()

    async def close(self) -> None:
        """Pay what is owed, if that can be done, and let go of the store."""
        if self._payer is not None:
            self._payer.cancel()
            await asyncio.gather(self._payer, return_exceptions=True)
            try:
                await self._pay()
            except StoreError as error:
                _log.error(
                    "what %d counters and settlements stand for, used while the state store was "
                    "away, is not charged to it: %s",
                    self.pending,
                    error,
                )
        await self._store.close()

    # --- the store's calls ---

    async def admit(self, claims: Sequence[Claim]) -> Admission:
        if not self._not_paying.is_set() and self._store.away_since is None:
            await self._until_paid()
        admission = await self._store.admit(claims)
        self._note_left(claims, admission.levels)
        return admission

    async def settle(self, lease: str, amounts: Sequence[int]) -> tuple[Level | None, ...]:
        moving = self._moving.get(lease)
        if moving is not None:
            moving.amounts = amounts
            return ()
        if lease in self._share.held:
            self._share.settle(lease, amounts, self._now())
            return ()
        return await self._settle(self._moved.pop(lease, lease), amounts)

    async def renew(self, leases: Sequence[str]) -> None:
        here = self._share.held
        there = [self._moved.get(lease, lease) for lease in leases if lease not in here]
        if there:
            await self._store.renew(there)

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        await self._store.put(key, value, ttl)

    async def get(self, key: str) -> bytes | None:
        return await self._store.get(key)

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        return await self._store.add(key, value, ttl)

    async def wait(self, key: str, deadline: float) -> bytes | None:
        return await self._store.wait(key, deadline)

    async def peek(self, key: str) -> Level | None:
        return await self._store.peek(key)

    # --- in its place ---

    def take(self, claims: Sequence[Claim], shares: Sequence[Fraction | None]) -> Admission:
        """See `store.Standby`."""
        parts = [share and share / self._workers for share in shares]
        admission = self._share.take(claims, parts, self._left, self._now())
        if admission.refusal is None:
            self.admitted += 1
            self._pay_later()
        else:
            self.refused += 1
        return admission

    # --- paying back ---

    @property
    def _owes(self) -> bool:
        return bool(self._unsettled or self._share.held or len(self._share))

    def _changed(self, away: bool) -> None:
        if away:
            self.outages += 1
            self._back.clear()
        else:
            self._back.set()
            if self._payer is not None and not self._payer.done():
                self._not_paying.clear()  # from this very moment on calls wait for it

    def _pay_later(self) -> None:
        if self._payer is None or self._payer.done():
            self._payer = asyncio.get_running_loop().create_task(self._pay_when_back())

    async def _pay_when_back(self) -> None:
        while self._owes:
            with contextlib.suppress(TimeoutError):  # nobody may say that a store is back
                async with asyncio.timeout(_AGAIN):
                    await self._back.wait()
            self._not_paying.clear()
            try:
                await self._pay()
            except StoreError:
                self._back.clear()
            finally:
                self._not_paying.set()

    async def _pay(self) -> None:
        """All that is owed. Raises StoreError where something of it has to wait."""
        while self._unsettled or self._share.held:
            await _in_turns(self._settle_late(lease) for lease in list(self._unsettled))
            await _in_turns(self._move(lease) for lease in list(self._share.held))
        while owed := self._share.owed(self._now()):
            await _in_turns(
                self._charge(owed[at : at + _AT_ONCE]) for at in range(0, len(owed), _AT_ONCE)
            )

    async def _move(self, lease: str) -> None:
        """Give a call that runs its reservation in the store."""
        held = self._share.held.get(lease)
        if held is None:
            return
        moving = self._moving[lease] = _Moving()
        try:
            admission = await self._store.admit(_never_refused(held.asked))
        except BaseException:
            if moving.amounts is not None:
                self._share.settle(lease, moving.amounts, self._now())
            raise
        finally:
            del self._moving[lease]
        self._share.let_go(lease, self._now())
        if moving.amounts is None:
            self._moved[lease] = admission.lease
        else:
            await self._settle(admission.lease, moving.amounts)

    async def _charge(self, owed: Sequence[Claim]) -> None:
        admission = await self._store.admit(owed)
        self._share.paid(owed)
        self._note_left(owed, admission.levels)
        await self._settle(admission.lease, [claim.amount for claim in owed])

    async def _settle(self, lease: str, amounts: Sequence[int]) -> tuple[Level | None, ...]:
        """Settle in the store, now or, where that fails, once more when it is back."""
        try:
            return await self._store.settle(lease, amounts)
        except StoreError:
            if len(self._unsettled) < MOST_UNSETTLED:
                until = self._clock() + self.lease_seconds
                self._unsettled[lease] = _Unsettled(amounts, until)
                self._pay_later()
            raise

    async def _settle_late(self, lease: str) -> None:
        """A second settlement of one lease changes nothing in the store."""
        owed = self._unsettled[lease]
        if self._clock() < owed.until:
            await self._store.settle(lease, owed.amounts)
        del self._unsettled[lease]

    async def _until_paid(self) -> None:
        with contextlib.suppress(TimeoutError):  # much to pay: it counts a moment later
            async with asyncio.timeout(WAIT):
                await self._not_paying.wait()

    # --- what is known of the store ---

    def _note_left(self, claims: Sequence[Claim], levels: Sequence[Level]) -> None:
        left = self._left
        for claim, level in zip(claims, levels, strict=True):
            if claim.refill is None and not claim.lent:
                left[claim.key] = max(0, level.limit - level.used - level.reserved)
        while len(left) > MOST_KNOWN:
            del left[next(iter(left))]

    def _now(self) -> int:
        return int(self._clock() * MICRO)


def _never_refused(claims: Sequence[Claim]) -> tuple[Claim, ...]:
    return tuple(replace(claim, shadow=True) for claim in claims)


async def _in_turns(work: Iterable[Awaitable[object]]) -> None:
    """Do it, so many at a time; the first StoreError is raised when its turn is over."""
    rest = iter(work)
    while turn := list(islice(rest, _AT_ONCE)):
        done = await asyncio.gather(*turn, return_exceptions=True)
        for result in done:
            if isinstance(result, BaseException):
                raise result
