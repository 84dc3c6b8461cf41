"""What a pipeline says of an answer, whole or streamed: text, tool calls, what cannot be read.

The stream window (`policy/stream_window.py`) and the whole answer ask the same guard, so
that streaming changes when something is decided but never what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gateway.dialects.base import Answer, Surface, ToolCall, Unscannable
from gateway.dialects.jsontext import JsonText
from gateway.exchange import Exchange, ToolTrace
from gateway.policy import wording
from gateway.policy.content import Cache, failed, found, judge_segments, judge_unscannable
from gateway.policy.content_rule import ContentRule
from gateway.policy.rule import Rule, overrides
from gateway.policy.text_window import Seen
from gateway.verdict import Action, Reason, Verdict


@dataclass(frozen=True, slots=True)
class CallDecision:
    """What happens to one tool call: `removed` holds the text that stands in its place,
    `arguments` other arguments to let it through with."""

    removed: str | None = None
    arguments: str | None = None


class AnswerGuard:
    """Judges the answer of one exchange; keeps what was found for the record."""

    def __init__(
        self,
        exchange: Exchange,
        rules: Sequence[Rule],
        cache: Cache,
        digest: Callable[[str], str],
    ) -> None:
        self.exchange = exchange
        self._cache = cache
        self._digest = digest
        self._content = [rule for rule in rules if isinstance(rule, ContentRule)]
        self._tool_rules = [rule for rule in rules if overrides(rule, "on_tool_call")]
        self._call_content = [r for r in self._content if Surface.TOOL_CALL in r.surfaces]
        self._earlier: list[ToolCall] = []
        self._found: dict[tuple[ContentRule, Action, Surface], Counter[str]] = {}
        self.watches_calls = bool(self._tool_rules or self._call_content)

    # --- text of a stream ---

    def holders(self, surface: Surface, readonly: bool) -> list[ContentRule]:
        """Rules that may change or stop this text, so that it must wait for them."""
        return [r for r in self._watching(surface) if self._effect(r, surface, readonly)]

    def watchers(self, surface: Surface, readonly: bool) -> list[ContentRule]:
        """Rules that only look: nothing waits for them."""
        return [r for r in self._watching(surface) if not self._effect(r, surface, readonly)]

    def _watching(self, surface: Surface) -> list[ContentRule]:
        return [rule for rule in self._content if surface in rule.surfaces]

    @staticmethod
    def _effect(rule: ContentRule, surface: Surface, readonly: bool) -> bool:
        if rule.shadow:
            return False
        action = rule.action_on(surface)
        return action is Action.BLOCK or (action is Action.REWRITE and not readonly)

    def on_text(self, seen: Seen, surface: Surface, readonly: bool) -> Verdict | None:
        """Take a settled finding to the record; the verdict is given only where it ends the
        stream."""
        rule = seen.rule
        action = rule.action_on(surface)
        if action is Action.REWRITE and readonly:
            action = Action.FLAG
        if seen.late and action is not Action.FLAG:
            late = rule.verdict(
                Action.BLOCK if rule.on_error == "block" else Action.FLAG,
                Reason.WINDOW_EXCEEDED,
                f"found a match longer than the {rule.scanner.longest} characters it can hold back",
                surface=surface.value,
            )
            self.exchange.decide(late)
            return late if late.stops else None
        counts = self._found.setdefault((rule, action, surface), Counter())
        counts[seen.finding.entity] += 1
        if action is Action.BLOCK and not rule.shadow:
            return found(rule, action, surface, "", counts)
        return None

    def on_rule_error(self, rule: ContentRule, error: Exception) -> Verdict | None:
        """A scanner raised in mid-stream: the verdict is given only where it ends the stream."""
        verdict = failed(rule, error)
        self.exchange.decide(verdict)
        return verdict if verdict.stops else None

    def overflow(self) -> Verdict:
        """The stream holds back more than it may: nothing judged it, so it does not go on."""
        strictest = next((r for r in (*self._tool_rules, *self._call_content) if not r.shadow), None)
        ref = strictest.ref if strictest else self._content[0].ref
        verdict = Verdict(
            Action.BLOCK, Reason.WINDOW_EXCEEDED, ref, "cannot hold back a tool call of that size"
        )
        self.exchange.decide(verdict)
        return verdict

    def finish(self) -> None:
        """Turn what the windows found into verdicts, one a rule, action and surface."""
        for (rule, action, surface), counts in self._found.items():
            self.exchange.decide(found(rule, action, surface, "", counts))
        self._found.clear()

    # --- tool calls, streamed or whole ---

    def on_call(self, call: ToolCall) -> CallDecision:
        """Judge one complete tool call of the model before it reaches the agent."""
        decision = self._judge_call(call)
        passed = call.arguments if decision.arguments is None else decision.arguments
        self.exchange.tool_calls.append(call)
        self.exchange.tools.append(
            ToolTrace(
                call.name,
                self._digest(call.arguments),
                None if decision.removed is not None else self._digest(passed),
            )
        )
        return decision

    def _judge_call(self, call: ToolCall) -> CallDecision:
        for rule in self._tool_rules:
            verdict = self._ask(rule, call)
            if verdict is None:
                continue
            if verdict.action is Action.BLOCK:
                verdict = replace(verdict, of_call=True)
            self.exchange.decide(verdict)
            if verdict.enforced is Action.BLOCK:
                return self._removed(call, verdict)
        self._earlier.append(call)
        if not self._call_content or not call.arguments:
            return CallDecision()
        text = JsonText(call.arguments)
        segments = text.segments(Surface.TOOL_CALL, call.name)
        for verdict in judge_segments(self._call_content, segments, self._cache):
            if verdict.action is Action.BLOCK:
                verdict = replace(verdict, of_call=True)
            self.exchange.decide(verdict)
            if verdict.enforced is Action.BLOCK:
                return self._removed(call, verdict)
        if text.changed:
            return CallDecision(arguments=text.text)
        return CallDecision()

    def _ask(self, rule: Rule, call: ToolCall) -> Verdict | None:
        try:
            return rule.on_tool_call(self.exchange, call, self._earlier)
        except Exception as error:
            blocks = rule.options.on_error == "block"
            return rule.verdict(
                Action.BLOCK if blocks else Action.FLAG,
                Reason.RULE_FAILED,
                f"failed ({type(error).__name__})",
            )

    def _removed(self, call: ToolCall, verdict: Verdict) -> CallDecision:
        return CallDecision(removed=wording.calls_removed(call.name, verdict, self.exchange.id))

    # --- whole answers ---

    def on_unreadable(self) -> Verdict | None:
        """The answer is not what its dialect says; what that means each rule's `unscannable` says."""
        return self.on_unscannable([Unscannable("body", Surface.OUTPUT, "answer")])

    def on_unscannable(self, items: Sequence[Unscannable]) -> Verdict | None:
        """Content of an answer that no rule can read; the verdict that stops it, if any."""
        for verdict in judge_unscannable(self._content, items):
            self.exchange.decide(verdict)
            if verdict.stops:
                return verdict
        return None

    def blocked_message(self, verdict: Verdict) -> str:
        """What the caller is told in the place of a whole answer."""
        return wording.answer_blocked(verdict, self.exchange.id, begun=False)

    def on_answer(self, answer: Answer) -> Verdict | None:
        """Judge a whole answer and change it in place; the verdict that stops it, if any."""
        exchange = self.exchange
        texts = [s for s in answer.segments if s.surface is not Surface.TOOL_CALL]
        for verdict in judge_segments(self._content, texts, self._cache):
            exchange.decide(verdict)
            if verdict.stops:
                return verdict
        stopped = self.on_unscannable(answer.unscannable)
        if stopped is not None:
            return stopped
        removed: dict[str, str] = {}
        for call in list(answer.tool_calls):
            decision = self.on_call(call)
            if decision.removed is not None:
                removed[call.key] = decision.removed
            elif decision.arguments is not None:
                answer.replace_arguments(call.key, decision.arguments)
        if removed:
            answer.remove_tool_calls(frozenset(removed), " ".join(removed.values()))
        return None



