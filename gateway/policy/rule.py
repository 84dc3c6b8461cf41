"""What every rule is: options in, verdicts out. One subclass a kind, in `policy/kinds/`.

Rules of this file:
- A rule is built once for a policy snapshot and shared by all calls: it keeps no state.
- It has no clock and does no I/O: time is `exchange.now`, counters are `Claim`s that the
  pipeline admits for all rules in one go.
- It overrides only what it needs; the pipeline asks a rule only for what it overrides.
- A rule that raises is not a verdict: the pipeline applies its `on_error`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, Literal

from gateway.config.ner import Ner
from gateway.config.rule_options import RuleOptions
from gateway.dialects.base import Call, DeclaredTool, ToolCall, Usage
from gateway.exchange import Exchange
from gateway.policy.reading import NoReader, Reader
from gateway.policy.told import Told
from gateway.state.store import Claim, Level, Refusal
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict

if TYPE_CHECKING:
    from gateway.upstream.prices import Prices


def _nobody(ner: Ner) -> Reader:
    return NoReader(ner.version)


class Stage(IntEnum):
    """The order in which rules run, cheapest and most decisive first."""

    IDENTITY = 1
    HALT = 2
    MODEL = 3
    SIZE = 4
    LIMITS = 5
    TOOLS = 6
    CONTENT = 7


@dataclass(frozen=True, slots=True)
class Workshop:
    """What rules are built with: shared machinery, made once by `policy/compile.py`.

    `scope_key` digests scope values for state keys, so that a store holds no user names;
    `pseudonym_key` makes stand-ins; `reader_of` gives the reader of a model of names.
    """

    prices: Prices
    scope_key: bytes
    pseudonym_key: bytes
    reader_of: Callable[[Ner], Reader] = _nobody


@dataclass(frozen=True, slots=True)
class Once:
    """Something that is said once, by whichever call of whichever gateway comes first.

    `key` in the store decides who does, for `ttl` seconds. `told` remembers that it was said, so
    that this worker does not ask again.
    """

    key: str
    ttl: float
    verdict: Verdict
    told: Told


@dataclass(frozen=True, slots=True)
class Held:
    """Output tokens, all choices together: what is reserved now, the most that the request
    allows, and how many more to reserve at a time."""

    tokens: int
    most: int
    step: int


class Rule:
    """A compiled rule. `options` is the kind's own model, already checked."""

    kind: ClassVar[str]
    stage: ClassVar[Stage]
    Options: ClassVar[type[RuleOptions]]
    needs_usage: bool = False
    """Whether this rule settles on real usage: the provider is then asked to report it."""
    judges: Literal["calls", "tunnels", "both"] = "calls"
    """Whether this rule is asked about calls of a model or a tool, about tunnels (CONNECT), or
    both."""
    when: Callable[[Exchange], bool] | None = None
    """Whether the rule watches a call at all; set by `policy/compile.py`, None: always."""

    def __init__(self, options: RuleOptions, ref: RuleRef, mode: Mode, workshop: Workshop) -> None:
        self.options = options
        self.ref = ref
        self.shadow = mode is Mode.SHADOW
        self.workshop = workshop

    # --- what a kind may override ---

    def on_request(self, exchange: Exchange) -> Sequence[Verdict]:
        """Judge the decoded request; may change it through `exchange.call`."""
        return ()

    def claims(self, exchange: Exchange) -> Sequence[Claim]:
        """What this rule wants to take from the store for this call."""
        return ()

    def on_refusal(self, exchange: Exchange, claim: Claim, refusal: Refusal) -> Verdict:
        """The verdict for a claim of this rule that did not fit."""
        raise NotImplementedError

    def way_out(
        self, exchange: Exchange, claim: Claim, refusal: Refusal, level: Level
    ) -> Verdict | None:
        """Change a call whose claim of this rule did not fit, so that it may: it is then judged and
        admitted anew. The verdict that says how, None where there is no such way."""
        return None

    def on_level(self, exchange: Exchange, claim: Claim, level: Level) -> Sequence[Once]:
        """What is to be said once of how a counter stands, after an admission or a settlement (a
        budget that nears its end)."""
        return ()

    def output_held(self, exchange: Exchange, claim: Claim) -> Held | None:
        """How much of a streamed answer a claim of this rule holds, None where no stream can
        outgrow it."""
        return None

    def more_output(self, exchange: Exchange, claim: Claim, tokens: int) -> Claim:
        """A claim like one of this rule's, for so many more tokens of a streamed answer."""
        raise NotImplementedError

    def on_cut(self, exchange: Exchange, claim: Claim, refusal: Refusal) -> Verdict:
        """The verdict that ends a stream for which no more could be taken."""
        raise NotImplementedError

    def actual(self, exchange: Exchange, claim: Claim, usage: Usage, cost: int | None) -> int:
        """What the call really used of `claim`, in the claim's unit."""
        return claim.amount

    def unit(self, claim: Claim) -> str:
        """What a claim's amounts count: `nanodollars`, `tokens` or `requests`."""
        raise NotImplementedError

    def on_tool_call(
        self, exchange: Exchange, call: ToolCall, earlier: Sequence[ToolCall]
    ) -> Verdict | None:
        """Judge one call of the model before it reaches the agent, or one that the request itself
        runs (`Call.invokes`) before it reaches the tool.

        `earlier` are the calls of the same answer or request that came before. BLOCK means: take
        this call out; the rest of an answer goes on, a request goes no further.
        """
        return None

    def on_offer(
        self, exchange: Exchange, tools: Sequence[DeclaredTool]
    ) -> tuple[frozenset[str], Verdict] | None:
        """Which of the tools that a server says it has the agent must not see, and the verdict on
        them; None where it may see them all."""
        return None

    # --- for the kinds ---

    def verdict(
        self,
        action: Action,
        reason: Reason,
        what: str,
        *,
        instead: str = "",
        retry_after: float | None = None,
        surface: str = "",
        place: str = "",
    ) -> Verdict:
        """A verdict of this rule, with shadow mode applied."""
        return Verdict(
            action,
            reason,
            self.ref,
            what,
            instead,
            retry_after,
            surface=surface,
            place=place,
            shadow=self.shadow,
        )

    def failed(self, error: Exception) -> Verdict:
        """What a rule that raised has to say: its `on_error` decides. No share helps there."""
        blocks = self.options.on_error != "allow"
        return self.verdict(
            Action.BLOCK if blocks else Action.FLAG,
            Reason.RULE_FAILED,
            f"failed ({type(error).__name__})",
            instead="Ask the operator of this gateway to look at its log." if blocks else "",
        )


def overrides(rule: Rule, method: str) -> bool:
    """Whether a rule has its own version of a method, so that it must be asked at all."""
    return getattr(type(rule), method) is not getattr(Rule, method)


def call_of(exchange: Exchange) -> Call:
    """The decoded call; rules only run once there is one."""
    assert exchange.call is not None
    return exchange.call
