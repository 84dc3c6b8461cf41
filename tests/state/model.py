"""A store in the plainest words, to compare the real ones with; and the machine that does.

Nothing here is shared with `gateway/state/ledger.py`: fractions where it uses whole numbers, a
list of reservations where it keeps sums.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.state.journal import Entry, replay
from gateway.state.store import Cause, Claim, Level, Store
from tests.state.conformance import Clock

LEASE = 60
KEYS = ("b0", "b1", "r0", "r1", "c0", "w0", "w1")
LIMITS = {"b0": 100, "b1": 7, "r0": 10, "r1": 3, "c0": 14, "w0": 25, "w1": 12}
RATES = {"r0": (10, 60), "r1": (2, 7)}
WINDOWS = {"w0": (150, 3), "w1": (7, 1)}  # seconds, and seconds of a slot
LENT = "c0"


@dataclass
class Reservation:
    claims: list[Claim]
    until: Fraction


@dataclass
class Plain:
    """The reference. Times are fractions of seconds."""

    now: Fraction
    settled: list[tuple[Fraction, str, int]] = field(default_factory=list)
    missing: dict[str, Fraction] = field(default_factory=dict)
    open: dict[str, Reservation] = field(default_factory=dict)
    late: list[Reservation] = field(default_factory=list)
    """Reservations that ran out since the store was last asked for anything."""

    def advance(self, seconds: Fraction) -> None:
        self.now += seconds
        for key, missing in self.missing.items():
            units, period = RATES[key]
            self.missing[key] = max(Fraction(0), missing - seconds * units / period)
        for lease in [name for name, held in self.open.items() if held.until <= self.now]:
            self.late.append(self.open.pop(lease))

    def touch(self) -> None:
        """The store was asked for something: it charges what has run out, now."""
        for claim in [claim for held in self.late for claim in held.claims]:
            self.spend(claim, claim.amount)
        self.late.clear()

    def spend(self, claim: Claim, amount: int) -> None:
        if claim.refill is None and not claim.lent:
            self.settled.append((self.now, claim.key, amount))

    def spent(self, key: str, at: Fraction | None = None) -> int:
        """What counts at a time, now by default."""
        moment = self.now if at is None else at
        return sum(
            amount
            for when, spender, amount in self.settled
            if spender == key and (key not in WINDOWS or moment < leaves(key, when))
        )

    def wait(self, claim: Claim) -> float:
        """Seconds until a claim on a spent budget fits, if nobody spends more; 0: never."""
        if claim.key not in WINDOWS:
            return 0.0
        ends = sorted(leaves(key, when) for when, key, _ in self.settled if key == claim.key)
        for end in ends:
            if end > self.now and self.spent(claim.key, end) + claim.amount <= claim.limit:
                return float(end - self.now)
        return 0.0

    def reserved(self, key: str) -> int:
        return sum(c.amount for held in self.open.values() for c in held.claims if c.key == key)

    def refuses(self, claim: Claim, already: int) -> Cause | None:
        amount = claim.amount
        if claim.refill is not None:
            full = self.missing.get(claim.key, Fraction(0)) + already + amount
            return Cause.RATE if full > claim.limit else None
        spent = self.spent(claim.key)
        if spent + amount > claim.limit:
            return Cause.SPENT
        held = self.reserved(claim.key) + already
        return Cause.RESERVED if spent + held + amount > claim.limit else None

    def admit(self, claims: list[Claim]) -> tuple[tuple[int, Cause] | None, list[int]]:
        self.touch()
        taken: dict[str, int] = {}
        refusal, would = None, []
        for index, claim in enumerate(claims):
            cause = self.refuses(claim, taken.get(claim.key, 0))
            if cause is not None and claim.shadow:
                would.append(index)
            if cause is not None and not claim.shadow:
                refusal = refusal or (index, cause)
            else:
                taken[claim.key] = taken.get(claim.key, 0) + claim.amount
        return refusal, would

    def take(self, lease: str, claims: list[Claim]) -> None:
        self.open[lease] = Reservation(claims, self.now + LEASE)
        for claim in claims:
            if claim.refill is not None:
                self.missing[claim.key] = self.missing.get(claim.key, Fraction(0)) + claim.amount

    def settle(self, lease: str, amounts: list[int]) -> None:
        self.touch()
        for claim, amount in zip(self.open.pop(lease).claims, amounts, strict=True):
            self.spend(claim, amount)
            if claim.refill is not None:
                missing = self.missing.get(claim.key, Fraction(0)) + amount - claim.amount
                self.missing[claim.key] = max(Fraction(0), missing)

    def level(self, key: str) -> Level:
        if key in RATES:
            return Level(ceil(self.missing.get(key, Fraction(0))), 0, LIMITS[key])
        return Level(self.spent(key), self.reserved(key), LIMITS[key])


def leaves(key: str, when: Fraction) -> Fraction:
    """When what was settled then no longer counts: its slot lies outside the window."""
    window, slot = WINDOWS[key]
    return Fraction((floor(when / slot) + 1) * slot + window)


def _claim(key: str, amount: int, shadow: bool) -> Claim:
    window = WINDOWS[key][0] if key in WINDOWS else 0
    lent = key == LENT
    return Claim(key, amount, LIMITS[key], RATES.get(key), None, shadow, lent, window)


CLAIMS = st.lists(
    st.builds(_claim, st.sampled_from(KEYS), st.integers(0, 12), st.booleans()),
    min_size=1,
    max_size=4,
)


class StoreMachine(RuleBasedStateMachine):
    """Does the same to a real store and to the plain one. A subclass makes the store."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.entries: list[Entry] = []
        self.store = self.make()
        self.run(self.store.open())
        self.plain = Plain(Fraction(self.clock.now))
        self.ended: list[tuple[str, int]] = []

    def make(self) -> Store:
        raise NotImplementedError

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    @rule(claims=CLAIMS)
    def admit(self, claims: list[Claim]) -> None:
        refusal, would = self.plain.admit(claims)
        admission = self.run(self.store.admit(claims))
        found = admission.refusal and (admission.refusal.index, admission.refusal.cause)
        assert found == refusal
        assert [each.index for each in admission.would_refuse] == would
        for each in (*admission.would_refuse, *filter(None, [admission.refusal])):
            if each.cause is Cause.SPENT:
                assert each.retry_after == self.plain.wait(claims[each.index])
        if refusal is None:
            self.plain.take(admission.lease, claims)
            assert admission.levels == tuple(self.plain.level(claim.key) for claim in claims)

    @precondition(lambda self: self.plain.open)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(sorted(self.plain.open)))
        claims = self.plain.open[lease].claims
        amounts = [data.draw(st.integers(0, claim.amount + 3)) for claim in claims]
        self.plain.settle(lease, amounts)
        levels = self.run(self.store.settle(lease, amounts))
        assert len(levels) == len(claims)
        for claim, amount, level in zip(claims, amounts, levels, strict=True):
            if claim.refill is not None and amount == claim.amount:
                assert level is None
            elif claim == claims[-1]:
                assert level == self.plain.level(claim.key)
        self.ended.append((lease, len(claims)))

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def settle_again(self, data: st.DataObject) -> None:
        lease, count = data.draw(st.sampled_from(self.ended))
        assert self.run(self.store.settle(lease, [1] * count)) == ()
        self.plain.touch()

    @precondition(lambda self: self.plain.open)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        leases = data.draw(
            st.lists(st.sampled_from(sorted(self.plain.open)), min_size=1, unique=True)
        )
        self.plain.touch()
        self.run(self.store.renew(leases))
        for lease in leases:
            self.plain.open[lease].until = self.plain.now + LEASE

    # Eighths are exact in a float, so that both clocks show the same.
    @rule(eighths=st.integers(1, 600))
    def advance(self, eighths: int) -> None:
        before = set(self.plain.open)
        counts = {lease: len(self.plain.open[lease].claims) for lease in before}
        self.clock.now += eighths / 8
        self.plain.advance(Fraction(eighths, 8))
        self.ended += [(lease, counts[lease]) for lease in sorted(before - set(self.plain.open))]

    @rule(key=st.sampled_from(KEYS))
    def peek(self, key: str) -> None:
        self.peek_at(key)

    def peek_at(self, key: str) -> None:
        found = self.run(self.store.peek(key))
        self.plain.touch()
        level = self.plain.level(key)
        assert found == level or (found is None and level.used == level.reserved == 0)

    @invariant()
    def the_log_explains_everything(self) -> None:
        if len(self.entries) % 10 == 9:
            assert replay(self.entries) == []

    def teardown(self) -> None:
        assert replay(self.entries) == []
        self.run(self.store.close())
        self.runner.close()
