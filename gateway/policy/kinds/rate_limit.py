"""`rate_limit`: so many requests or tokens in a time, for each tenant, user, session ...

A token bucket: it holds `burst`, is full at first and refills steadily. A request takes 1. For
tokens a call takes what it will likely use; when it ends, that is put right to what it did use.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from gateway.config.rule_options import RuleOptions
from gateway.config.units import CountField, Rate, RateField
from gateway.dialects.base import Call, RateLimit, Usage
from gateway.exchange import Exchange
from gateway.policy.rule import Rule, Stage, Workshop, call_of
from gateway.policy.scopes import Missing, PerField, Scopes, scope_verdict
from gateway.state.store import Claim, Level, Refusal
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict

LARGEST = 10**12
"""The largest rate or burst: a bucket counts in millionths, in 64 bits."""
LIKELY_OUTPUT = 500
"""Tokens that an answer is taken to have until it is known, where it may have as many."""


class RateLimitOptions(RuleOptions):
    """Keys of a `rate_limit` rule."""

    kind: Literal["rate_limit"]
    per: PerField
    requests: RateField | None = None
    tokens: RateField | None = None
    burst: CountField | None = None
    missing: Missing = "block"

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        rates = [rate for rate in (self.requests, self.tokens) if rate is not None]
        if not rates:
            raise ValueError('expected `requests` or `tokens`, such as "600/min"')
        if self.burst is not None and len(rates) > 1:
            raise ValueError("`burst` holds for one rate: write requests and tokens as two rules")
        if self.burst == 0:
            raise ValueError("`burst` is at least 1")
        if max(*(rate.amount for rate in rates), self.burst or 0) > LARGEST:
            raise ValueError(f"expected at most {LARGEST} in a period and a burst")
        return self

    def default_id(self) -> str:
        return f"{self.kind}-{'-'.join(self.per)}"


class _Bucket:
    """One rate of a rule, ready to make claims."""

    __slots__ = ("limit", "rate", "refill", "unit")

    def __init__(self, unit: str, rate: Rate, burst: int | None) -> None:
        self.unit = unit
        self.rate = rate
        self.limit = burst if burst is not None else rate.amount
        self.refill = (rate.amount, rate.seconds)


class RateLimitRule(Rule):
    """Takes from a bucket of requests, of tokens, or of both."""

    kind: ClassVar[str] = "rate_limit"
    stage: ClassVar[Stage] = Stage.LIMITS
    Options = RateLimitOptions

    def __init__(
        self, options: RateLimitOptions, ref: RuleRef, mode: Mode, workshop: Workshop
    ) -> None:
        super().__init__(options, ref, mode, workshop)
        self._scopes = Scopes(
            options.per, options.missing, f"{ref.policy}:{ref.id}", workshop.scope_key
        )
        given = (("requests", options.requests), ("tokens", options.tokens))
        self._buckets = {
            unit: _Bucket(unit, rate, options.burst) for unit, rate in given if rate is not None
        }
        self.needs_usage = options.tokens is not None
        if options.requests is not None and not {"model", "tool"} & set(options.per):
            self.judges = "both"  # a tunnel is a request, but names neither

    def on_request(self, exchange: Exchange) -> Sequence[Verdict]:
        lacking = self._scopes.lacking(exchange)
        return (scope_verdict(self, lacking),) if lacking is not None else ()

    def claims(self, exchange: Exchange) -> Sequence[Claim]:
        if self._scopes.lacking(exchange) is not None:
            return ()
        call = call_of(exchange)
        claims = []
        for start in self._scopes.keys(exchange):
            for bucket in self._buckets.values():
                amount = 1 if bucket.unit == "requests" else _likely(call, bucket.limit)
                claims.append(
                    Claim(
                        f"{start}:{bucket.unit}",
                        amount,
                        bucket.limit,
                        refill=bucket.refill,
                        shadow=self.shadow,
                    )
                )
        return claims

    def on_refusal(self, exchange: Exchange, claim: Claim, refusal: Refusal) -> Verdict:
        bucket = self._bucket(claim)
        allows = f"allows {bucket.rate} {bucket.unit} per {self._scopes.words}"
        if claim.amount > claim.limit:
            # No wait would help: an agent that is told to come back would come back for ever.
            return self.verdict(
                Action.BLOCK,
                Reason.SIZE_EXCEEDED,
                f"{allows}, at most {claim.limit} at once, and this request alone has about "
                f"{claim.amount}",
                instead="Send a shorter conversation.",
            )
        wait = max(1, math.ceil(refusal.retry_after))
        return self.verdict(
            Action.THROTTLE,
            Reason.RATE_LIMITED,
            f"{allows}, which are used up for now",
            instead=f"Send the same request again in {wait} s.",
            retry_after=refusal.retry_after,
        )

    def actual(self, exchange: Exchange, claim: Claim, usage: Usage, cost: int | None) -> int:
        if self._bucket(claim).unit == "requests":
            return claim.amount
        if call_of(exchange).operation == "opaque" and exchange.sent:
            return claim.amount  # nobody can tell: the estimate stands
        return min(max(0, usage.total), LARGEST)

    def unit(self, claim: Claim) -> str:
        return self._bucket(claim).unit

    def limit_of(self, claim: Claim, level: Level) -> RateLimit:
        """How the bucket of a claim stands, for the dialect's rate-limit headers."""
        bucket = self._bucket(claim)
        units, seconds = bucket.refill
        return RateLimit(
            bucket.unit,
            bucket.limit,
            max(0, bucket.limit - level.used),
            max(0, level.used) * seconds / units,
        )

    def _bucket(self, claim: Claim) -> _Bucket:
        return self._buckets[claim.key.rpartition(":")[2]]


def _likely(call: Call, most: int) -> int:
    """The tokens that a call will likely use: its text, and an answer of usual length.

    The answer counts only as far as the bucket can hold it, so that a small bucket does not
    refuse for ever what a real answer would have fitted. A call that costs nothing takes none.
    """
    if not call.billable:
        return 0
    text = min(call.input_estimate(), LARGEST)
    if call.operation != "chat":
        return text
    asked = LIKELY_OUTPUT if call.max_output is None else min(call.max_output, LIKELY_OUTPUT)
    return max(text, min(text + asked * call.choices, most))
