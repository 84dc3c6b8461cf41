"""The requests of a batch, each as an exchange of its own, and what their verdicts and claims
come to for the batch.

Rules of this file:
- Rules know nothing of batches: they judge one call at a time.
- A batch of many requests has one verdict a rule, action and reason, and one claim a rule and key:
  what is recorded and reserved does not grow with it.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

from gateway.config.units import LARGEST
from gateway.exchange import Exchange
from gateway.policy.rule import call_of
from gateway.state.store import Claim
from gateway.verdict import Action, Reason, RuleRef, Verdict


class Members:
    """`exchanges` are those of the members. `stopped` is the verdict that stops the batch."""

    def __init__(self, exchange: Exchange) -> None:
        self._whole = exchange
        self.exchanges = [_alone(exchange, number) for number in range(_count(exchange))]
        self.stopped: Verdict | None = None
        self._known: set[tuple[RuleRef, Action, Reason]] = set()

    def collect(self, member: Exchange) -> None:
        """Take the verdicts on one member to the batch's record, with its place."""
        place = call_of(member).place
        for verdict in member.verdicts:
            key = (verdict.rule, verdict.action, verdict.reason)
            told = replace(verdict, place=f"{place}.{verdict.place}".rstrip("."))
            if key not in self._known:
                self._known.add(key)
                self._whole.decide(told)
            if self.stopped is None and verdict.stops:
                self.stopped = told
        member.verdicts.clear()
        for name, notice in member.notices.items():
            self._whole.notices.setdefault(name, notice)

    def claim(self) -> None:
        """Sum up what all members claim, into the batch's exchange. What costs nothing (the upload
        of a file of requests) is one request, however many it holds, and a batch has one place."""
        sums: dict[tuple[Any, str], Claim] = {}
        for member in self.exchanges:
            for rule, claim in zip(member.claim_rules, member.claims, strict=True):
                known = sums.get((rule, claim.key))
                if known is not None:
                    if claim.lent or not call_of(self._whole).billable:
                        continue
                    amount = min(known.amount + claim.amount, LARGEST)
                    limit = min(known.limit, claim.limit)  # a member may take less of a budget
                    claim = replace(known, amount=amount, limit=limit)
                sums[rule, claim.key] = claim
        self._whole.claims.extend(sums.values())
        self._whole.claim_rules.extend(rule for rule, _ in sums)


def _count(exchange: Exchange) -> int:
    return len(call_of(exchange).members)


def _alone(exchange: Exchange, number: int) -> Exchange:
    """The exchange as it would be if only one of its requests had come."""
    member = copy(exchange)
    member.call = call_of(exchange).members[number]
    member.verdicts, member.claims, member.claim_rules = [], [], []
    member.notices, member.memo = {}, {}
    return member
