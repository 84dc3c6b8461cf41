"""What a pipeline says of an answer, whole or streamed: text, tool calls, what cannot be read.

The stream window (`policy/stream_window.py`) and the whole answer ask the same guard, so
that streaming changes when something is decided but never what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from gateway.dialects.base import Answer, Surface, ToolCall, Unscannable
from gateway.dialects.jsontext import JsonText
from gateway.exchange import Exchange, ToolTrace
from gateway.policy import wording
from gateway.policy.content import ASK_OTHERWISE, Cache, ContentRules, effect, found, unread_stream
from gateway.policy.content_rule import ContentRule
from gateway.policy.reading import Told, ask
from gateway.policy.rule import Rule, call_of, overrides
from gateway.policy.text_window import Seen
from gateway.verdict import Action, Reason, Verdict

OTHER_ARGUMENTS = "Call it with other arguments, or go on without it."
"""What an agent can do whose tool call was taken out for what its arguments say."""

MOST_REASONING = 1 << 20
"""Characters of reasoning that are kept for its digest; what comes after them is not in it."""


@dataclass(frozen=True, slots=True)
class CallDecision:
    """What happens to one tool call: `removed` holds the text that stands in its place,
    `arguments` other arguments to let it through with."""

    removed: str | None = None
    arguments: str | None = None


_AS_IT_IS = CallDecision()


class AnswerRules:
    """The rules that watch an answer, sorted out once for all calls that they hold for.

    Attributes:
        idle: no rule looks at answers at all.
        only_look: none of them may change or stop anything.
        may_stop: a rule may end a stream of some dialect.
        hold_calls: a rule may take out or change a tool call, so that calls are held back.
    """

    __slots__ = (
        "_rules",
        "_stopping",
        "content",
        "hold_calls",
        "idle",
        "may_stop",
        "offers",
        "only_look",
        "tools",
    )

    def __init__(self, rules: Iterable[Rule], content: ContentRules) -> None:
        self.content = content
        self._rules = tuple(rules)
        self.tools = tuple(rule for rule in self._rules if overrides(rule, "on_tool_call"))
        self.offers = tuple(rule for rule in self._rules if overrides(rule, "on_offer"))
        self.idle = not self.tools and not content.rules
        self.hold_calls = any(not rule.shadow for rule in self.tools) or bool(
            self.holders(Surface.TOOL_CALL, readonly=False)
        )
        self._stopping = frozenset(
            surface
            for rule in content.rules
            if not rule.shadow and rule.unscannable == "block"
            for surface in rule.surfaces
        ) | frozenset(
            surface
            for surface in Surface
            if surface is not Surface.TOOL_CALL and self.holders(surface, readonly=False)
        )
        self.may_stop = bool(self._stopping)
        self.only_look = not self.hold_calls and not self.may_stop

    def may_stop_on(self, surfaces: frozenset[Surface]) -> bool:
        """Whether a rule may end a stream with these surfaces, so that its opening waits for the
        first content."""
        return not self._stopping.isdisjoint(surfaces)

    def bound(self, exchange: Exchange) -> AnswerRules:
        """These rules as they hold for the answer of one call."""
        if not self.content.per_call:
            return self
        return AnswerRules(self._rules, self.content.bound_to_answer(exchange))

    def with_rules(self, more: Sequence[Rule]) -> AnswerRules:
        """These rules, and more on the answer of one call."""
        return AnswerRules((*more, *self._rules), self.content)

    def holders(self, surface: Surface, *, readonly: bool) -> list[ContentRule]:
        """Rules that may change or stop this text, so that it must wait for them."""
        return [r for r in self.content.on(surface) if _acts(r, surface, readonly)]

    def watchers(self, surface: Surface, *, readonly: bool) -> list[ContentRule]:
        """Rules that only look: nothing waits for them."""
        return [r for r in self.content.on(surface) if not _acts(r, surface, readonly)]


def _acts(rule: ContentRule, surface: Surface, readonly: bool) -> bool:
    return not rule.shadow and effect(rule, surface, readonly=readonly) is not Action.FLAG


class AnswerGuard:
    """Judges the answer of one exchange; keeps what was found for the record."""

    def __init__(
        self, exchange: Exchange, rules: AnswerRules, cache: Cache, digest: Callable[[str], str]
    ) -> None:
        self.exchange = exchange
        self.rules = rules
        self._cache = cache
        self._digest = digest
        self._told: Told | None = None
        self._earlier: list[ToolCall] = []
        self._reasoning: list[str] = []
        self._reasoning_size = 0
        # By rule and action: the surface of the first finding, and how often each entity was seen.
        self._found: dict[tuple[ContentRule, Action], tuple[Surface, Counter[str]]] = {}
        self._failed: set[ContentRule] = set()
        self._too_long: set[tuple[ContentRule, Surface]] = set()

    @property
    def may_stop(self) -> bool:
        """Whether a rule may end this answer's stream."""
        return self.rules.may_stop_on(call_of(self.exchange).answer_surfaces)

    # --- text of a stream ---

    def note_reasoning(self, text: str) -> None:
        """What the model says of its reasons, as it came: the record keeps a digest of it."""
        if self._reasoning_size < MOST_REASONING:
            self._reasoning.append(text)
            self._reasoning_size += len(text)

    def on_text(self, seen: Seen, surface: Surface, readonly: bool) -> Verdict | None:
        """Take a settled finding to the record; the verdict is given only where it ends the
        stream."""
        rule = seen.rule
        if rule.silent:
            return None
        action = effect(rule, surface, readonly=readonly)
        if seen.finding is None:
            return None if action is Action.FLAG else self._is_too_long(rule, surface)
        if seen.late and action is Action.REWRITE:
            return self._is_too_long(rule, surface)
        first, counts = self._found.setdefault((rule, action), (surface, Counter()))
        counts[seen.finding.entity] += 1
        if action is Action.BLOCK and not rule.shadow:
            return found(rule, action, first, "", counts)
        return None

    def _is_too_long(self, rule: ContentRule, surface: Surface) -> Verdict | None:
        """A match of which a part has gone, so that it cannot be replaced: `on_error` decides."""
        if (rule, surface) in self._too_long:
            return None
        self._too_long.add((rule, surface))
        verdict = rule.verdict(
            Action.BLOCK if rule.options.on_error == "block" else Action.FLAG,
            Reason.WINDOW_EXCEEDED,
            f"found a match longer than the {rule.scanner.longest} characters it can hold back",
            surface=surface.value,
        )
        self.exchange.decide(verdict)
        return verdict if verdict.stops else None

    def on_rule_error(self, rule: ContentRule, error: Exception) -> Verdict | None:
        """A rule raised in mid-stream: the verdict is given only where it ends the stream."""
        if rule in self._failed:
            return None
        self._failed.add(rule)
        verdict = rule.failed(error)
        self.exchange.decide(verdict)
        return verdict if verdict.stops else None

    def overflow(self) -> Verdict:
        """The stream makes the window hold more than it may: it does not go on unjudged."""
        rules = (*self.rules.tools, *self.rules.content.rules)
        rule = next((rule for rule in rules if not rule.shadow), rules[0])
        verdict = Verdict(
            Action.BLOCK,
            Reason.WINDOW_EXCEEDED,
            rule.ref,
            "cannot hold back as much as it would have to read of this answer",
        )
        self.exchange.decide(verdict)
        return verdict

    def finish(self) -> None:
        """Turn what the windows found into verdicts, one a rule and action, in the order of the
        rules. May be called more than once."""
        if self._reasoning:
            self.exchange.reasoning_digest = self._digest("".join(self._reasoning))
        if not self._found:
            return
        places = {rule: place for place, rule in enumerate(self.rules.content.rules)}
        for rule, action in sorted(self._found, key=lambda key: (places[key[0]], key[1])):
            surface, counts = self._found[rule, action]
            self.exchange.decide(found(rule, action, surface, "", counts))
        self._found.clear()

    # --- tool calls, streamed or whole ---

    def on_call(self, call: ToolCall) -> CallDecision:
        """Judge one complete tool call of the model before it reaches the agent."""
        decision = _AS_IT_IS if self.rules.idle else self._judge_call(call)
        asked = passed = self._digest(call.arguments)
        if decision.arguments is not None:
            passed = self._digest(decision.arguments)
        trace = ToolTrace(call.name, asked, None if decision.removed is not None else passed)
        self.exchange.tool_calls.append(call)
        self.exchange.tools.append(trace)
        return decision

    def _judge_call(self, call: ToolCall) -> CallDecision:
        for rule in self.rules.tools:
            verdict = self._ask(rule, call)
            if verdict is not None and self._takes_out(verdict):
                return self._removed(call, verdict)
        arguments: str | None = None
        if call.arguments and self.rules.content.on(Surface.TOOL_CALL):
            text = JsonText(call.arguments)
            segments = text.segments(Surface.TOOL_CALL, call.name)
            judged = self.rules.content.judge(segments, self._cache, self._told)
            out = [verdict for verdict in judged.verdicts if self._takes_out(verdict)]
            if out:
                return self._removed(call, replace(out[0], instead=OTHER_ARGUMENTS))
            judged.apply()
            if text.changed:
                arguments = text.text
        self._earlier.append(call)
        return CallDecision(arguments=arguments) if arguments is not None else _AS_IT_IS

    def _takes_out(self, verdict: Verdict) -> bool:
        """Record a verdict on a call: a block concerns the call, not the whole answer."""
        if verdict.action is Action.BLOCK:
            verdict = replace(verdict, of_call=True)
        self.exchange.decide(verdict)
        return verdict.enforced is Action.BLOCK

    def _ask(self, rule: Rule, call: ToolCall) -> Verdict | None:
        try:
            return rule.on_tool_call(self.exchange, call, self._earlier)
        except Exception as error:  # noqa: BLE001  a rule's own fault: its on_error decides
            return rule.failed(error)

    def _removed(self, call: ToolCall, verdict: Verdict) -> CallDecision:
        return CallDecision(removed=wording.call_removed(call.name, verdict, self.exchange.id))

    # --- what cannot be read ---

    def on_unreadable(self) -> Verdict | None:
        """The answer is not what its dialect says: each rule's `unscannable` decides."""
        return self.on_unscannable([Unscannable("body", Surface.OUTPUT, "answer")])

    def on_unscannable(self, items: Sequence[Unscannable]) -> Verdict | None:
        """Content of an answer that no rule can read; the verdict that stops it, if any."""
        if not items:
            return None
        anywhere = call_of(self.exchange).answer_surfaces
        verdicts = self.rules.content.judge_unscannable(items, anywhere)
        return self._decide(map(_for_answer, verdicts))

    # --- whole answers ---

    async def read(self, answer: Answer) -> None:
        """Await those who read a whole answer in their own time, before it is judged."""
        if self.rules.content.reads:
            texts = list(answer.segments)
            for tool in answer.offers:
                texts += tool.texts
            for each in (answer, *answer.inside):
                for call in each.tool_calls:
                    if call.arguments:
                        text = JsonText(call.arguments)
                        texts += text.segments(Surface.TOOL_CALL, call.name)
            self._told = await ask(self.rules.content, texts, self._cache)

    def on_stream(self) -> Verdict | None:
        """The answer is a stream, for which no reader is awaited; the verdict that stops it."""
        if not self.rules.content.reads:
            return None
        surfaces = call_of(self.exchange).answer_surfaces
        return self._decide(unread_stream(self.rules.content, surfaces))

    def on_answer(self, answer: Answer) -> Verdict | None:
        """Judge a whole answer and change it in place; the verdict that stops it, if any."""
        if answer.offers and (stopped := self._judge_offers(answer)) is not None:
            return stopped
        texts = answer.segments
        if not answer.earlier:
            texts = [s for s in texts if s.surface is not Surface.TOOL_CALL]
        self._reasoning = [s.text for s in texts if s.surface is Surface.REASONING]
        self.finish()
        if self.rules.content.rules:
            judged = self.rules.content.judge(texts, self._cache, self._told)
            stopped = self._decide(map(_for_answer, judged.verdicts))
            stopped = stopped or self.on_unscannable(answer.unscannable)
            if stopped is not None:
                return stopped
            judged.apply()
        if answer.tool_calls:
            self._judge_calls(answer)
        for inner in answer.inside:
            self._earlier.clear()
            self._judge_calls(inner)
        return None

    def _judge_offers(self, answer: Answer) -> Verdict | None:
        """Take out the tools that the agent must not see: those that rules on tools forbid, and
        those of whose words one is blocked; the verdict that stops the whole list, if any."""
        for rule in self.rules.offers:
            try:
                found = rule.on_offer(self.exchange, answer.offers)
            except Exception as error:  # noqa: BLE001  a rule's own fault: its on_error decides
                stopped = self._decide((rule.failed(error),))
                if stopped is not None:
                    return stopped
                continue
            if found is not None:
                names, verdict = found
                self._decide((verdict,))
                if not rule.shadow:
                    answer.remove_offers(names)
        content = self.rules.content
        poisoned = [
            t for t in answer.offers if content.judge(t.texts, self._cache, self._told).blocking
        ]
        if poisoned:
            texts = [text for tool in poisoned for text in tool.texts]
            found_in = content.judge(texts, self._cache, self._told).verdicts
            self._decide(
                replace(verdict, of_call=True, instead="")
                for verdict in found_in
                if verdict.action is Action.BLOCK
            )
            answer.remove_offers(frozenset(tool.name for tool in poisoned))
        return None

    def _judge_calls(self, answer: Answer) -> None:
        """Judge the calls of a whole answer; take out or change those that rules say."""
        removed: dict[str, str] = {}
        for call in list(answer.tool_calls):
            decision = self.on_call(call)
            if decision.removed is not None:
                removed[call.key] = decision.removed
            elif decision.arguments is not None:
                answer.replace_arguments(call.key, decision.arguments)
        if removed:
            answer.remove_tool_calls(frozenset(removed), " ".join(removed.values()))

    def _decide(self, verdicts: Iterable[Verdict]) -> Verdict | None:
        stopped: Verdict | None = None
        for verdict in verdicts:
            self.exchange.decide(verdict)
            if stopped is None and verdict.stops:
                stopped = verdict
        return stopped

    def blocked_message(self, verdict: Verdict) -> str:
        """What the caller is told in the place of a whole answer."""
        party = call_of(self.exchange).party
        return wording.answer_blocked(verdict, self.exchange.id, begun=False, party=party)


def _for_answer(verdict: Verdict) -> Verdict:
    """What is in an answer is nothing that the caller could remove or send in another way."""
    return replace(verdict, instead=ASK_OTHERWISE) if verdict.instead else verdict
