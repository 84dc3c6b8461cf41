"""`rate_limit`: so many requests, tokens or dollars in a time, or so many calls at once, for each
tenant, user, session ...

Rates are token buckets: a bucket holds `burst`, is full at first and refills steadily. A request
takes 1. Of tokens and dollars a call takes what it will likely use; when it ends, that is put right
to what it did use. `concurrency` lends places: a call has one until it ends, or its holder dies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import model_validator

from gateway.config.rule_options import LimitOptions
from gateway.config.units import (
    Amount,
    AmountOrCountField,
    CountField,
    DollarRateField,
    Rate,
    RateField,
)
from gateway.dialects.base import Call, RateLimit, Usage
from gateway.exchange import Exchange
from gateway.policy.pricing import cost_of, price_of
from gateway.policy.rule import Rule, Stage, Workshop, call_of
from gateway.policy.scopes import Missing, PerField, Scopes, scope_verdict
from gateway.state.store import Claim, Level, Refusal
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict

if TYPE_CHECKING:
    from gateway.upstream.price_model import ModelPrice

LARGEST = 10**12
"""The largest rate or burst: a bucket counts in millionths, in 64 bits."""
LIKELY_OUTPUT = 500
"""Tokens that an answer is taken to have until it is known, where it may have as many."""
NANO_PER_MICRO = 1000
MOST_PLACES = 1_000_000
PLACE_WAIT = 1.0
"""Seconds after which a call that found no place may ask again."""

_RATES = ("requests", "tokens", "input_tokens", "output_tokens", "dollars")


class RateLimitOptions(LimitOptions):
    """Keys of a `rate_limit` rule."""

    kind: Literal["rate_limit"]
    per: PerField
    requests: RateField | None = None
    tokens: RateField | None = None
    input_tokens: RateField | None = None
    output_tokens: RateField | None = None
    dollars: DollarRateField | None = None
    concurrency: CountField | None = None
    burst: AmountOrCountField | None = None
    missing: Missing = "block"

    @property
    def rates(self) -> dict[str, Rate]:
        """The rates that are given, by what they count."""
        return {name: rate for name in _RATES if (rate := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        rates = self.rates
        if not rates and self.concurrency is None:
            raise ValueError(
                'expected a rate (`requests`, `tokens`, `dollars` ...), such as "600/min", or '
                "`concurrency`"
            )
        if self.concurrency is not None and not 1 <= self.concurrency <= MOST_PLACES:
            raise ValueError(f"`concurrency` is from 1 to {MOST_PLACES}")
        if self.burst is not None:
            if len(rates) != 1:
                raise ValueError("`burst` holds for one rate: write each rate as a rule of its own")
            if ("dollars" in rates) is not isinstance(self.burst, Amount):
                raise ValueError('`burst` counts what its rate does: "$2" for `dollars`, else "20"')
            if not _burst(self.burst):
                raise ValueError("`burst` is at least 1, or a millionth of a dollar")
        bursts = [_burst(self.burst)] if self.burst is not None else []
        if max([*bursts, *(rate.amount for rate in rates.values())], default=0) > LARGEST:
            raise ValueError(f"expected at most {LARGEST} (or $1M) in a period and a burst")
        return self

    def default_id(self) -> str:
        return f"{self.kind}-{'-'.join(self.per)}"


def _burst(burst: Amount | int) -> int:
    """In the rate's unit: whole, or micro-dollars."""
    return burst.value // NANO_PER_MICRO if isinstance(burst, Amount) else burst


@dataclass(frozen=True, slots=True)
class _Limit:
    """One limit of a rule, ready to make claims. `rate` and `refill` None: places.

    Attributes:
        unit: what it counts; `dollars` in millionths of one, `calls` are places.
        words: how messages name it: `600/min requests`.
        end: what its claims' keys end in.
        each: what a call takes, where that is the same for all.
    """

    unit: str
    limit: int
    rate: Rate | None
    words: str
    refill: tuple[int, int] | None
    end: str
    each: int | None


def _limits(options: RateLimitOptions) -> dict[str, _Limit]:
    """The limits of a rule by their unit, which is the end of their claims' keys."""
    limits = {}
    for unit, rate in options.rates.items():
        size = rate.amount if options.burst is None else _burst(options.burst)
        words = str(rate) if unit == "dollars" else f"{rate} {unit.replace('_', ' ')}"
        refill, each = (rate.amount, rate.seconds), 1 if unit == "requests" else None
        limits[unit] = _Limit(unit, size, rate, words, refill, f":{unit}", each)
    if options.concurrency is not None:
        words = f"{options.concurrency} calls at once"
        limits["calls"] = _Limit("calls", options.concurrency, None, words, None, ":calls", 1)
    return limits


class RateLimitRule(Rule):
    """Takes from buckets, and a place."""

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
        self._limits = _limits(options)
        self._prices = workshop.prices
        self.needs_usage = not self._limits.keys() <= {"requests", "calls"}
        counts_calls = not self._limits.keys().isdisjoint({"requests", "calls"})
        if counts_calls and not {"model", "tool"} & set(options.per):
            self.judges = "both"  # a tunnel is a request, but names neither

    def on_request(self, exchange: Exchange) -> Sequence[Verdict]:
        lacking = self._scopes.lacking(exchange)
        return (scope_verdict(self, lacking),) if lacking is not None else ()

    def claims(self, exchange: Exchange) -> Sequence[Claim]:
        starts = self._scopes.keys(exchange)
        claims = []
        for limit in self._limits.values():
            amount = self._taken(exchange, limit) if limit.each is None else limit.each
            refill, lent = limit.refill, limit.refill is None
            for start in starts:
                key = start + limit.end
                claims.append(Claim(key, amount, limit.limit, refill, None, self.shadow, lent))
        return claims

    def _taken(self, exchange: Exchange, limit: _Limit) -> int:
        """What a call takes for now."""
        call = call_of(exchange)
        if limit.unit == "dollars" and call.fixed_cost is not None:
            return _micro(call.fixed_cost)
        if not call.billable:
            return 0
        text = _text_of(exchange, call)
        if limit.unit == "input_tokens":
            return text
        answer = _likely_answer(call)
        if limit.unit == "output_tokens":
            return min(answer, limit.limit)
        if limit.unit == "tokens":
            return _fitting(text, answer, limit.limit)
        price = self._price(exchange)
        sent = _micro(self._prices.cost(Usage(text), price))
        both = _micro(self._prices.cost(Usage(text, output=answer), price))
        return _fitting(sent, both - sent, limit.limit)

    def on_refusal(self, exchange: Exchange, claim: Claim, refusal: Refusal) -> Verdict:
        limit = self._limit(claim)
        allows = f"allows {limit.words} per {self._scopes.words}"
        if limit.rate is None:
            return self.verdict(
                Action.THROTTLE,
                Reason.CONCURRENCY_LIMITED,
                f"{allows}, and as many are running",
                instead=f"Send the same request again in {PLACE_WAIT:g} s.",
                retry_after=PLACE_WAIT,
            )
        if claim.amount > claim.limit:
            # No wait would help: an agent that is told to come back would come back for ever.
            return self.verdict(
                Action.BLOCK,
                Reason.SIZE_EXCEEDED,
                f"{allows}, at most {_shown(limit, claim.limit)} at once, and this request alone "
                f"has about {_shown(limit, claim.amount)}",
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
        limit = self._limit(claim)
        if limit.each is not None:
            return claim.amount
        unit, call = limit.unit, call_of(exchange)
        if call.operation == "opaque" and exchange.sent:
            return claim.amount  # nobody can tell: the estimate stands
        if unit == "dollars":
            nano = cost_of(exchange, self._prices, usage) if cost is None else cost
            return min(max(0, _micro(nano)), LARGEST)
        counts = {"input_tokens": usage.total_input, "output_tokens": usage.output}
        return min(max(0, counts.get(unit, usage.total)), LARGEST)

    def unit(self, claim: Claim) -> str:
        unit = self._limit(claim).unit
        return "microdollars" if unit == "dollars" else unit

    def limit_of(self, claim: Claim, level: Level, now: float) -> RateLimit:
        """How a bucket stands, for the dialect's rate-limit headers; with the limit that it was
        decided by, which is less where this gateway had only its own share to give."""
        units, seconds = claim.refill or (1, 0)
        left, unit = level.limit - level.used, claim.key.rpartition(":")[2]
        full = max(0, level.used) * seconds / units
        return RateLimit(unit, level.limit, left if left > 0 else 0, full, now)

    def _limit(self, claim: Claim) -> _Limit:
        return self._limits[claim.key.rpartition(":")[2]]

    def _price(self, exchange: Exchange) -> ModelPrice:
        return price_of(exchange, self._prices)


def _text_of(exchange: Exchange, call: Call) -> int:
    """Tokens of a call's text, about; worked out once, whatever the number of rules."""
    text: int | None = exchange.memo.get(_text_of)
    if text is None:
        text = exchange.memo[_text_of] = min(call.input_estimate(), LARGEST)
    return text


def _likely_answer(call: Call) -> int:
    """The tokens that the answers of a call will likely have."""
    if call.operation != "chat":
        return 0
    asked = LIKELY_OUTPUT if call.max_output is None else min(call.max_output, LIKELY_OUTPUT)
    return asked * call.choices


def _fitting(text: int, answer: int, most: int) -> int:
    """What a request takes together with its likely answer.

    The answer counts only as far as the bucket can hold it, so that a small bucket does not
    refuse for ever what a real answer would have fitted.
    """
    return min(max(text, min(text + answer, most)), LARGEST)


def _micro(nano: int) -> int:
    """Nano-dollars in millionths of a dollar, rounded up."""
    return -(-nano // NANO_PER_MICRO)


def _shown(limit: _Limit, amount: int) -> str:
    if limit.unit == "dollars":
        return str(Amount(amount * NANO_PER_MICRO, "nanodollars"))
    return str(amount)
