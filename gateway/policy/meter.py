"""How much of what is reserved for a streamed answer has come, and what is taken beside it.

Rules of this file:
- While less than the most that an answer can have is reserved, more is taken before it is used up.
  Its tokens are counted on the safe side then: `BYTES_HELD` bytes of text a token.
- Where all of it is reserved, only what the request does not allow can be more. That is not cut
  by an estimate that errs: a token counts as `BYTES_OVER` bytes.
- Where the provider tells in the stream what it has used, that counts if it is more.
- What cannot be taken while some is left is asked for once more when next to nothing is: a piece
  that comes then still fits.
"""

from __future__ import annotations

from gateway.dialects.base import Usage
from gateway.exchange import Exchange, Extension
from gateway.policy import away
from gateway.policy.rule import Held, Rule
from gateway.state.store import Admission, Claim, Refusal, Store, StoreError
from gateway.verdict import Action, Reason, Verdict

BYTES_HELD = 3
"""Bytes of text for a token, at least, on average: of English 4 (OpenAI's help pages), of code and
of Chinese about 3."""

BYTES_OVER = 8
"""Bytes of text for a token, at most, on average: long English words and indented code have 5 to
6."""

MARGIN = 8
"""The share of a step that is left for the last piece of a stream that is cut."""


class Meter:
    """Watches one stream.

    Attributes:
        held: tokens of output that every rule of the call has reserved by now.
    """

    def __init__(self, exchange: Exchange, held: dict[int, Held]) -> None:
        """`held`: what each claim holds, by its place in `exchange.claims`."""
        self._exchange = exchange
        self._each = {at: each.tokens for at, each in held.items()}
        self._most = max(each.most for each in held.values())
        self._step = min(each.step for each in held.values())
        self._refused = False
        self._said: set[Rule] = set()
        self.held = min(self._each.values())
        self._look()

    def _look(self) -> None:
        """From how many tokens, and how many bytes of text, more is needed."""
        over = self.held >= self._most
        ahead = 0 if over else self._step // (MARGIN if self._refused else 2)
        self._tokens = self.held - ahead
        self._bytes = self._tokens * (BYTES_OVER if over else BYTES_HELD)

    def due(self, text: int, usage: Usage | None) -> bool:
        """Whether more has to be taken, after so many bytes of text."""
        return text > self._bytes or (usage is not None and usage.output > self._tokens)

    async def extend(self, store: Store, text: int, usage: Usage | None) -> Verdict | None:
        """Take more until it is enough; the verdict that ends the stream, if it is not given."""
        while self.due(text, usage):
            verdict = await self._take(store, text, usage)
            if verdict is not None:
                return verdict
        return None

    async def _take(self, store: Store, text: int, usage: Usage | None) -> Verdict | None:
        exchange = self._exchange
        seen = max(-(-text // BYTES_HELD), usage.output if usage is not None else 0)
        target = self.held + max(self._step, self.held // 4)
        if self.held < self._most:
            target = min(target, self._most)
        wanted = {
            at: self._rule(at).more_output(exchange, exchange.claims[at], target - held)
            for at, held in self._each.items()
            if held < target
        }
        try:
            admission = await store.admit(list(wanted.values()))
        except StoreError:
            rules = [self._rule(at) for at in wanted]
            instead = away.take_more(store, rules, list(wanted.values()))
            if instead is None:
                return self._store_failed()
            away.note(exchange, rules)
            admission = instead
        if admission.refusal is None:
            if admission.would_refuse and not admission.local:
                self._would_cut(wanted, admission)
            exchange.extensions.append(Extension(admission, wanted))
            self._each.update(dict.fromkeys(wanted, target))
            self.held, self._refused = target, False
            self._look()
            return None
        exchange.tried.append((list(wanted.values()), admission))
        if (
            not self._refused
            and self.held < self._most
            and seen <= self.held - self._step // MARGIN
        ):
            self._refused = True
            self._look()
            return None
        return self._cut(list(wanted), wanted, admission, admission.refusal)

    def _cut(
        self, places: list[int], wanted: dict[int, Claim], admission: Admission, refusal: Refusal
    ) -> Verdict:
        at = places[refusal.index]
        if admission.local:
            verdict = away.no_room(self._rule(at))
        else:
            verdict = self._rule(at).on_cut(self._exchange, wanted[at], refusal)
        self._exchange.decide(verdict)
        return verdict

    def _would_cut(self, wanted: dict[int, Claim], admission: Admission) -> None:
        """What each rule in shadow mode says once of an answer that goes on."""
        places = list(wanted)
        for refusal in admission.would_refuse:
            at = places[refusal.index]
            rule = self._rule(at)
            if rule not in self._said:
                self._said.add(rule)
                self._exchange.decide(rule.on_cut(self._exchange, wanted[at], refusal))

    def _store_failed(self) -> Verdict | None:
        """Whether the stream may go on is for each rule's `on_error`; it is not asked again."""
        verdicts = []
        for rule in dict.fromkeys(map(self._rule, self._each)):
            blocks = rule.options.on_error != "allow"
            verdicts.append(
                rule.verdict(
                    Action.BLOCK if blocks else Action.FLAG,
                    Reason.STORE_UNAVAILABLE,
                    "could not be checked further because the state store did not answer",
                    instead="Try again later." if blocks else "",
                )
            )
        self._tokens = self._bytes = 1 << 62
        return self._exchange.decide_all(verdicts)

    def _rule(self, at: int) -> Rule:
        rule: Rule = self._exchange.claim_rules[at]
        return rule


def meter_of(exchange: Exchange) -> Meter | None:
    """A meter for the streamed answer of a call, None where no rule can be outgrown by it."""
    admission = exchange.admission
    if admission is None or not admission.lease:
        return None
    held: dict[int, Held] = {}
    for at, rule in enumerate(exchange.claim_rules):
        found: Held | None = rule.output_held(exchange, exchange.claims[at])
        if found is not None:
            held[at] = found
    return Meter(exchange, held) if held else None
