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

from collections.abc import Callable, Sequence

from gateway.dialects.base import AnswerStream, Usage
from gateway.exchange import Exchange
from gateway.policy.answer_guard import AnswerGuard
from gateway.policy.content import Cache, judge_segments, judge_unscannable
from gateway.policy.content_rule import ContentRule
from gateway.policy.rule import Rule, Stage, call_of, overrides
from gateway.policy.stream_window import StreamWindow
from gateway.state.store import Admission, Refusal, Store, StoreError
from gateway.verdict import Action, Reason, Verdict


class Pipeline:
    """Compiled rules of one tenant. Shared by all its calls; keeps no state of a call."""

    def __init__(
        self, rules: Sequence[Rule], cache: Cache, digest: Callable[[str], str] = str
    ) -> None:
        self.rules = tuple(sorted(rules, key=lambda rule: rule.stage))
        self._cache = cache
        self._digest = digest
        self._conditional = any(rule.when is not None for rule in self.rules)
        judging = [r for r in self.rules if overrides(r, "on_request")]
        self._early = [rule for rule in judging if rule.stage <= Stage.LIMITS]
        self._late = [rule for rule in judging if rule.stage > Stage.LIMITS]
        self._claiming = [rule for rule in self.rules if overrides(rule, "claims")]
        self._content = [rule for rule in self.rules if isinstance(rule, ContentRule)]

    async def on_request(self, exchange: Exchange, store: Store) -> Verdict | None:
        """Judge a decoded request, rewrite it where rules say so, reserve what it may use.

        Returns the verdict that stops it, or None. Every verdict is in `exchange.verdicts`.
        """
        if not self.rules:
            return None
        stopped = self._ask(exchange, self._early) or await self._admit(exchange, store)
        if stopped is None:
            stopped = self._ask(exchange, self._late) or self._read(exchange)
            if stopped is not None:
                await self.release(exchange, store)
        if stopped is None:
            self._ask_usage(exchange)
        return stopped

    def _watching(self, rules: list[Rule], exchange: Exchange) -> list[Rule]:
        if not self._conditional:
            return rules
        return [rule for rule in rules if rule.when is None or rule.when(exchange)]

    def _ask(self, exchange: Exchange, rules: list[Rule]) -> Verdict | None:
        for rule in self._watching(rules, exchange):
            try:
                verdicts = rule.on_request(exchange)
            except Exception as error:
                verdicts = (_failed(rule, error),)
            for verdict in verdicts:
                exchange.decide(verdict)
                if verdict.stops:
                    return verdict
        return None

    def _read(self, exchange: Exchange) -> Verdict | None:
        """The content stage: one pass over what the call holds."""
        call = call_of(exchange)
        rules = [r for r in self._watching(list(self._content), exchange)]
        content = [rule for rule in rules if isinstance(rule, ContentRule)]
        if not content:
            return None
        verdicts = judge_segments(content, call.segments, self._cache)
        if call.unscannable:
            verdicts += judge_unscannable(content, call.unscannable)
        for verdict in verdicts:
            exchange.decide(verdict)
        return next((verdict for verdict in verdicts if verdict.stops), None)

    # --- limits ---

    async def _admit(self, exchange: Exchange, store: Store) -> Verdict | None:
        for rule in self._watching(self._claiming, exchange):
            try:
                claims = rule.claims(exchange)
            except Exception as error:
                verdict = _failed(rule, error)
                exchange.decide(verdict)
                if verdict.stops:
                    return verdict
                continue
            exchange.claims.extend(claims)
            exchange.claim_rules.extend([rule] * len(claims))
        if not exchange.claims:
            return None
        try:
            admission = await store.admit(exchange.claims)
        except StoreError as error:
            return self._store_failed(exchange, error)
        exchange.admission = admission
        return self._admitted(exchange, admission)

    def _admitted(self, exchange: Exchange, admission: Admission) -> Verdict | None:
        for refusal in admission.would_refuse:
            exchange.decide(self._refused(exchange, refusal))
        if admission.refusal is not None:
            verdict = self._refused(exchange, admission.refusal)
            exchange.decide(verdict)
            return verdict
        for rule, claim, level in zip(
            exchange.claim_rules, exchange.claims, admission.levels, strict=False
        ):
            for verdict in rule.on_admitted(exchange, claim, level):
                exchange.decide(verdict)
        return None

    @staticmethod
    def _refused(exchange: Exchange, refusal: Refusal) -> Verdict:
        rule: Rule = exchange.claim_rules[refusal.index]
        return rule.on_refusal(exchange, exchange.claims[refusal.index], refusal)

    @staticmethod
    def _store_failed(exchange: Exchange, error: StoreError) -> Verdict | None:
        stopped: Verdict | None = None
        for rule in dict.fromkeys(exchange.claim_rules):
            blocks = rule.options.on_error == "block"
            verdict = rule.verdict(
                Action.BLOCK if blocks else Action.FLAG,
                Reason.STORE_UNAVAILABLE,
                "could not be checked because the state store did not answer",
                instead="Try again later." if blocks else "",
            )
            exchange.decide(verdict)
            if verdict.stops and stopped is None:
                stopped = verdict
        exchange.claims.clear()
        exchange.claim_rules.clear()
        return stopped

    def _ask_usage(self, exchange: Exchange) -> None:
        call = call_of(exchange)
        if call.stream and any(rule.needs_usage for rule in exchange.claim_rules):
            call.ask_usage()

    async def settle(
        self, exchange: Exchange, store: Store, usage: Usage, cost: int | None
    ) -> None:
        """Put what was really used in the place of what was reserved. Raises StoreError."""
        admission = exchange.admission
        if admission is None or not admission.lease or exchange.settled:
            return
        exchange.settled = True
        amounts = [
            rule.actual(exchange, claim, usage, cost)
            for rule, claim in zip(exchange.claim_rules, exchange.claims, strict=True)
        ]
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
        return AnswerGuard(
            exchange, self._watching(list(self.rules), exchange), self._cache, self._digest
        )

    def window(self, exchange: Exchange, stream: AnswerStream) -> StreamWindow:
        """The window through which a streamed answer passes."""
        return StreamWindow(stream, self.guard(exchange), exchange.id)


def _failed(rule: Rule, error: Exception) -> Verdict:
    blocks = rule.options.on_error == "block"
    return rule.verdict(
        Action.BLOCK if blocks else Action.FLAG,
        Reason.RULE_FAILED,
        f"failed ({type(error).__name__})",
        instead="Ask the operator of this gateway to look at its log." if blocks else "",
    )



