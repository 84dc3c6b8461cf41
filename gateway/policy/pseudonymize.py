"""`action: pseudonymize`, for one call: what a rule does on the way there, and on the way back.

Rules of this file:
- A rule that pseudonymizes is bound to each call anew (`ContentRule.on_call`, `on_answer_to`), for
  what it puts back into the answer is what this very call put away.
- It holds towards models only. A tool gets the real value, and gives it back: what it gives meets
  the rule on its way to the model. On a call of a tool such a rule only flags.
- Restoring comes last: every other rule reads the answer with its stand-ins.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from gateway.config.rule_options import ContentOptions
from gateway.dialects.base import Segment, Surface
from gateway.exchange import Exchange
from gateway.policy.content_rule import ContentRule, Scanner
from gateway.policy.pseudonyms import Kind, Pseudonyms, StandInScanner, without_stand_ins
from gateway.verdict import Action, Finding, Reason

TOOLS = frozenset({"mcp", "http"})
"""Providers that are tools: what is sent to them is meant to be used."""


def scope_key(key: bytes, scope: str, exchange: Exchange) -> bytes:
    """The key of the stand-ins of one scope, `tenant` or `session`. A session that is only derived
    from its opening has stable stand-ins too; nobody else's values are ever put back for them."""
    identity = exchange.identity
    said = [scope, identity.tenant]
    if scope == "session":
        said.append(identity.session or exchange.id)
    return hmac.digest(key, "\0".join(said).encode("utf-8", "surrogatepass"), "sha256")


def pseudonyms_of(exchange: Exchange) -> Pseudonyms:
    """The map of a call, made when it is first needed."""
    if exchange.pseudonyms is None:
        exchange.pseudonyms = Pseudonyms()
    return exchange.pseudonyms


class WithoutStandIns:
    """A scanner's findings, but for what is a stand-in already."""

    def __init__(self, scanner: Scanner, kinds: frozenset[Kind]) -> None:
        self._scanner = scanner
        self._kinds = kinds
        self.version = f"{scanner.version}:not-stand-ins:{sorted(kinds)}"
        self.longest = scanner.longest
        self.hold = scanner.hold

    def find(self, text: str, start: int = 0) -> Sequence[Finding]:
        return self.strip(text, self._scanner.find(text, start))

    def strip(self, text: str, findings: Sequence[Finding]) -> Sequence[Finding]:
        """Of findings in a text those that are no stand-in."""
        return without_stand_ins(text, findings, self._kinds)


class Bound(ContentRule):
    """Another rule as it holds for one call: with its name, its surfaces and its words."""

    reason: ClassVar[Reason] = Reason.PII_FOUND
    default_surfaces: ClassVar[frozenset[Surface]] = frozenset(Surface)
    Options = ContentOptions

    def __init__(self, rule: ContentRule, scanner: Scanner, action: Action) -> None:
        self.options = rule.options
        self.ref = rule.ref
        self.shadow = rule.shadow
        self.workshop = rule.workshop
        self.surfaces = rule.surfaces
        self.unscannable = rule.unscannable
        self.scanner = scanner
        self.reader = rule.reader
        self.rule = rule
        self._action = action

    def action_on(self, surface: Surface) -> Action:
        return self._action

    def replacement(self, text: str, finding: Finding) -> str:
        return self.rule.replacement(text, finding)

    def combined(
        self, text: str, findings: Sequence[Finding], read: Sequence[Finding]
    ) -> Sequence[Finding]:
        together = self.rule.combined(text, findings, read)
        if read and isinstance(self.scanner, WithoutStandIns):
            return self.scanner.strip(text, together)  # a model may take a stand-in for a name
        return together

    def describe(self, entities: Mapping[str, int]) -> str:
        return self.rule.describe(entities)


class PuttingAway(Bound):
    """On the request: a stand-in for each value."""

    def __init__(
        self,
        rule: ContentRule,
        scanner: Scanner,
        pseudonyms: Pseudonyms,
        key: bytes,
        plausible: bool,
    ) -> None:
        super().__init__(rule, scanner, Action.REWRITE)
        self._pseudonyms = pseudonyms
        self._key = key
        self._plausible = plausible

    def replacement(self, text: str, finding: Finding) -> str:
        value = text[finding.start : finding.end]
        return self._pseudonyms.stand_in(
            finding.entity, value, self._key, plausible=self._plausible
        )


class PuttingBack(Bound):
    """In the answer: the value for each stand-in of the rule's own kinds that this call knows. It
    says nothing of what it finds: that a value came back is no finding."""

    silent: ClassVar[bool] = True

    def __init__(
        self,
        rule: ContentRule,
        pseudonyms: Pseudonyms,
        stand_ins: StandInScanner,
        surfaces: frozenset[Surface],
        spares: Callable[[str], bool] | None,
    ) -> None:
        super().__init__(rule, stand_ins, Action.REWRITE)
        self._stand_ins = stand_ins
        self.reader = None
        self.surfaces = surfaces
        self.unscannable = "allow"
        self._pseudonyms = pseudonyms
        self._spares = spares

    def replacement(self, text: str, finding: Finding) -> str:
        self._pseudonyms.restored += 1
        return self._stand_ins.value(text[finding.start : finding.end])

    def leaves(self, segment: Segment) -> bool:
        """The arguments of a tool that gets stand-ins (their place is the tool's name)."""
        tool = segment.surface is Surface.TOOL_CALL
        return tool and self._spares is not None and self._spares(segment.place)
