"""What the limiting rules of a call say where the store does not answer: each its `on_error`.

Rules of this file:
- One enforced rule that blocks refuses the call, and nothing is taken for the others.
- Nothing is silent: each limiting rule of such a call has a verdict, and the reply a header.
- What was not checked is counted all the same, and charged to the store when it is back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from gateway.config.rule_options import LimitOptions
from gateway.exchange import Exchange
from gateway.policy.rule import Rule
from gateway.state.store import Admission, Cause, Claim, Refusal, Standby, Store, StoreError
from gateway.verdict import Action, Reason, Verdict

HEADER = "x-portcullis-store"
_UNCHECKED = "could not be checked because the state store did not answer"


def decide(exchange: Exchange, store: Store) -> Verdict | None:
    """Judge what a call claims without the store; the verdict that stops it."""
    rules: list[Rule] = list(dict.fromkeys(exchange.claim_rules))
    exchange.notices[HEADER] = "away"
    stopped = exchange.decide_all([_block(rule) for rule in rules if _blocks(rule)])
    if stopped is not None:
        return _nothing_taken(exchange, stopped)
    if not isinstance(store, Standby):
        return _uncounted(exchange, rules)
    shares = [_share(rule) for rule in exchange.claim_rules]
    try:
        admission = exchange.admission = store.take(exchange.claims, shares)
    except StoreError:
        return _uncounted(exchange, rules)
    if any(share is not None for share in shares):
        exchange.notices[HEADER] = "local"
    refused = [r for r in admission.would_refuse if shares[r.index] is not None]
    if admission.refusal is not None:
        refused.append(admission.refusal)
    stopped = exchange.decide_all([_refused(exchange, admission, each) for each in refused])
    if admission.refusal is not None:
        return stopped
    return exchange.decide_all([_flag(rule) for rule in rules if not _blocks(rule)])


def take_more(store: Store, rules: Sequence[Rule], claims: Sequence[Claim]) -> Admission | None:
    """What a running answer needs beyond what its call took, without the store; None where a rule
    does not have it so, or nobody counts."""
    if not isinstance(store, Standby) or any(_blocks(r) and not r.shadow for r in rules):
        return None
    try:
        return store.take(claims, [_share(rule) for rule in rules])
    except StoreError:
        return None


def note(exchange: Exchange, rules: Sequence[Rule]) -> None:
    """Say of a running answer, once, that rules were asked without the store."""
    known = {v.rule for v in exchange.verdicts if v.reason is Reason.STORE_UNAVAILABLE}
    exchange.decide_all([_flag(r) for r in dict.fromkeys(rules) if r.ref not in known])


def _blocks(rule: Rule) -> bool:
    return rule.options.on_error == "block"


def _share(rule: Rule) -> Fraction | None:
    options = rule.options
    if isinstance(options, LimitOptions) and options.on_error == "local":
        return Fraction(str(options.local_share))
    return None


def _block(rule: Rule) -> Verdict:
    return rule.verdict(
        Action.BLOCK, Reason.STORE_UNAVAILABLE, _UNCHECKED, instead="Try again later."
    )


def _flag(rule: Rule) -> Verdict:
    share = _share(rule)
    if share is None:
        what = "was not checked because the state store did not answer; what is used is counted"
    else:
        what = f"was checked against {_in_words(share)}"
    return rule.verdict(Action.FLAG, Reason.STORE_UNAVAILABLE, what)


def _uncounted(exchange: Exchange, rules: Sequence[Rule]) -> Verdict | None:
    """Nobody can count it: what asks for a local share is refused."""
    verdicts = []
    for rule in rules:
        if _share(rule) is not None:
            verdicts.append(_block(rule))
        elif not _blocks(rule):
            verdicts.append(rule.verdict(Action.FLAG, Reason.STORE_UNAVAILABLE, _UNCHECKED))
    return _nothing_taken(exchange, exchange.decide_all(verdicts))


def _nothing_taken(exchange: Exchange, stopped: Verdict | None) -> Verdict | None:
    exchange.claims.clear()
    exchange.claim_rules.clear()
    return stopped


def _refused(exchange: Exchange, admission: Admission, refusal: Refusal) -> Verdict:
    """A claim that did not fit the local share. What waiting here does not help may fit again as
    soon as the store is back: it is no spent budget."""
    rule: Rule = exchange.claim_rules[refusal.index]
    claim: Claim = exchange.claims[refusal.index]
    share = _share(rule) or Fraction(1)
    if refusal.cause is Cause.SPENT or claim.amount > admission.levels[refusal.index].limit:
        return no_room(rule)
    try:
        verdict = rule.on_refusal(exchange, claim, refusal)
    except Exception as error:  # noqa: BLE001  what did not fit is refused all the same
        return replace(rule.failed(error), action=Action.BLOCK)
    return replace(verdict, what=f"{verdict.what} (counted in {_in_words(share)})")


def no_room(rule: Rule) -> Verdict:
    """A local share that cannot hold what is asked for, however long one waits."""
    what = f"has no room for this request in {_in_words(_share(rule) or Fraction(1))}"
    instead = "Try again when the store is back, or ask the operator."
    return rule.verdict(Action.BLOCK, Reason.STORE_UNAVAILABLE, what, instead=instead)


def _in_words(share: Fraction) -> str:
    return (
        f"this gateway's local share ({float(share) * 100:g}% of the limit) because the state "
        "store did not answer"
    )
