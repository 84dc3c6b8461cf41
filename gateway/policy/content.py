"""How findings become verdicts: the same for every kind that reads text.

Rules of this file:
- Every rule reads a text as it came, whatever the others find in it; what they put in the place
  of findings is merged. So the order of rules changes nothing but the order of verdicts.
- What is new since the last answer may be blocked; in resent history the same finding is
  rewritten, so that a block never bricks a session (docs/adr/0002-resent-history.md, which also
  says what `blocked_before.py` adds to it).
- Signed reasoning is never rewritten: where a rule would rewrite it, it is flagged.
- A rule in shadow mode sees everything and changes nothing.
- Each text is scanned once per detector version (`detectors/scan_cache.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from gateway.dialects.base import Segment, Surface, Unscannable
from gateway.exchange import Exchange
from gateway.policy.content_rule import ContentRule
from gateway.policy.reading import Told
from gateway.policy.value_names import NameReader, find_named, name_of, tells
from gateway.policy.wording import SURFACE_WORDS, UNREAD_WORDS, removed
from gateway.verdict import Action, Finding, Reason, Verdict

_ALL = frozenset({"body", "encoding", "tunnel"})
"""Words of `Unscannable` for bodies of which nobody can say what surfaces they have."""

REQUEST = frozenset(Surface)
"""An unread request, and the answer to it, which nobody reads then either, may have any."""


class Cache(Protocol):
    """Findings by text and detector version; see `detectors/scan_cache.py`."""

    def get(self, text: str, version: str) -> tuple[Finding, ...] | None: ...

    def put(self, text: str, version: str, findings: tuple[Finding, ...]) -> None: ...


@dataclass(frozen=True, slots=True)
class Edit:
    """Put `text` in the place of `[start, end)`."""

    start: int
    end: int
    text: str


def splice(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits. Of two that overlap the one that begins first stands, then the
    longer one, and the other covers what is left: nothing that was found stays."""
    pieces: list[str] = []
    at = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
        if edit.end > at:
            pieces += (text[at : max(at, edit.start)], edit.text)
            at = edit.end
    pieces.append(text[at:])
    return "".join(pieces)


def effect(rule: ContentRule, surface: Surface, *, readonly: bool, fresh: bool = True) -> Action:
    """What a rule does about a finding there: FLAG, REWRITE or BLOCK."""
    action = rule.action_on(surface)
    if action is Action.BLOCK and not fresh:
        action = Action.REWRITE
    return Action.FLAG if action is Action.REWRITE and readonly else action


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


ASK_OTHERWISE = "Ask in another way, or go on without it."
"""What an agent can do whose answer was blocked: there is nothing of its own to remove."""


def found(
    rule: ContentRule, action: Action, surface: Surface, place: str, entities: Mapping[str, int]
) -> Verdict:
    """The verdict of a content rule."""
    answered = surface is Surface.OUTPUT or surface is Surface.REASONING
    advice = ASK_OTHERWISE if answered else rule.advice
    return Verdict(
        action,
        rule.reason,
        rule.ref,
        f"found {rule.describe(entities)} in {SURFACE_WORDS[surface]}",
        advice if action is Action.BLOCK else "",
        entities=dict(entities),
        surface=surface.value,
        place=place,
        shadow=rule.shadow,
    )


@dataclass(slots=True)
class Judged:
    """What the rules say of some texts. Nothing is changed until `apply` is called.

    Attributes:
        verdicts: one a rule and action, in the order of the rules.
        blocking: the texts that an enforced rule blocks.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    blocking: list[Segment] = field(default_factory=list)
    edits: list[tuple[Segment, list[Edit]]] = field(default_factory=list)

    def apply(self) -> None:
        """Rewrite the texts in place."""
        for segment, edits in self.edits:
            segment.replace(splice(segment.text, edits))


class _Watching:
    """The rules of one surface. That none of them found anything in a text is remembered in one
    place, so that a resent text costs one look."""

    __slots__ = ("_version", "named", "reads", "rules", "tells")

    def __init__(self, rules: Sequence[ContentRule]) -> None:
        self.rules = tuple(rules)
        self.reads = any(rule.reader is not None for rule in rules)
        self.named = frozenset(rule for rule in rules if isinstance(rule.scanner, NameReader))
        self.tells = tells([rule.scanner for rule in rules])
        versions = [rule.scanner.version for rule in rules]
        self._version = "|".join(versions) if all(versions) else ""

    def knows_clean(self, text: str, cache: Cache) -> bool:
        # What the scanners found says nothing of what readers do.
        return not self.reads and self._version != "" and cache.get(text, self._version) == ()

    def note_clean(self, text: str, cache: Cache) -> None:
        if self._version and len(self.rules) > 1:  # of one rule it is remembered already
            cache.put(text, self._version, ())


class ContentRules:
    """Content rules that watch a call, by surface. Keeps no state of a call."""

    __slots__ = ("_watching", "per_call", "reads", "rules")

    def __init__(self, rules: Iterable[ContentRule]) -> None:
        self.rules = tuple(rules)
        self.per_call = any(rule.per_call for rule in self.rules)
        self.reads = any(rule.reader is not None for rule in self.rules)
        watching: dict[Surface, list[ContentRule]] = {}
        for rule in self.rules:
            for surface in rule.surfaces:
                watching.setdefault(surface, []).append(rule)
        self._watching = {surface: _Watching(some) for surface, some in watching.items()}

    def bound(self, exchange: Exchange) -> ContentRules:
        """These rules as they hold for the request of one call."""
        if not self.per_call:
            return self
        rules = (rule.on_call(exchange) if rule.per_call else rule for rule in self.rules)
        return ContentRules(rules)

    def bound_to_answer(self, exchange: Exchange) -> ContentRules:
        """These rules as they hold for the answer of one call."""
        if not self.per_call:
            return self
        bound = (rule.on_answer_to(exchange) if rule.per_call else (rule,) for rule in self.rules)
        return ContentRules(one for some in bound for one in some)

    def on(self, surface: Surface) -> tuple[ContentRule, ...]:
        """The rules that watch a surface, in their order."""
        watching = self._watching.get(surface)
        return watching.rules if watching is not None else ()

    def judge(self, segments: Iterable[Segment], cache: Cache, told: Told | None = None) -> Judged:
        """Scan segments with every rule that watches their surface. `told` is what readers said of
        them; without it nobody reads."""
        judged = Judged()
        tallies: dict[ContentRule, Tally] = {}
        failures: dict[ContentRule, Verdict] = {}
        watched = self._watching
        for segment in segments:
            watching = watched.get(segment.surface)
            if watching is None:
                continue
            name = name_of(segment, watching.tells)
            if not name and watching.knows_clean(segment.text, cache):
                continue
            edits: list[Edit] = []
            clean = True
            for rule in watching.rules:
                try:
                    findings = _find(rule, cache, segment.text)
                    if name and not findings and rule in watching.named:
                        findings = find_named(partial(_find, rule, cache), name, segment.text)
                    if told is not None and rule.reader is not None:
                        try:
                            read = told.of(rule.reader, segment.text)
                            findings = tuple(rule.combined(segment.text, findings, read))
                        except Exception as error:  # noqa: BLE001  its scanner's findings stand
                            clean = False
                            failures[rule] = rule.failed(error)
                    if findings:
                        clean = False
                        if not rule.leaves(segment):
                            tally = tallies.get(rule)
                            if tally is None:
                                tally = tallies[rule] = Tally(rule)
                            edits += _act(rule, segment, findings, tally, judged.blocking)
                except Exception as error:  # noqa: BLE001  a rule's own fault: on_error decides
                    clean = False
                    failures[rule] = rule.failed(error)
            if clean:
                watching.note_clean(segment.text, cache)
            if edits:
                judged.edits.append((segment, edits))
        if tallies or failures:
            for rule in self.rules:
                if rule in tallies and not rule.silent:
                    judged.verdicts += tallies[rule].verdicts()
                if rule in failures:
                    judged.verdicts.append(failures[rule])
        return judged

    def judge_unscannable(
        self, items: Sequence[Unscannable], anywhere: frozenset[Surface]
    ) -> list[Verdict]:
        """What each rule's `unscannable` says of content that it cannot read.

        `anywhere`: the surfaces that a body may have which nobody can read as a whole.
        """
        verdicts: list[Verdict] = []
        for rule in self.rules:
            if rule.unscannable != "allow":
                hidden = not rule.surfaces.isdisjoint(anywhere)
                seen = [
                    i for i in items if i.surface in rule.surfaces or (hidden and i.what in _ALL)
                ]
                if seen:
                    verdicts.append(_unread(rule, seen))
        return verdicts


def unread_stream(rules: ContentRules, surfaces: frozenset[Surface]) -> list[Verdict]:
    """What rules with a reader say of a stream, for which nobody can wait: their `unscannable`
    decides."""
    verdicts = []
    for rule in rules.rules:
        watched = rule.surfaces & surfaces
        if rule.reader is None or not watched or rule.unscannable == "allow":
            continue
        blocks = rule.unscannable == "block"
        surface = Surface.OUTPUT if Surface.OUTPUT in watched else min(watched)
        verdicts.append(
            Verdict(
                Action.BLOCK if blocks else Action.FLAG,
                Reason.UNSCANNABLE_CONTENT,
                rule.ref,
                "cannot look for names in an answer that is streamed",
                "Ask for it without streaming." if blocks else "",
                entities={"stream": 1},
                surface=surface.value,
                shadow=rule.shadow,
            )
        )
    return verdicts


def _find(rule: ContentRule, cache: Cache, text: str) -> tuple[Finding, ...]:
    """A rule's findings in a text, from the cache where it was scanned before."""
    version = rule.scanner.version
    if not version:
        return tuple(rule.scanner.find(text))
    known = cache.get(text, version)
    if known is None:
        known = tuple(rule.scanner.find(text))
        cache.put(text, version, known)
    return known


def _act(
    rule: ContentRule,
    segment: Segment,
    findings: Sequence[Finding],
    tally: Tally,
    blocking: list[Segment],
) -> list[Edit]:
    """Count what the rule found in one segment; the edits that it wants to make of it."""
    surface, text = segment.surface, segment.text
    action = effect(rule, surface, readonly=segment.readonly, fresh=segment.fresh)
    edits: list[Edit] = []
    if not rule.shadow:
        if action is Action.REWRITE:
            strikes = rule.action_on(surface) is Action.BLOCK  # a block in resent history
            mark = removed(rule.reason)
            for finding in findings:
                stand_in = mark if strikes else rule.replacement(text, finding)
                edits.append(Edit(finding.start, finding.end, stand_in))
        elif action is Action.BLOCK:
            blocking.append(segment)
    tally.add(action, segment, findings)
    return edits


def _unread(rule: ContentRule, seen: Sequence[Unscannable]) -> Verdict:
    """Only what is new can be blocked: the rest was let through once."""
    fresh = [item for item in seen if item.fresh]
    blocks = rule.unscannable == "block" and bool(fresh)
    item = (fresh or seen)[0]
    return Verdict(
        Action.BLOCK if blocks else Action.FLAG,
        Reason.UNSCANNABLE_CONTENT,
        rule.ref,
        f"cannot read {UNREAD_WORDS.get(item.what, item.what)} in {SURFACE_WORDS[item.surface]}",
        "Send it as text." if blocks else "",
        entities=dict(Counter(item.what for item in seen)),
        surface=item.surface.value,
        place=item.place,
        shadow=rule.shadow,
    )
