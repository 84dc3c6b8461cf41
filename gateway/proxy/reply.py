"""A verdict or an error, as the answer that the caller's SDK understands.

The statuses follow docs/replies.md: 400 for a block because no probed client retries it, 429
with an integer `retry-after` for a wait, 401 for keys, 503 for our own failures.
"""

from __future__ import annotations

import math

from gateway.dialects.base import Dialect, RateLimit
from gateway.errors import GatewayError, UpstreamError
from gateway.exchange import Exchange
from gateway.message import Headers, Reply
from gateway.policy import wording
from gateway.verdict import GATEWAY, Action, Reason, Verdict

LONG_WAIT = 60.0
"""Seconds above which SDKs are told not to wait: they would not, and retry at once."""

_OWN_FAILURE = frozenset({Reason.RULE_FAILED, Reason.STORE_UNAVAILABLE, Reason.AUDIT_UNAVAILABLE})


def for_verdict(exchange: Exchange, verdict: Verdict, dialect: Dialect) -> Reply:
    """The reply to a request that a rule stopped before the provider saw it."""
    party = exchange.call.party if exchange.call is not None else "provider"
    message = wording.refused(verdict, exchange.id, party)
    return _reply(exchange, verdict, dialect, message)


def for_answer(exchange: Exchange, verdict: Verdict, dialect: Dialect, message: str) -> Reply:
    """The reply in the place of an answer that a rule stopped before its first byte."""
    return _reply(exchange, verdict, dialect, message)


def for_error(exchange: Exchange, error: GatewayError, dialect: Dialect) -> Reply:
    """The reply to what cannot be read, cannot be reached, or went wrong inside."""
    if not isinstance(error, UpstreamError):  # it was ourselves who let the call go no further
        exchange.decide(Verdict(Action.BLOCK, error.reason, GATEWAY))
    headers = _headers(exchange, exchange.action, error.reason, str(GATEWAY))
    if not error.retryable:
        headers.add("x-should-retry", "false")
    message = error.message
    if exchange.id not in message:
        message = f"{message} Reference {exchange.id}."
    exchange.reason = error.reason
    return _told(exchange, error.status, headers, error.reason, message, dialect)


def _reply(exchange: Exchange, verdict: Verdict, dialect: Dialect, message: str) -> Reply:
    headers = _headers(exchange, verdict.action, verdict.reason, str(verdict.rule))
    status = 400
    put_off = None
    if verdict.action is Action.THROTTLE:
        status = 429
        wait = max(1, math.ceil(verdict.retry_after or 1))
        headers.add("retry-after", str(wait))
        if wait > LONG_WAIT:
            headers.add("x-should-retry", "false")
        if wait > LONG_WAIT and exchange.call is not None:
            put_off = exchange.call.put_off(verdict.reason.value, message, exchange.now + wait)
    else:
        headers.add("x-should-retry", "false")
        if verdict.reason in _OWN_FAILURE:
            status = 503
    headers.extend(dialect.limit_headers(_limits(exchange)).items)
    exchange.reason = verdict.reason
    if exchange.call is not None and (told := exchange.call.refused(verdict.reason.value, message)):
        status, body = told
        if not body:
            headers.remove("content-type")
        return Reply(status, headers, body)
    if put_off is not None:
        headers.extend(put_off[0].items)
        return Reply(status, headers, put_off[1])
    return _told(exchange, status, headers, verdict.reason, message, dialect)


def _told(
    exchange: Exchange,
    status: int,
    headers: Headers,
    reason: Reason,
    message: str,
    dialect: Dialect,
) -> Reply:
    """As an error in the dialect's shape, one that answers this very call where it can."""
    body = exchange.call.failed(reason.value, message) if exchange.call is not None else None
    if body is None:
        body = dialect.error_body(status, reason.value, message, exchange.id)
    return Reply(status, headers, body)


def _limits(exchange: Exchange) -> list[RateLimit]:
    """How the buckets of this call stand: for each unit the one with least in it."""
    admission = exchange.admission
    tightest: dict[str, tuple[int, int]] = {}  # by unit: what is left, and which claim's it is
    if admission is None:
        return []
    for index, (claim, level) in enumerate(zip(exchange.claims, admission.levels, strict=True)):
        if claim.refill is None or claim.shadow:
            continue
        unit, left = claim.key.rpartition(":")[2], level.limit - level.used
        known = tightest.get(unit)
        if known is None or left < known[0]:
            tightest[unit] = (left, index)
    return [
        exchange.claim_rules[index].limit_of(
            exchange.claims[index], admission.levels[index], exchange.now
        )
        for _, index in tightest.values()
    ]


def _headers(exchange: Exchange, action: Action, reason: Reason, rule: str) -> Headers:
    return Headers(
        [
            ("content-type", "application/json"),
            ("x-request-id", exchange.id),
            ("request-id", exchange.id),
            ("x-portcullis-id", exchange.id),
            ("x-portcullis-verdict", action.value),
            ("x-portcullis-reason", reason.value),
            ("x-portcullis-rule", rule),
            *exchange.notices.items(),
        ]
    )


def mark(exchange: Exchange, headers: Headers) -> Headers:
    """Put the gateway's own headers on an answer that goes through."""
    action = exchange.action
    headers.extend([("x-portcullis-id", exchange.id), ("x-portcullis-verdict", str(action))])
    if action is Action.BLOCK:  # a tool call was taken out
        verdict = next(v for v in exchange.verdicts if v.enforced is Action.BLOCK)
        headers.add("x-portcullis-reason", verdict.reason.value)
        headers.add("x-portcullis-rule", str(verdict.rule))
    if exchange.notices:
        headers.extend(exchange.notices.items())
    if exchange.admission is not None and exchange.dialect is not None:
        _tell_limits(exchange, exchange.dialect, headers)
    return headers


def _tell_limits(exchange: Exchange, dialect: Dialect, headers: Headers) -> None:
    """Rate-limit headers of the tightest bucket: ours, or upstream's where that has less left."""
    told: list[tuple[str, str]] = []
    for limit in _limits(exchange):
        own = dialect.limit_headers([limit]).items
        theirs = next((headers.get(name) for name, _ in own if "remaining" in name), "")
        if not theirs.isdecimal() or int(theirs) > limit.remaining:
            told += own
    for name, _ in told:
        if name in headers:
            headers.remove(name)
    headers.extend(told)
