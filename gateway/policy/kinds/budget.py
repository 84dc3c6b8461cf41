"""`budget`: so many dollars or tokens for each session, tenant, user ... and window.

The most that a call can cost is reserved before it is sent and put right to what it did cost when
it ends, so that spending never passes the limit, however many calls run at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, ClassVar

from gateway.config.units import LARGEST, Amount
from gateway.dialects.base import Usage
from gateway.exchange import Exchange
from gateway.policy import exhausted
from gateway.policy.budget_options import BudgetOptions
from gateway.policy.budget_window import Span, Windows, duration_in_words
from gateway.policy.names import shown
from gateway.policy.pricing import cost_of, most_of, price_of
from gateway.policy.rule import Held, Once, Rule, Stage, Workshop, call_of
from gateway.policy.scopes import Scopes, scope_verdict
from gateway.policy.told import Told
from gateway.policy.unreadable import BODY, Unscannable, out_of_sight
from gateway.state.store import Cause, Claim, Level, Refusal
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict

if TYPE_CHECKING:
    from gateway.upstream.price_model import ModelPrice

RESERVED_WAIT = 1.0
LAST = ":last"
"""Ends the key that counts the last answers of a budget: there is one for each scope and window."""
STEP = 1024
"""Output tokens that are reserved at a time for a stream that is longer than its request allows."""
FOR_EVER = 10.0 * 366 * 86400
"""Seconds for which a step of a budget without end stays announced."""

_UNCOUNTED = frozenset({"opaque", "batch_file"})
_HIDDEN = BODY | {"file"}
"""Operations whose use nobody can bound, and what hides it: a body, a file of requests."""


class BudgetRule(Rule):
    """Reserves the most that a call can cost, settles what it did cost, warns on the way."""

    kind: ClassVar[str] = "budget"
    stage: ClassVar[Stage] = Stage.LIMITS
    Options = BudgetOptions
    needs_usage = True

    def __init__(
        self, options: BudgetOptions, ref: RuleRef, mode: Mode, workshop: Workshop
    ) -> None:
        super().__init__(options, ref, mode, workshop)
        window = options.window_or_default
        rolling = int(options.rolling or 0)
        self._windows = Windows(window, options.timezone or "UTC", rolling)
        # A session's window is the session itself, whoever else is counted.
        by_session = window == "session" and not rolling and "session" not in options.per
        per = (*options.per, "session") if by_session else options.per
        self._scopes = Scopes(per, options.missing, f"{ref.policy}:{ref.id}", workshop.scope_key)
        self._limit = options.limit
        self._in_dollars = options.limit.unit == "nanodollars"
        self._blocks_unknown = options.unknown_model == "block"
        self._unscannable: Unscannable = options.unscannable
        steps = sorted(set(options.warn_at))
        self._steps = [(share, ceil(Fraction(str(share)) * options.limit.value)) for share in steps]
        self._told = Told()
        self._prices = workshop.prices
        self._on_exhausted = options.on_exhausted
        self._downgrade_to = options.downgrade_to
        kept = Fraction(str(options.kept_back)) * options.limit.value
        self._ordinary = options.limit.value - int(kept)
        self._reserve_output = options.reserve_output
        if self._on_exhausted == "downgrade":
            exhausted.check_models(self._downgrade_to, self._prices)

    # --- before the call ---

    def on_request(self, exchange: Exchange) -> Sequence[Verdict]:
        lacking = self._scopes.lacking(exchange)
        if lacking is not None:
            return (scope_verdict(self, lacking),)
        call = call_of(exchange)
        if call.operation in _UNCOUNTED:
            return out_of_sight(self, call, _HIDDEN, self._unscannable)
        if not self._in_dollars or not call.billable or call.fixed_cost is not None:
            return ()
        if self._price(exchange).known:
            return ()
        name = shown(call.model)
        if self._blocks_unknown:
            return (
                self.verdict(
                    Action.BLOCK,
                    Reason.PRICE_UNKNOWN,
                    f"knows no price for the model {name!r}",
                    instead="Ask for another model, or have its price added to the policy file.",
                ),
            )
        what = f"knows no price for the model {name!r} and counts it like the dearest"
        return (self.verdict(Action.FLAG, Reason.PRICE_UNKNOWN, what),)

    def claims(self, exchange: Exchange) -> Sequence[Claim]:
        call = call_of(exchange)
        if call.fixed_cost is None:
            if not call.billable or call.operation == "opaque":
                return ()
        elif not self._in_dollars:
            return ()
        if self._scopes.lacking(exchange) is not None:
            return ()
        span = self._windows.at(exchange.now)
        limit = self._limit.value if self._may_take_all(exchange) else self._ordinary
        amount = self._most(exchange, self._held(exchange))
        last = exchange.ways_out.get(self) == Reason.BUDGET_WRAP_UP
        claims = []
        for start in self._scopes.keys(exchange):
            claims.append(self._claim(f"{start}:{span.name}", amount, limit, span))
            if last:
                claims.append(self._claim(f"{start}:{span.name}{LAST}", 1, 1, span))
        return claims

    def _claim(self, key: str, amount: int, limit: int, span: Span) -> Claim:
        return Claim(
            key,
            amount,
            limit,
            expires=span.forget,
            shadow=self.shadow,
            rolling=self._windows.rolling,
        )

    def _may_take_all(self, exchange: Exchange) -> bool:
        """Whether a call may use what is kept back: one that this budget has changed so that it
        may, or that asks for a cheaper model by itself."""
        return self in exchange.ways_out or call_of(exchange).model in self._downgrade_to

    def _held(self, exchange: Exchange) -> int | None:
        """Output tokens to reserve at first for each choice of a streamed answer, None: all that
        it may have."""
        call = call_of(exchange)
        step = self._reserve_output
        if step is None or not call.stream or not call.shows_output() or call.deferred:
            return None
        most = self._most_output(exchange)
        return min(step, most) if exchange.ways_out.get(self) != Reason.BUDGET_WRAP_UP else most

    def _most_output(self, exchange: Exchange) -> int:
        """Output tokens that each choice may have."""
        call = call_of(exchange)
        return call.max_output if call.max_output is not None else self._price(exchange).max_output

    def _most(self, exchange: Exchange, output: int | None = None) -> int:
        """The most that a call can use of the budget. `output`: with so many output tokens for
        each choice, in the place of all that it may have."""
        call = call_of(exchange)
        if call.fixed_cost is not None:
            return call.fixed_cost
        asked = call.max_output
        try:
            if output is not None:
                call.max_output = output
            if self._in_dollars:
                most = most_of(exchange, self._prices)
            else:
                read, written = self._prices.bounds(call, self._price(exchange))
                most = read + written * call.choices
        finally:
            call.max_output = asked
        return min(most, LARGEST)

    def on_level(self, exchange: Exchange, claim: Claim, level: Level) -> Sequence[Once]:
        if not self._steps or level.used < self._steps[0][1] or claim.key.endswith(LAST):
            return ()
        said = []
        for share, reached in self._steps:
            key = f"warned:{claim.key}:{reached}"
            if level.used < reached:
                break
            if not self._told.knows(key, exchange.now):
                what = (
                    f"has used {self._amount(level.used)} of {self._limit} per "
                    f"{self._scopes.words}, past {share * 100:g}%"
                )
                verdict = self.verdict(Action.FLAG, Reason.BUDGET_WARNING, what)
                said.append(Once(key, self._lasts(exchange, claim), verdict, self._told))
        return said

    def _lasts(self, exchange: Exchange, claim: Claim) -> float:
        """Seconds for which a step stays announced: as long as its window counts."""
        if claim.expires is not None:
            return max(60.0, claim.expires - exchange.now)
        return float(claim.rolling) or FOR_EVER

    def unit(self, claim: Claim) -> str:
        return "requests" if claim.key.endswith(LAST) else self._limit.unit

    # --- what does not fit ---

    def on_refusal(self, exchange: Exchange, claim: Claim, refusal: Refusal) -> Verdict:
        whole = f"{self._limit} per {self._scopes.words}"
        most = self._amount(claim.amount)
        if refusal.cause is Cause.RESERVED:
            return self.verdict(
                Action.THROTTLE,
                Reason.BUDGET_RESERVED,
                f"has a budget of {whole}; this request may use up to {most}, and calls that are "
                "still running hold too much of it",
                instead="Send the same request again in 1 s.",
                retry_after=RESERVED_WAIT,
            )
        left = claim.limit - self._used(exchange, refusal)
        if claim.key.endswith(LAST):
            left = 0
            what = f"has a budget of {whole}, it is spent, and its last answer was given"
        elif left <= 0:
            what = f"has a budget of {whole}, and it is spent"
        else:
            what = (
                f"has {self._amount(left)} left of a budget of {whole}, and this request may use "
                f"up to {most}"
            )
        return self.verdict(
            Action.BLOCK,
            Reason.BUDGET_EXCEEDED,
            what,
            instead=self._instead(exchange, left, refusal),
        )

    def _instead(self, exchange: Exchange, left: int, refusal: Refusal) -> str:
        ways = []
        if left > 0 and call_of(exchange).fixed_cost is None:
            ways.append("Ask for fewer output tokens or a cheaper model, or send less text.")
            if self._in_dollars and not self._price(exchange).known:
                ways.append("This model has no price in the table, so it counts as the dearest.")
        ends = self._windows.at(exchange.now).ends
        if ends is not None:
            ways.append(f"The budget begins anew at {self._windows.in_words(ends)}.")
        elif self._windows.rolling and refusal.retry_after > 0:
            wait = duration_in_words(refusal.retry_after)
            ways.append(f"Enough of it is free again in {wait}.")
        elif not ways:
            ways.append("Ask the operator of this gateway for a larger budget.")
        return " ".join(ways)

    def way_out(
        self, exchange: Exchange, claim: Claim, refusal: Refusal, level: Level
    ) -> Verdict | None:
        call = call_of(exchange)
        if refusal.cause is not Cause.SPENT or call.members or call.deferred:
            return None
        if call.operation != "chat" or call.fixed_cost is not None:
            return None
        if self._on_exhausted == "downgrade":
            return self._downgrade(exchange, claim)
        if self._on_exhausted == "wrap_up" and claim.amount <= claim.limit:
            return self._wrap_up(exchange, self._limit.value - level.used - level.reserved)
        return None

    def _downgrade(self, exchange: Exchange, claim: Claim) -> Verdict | None:
        call = call_of(exchange)
        provider = exchange.target.provider if exchange.target is not None else ""
        asked = call.model
        for name in exhausted.siblings(self._downgrade_to, asked, provider, self._prices):
            call.model = name
            cheaper = self._most(exchange, self._held(exchange)) < claim.amount
            call.model = asked
            if cheaper and call.rename_model(name):
                price = self._price(exchange)
                if call.max_output is not None and call.max_output > price.max_output > 0:
                    call.set_max_output(price.max_output)
                exchange.notices[exhausted.HEADER] = "downgraded"
                return self.verdict(
                    Action.REWRITE,
                    Reason.BUDGET_DOWNGRADED,
                    f"cannot take a call of {shown(asked)!r} any more and had it sent to {name!r}",
                )
        return None

    def _wrap_up(self, exchange: Exchange, left: int) -> Verdict | None:
        call = call_of(exchange)
        if not call.conclude(exhausted.NOTE):
            return None
        exchange.memo.clear()
        most = self._most_output(exchange)
        tokens = exhausted.affordable(lambda output: self._most(exchange, output), left, most)
        if tokens < exhausted.FEWEST:
            return None
        call.set_max_output(tokens)
        exchange.notices[exhausted.HEADER] = "last answer"
        return self.verdict(
            Action.REWRITE,
            Reason.BUDGET_WRAP_UP,
            f"has a budget of {self._limit} per {self._scopes.words}, and it is spent but for what "
            f"is kept back: this is its last answer, without tools and of at most {tokens} tokens",
        )

    # --- while it streams ---

    def output_held(self, exchange: Exchange, claim: Claim) -> Held | None:
        call = call_of(exchange)
        if call.operation != "chat" or call.fixed_cost is not None or call.deferred:
            return None
        if claim.key.endswith(LAST):
            return None
        most = self._most_output(exchange)
        held = self._held(exchange)
        tokens = most if held is None else held
        return Held(tokens * call.choices, most * call.choices, self._reserve_output or STEP)

    def more_output(self, exchange: Exchange, claim: Claim, tokens: int) -> Claim:
        each = -(-tokens // call_of(exchange).choices)
        amount = self._most(exchange, each) - self._most(exchange, 0)
        span = self._windows.at(exchange.now)
        return self._claim(claim.key, amount, claim.limit, span)

    def on_cut(self, exchange: Exchange, claim: Claim, refusal: Refusal) -> Verdict:
        return self.verdict(
            Action.BLOCK,
            Reason.BUDGET_EXCEEDED,
            f"has a budget of {self._limit} per {self._scopes.words}, and this answer reached it",
            instead=self._instead(exchange, 0, refusal),
        )

    # --- after it ---

    def actual(self, exchange: Exchange, claim: Claim, usage: Usage, cost: int | None) -> int:
        if claim.key.endswith(LAST):
            return 1 if usage.total else 0  # what was not given may still be given
        if not self._in_dollars:
            return min(max(0, usage.total), LARGEST)
        if cost is None:
            cost = cost_of(exchange, self._prices, usage)
        return min(max(0, cost), LARGEST)

    # --- inside ---

    def _price(self, exchange: Exchange) -> ModelPrice:
        return price_of(exchange, self._prices)

    def _amount(self, value: int) -> str:
        return str(Amount(value, self._limit.unit))

    def _used(self, exchange: Exchange, refusal: Refusal) -> int:
        admission = exchange.admission
        return admission.levels[refusal.index].used if admission is not None else 0
