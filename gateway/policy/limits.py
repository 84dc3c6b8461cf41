"""What the limiting rules of a call take from the store: all of it in one round trip, or nothing;
and what becomes of it in the end.

Rules of this file:
- A store that does not answer (`away.py`), or a rule that raises, is a verdict by the rule's
  `on_error`.
- Where a rule changes a call that does not fit, all of it is claimed anew; each rule does so once.
- What is said once (`Rule.on_level`) is asked of the store only by a worker that does not know.
- What was taken is settled once. What cannot be told is charged as it was reserved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from gateway.dialects.base import Usage
from gateway.exchange import Exchange
from gateway.policy import away
from gateway.policy.rule import Rule, call_of
from gateway.state.store import Admission, Claim, Level, Refusal, Store, StoreError
from gateway.verdict import Action, Verdict


def claim(exchange: Exchange, rules: Sequence[Rule]) -> Verdict | None:
    """What rules want to take for a call, into `exchange.claims`."""
    for rule in rules:
        try:
            claims = rule.claims(exchange)
        except Exception as error:  # noqa: BLE001  a rule's own fault: its on_error decides
            stopped = exchange.decide_all((rule.failed(error),))
            if stopped is not None:
                return stopped
            continue
        exchange.claims.extend(claims)
        exchange.claim_rules.extend([rule] * len(claims))
    return None


async def admit(
    exchange: Exchange, store: Store, again: Callable[[], Verdict | None] | None = None
) -> Verdict | None:
    """Take everything that was claimed in one go, or nothing.

    `again` judges and claims anew a call that a rule has changed so that it may fit; without it
    none is changed.
    """
    while exchange.claims:
        try:
            admission = await store.admit(exchange.claims)
        except StoreError:
            return away.decide(exchange, store)
        exchange.admission = admission
        if again is None or not _changed(exchange, admission):
            return await _admitted(exchange, admission, store)
        exchange.admission = None  # it is of claims that are no more, and among those `tried`
        exchange.claims.clear()
        exchange.claim_rules.clear()
        exchange.memo.clear()
        if stopped := again():
            return stopped
    return None


async def settle(exchange: Exchange, store: Store, usage: Usage, cost: int | None) -> None:
    """Put what was really used in the place of what was reserved. Raises StoreError.

    A rule that cannot say what was used is charged what it reserved, and so is a call whose
    answer comes later and has not told.
    """
    admission = exchange.admission
    if admission is None or not admission.lease or exchange.settled:
        return
    exchange.settled = True
    if usage.estimated and call_of(exchange).deferred:
        amounts = [claim.amount for claim in exchange.claims]
        exchange.settled_amounts = tuple(amounts)
        await _settle(exchange, store, admission.lease, amounts)
        return
    amounts = []
    for rule, claim in zip(exchange.claim_rules, exchange.claims, strict=True):
        try:
            amounts.append(rule.actual(exchange, claim, usage, cost))
        except Exception as error:  # noqa: BLE001  shown, and charged in full
            exchange.decide(replace(rule.failed(error), action=Action.FLAG, instead=""))
            amounts.append(claim.amount)
    exchange.settled_amounts = tuple(amounts)
    await _settle(exchange, store, admission.lease, amounts)


async def release(exchange: Exchange, store: Store) -> None:
    """Give back what a call reserved that never reached the provider."""
    try:
        await settle(exchange, store, Usage(), 0)
    except StoreError:
        return  # the lease runs out by itself and is charged in full: docs/state.md


async def _settle(exchange: Exchange, store: Store, lease: str, amounts: Sequence[int]) -> None:
    """Settle the admission and what a stream took beside it, and say what is to be said then.

    Each lease of a stream bears no more than it had reserved, the admission the rest: so one that
    has run out, and was charged in full, leaves nothing unpaid.
    """
    failure: StoreError | None = None
    if exchange.extensions:
        amounts = list(amounts)
        for more in exchange.extensions:
            borne = [min(amounts[at], claim.amount) for at, claim in more.claims.items()]
            for at, amount in zip(more.claims, borne, strict=True):
                amounts[at] -= amount
            try:
                await store.settle(more.lease, borne)
            except StoreError as error:  # the others are to be settled all the same
                failure = error
    levels = await store.settle(lease, amounts)
    if failure is not None:
        raise failure
    if levels:  # none of a lease that had run out
        each = zip(exchange.claim_rules, exchange.claims, levels, strict=True)
        changed = ((rule, claim, level) for rule, claim, level in each if level is not None)
        for failed in await _announce(exchange, store, changed):
            exchange.decide(replace(failed, action=Action.FLAG, instead=""))


def _changed(exchange: Exchange, admission: Admission) -> bool:
    """Whether the rule that refused a call has changed it, so that it may fit."""
    refusal = admission.refusal
    if refusal is None:
        return False
    rule: Rule = exchange.claim_rules[refusal.index]
    if rule in exchange.ways_out:
        return False
    claim, level = exchange.claims[refusal.index], admission.levels[refusal.index]
    try:
        verdict = rule.way_out(exchange, claim, refusal, level)
    except Exception as error:  # noqa: BLE001  then the call stays refused
        verdict = None
        exchange.decide(replace(rule.failed(error), action=Action.FLAG, instead=""))
    if verdict is None:
        return False
    exchange.ways_out[rule] = verdict.reason.value
    exchange.tried.append((tuple(exchange.claims), admission))
    exchange.decide(verdict)
    return True


async def _admitted(exchange: Exchange, admission: Admission, store: Store) -> Verdict | None:
    exchange.decide_all([_refused(exchange, refusal) for refusal in admission.would_refuse])
    if admission.refusal is not None:
        return exchange.decide_all((_refused(exchange, admission.refusal),))
    held = zip(exchange.claim_rules, exchange.claims, admission.levels, strict=True)
    return exchange.decide_all(await _announce(exchange, store, held))


async def _announce(
    exchange: Exchange, store: Store, held: Iterable[tuple[Rule, Claim, Level]]
) -> list[Verdict]:
    """Say what rules have to say once of how their counters stand; the verdicts on rules that
    could not tell. What could not be asked of the store is asked by a later call."""
    failed: list[Verdict] = []
    for rule, claim, level in held:
        try:
            said = rule.on_level(exchange, claim, level)
        except Exception as error:  # noqa: BLE001  a rule's own fault: its on_error decides
            failed.append(rule.failed(error))
            continue
        for once in said:
            try:
                first = await store.add(once.key, b"1", once.ttl)
            except StoreError:
                return failed
            once.told.note(once.key, exchange.now + once.ttl)
            if first:
                exchange.decide(once.verdict)
    return failed


def _refused(exchange: Exchange, refusal: Refusal) -> Verdict:
    rule: Rule = exchange.claim_rules[refusal.index]
    try:
        return rule.on_refusal(exchange, exchange.claims[refusal.index], refusal)
    except Exception as error:  # noqa: BLE001  what did not fit is refused all the same
        return replace(rule.failed(error), action=Action.BLOCK)
