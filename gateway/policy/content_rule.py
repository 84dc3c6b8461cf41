"""What the kinds that read text share: a scanner, an action, and words for what was found.

Rules of this file:
- A content kind says what it finds and what it puts in its place. How findings become
  verdicts, how resent history is treated and how streams are held is the same for all
  kinds and lives in `policy/content.py` and `policy/stream_window.py`.
- A scanner is pure and deterministic: the same text gives the same findings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

from gateway.config.rule_options import ContentOptions
from gateway.detectors.overlaps import united
from gateway.dialects.base import Segment, Surface
from gateway.exchange import Exchange
from gateway.policy.reading import Reader
from gateway.policy.rule import Rule, Stage, Workshop
from gateway.verdict import Action, Finding, Mode, Reason, RuleRef

LOOK_BEHIND = 64
"""Characters before a match that a scanner may look at: word boundaries, neighbouring digits."""


class Scanner(Protocol):
    """The machinery behind one content rule.

    `version` names the detector and its settings: findings are remembered by it ("": they depend on
    more than the text, and are not remembered). `longest` is
    the longest match in characters that is found whatever way a stream is cut.

    Of findings that overlap the one that begins first stands. So what was found before some
    place never depends on what was found behind it, and a text may be scanned piece by piece.
    """

    version: str
    longest: int

    def find(self, text: str, start: int = 0) -> Sequence[Finding]:
        """All findings that begin at `start` or behind it, by start, not overlapping.

        Of what stands before `start` at most LOOK_BEHIND characters are looked at, and nothing
        that begins there counts, nor hides what begins behind it.
        """
        ...

    def hold(self, text: str, start: int = 0) -> int:
        """Where the part of `text` begins, at `start` or behind it, that could still become a
        match, or a longer match, or no match, if more text followed; `len(text)` if nothing
        could. Never too late, seldom too early.
        """
        ...


class ContentRule(Rule):
    """A rule that reads segments. A kind sets the class attributes and builds `scanner`.

    Attributes:
        reason: why it acts.
        default_surfaces: what it reads unless `surfaces` says otherwise.
        action: FLAG, REWRITE or BLOCK; may differ by surface (`action_on`).
        reader: who is awaited for more findings in requests and whole answers, if anybody.
        silent: what it does is no finding: no verdict says so.
        per_call: it is another for each call: `on_call` and `on_answer_to` say which.
    """

    judges = "both"  # a tunnel holds what they cannot read
    silent: ClassVar[bool] = False
    per_call: bool = False
    reader: Reader | None = None
    stage: ClassVar[Stage] = Stage.CONTENT
    reason: ClassVar[Reason]
    default_surfaces: ClassVar[frozenset[Surface]]

    scanner: Scanner

    def __init__(
        self, options: ContentOptions, ref: RuleRef, mode: Mode, workshop: Workshop
    ) -> None:
        super().__init__(options, ref, mode, workshop)
        named = options.surfaces
        self.surfaces = (
            frozenset(Surface(s) for s in named) if named is not None else self.default_surfaces
        )
        self.unscannable = options.unscannable

    def action_on(self, surface: Surface) -> Action:
        """What to do with a finding on that surface: FLAG, REWRITE or BLOCK."""
        raise NotImplementedError

    def replacement(self, text: str, finding: Finding) -> str:
        """What stands in the place of a finding that is rewritten."""
        return f"[removed by Portcullis: {self.reason.value}]"

    def combined(
        self, text: str, findings: Sequence[Finding], read: Sequence[Finding]
    ) -> Sequence[Finding]:
        """What its scanner found and what its reader did, as one."""
        return united([*findings, *read]) if read else findings

    def leaves(self, segment: Segment) -> bool:
        """Whether what is found in a segment stays as it is, and is no finding."""
        return False

    def on_call(self, exchange: Exchange) -> ContentRule:
        """This rule as it holds for the request of one call; asked only where it is `per_call`."""
        return self

    def on_answer_to(self, exchange: Exchange) -> Sequence[ContentRule]:
        """This rule as it holds for the answer of one call; asked only where it is `per_call`."""
        return (self,)

    def describe(self, entities: Mapping[str, int]) -> str:
        """What was found, as the end of "rule X found ...": "an AWS access key"."""
        names = ", ".join(sorted(entities))
        return names or "something it forbids"

    advice: ClassVar[str] = "Remove it and send again."
    """What the agent can do instead, one sentence."""
