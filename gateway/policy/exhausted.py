"""What a budget that is spent can still do for a call: a cheaper model, or one last answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from gateway.config.rule_options import RuleOptions
from gateway.dialects.base import ToolCall
from gateway.exchange import Exchange
from gateway.policy.rule import Rule, Stage
from gateway.verdict import Action, Mode, Reason, Verdict

if TYPE_CHECKING:
    from gateway.upstream.prices import Prices

HEADER = "x-portcullis-budget"
"""The reply header that says so: `downgraded` or `last answer`."""

FEWEST = 16
"""Output tokens that a last answer has at least: the fewest that the Responses API takes as
`max_output_tokens` (its reference)."""

NOTE = (
    "[Portcullis: the budget of this run is spent. This is the last answer: tools cannot be "
    "called any more. Say what was done and what is left to do.]"
)
"""What the model is told with its last answer."""


def check_models(names: Sequence[str], prices: Prices) -> None:
    """Raises ValueError for a cheaper model that has no price: it would count as the dearest."""
    for name in names:
        if prices.find(name) is None:
            raise ValueError(
                f"`downgrade_to` names {name!r}, which has no price: add it under `prices:`"
            )


def siblings(names: Sequence[str], asked: str, provider: str, prices: Prices) -> Iterator[str]:
    """Those of the models that a call can be sent to instead of the one it asks for: others of the
    same maker, as far as it is known. `provider` is the upstream's, for a model without a price."""
    known = prices.find(asked)
    maker = known.provider if known is not None else provider
    for name in names:
        found = prices.find(name)
        if name != asked and found is not None and found.provider in (maker, ""):
            yield name


def affordable(most: Callable[[int], int], left: int, bound: int) -> int:
    """The largest number of output tokens, up to `bound`, with which a call costs at most `left`;
    0 where none does. `most` gives what it costs, and grows with their number."""
    low, high = 0, bound
    while low < high:
        middle = (low + high + 1) // 2
        if most(middle) <= left:
            low = middle
        else:
            high = middle - 1
    return low


class NoTools(Rule):
    """Takes out the tool calls of a budget's last answer, in the name of the budget's rule."""

    kind = "budget"
    stage = Stage.LIMITS
    Options = RuleOptions

    def on_tool_call(
        self, exchange: Exchange, call: ToolCall, earlier: Sequence[ToolCall]
    ) -> Verdict | None:
        return self.verdict(
            Action.BLOCK,
            Reason.BUDGET_WRAP_UP,
            "gave the last answer of its budget, which calls no tools",
            instead="This run's budget is spent.",
        )


def no_tools(exchange: Exchange) -> list[Rule]:
    """A rule against tool calls for each budget that gives its last answer to this call."""
    return [
        NoTools(rule.options, rule.ref, Mode.ENFORCE, rule.workshop)
        for rule, reason in exchange.ways_out.items()
        if reason == Reason.BUDGET_WRAP_UP
    ]
