"""How findings become verdicts: the same for every kind that reads text.

Rules of this file:
- What is new since the last answer may be blocked; in resent history the same finding is
  rewritten, so that a block never bricks a session (docs/adr/0002-resent-history.md).
- Signed reasoning is never rewritten: where a rule would rewrite it, it is flagged.
- A rule in shadow mode sees everything and changes nothing.
- Each text is scanned once per detector version (`detectors/scan_cache.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

from gateway.dialects.base import Segment, Surface, Unscannable
from gateway.policy.content_rule import ContentRule
from gateway.policy.wording import SURFACE_WORDS, removed
from gateway.verdict import Action, Finding, Reason, Verdict


class Cache(Protocol):
    """Findings by text and detector version; see `detectors/scan_cache.py`."""

    def get(self, text: str, version: str) -> tuple[Finding, ...] | None: ...

    def put(self, text: str, version: str, findings: tuple[Finding, ...]) -> None: ...


class Tally:
    """What one rule found over a whole request or answer, summed into one verdict an action."""

    __slots__ = ("entities", "first", "rule")

    def __init__(self, rule: ContentRule) -> None:
        self.rule = rule
        self.entities: dict[Action, Counter[str]] = {}
        self.first: dict[Action, Segment] = {}

    def add(self, action: Action, segment: Segment, findings: Iterable[Finding]) -> None:
        self.first.setdefault(action, segment)
        self.entities.setdefault(action, Counter()).update(f.entity for f in findings)

    def verdicts(self) -> list[Verdict]:
        return [
            found(self.rule, action, self.first[action].surface, self.first[action].place, counts)
            for action, counts in self.entities.items()
        ]


def found(
    rule: ContentRule, action: Action, surface: Surface, place: str, entities: Counter[str]
) -> Verdict:
    """The verdict of a content rule."""
    return Verdict(
        action,
        rule.reason,
        rule.ref,
        f"found {rule.describe(entities)} in {SURFACE_WORDS[surface]}",
        rule.advice if action is Action.BLOCK else "",
        entities=dict(entities),
        surface=surface.value,
        place=place,
        shadow=rule.shadow,
    )


def failed(rule: ContentRule, error: Exception) -> Verdict:
    """What a rule that raised has to say: its `on_error` decides."""
    action = Action.BLOCK if rule.on_error == "block" else Action.FLAG
    return rule.verdict(
        action,
        Reason.RULE_FAILED,
        f"failed ({type(error).__name__})",
        instead="Ask the operator of this gateway to look at its log.",
    )


def find(rule: ContentRule, text: str, cache: Cache) -> tuple[Finding, ...]:
    """A rule's findings in a text, from the cache where it was scanned before."""
    version = rule.scanner.version
    known = cache.get(text, version)
    if known is None:
        known = tuple(rule.scanner.find(text))
        cache.put(text, version, known)
    return known


def rewrite(rule: ContentRule, text: str, findings: Sequence[Finding]) -> str:
    """The text with every finding replaced by the rule's own replacement."""
    pieces: list[str] = []
    at = 0
    for finding in findings:
        if finding.start < at:
            continue
        pieces += (text[at : finding.start], rule.replacement(text, finding))
        at = finding.end
    pieces.append(text[at:])
    return "".join(pieces)


def strike(text: str, findings: Sequence[Finding], reason: Reason) -> str:
    """The text with every finding struck out: what becomes of a block in resent history."""
    pieces: list[str] = []
    at = 0
    for finding in findings:
        if finding.start < at:
            continue
        pieces += (text[at : finding.start], removed(reason))
        at = finding.end
    pieces.append(text[at:])
    return "".join(pieces)


def judge_segments(
    rules: Sequence[ContentRule], segments: Sequence[Segment], cache: Cache
) -> list[Verdict]:
    """Scan segments with every rule that watches their surface; rewrite them in place.

    Stops at the first enforced block: nothing of the call will be sent then.
    """
    verdicts: list[Verdict] = []
    for rule in rules:
        tally = Tally(rule)
        surfaces = rule.surfaces
        try:
            for segment in segments:
                if segment.surface in surfaces:
                    findings = find(rule, segment.text, cache)
                    if findings:
                        tally.add(_act(rule, segment, findings), segment, findings)
        except Exception as error:  # a rule's own fault: its on_error decides
            verdicts.append(failed(rule, error))
        verdicts += tally.verdicts()
        if any(verdict.stops for verdict in verdicts):
            break
    return verdicts


def _act(rule: ContentRule, segment: Segment, findings: Sequence[Finding]) -> Action:
    """Carry out what the rule wants with one segment, and say what that was."""
    action = rule.action_on(segment.surface)
    if action is Action.BLOCK and not segment.fresh:
        if segment.readonly:
            return Action.FLAG
        if not rule.shadow:
            segment.replace(strike(segment.text, findings, rule.reason))
        return Action.REWRITE
    if action is Action.REWRITE:
        if segment.readonly:
            return Action.FLAG
        if not rule.shadow:
            segment.replace(rewrite(rule, segment.text, findings))
    return action


def judge_unscannable(
    rules: Sequence[ContentRule], unscannable: Sequence[Unscannable]
) -> list[Verdict]:
    """What each rule's `unscannable` says of content that it cannot read."""
    verdicts: list[Verdict] = []
    for rule in rules:
        seen = [item for item in unscannable if item.surface in rule.surfaces]
        if not seen or rule.unscannable == "allow":
            continue
        fresh = [item for item in seen if item.fresh]
        blocks = rule.unscannable == "block" and bool(fresh)
        item = (fresh or seen)[0]
        verdicts.append(
            Verdict(
                Action.BLOCK if blocks else Action.FLAG,
                Reason.UNSCANNABLE_CONTENT,
                rule.ref,
                f"cannot read {_WORDS.get(item.what, item.what)} in {SURFACE_WORDS[item.surface]}",
                "Send it as text." if blocks else "",
                entities=dict(Counter(item.what for item in seen)),
                surface=item.surface.value,
                place=item.place,
                shadow=rule.shadow,
            )
        )
    return verdicts


_WORDS = {
    "image": "an image",
    "audio": "audio",
    "video": "a video",
    "file": "a file",
    "encrypted": "encrypted content",
    "history": "the history that the provider keeps",
    "body": "the body of an endpoint that no dialect reads",
    "encoding": "a body in an encoding that no rule reads",
}
