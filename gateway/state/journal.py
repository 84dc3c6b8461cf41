"""The log of what a store decided, in order, and a replay that checks it.

A store that is given a journal calls it once for every admission, settlement and expiry, after
the decision is kept. The serial numbers put the logs of several processes in one order. With the
whole log of a store that began empty, `replay` decides everything once more and says where it
comes to another end: every refusal is then justified by what went before it, or it is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from gateway.state import ledger
from gateway.state.ledger import Counter
from gateway.state.store import Claim, Refusal

Op = Literal["admit", "settle", "expire", "restore"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision. `at` is microseconds of unix time; `refusal` is set where nothing was taken.

    `amounts` are what was settled: for `expire` all that had been reserved. `restore`: a lease
    that the store had lost was taken again, whatever the limits said.
    """

    serial: int
    at: int
    op: Op
    lease: str
    claims: tuple[Claim, ...]
    amounts: tuple[int, ...] = ()
    refusal: Refusal | None = None


Journal = Callable[[Entry], None]


def replay(entries: Iterable[Entry]) -> list[str]:
    """Decide everything again, from nothing. What differs, one line each; nothing: all is right.

    Checked as well: that serials have no gap and no repeat, that every settlement ends a lease
    that was open with those very claims, and that no enforced budget was reserved past its limit.
    """
    counters: dict[str, Counter] = {}
    leases: dict[str, tuple[Claim, ...]] = {}
    problems: list[str] = []
    expected = None
    for entry in sorted(entries, key=lambda each: each.serial):
        if expected is not None and entry.serial != expected:
            problems.append(f"serial {entry.serial} follows {expected - 1}")
        expected = entry.serial + 1
        if entry.op == "admit":
            decision = ledger.admit(counters, entry.claims, entry.at)
            if decision.refusal != entry.refusal:
                problems.append(
                    f"serial {entry.serial}: {entry.refusal} in the log, {decision.refusal} now"
                )
            if decision.refusal is None:
                leases[entry.lease] = entry.claims
                problems += _overdrawn(entry, counters)
        elif entry.op == "restore":
            ledger.retake(counters, entry.claims, entry.at)
            leases[entry.lease] = entry.claims
        elif leases.pop(entry.lease, None) != entry.claims:
            problems.append(f"serial {entry.serial}: lease {entry.lease} was not open like that")
        else:
            ledger.settle(counters, entry.claims, entry.amounts, entry.at)
    return problems


def _overdrawn(entry: Entry, counters: dict[str, Counter]) -> Iterable[str]:
    shadowed = {claim.key for claim in entry.claims if claim.shadow}
    for claim in entry.claims:
        counter = counters[claim.key]
        if claim.refill is None and claim.key not in shadowed:
            held = counter.used + counter.reserved
            if held > claim.limit:
                yield f"serial {entry.serial}: {claim.key} holds {held} of {claim.limit}"
