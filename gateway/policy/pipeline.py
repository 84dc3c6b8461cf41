"""The rules of one tenant, in order, applied to one exchange.

Rules of this file:
- Stages run in the fixed order of `Stage`; the first enforced verdict that stops the call ends
  the run, and what was reserved by then is given back.
- All claims of a call are admitted in one round trip to the store (`limits.py`).
- A rule that raises follows its `on_error`; it shows as a verdict, never as an exception.
- No clock, no I/O but the store's protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gateway.dialects.base import AnswerStream, MessageStream, ToolCall
from gateway.exchange import Exchange, ToolTrace
from gateway.policy import limits
from gateway.policy.answer_guard import AnswerGuard, AnswerRules
from gateway.policy.blocked_before import BlockedBefore
from gateway.policy.content import REQUEST, Cache, ContentRules
from gateway.policy.content_rule import ContentRule
from gateway.policy.exhausted import no_tools
from gateway.policy.members import Members
from gateway.policy.message_window import MessageWindow
from gateway.policy.meter import Meter, meter_of
from gateway.policy.reading import ask
from gateway.policy.rule import Rule, Stage, call_of, overrides
from gateway.policy.stream_window import StreamWindow
from gateway.state.store import Store
from gateway.verdict import Verdict

_MOST_PLANS = 256


class _Plan:
    """Rules sorted out by what they have to be asked for, each in the order of stages."""

    __slots__ = ("answer", "claiming", "content", "early", "late", "tools")

    def __init__(self, rules: Sequence[Rule]) -> None:
        judging = [rule for rule in rules if overrides(rule, "on_request")]
        self.early = [rule for rule in judging if rule.stage <= Stage.LIMITS]
        self.late = [rule for rule in judging if rule.stage > Stage.LIMITS]
        self.claiming = [rule for rule in rules if overrides(rule, "claims")]
        self.tools = [rule for rule in rules if overrides(rule, "on_tool_call")]
        self.content = ContentRules(rule for rule in rules if isinstance(rule, ContentRule))
        self.answer = AnswerRules(rules, self.content)


class Pipeline:
    """Compiled rules of one tenant. Shared by all its calls; keeps no state of a call.

    Args:
        cache: findings in texts that were scanned before.
        digest: keyed digest of a text, for the record and for what was blocked before.

    Attributes:
        reads: whether a rule has a reader (`policy/reading.py`).
    """

    def __init__(
        self, rules: Iterable[Rule], cache: Cache, digest: Callable[[str], str] = str
    ) -> None:
        self.rules = tuple(sorted(rules, key=lambda rule: rule.stage))
        self._cache = cache
        self._digest = digest
        self._calls = [rule for rule in self.rules if rule.judges != "tunnels"]
        self._tunnels = [rule for rule in self.rules if rule.judges != "calls"]
        self.reads = any(isinstance(r, ContentRule) and r.reader is not None for r in self._calls)
        self._conditional = [rule for rule in self._calls if rule.when is not None]
        self._all = _Plan(self._calls)
        self._plans: dict[frozenset[Rule], _Plan] = {}

    async def on_request(self, exchange: Exchange, store: Store) -> Verdict | None:
        """Judge a decoded request, rewrite it where rules say so, reserve what it may use.

        Returns the verdict that stops it, or None. Every verdict is in `exchange.verdicts`.
        """
        plan = self._plan(exchange)
        if call_of(exchange).members:
            stopped = await self._on_members(exchange, store)
            if stopped is None and plan.content.rules:
                stopped = await self._read(exchange, plan.content, store)
            if stopped is not None:
                await limits.release(exchange, store)
            return stopped
        stopped = self._ask(exchange, plan.early)
        if stopped is None and plan.claiming:
            stopped = limits.claim(exchange, plan.claiming) or await limits.admit(
                exchange, store, lambda: self._again(exchange)
            )
            if exchange.ways_out:
                plan = self._plan(exchange)
        if stopped is None:
            stopped = self._ask(exchange, plan.late) or self._ask_tools(exchange, plan.tools)
        if stopped is None and plan.content.rules:
            stopped = await self._read(exchange, plan.content, store)
        self._trace(exchange, stopped)
        if stopped is not None:
            await limits.release(exchange, store)
            return stopped
        self._ask_usage(exchange)
        exchange.memo.clear()  # what is taken while it streams is for the call as it is sent
        return None

    def _again(self, exchange: Exchange) -> Verdict | None:
        """Judge a call as if it had come as a budget has changed it. What was said of it already is
        not said twice."""
        before = len(exchange.verdicts)
        plan = self._plan(exchange)
        stopped = self._ask(exchange, plan.early)
        known, said = exchange.verdicts[:before], exchange.verdicts[before:]
        exchange.verdicts[before:] = [verdict for verdict in said if verdict not in known]
        return stopped or limits.claim(exchange, plan.claiming)

    async def _on_members(self, exchange: Exchange, store: Store) -> Verdict | None:
        """Judge every request of a batch as if it came alone, all but its content.

        What they claim is summed up and admitted in one go. The content of all of them is then
        read as that of one call.
        """
        call = call_of(exchange)
        batch = Members(exchange)
        plans = [(each, self._plan(each)) for each in batch.exchanges]
        for each, plan in plans:
            stopped = self._ask(each, plan.early) or limits.claim(each, plan.claiming)
            batch.collect(each)
            if stopped is not None:
                return batch.stopped
        batch.claim()
        if stopped := await limits.admit(exchange, store):
            return stopped
        for each, plan in plans:
            stopped = self._ask(each, plan.late) or self._ask_tools(each, plan.tools)
            batch.collect(each)
            if stopped is not None:
                return batch.stopped
        call.gather()
        return None

    def _plan(self, exchange: Exchange) -> _Plan:
        """The rules that watch this call; one plan for each selection that `when` makes."""
        if call_of(exchange).operation == "connect":
            return _Plan([r for r in self._tunnels if r.when is None or r.when(exchange)])
        if not self._conditional:
            return self._all
        out = frozenset(r for r in self._conditional if r.when is not None and not r.when(exchange))
        plan = self._plans.get(out)
        if plan is None:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            plan = self._plans[out] = _Plan([rule for rule in self._calls if rule not in out])
        return plan

    def _ask(self, exchange: Exchange, rules: Sequence[Rule]) -> Verdict | None:
        for rule in rules:
            try:
                verdicts = rule.on_request(exchange)
            except Exception as error:  # noqa: BLE001  a rule's own fault: its on_error decides
                verdicts = (rule.failed(error),)
            stopped = exchange.decide_all(verdicts)
            if stopped is not None:
                return stopped
        return None

    @staticmethod
    def _ask_tools(exchange: Exchange, rules: Sequence[Rule]) -> Verdict | None:
        """Judge the tools that the request itself runs."""
        earlier: list[ToolCall] = []
        for invoked in call_of(exchange).invokes:
            for rule in rules:
                try:
                    verdict = rule.on_tool_call(exchange, invoked, earlier)
                except Exception as error:  # noqa: BLE001  a rule's own fault: its on_error decides
                    verdict = rule.failed(error)
                if verdict is not None and (stopped := exchange.decide_all((verdict,))):
                    return stopped
            earlier.append(invoked)
        return None

    def _trace(self, exchange: Exchange, stopped: Verdict | None) -> None:
        """What the record says of the tools that the request itself runs."""
        call = call_of(exchange)
        for invoked in call.invokes:
            passed = None if stopped is not None else self._digest(call.arguments_now(invoked))
            trace = ToolTrace(invoked.label, self._digest(invoked.arguments), passed)
            exchange.tools.append(trace)

    async def _read(
        self, exchange: Exchange, content: ContentRules, store: Store
    ) -> Verdict | None:
        """The content stage: one pass over what the call holds."""
        call = call_of(exchange)
        content = content.bound(exchange)
        told = await ask(content, call.segments, self._cache) if content.reads else None
        judged = content.judge(call.segments, self._cache, told)
        if judged.blocking and call.operation != "tool":  # a tool is sent no history
            before = BlockedBefore(exchange, store, self._digest)
            old = await before.among(judged.blocking, call.segments)
            if old:
                for segment in old:
                    segment.fresh = False
                judged = content.judge(call.segments, self._cache, told)
            await before.note(judged.blocking, call.segments)
        verdicts = judged.verdicts
        if call.unscannable:
            verdicts += content.judge_unscannable(call.unscannable, REQUEST)
        stopped = exchange.decide_all(verdicts)
        if stopped is None:
            judged.apply()
        return stopped

    @staticmethod
    def _ask_usage(exchange: Exchange) -> None:
        """A rule that only watches does not change the request for it: it counts estimates."""
        call = call_of(exchange)
        if call.stream and any(r.needs_usage and not r.shadow for r in exchange.claim_rules):
            call.ask_usage()

    # --- answers ---

    def guard(self, exchange: Exchange) -> AnswerGuard:
        """A judge for the answer of this exchange."""
        rules = self._plan(exchange).answer.bound(exchange)
        if exchange.ways_out and (more := no_tools(exchange)):
            rules = rules.with_rules(more)
        return AnswerGuard(exchange, rules, self._cache, self._digest)

    @staticmethod
    def meter(exchange: Exchange) -> Meter | None:
        """What watches that a streamed answer does not outgrow what is reserved for it."""
        return meter_of(exchange) if exchange.claims else None

    def window(
        self, exchange: Exchange, stream: AnswerStream | MessageStream
    ) -> StreamWindow | MessageWindow:
        """The window through which a streamed answer passes."""
        guard = self.guard(exchange)
        if isinstance(stream, MessageStream):
            return MessageWindow(stream, guard)
        return StreamWindow(stream, guard, exchange.id)
