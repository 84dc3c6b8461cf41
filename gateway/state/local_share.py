"""What one process counts by itself while its store is away, and what it owes the store for it.

Rules of this file:
- Pure: no I/O, no clock. `now` is whole microseconds of unix time.
- The arithmetic is `ledger.py`'s, on counters that nobody else sees, with a share of each limit.
- What was used is owed until it is `paid`: nothing of it is forgotten before.
- A running call's part is held with the call, never owed: whoever moves the call to the store
  calls `let_go`.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from gateway.state import ledger
from gateway.state.ledger import MICRO, Counter
from gateway.state.store import Admission, Claim, StoreError

MOST_KEYS = 100_000
_SWEEP_EVERY = MICRO
_FINEST = 10_000  # a share is a fraction with at most this below the line
_LARGEST = ledger.MOST // MICRO


@dataclass(slots=True)
class Held:
    """A running call: what it took here, and what it would have taken of the store."""

    local: tuple[Claim, ...]
    asked: tuple[Claim, ...]


class LocalShare:
    """One process's own counters.

    Attributes:
        held: the calls that run, by their leases.
    """

    def __init__(self, most_keys: int = MOST_KEYS) -> None:
        self.held: dict[str, Held] = {}
        self._most_keys = most_keys
        self._counters: dict[str, Counter] = {}
        self._asked: dict[str, Claim] = {}  # of each counter the latest claim, as the store's
        self._leases = 0
        self._swept = 0

    def __len__(self) -> int:
        """Counters that hold something; those of full buckets may be among them."""
        return len(self._counters)

    def take(
        self,
        claims: Sequence[Claim],
        shares: Sequence[Fraction | None],
        left: Mapping[str, int],
        now: int,
    ) -> Admission:
        """All claims, or none if an enforced one does not fit its share; see `Standby.take`.

        Args:
            left: what budgets had left when they were last heard of: no share is larger.
        """
        ledger.check_claims(claims)
        self._make_room(len(claims), now)
        local = tuple(
            share_of(claim, share, left.get(claim.key))
            for claim, share in zip(claims, shares, strict=True)
        )
        decision = ledger.admit(self._counters, local, now)
        for claim in claims:
            self._asked[claim.key] = claim
        lease = ""
        if decision.refusal is None:
            self._leases += 1
            lease = f"~{self._leases:x}"  # no store's lease begins like that
            self.held[lease] = Held(local, tuple(claims))
        else:
            self._drop_empty(local)
        return Admission(
            lease, decision.levels, 0, decision.refusal, decision.would_refuse, local=True
        )

    def settle(self, lease: str, amounts: Sequence[int], now: int) -> None:
        """A call has ended here: what it used is owed from now on."""
        held = self.held[lease]
        if len(amounts) != len(held.local):
            raise ValueError(f"{len(amounts)} amounts for {len(held.local)} claims")
        del self.held[lease]
        ledger.settle(self._counters, held.local, amounts, now)
        for claim in held.asked:  # what was paid meanwhile is forgotten
            if claim.key in self._counters:
                self._asked.setdefault(claim.key, claim)

    def let_go(self, lease: str, now: int) -> None:
        """A call goes on in the store: nothing of it is owed here."""
        self.settle(lease, [0] * len(self.held[lease].local), now)

    def owed(self, now: int) -> list[Claim]:
        """What is to be charged to the store, one claim a key, none of which is ever refused.

        A bucket has gained at the share's rate meanwhile: owed is what it still lacks.
        """
        running: Tally[str] = Tally()
        for held in self.held.values():
            for claim in held.local:
                running[claim.key] += claim.amount
        owed = []
        for key, counter in list(self._counters.items()):
            amount = counter.used
            if counter.units:
                ledger.refill(counter, now)
                amount = -(-counter.used // MICRO) - running[key]
            if amount > 0:
                most = _LARGEST if counter.units else ledger.MOST
                owed.append(replace(self._asked[key], amount=min(amount, most), shadow=True))
            elif not counter.reserved and not running[key]:
                del self._counters[key], self._asked[key]
        return owed

    def paid(self, claims: Sequence[Claim]) -> None:
        """What was owed has been charged."""
        for claim in claims:
            counter = self._counters.get(claim.key)
            if counter is None:  # a bucket that became full meanwhile
                continue
            amount = claim.amount * MICRO if counter.units else claim.amount
            counter.used = max(0, counter.used - amount)
            if not counter.used and not counter.reserved:
                del self._counters[claim.key], self._asked[claim.key]

    def _drop_empty(self, claims: Sequence[Claim]) -> None:
        """What a refused call looked at and found empty is not owed."""
        for key in {claim.key for claim in claims}:
            counter = self._counters[key]
            if not (counter.used or counter.reserved):
                del self._counters[key], self._asked[key]

    def _make_room(self, more: int, now: int) -> None:
        if len(self._counters) + more <= self._most_keys:
            return
        if now - self._swept >= _SWEEP_EVERY:
            self._swept = now
            self.owed(now)  # drops what holds nothing
        if len(self._counters) + more > self._most_keys:
            raise StoreError(f"{self._most_keys} counters wait for the state store already")


def share_of(claim: Claim, share: Fraction | None, left: int | None) -> Claim:
    """A claim on this process's part of the limit; None: it is counted and never refused.

    A bucket holds, and places are, at least 1. A budget has at most what was `left`. It begins
    with nothing used, and nothing leaves it until it is paid, whatever its window.
    """
    if claim.refill is not None:
        if share is None:
            return replace(claim, shadow=True)
        limit = max(1, int(claim.limit * share))
        return replace(claim, limit=limit, refill=_rate(claim.refill, share))
    claim = replace(claim, rolling=0, expires=None)
    if share is None:
        return replace(claim, shadow=True)
    limit = int(claim.limit * share)
    if claim.lent:
        return replace(claim, limit=max(1, limit))
    return replace(claim, limit=limit if left is None else min(limit, left))


def part(share: float, of: int) -> Fraction:
    """A share as an exact fraction, divided among `of` workers."""
    return Fraction(str(share)).limit_denominator(_FINEST) / of


def _rate(refill: tuple[int, int], share: Fraction) -> tuple[int, int]:
    rate = Fraction(*refill) * share
    if max(rate.numerator, rate.denominator) > _LARGEST:
        return max(1, int(refill[0] * share)), refill[1]
    return rate.numerator, rate.denominator
