"""`budget`: so many dollars or tokens for each session, tenant, user ... and window.

The most that a call can cost is reserved before it is sent and put right to what it did cost when
it ends, so that spending never passes the limit, however many calls run at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Literal

from gateway.config.rule_options import RuleOptions
from gateway.config.units import LARGEST, Amount, AmountField, PercentField
from gateway.dialects.base import Usage
from gateway.exchange import Exchange
from gateway.policy.budget_window import Window, in_words, span_of
from gateway.policy.names import shown
from gateway.policy.rule import Rule, Stage, Workshop, call_of
from gateway.policy.scopes import Missing, PerField, Scopes, scope_verdict
from gateway.policy.unreadable import BODY, Unscannable, out_of_sight
from gateway.state.store import Cause, Claim, Level, Refusal
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict

if TYPE_CHECKING:
    from gateway.upstream.prices import ModelPrice

RESERVED_WAIT = 1.0

_UNCOUNTED = frozenset({"opaque", "batch_file"})
_HIDDEN = BODY | {"file"}
"""Operations whose use nobody can bound, and what hides it: a body, a file of requests."""


class BudgetOptions(RuleOptions):
    """Keys of a `budget` rule. Without `window`: the session where `per` names it, else total."""

    kind: Literal["budget"]
    per: PerField
    limit: AmountField
    window: Window | None = None
    warn_at: tuple[PercentField, ...] = ()
    unknown_model: Literal["dearest", "block"] = "dearest"
    missing: Missing = "block"
    unscannable: Unscannable = "flag"

    @property
    def window_or_default(self) -> Window:
        return self.window or ("session" if "session" in self.per else "total")

    def default_id(self) -> str:
        return "-".join(dict.fromkeys((self.kind, *self.per, self.window_or_default)))


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
        self._window: Window = options.window_or_default
        # A session's window is the session itself, whoever else is counted.
        by_session = self._window == "session" and "session" not in options.per
        per = (*options.per, "session") if by_session else options.per
        self._scopes = Scopes(per, options.missing, f"{ref.policy}:{ref.id}", workshop.scope_key)
        self._limit = options.limit
        self._in_dollars = options.limit.unit == "nanodollars"
        self._blocks_unknown = options.unknown_model == "block"
        self._unscannable: Unscannable = options.unscannable
        steps = sorted(set(options.warn_at), reverse=True)
        self._steps = [(share, Fraction(str(share)) * options.limit.value) for share in steps]
        self._prices = workshop.prices

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
        span = span_of(self._window, exchange.now)
        amount = min(self._most(exchange), LARGEST)
        return [
            Claim(
                f"{start}:{span.name}",
                amount,
                self._limit.value,
                expires=span.forget,
                shadow=self.shadow,
            )
            for start in self._scopes.keys(exchange)
        ]

    def _most(self, exchange: Exchange) -> int:
        """The most that a call can use of the budget."""
        call = call_of(exchange)
        if call.fixed_cost is not None:
            return call.fixed_cost
        price = self._price(exchange)
        read = self._prices.bound_input(call.input_bound(), price)
        written = 0
        if call.operation == "chat":
            written = call.max_output if call.max_output is not None else price.max_output
        if self._in_dollars:
            return self._prices.reserve(read, written, call.choices, price)
        return read + written * call.choices

    def on_admitted(self, exchange: Exchange, claim: Claim, level: Level) -> Sequence[Verdict]:
        for share, reached in self._steps:
            if level.used >= reached:
                what = (
                    f"has used {self._amount(level.used)} of {self._limit} per "
                    f"{self._scopes.words}, past {share * 100:g}%"
                )
                return (self.verdict(Action.FLAG, Reason.BUDGET_WARNING, what),)
        return ()

    def unit(self, claim: Claim) -> str:
        return self._limit.unit

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
        if left <= 0:
            what = f"has a budget of {whole}, and it is spent"
        else:
            what = (
                f"has {self._amount(left)} left of a budget of {whole}, and this request may use "
                f"up to {most}"
            )
        return self.verdict(
            Action.BLOCK, Reason.BUDGET_EXCEEDED, what, instead=self._way_out(exchange, left)
        )

    def _way_out(self, exchange: Exchange, left: int) -> str:
        ways = []
        if left > 0 and call_of(exchange).fixed_cost is None:
            ways.append("Ask for fewer output tokens or a cheaper model, or send less text.")
            if self._in_dollars and not self._price(exchange).known:
                ways.append("This model has no price in the table, so it counts as the dearest.")
        ends = span_of(self._window, exchange.now).ends
        if ends is not None:
            ways.append(f"The budget begins anew at {in_words(ends)}.")
        elif not ways:
            ways.append("Ask the operator of this gateway for a larger budget.")
        return " ".join(ways)

    # --- after it ---

    def actual(self, exchange: Exchange, claim: Claim, usage: Usage, cost: int | None) -> int:
        if not self._in_dollars:
            return min(max(0, usage.total), LARGEST)
        if cost is None:
            cost = self._prices.cost(usage, self._price(exchange))
        return min(max(0, cost), LARGEST)

    # --- inside ---

    def _price(self, exchange: Exchange) -> ModelPrice:
        provider = exchange.target.provider if exchange.target is not None else ""
        return self._prices.price_of(call_of(exchange), provider, exchange.model_served)

    def _amount(self, value: int) -> str:
        return str(Amount(value, self._limit.unit))

    def _used(self, exchange: Exchange, refusal: Refusal) -> int:
        admission = exchange.admission
        return admission.levels[refusal.index].used if admission is not None else 0
