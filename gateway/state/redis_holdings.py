"""What one process has taken and settled in a Redis, for one that forgets its latest writes.

A failover to a replica loses what the old primary had not sent on. Each process then brings back
its own: what its running calls had reserved, and what it settled a short while ago.

Rules of this file:
- A lease is here from the answer that granted it to the one that settled it, and after that for
  `HISTORY` seconds.
- The number of the batch that last changed a lease says whether a server that knows a process's
  batches up to some number still has that change. So nothing is brought back that is there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.state import ledger, redis_script
from gateway.state.ledger import MICRO
from gateway.state.redis_script import Call
from gateway.state.store import Claim

HISTORY = 15.0
"""Seconds for which a settled lease can be brought back."""
MOST_SETTLED = 10_000
MOST_HELD = 100_000
KNOWN_FOR = 600.0
"""Seconds since a lease was last confirmed in which the server must know it, or know that it ran
out: less than `DONE_FOR` of scripts/batch.lua."""


@dataclass(slots=True)
class _Held:
    """What took it; `batch` changed it last; `since`: when that was sent, from which its lease
    counts."""

    admission: Call
    batch: int
    since: float


@dataclass(slots=True)
class _Settled:
    claims: tuple[Claim, ...]
    amounts: tuple[int, ...]
    batch: int
    at: float


class Holdings:
    """`lease` is in seconds. All times are seconds of one clock of this process."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._held: dict[str, _Held] = {}
        self._settled: OrderedDict[str, _Settled] = OrderedDict()

    def note(self, call: Call, answer: Any, batch: int, sent: float) -> Iterator[Call]:
        """Learn from an answer. What has to be brought back because it was not known, if any."""
        match call.kind:
            case "a" if not answer[2]:
                self._hold(call.lease, _Held(call, batch, sent))
            case "s" if answer is None:
                yield from self._lost(call.lease, call.amounts, sent)
            case "s" if len(answer) != 1:  # not where the amounts were too many or too few
                amounts = call.amounts if answer else self._in_full(call.lease)
                self._end(call.lease, amounts, batch, sent)
            case "u":
                count = len(answer[1]) if answer else 0
                self._end(call.lease, (0,) * count if answer else None, batch, sent)
            case "b" if call.amounts:
                self._end(call.lease, call.amounts if answer else None, batch, sent)
            case "b" if call.lease in self._held:
                self._held[call.lease].batch = batch
            case "r":
                yield from self._renewed(call.leases, answer, batch, sent)

    def admission_of(self, lease: str) -> Call | None:
        """What took a lease, None where that is not known here."""
        held = self._held.get(lease)
        return held.admission if held is not None else None

    def forgotten_since(self, batch: int, now: float) -> Iterator[Call]:
        """What a server has to be told that knows this process's batches up to `batch` only."""
        for lease, each in self._settled.items():
            if each.batch > batch:
                yield redis_script.bring_back(lease, each.claims, 0, each.amounts)
        for lease, held in list(self._held.items()):
            if held.batch > batch:
                yield self._bring_back(lease, held, now)

    def any(self, now: float) -> bool:
        """Whether there is anything that a server could forget."""
        self._trim(now)
        return bool(self._held or self._settled)

    def clear(self) -> None:
        self._held.clear()
        self._settled.clear()

    # --- inside ---

    def _hold(self, lease: str, held: _Held) -> None:
        if len(self._held) >= MOST_HELD:
            del self._held[next(iter(self._held))]
        self._held[lease] = held

    def _in_full(self, lease: str) -> tuple[int, ...] | None:
        """What a lease was charged that had run out before it was settled."""
        held = self._held.get(lease)
        return tuple(ledger.amounts_of(held.admission.claims)) if held is not None else None

    def _end(self, lease: str, amounts: tuple[int, ...] | None, batch: int, now: float) -> None:
        """It was settled, or (None) had run out before."""
        held = self._held.pop(lease, None)
        if held is not None and amounts is not None:
            self._settled[lease] = _Settled(held.admission.claims, amounts, batch, now)
        elif lease in self._settled:  # it was brought back
            self._settled[lease].batch = batch
        self._trim(now)

    def _trim(self, now: float) -> None:
        while self._settled:
            oldest = next(iter(self._settled.values()))
            if oldest.at >= now - HISTORY and len(self._settled) <= MOST_SETTLED:
                break
            self._settled.popitem(last=False)

    def _renewed(
        self, leases: Sequence[str], unknown: Sequence[int], batch: int, sent: float
    ) -> Iterator[Call]:
        for place, lease in enumerate(leases):
            held = self._held.get(lease)
            if held is None:
                continue
            if place not in unknown:
                held.batch, held.since = batch, sent
            elif sent - held.since < KNOWN_FOR:
                yield self._bring_back(lease, held, sent)

    def _lost(self, lease: str, amounts: tuple[int, ...], now: float) -> Iterator[Call]:
        """A settlement of a lease that the server neither has nor has charged."""
        held = self._held.get(lease)
        if held is not None and now - held.since < KNOWN_FOR:
            yield redis_script.bring_back(lease, held.admission.claims, 0, amounts)

    def _bring_back(self, lease: str, held: _Held, now: float) -> Call:
        left = int((self._lease - (now - held.since)) * MICRO)
        claims = held.admission.claims
        if left > 0:
            return redis_script.bring_back(lease, claims, left, None)
        return redis_script.bring_back(lease, claims, 0, ledger.amounts_of(claims))
