"""The undecided tail of one lane of text: how much may go, and what must change in it.

Rules of this file:
- Pure text. It knows neither frames nor dialects; offsets are code points from the lane's start.
- What is decided does not depend on how the text was cut: a character is released only when
  no scanner could still make it part of a match, or of a longer match.
- A match longer than a scanner's `longest` may have begun in text that is gone. Then the
  rule's `on_error` decides; up to that length nothing is missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.policy.content_rule import ContentRule
from gateway.verdict import Finding

CONTEXT = 64
"""Released characters kept for look-behind: word boundaries, the neighbours of a number."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A finding of a rule in `text`, and its absolute offsets `[start, end)` in the lane.

    `late`: it began in text that was let go because no match was thought to be that long.
    """

    rule: ContentRule
    finding: Finding
    text: str
    start: int
    end: int
    late: bool = False


class TextWindow:
    """Text comes in by `push`, decisions come out of `advance`.

    `decided` is the offset up to which everything is settled; what lies between it and
    `end` is held.
    """

    __slots__ = ("_base", "_forced", "_rules", "_text", "decided", "longest")

    def __init__(self, rules: Sequence[ContentRule]) -> None:
        self._rules = rules
        self._text = ""
        self._base = 0
        self._forced = 0  # up to here text was let go because no match may be longer
        self.decided = 0
        self.longest = max((rule.scanner.longest for rule in rules), default=0)

    @property
    def end(self) -> int:
        return self._base + len(self._text)

    def push(self, text: str) -> None:
        self._text += text

    def advance(self, *, final: bool = False) -> list[Seen]:
        """Settle as much as can be settled, and return what was found in it, by start.

        `final`: no more text follows, so everything is settled.
        """
        text, base = self._text, self._base
        floor = self.decided - base
        hold = len(text) if final else self._hold(text, floor)
        if hold <= floor and not final:
            return []
        seen = [
            Seen(rule, finding, text, base + finding.start, base + finding.end)
            for rule in self._rules
            for finding in rule.scanner.find(text)
            if finding.end > floor
        ]
        seen.sort(key=lambda s: (s.start, -s.end))
        limit = base + hold
        for item in reversed(seen):  # a finding that the hold would cut waits as a whole
            if item.start < limit < item.end:
                limit = max(item.start, self.decided)
        settled = [self._placed(item) for item in seen if item.end <= limit]
        self._settle(limit)
        return settled

    def _hold(self, text: str, floor: int) -> int:
        hold = min((rule.scanner.hold(text) for rule in self._rules), default=len(text))
        least = len(text) - self.longest
        if hold < least:
            hold = least
            self._forced = max(self._forced, self._base + least)
        return max(hold, floor)

    def _placed(self, item: Seen) -> Seen:
        """A finding that reaches back into released text acts on what is left of it. It is late
        if that text was let go unsettled; else the cut of the context made it look longer."""
        if item.start >= self.decided:
            return item
        return replace(item, start=self.decided, late=item.start < self._forced)

    def _settle(self, limit: int) -> None:
        self.decided = limit
        cut = limit - CONTEXT - self._base
        if cut > 0:
            self._text = self._text[cut:]
            self._base += cut
