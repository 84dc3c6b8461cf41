"""What the limiting rules of a call take from the store: all of it in one round trip, or nothing;
and what becomes of it in the end.

Rules of this file:
- A store that does not answer, or a rule that raises, is a verdict by the rule's `on_error`.
- What was taken is settled once. What cannot be told is charged as it was reserved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.dialects.base import Usage
from gateway.exchange import Exchange
from gateway.policy.rule import Rule, call_of
from gateway.state.store import Admission, Refusal, Store, StoreError
from gateway.verdict import Action, Reason, Verdict


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


async def admit(exchange: Exchange, store: Store) -> Verdict | None:
    """Take everything that was claimed in one go, or nothing."""
    if not exchange.claims:
        return None
    try:
        admission = await store.admit(exchange.claims)
    except StoreError:
        return _store_failed(exchange)
    exchange.admission = admission
    return _admitted(exchange, admission)


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
        await store.settle(admission.lease, amounts)
        return
    amounts = []
    for rule, claim in zip(exchange.claim_rules, exchange.claims, strict=True):
        try:
            amounts.append(rule.actual(exchange, claim, usage, cost))
        except Exception as error:  # noqa: BLE001  shown, and charged in full
            exchange.decide(replace(rule.failed(error), action=Action.FLAG, instead=""))
            amounts.append(claim.amount)
    exchange.settled_amounts = tuple(amounts)
    await store.settle(admission.lease, amounts)


async def release(exchange: Exchange, store: Store) -> None:
    """Give back what a call reserved that never reached the provider."""
    try:
        await settle(exchange, store, Usage(), 0)
    except StoreError:
        return  # the lease runs out by itself and is charged in full: docs/state.md


def _admitted(exchange: Exchange, admission: Admission) -> Verdict | None:
    exchange.decide_all([_refused(exchange, refusal) for refusal in admission.would_refuse])
    if admission.refusal is not None:
        return exchange.decide_all((_refused(exchange, admission.refusal),))
    held = zip(exchange.claim_rules, exchange.claims, admission.levels, strict=True)
    for rule, claim, level in held:
        try:
            verdicts = rule.on_admitted(exchange, claim, level)
        except Exception as error:  # noqa: BLE001  a rule's own fault: its on_error decides
            verdicts = (rule.failed(error),)
        stopped = exchange.decide_all(verdicts)
        if stopped is not None:
            return stopped
    return None


def _store_failed(exchange: Exchange) -> Verdict | None:
    """No limit could be checked: each limiting rule's `on_error` decides."""
    verdicts = []
    for rule in dict.fromkeys(exchange.claim_rules):
        blocks = rule.options.on_error == "block"
        verdicts.append(
            rule.verdict(
                Action.BLOCK if blocks else Action.FLAG,
                Reason.STORE_UNAVAILABLE,
                "could not be checked because the state store did not answer",
                instead="Try again later." if blocks else "",
            )
        )
    exchange.claims.clear()
    exchange.claim_rules.clear()
    return exchange.decide_all(verdicts)


def _refused(exchange: Exchange, refusal: Refusal) -> Verdict:
    rule: Rule = exchange.claim_rules[refusal.index]
    try:
        return rule.on_refusal(exchange, exchange.claims[refusal.index], refusal)
    except Exception as error:  # noqa: BLE001  what did not fit is refused all the same
        return replace(rule.failed(error), action=Action.BLOCK)
