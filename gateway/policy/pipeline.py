"""The rules of one tenant, in order, applied to one exchange.

Rules of this file:
- Stages run in the fixed order of `Stage`; the first enforced verdict that stops the call ends
  the run, and what was reserved by then is given back.
- All claims of a call are admitted in one round trip to the store.
- A rule that raises, or a store that does not answer, follows the rule's `on_error`; it shows
  as a verdict, never as an exception.
- No clock, no I/O but the store's protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from gateway.dialects.base import AnswerStream, MessageStream, ToolCall, Usage
from gateway.exchange import Exchange, ToolTrace
from gateway.policy.answer_guard import AnswerGuard, AnswerRules
from gateway.policy.blocked_before import BlockedBefore
from gateway.policy.content import REQUEST, Cache, ContentRules
from gateway.policy.content_rule import ContentRule
from gateway.policy.members import Members
from gateway.policy.message_window import MessageWindow
from gateway.policy.reading import ask
from gateway.policy.rule import Rule, Stage, call_of, overrides
from gateway.policy.stream_window import StreamWindow
from gateway.state.store import Admission, Refusal, Store, StoreError
from gateway.verdict import Action, Reason, Verdict

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
                await self.release(exchange, store)
            return stopped
        stopped = self._ask(exchange, plan.early)
        if stopped is None and plan.claiming:
            stopped = self._claim(exchange, plan.claiming) or await self._admit(exchange, store)
        if stopped is None:
            stopped = self._ask(exchange, plan.late) or self._ask_tools(exchange, plan.tools)
        if stopped is None and plan.content.rules:
            stopped = await self._read(exchange, plan.content, store)
        self._trace(exchange, stopped)
        if stopped is not None:
            await self.release(exchange, store)
            return stopped
        self._ask_usage(exchange)
        return None

    async def _on_members(self, exchange: Exchange, store: Store) -> Verdict | None:
        """Judge every request of a batch as if it came alone, all but its content.

        What they claim is summed up and admitted in one go. The content of all of them is then
        read as that of one call.
        """
        call = call_of(exchange)
        batch = Members(exchange)
        plans = [(each, self._plan(each)) for each in batch.exchanges]
        for each, plan in plans:
            stopped = self._ask(each, plan.early) or self._claim(each, plan.claiming)
            batch.collect(each)
            if stopped is not None:
                return batch.stopped
        batch.claim()
        if stopped := await self._admit(exchange, store):
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
            stopped = _decide(exchange, verdicts)
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
                if verdict is not None and (stopped := _decide(exchange, (verdict,))):
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
        stopped = _decide(exchange, verdicts)
        if stopped is None:
            judged.apply()
        return stopped

    # --- limits ---

    @staticmethod
    def _claim(exchange: Exchange, rules: Sequence[Rule]) -> Verdict | None:
        """What rules want to take for a call, into `exchange.claims`."""
        for rule in rules:
            try:
                claims = rule.claims(exchange)
            except Exception as error:  # noqa: BLE001  a rule's own fault: its on_error decides
                stopped = _decide(exchange, (rule.failed(error),))
                if stopped is not None:
                    return stopped
                continue
            exchange.claims.extend(claims)
            exchange.claim_rules.extend([rule] * len(claims))
        return None

    async def _admit(self, exchange: Exchange, store: Store) -> Verdict | None:
        """Take everything that was claimed in one go, or nothing."""
        if not exchange.claims:
            return None
        try:
            admission = await store.admit(exchange.claims)
        except StoreError:
            return self._store_failed(exchange)
        exchange.admission = admission
        return self._admitted(exchange, admission)

    def _admitted(self, exchange: Exchange, admission: Admission) -> Verdict | None:
        _decide(exchange, [_refused(exchange, refusal) for refusal in admission.would_refuse])
        if admission.refusal is not None:
            return _decide(exchange, (_refused(exchange, admission.refusal),))
        held = zip(exchange.claim_rules, exchange.claims, admission.levels, strict=True)
        for rule, claim, level in held:
            try:
                verdicts = rule.on_admitted(exchange, claim, level)
            except Exception as error:  # noqa: BLE001  a rule's own fault: its on_error decides
                verdicts = (rule.failed(error),)
            stopped = _decide(exchange, verdicts)
            if stopped is not None:
                return stopped
        return None

    @staticmethod
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
        return _decide(exchange, verdicts)

    @staticmethod
    def _ask_usage(exchange: Exchange) -> None:
        """A rule that only watches does not change the request for it: it counts estimates."""
        call = call_of(exchange)
        if call.stream and any(r.needs_usage and not r.shadow for r in exchange.claim_rules):
            call.ask_usage()

    async def settle(
        self, exchange: Exchange, store: Store, usage: Usage, cost: int | None
    ) -> None:
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

    async def release(self, exchange: Exchange, store: Store) -> None:
        """Give back what a call reserved that never reached the provider."""
        try:
            await self.settle(exchange, store, Usage(), 0)
        except StoreError:
            return  # the lease runs out by itself and is charged in full: docs/state.md

    # --- answers ---

    def guard(self, exchange: Exchange) -> AnswerGuard:
        """A judge for the answer of this exchange."""
        rules = self._plan(exchange).answer.bound(exchange)
        return AnswerGuard(exchange, rules, self._cache, self._digest)

    def window(
        self, exchange: Exchange, stream: AnswerStream | MessageStream
    ) -> StreamWindow | MessageWindow:
        """The window through which a streamed answer passes."""
        guard = self.guard(exchange)
        if isinstance(stream, MessageStream):
            return MessageWindow(stream, guard)
        return StreamWindow(stream, guard, exchange.id)


def _refused(exchange: Exchange, refusal: Refusal) -> Verdict:
    rule: Rule = exchange.claim_rules[refusal.index]
    try:
        return rule.on_refusal(exchange, exchange.claims[refusal.index], refusal)
    except Exception as error:  # noqa: BLE001  what did not fit is refused all the same
        return replace(rule.failed(error), action=Action.BLOCK)


def _decide(exchange: Exchange, verdicts: Iterable[Verdict]) -> Verdict | None:
    """Record verdicts; the first one that stops the call, if any."""
    stopped: Verdict | None = None
    for verdict in verdicts:
        exchange.decide(verdict)
        if stopped is None and verdict.stops:
            stopped = verdict
    return stopped
