"""A store in the plainest words, to compare the real ones with; and the machine that does.

Nothing here is shared with `gateway/state/ledger.py`: fractions where it uses whole numbers, a
list of reservations where it keeps sums.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.state.journal import Entry, replay
from gateway.state.store import Cause, Claim, Level, Store
from tests.state.conformance import Clock

LEASE = 60
KEYS = ("b0", "b1", "r0", "r1")
LIMITS = {"b0": 100, "b1": 7, "r0": 10, "r1": 3}
RATES = {"r0": (10, 60), "r1": (2, 7)}


@dataclass
class Reservation:
    claims: list[Claim]
    until: Fraction


@dataclass
class Plain:
    """The reference. Times are fractions of seconds."""

    now: Fraction
    spent: dict[str, int] = field(default_factory=dict)
    missing: dict[str, Fraction] = field(default_factory=dict)
    open: dict[str, Reservation] = field(default_factory=dict)

    def advance(self, seconds: Fraction) -> None:
        self.now += seconds
        for key, missing in self.missing.items():
            units, period = RATES[key]
            self.missing[key] = max(Fraction(0), missing - seconds * units / period)
        for lease in [name for name, held in self.open.items() if held.until <= self.now]:
            for claim in self.open.pop(lease).claims:
                if claim.refill is None:
                    self.spent[claim.key] = self.spent.get(claim.key, 0) + claim.amount

    def reserved(self, key: str) -> int:
        return sum(c.amount for held in self.open.values() for c in held.claims if c.key == key)

    def refuses(self, claim: Claim, already: int) -> Cause | None:
        amount = claim.amount
        if claim.refill is not None:
            full = self.missing.get(claim.key, Fraction(0)) + already + amount
            return Cause.RATE if full > claim.limit else None
        spent = self.spent.get(claim.key, 0)
        if spent + amount > claim.limit:
            return Cause.SPENT
        held = self.reserved(claim.key) + already
        return Cause.RESERVED if spent + held + amount > claim.limit else None

    def admit(self, claims: list[Claim]) -> tuple[tuple[int, Cause] | None, list[int]]:
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
        for claim, amount in zip(self.open.pop(lease).claims, amounts, strict=True):
            if claim.refill is None:
                self.spent[claim.key] = self.spent.get(claim.key, 0) + amount
            else:
                missing = self.missing.get(claim.key, Fraction(0)) + amount - claim.amount
                self.missing[claim.key] = max(Fraction(0), missing)

    def level(self, key: str) -> Level:
        if key in RATES:
            return Level(ceil(self.missing.get(key, Fraction(0))), 0, LIMITS[key])
        return Level(self.spent.get(key, 0), self.reserved(key), LIMITS[key])


def _claim(key: str, amount: int, shadow: bool) -> Claim:
    return Claim(key, amount, LIMITS[key], refill=RATES.get(key), shadow=shadow)


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
        assert levels[-1] == self.plain.level(claims[-1].key)
        self.ended.append((lease, len(claims)))

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def settle_again(self, data: st.DataObject) -> None:
        lease, count = data.draw(st.sampled_from(self.ended))
        assert self.run(self.store.settle(lease, [1] * count)) == ()

    @precondition(lambda self: self.plain.open)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        leases = data.draw(st.lists(st.sampled_from(sorted(self.plain.open)), unique=True))
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
        found = self.run(self.store.peek(key))
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
