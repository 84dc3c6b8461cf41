"""The undecided tail of one lane of text: how much may go, and what was found in it.

Rules of this file:
- Pure text. It knows neither frames nor dialects; offsets are code points from the lane's start.
- What is decided does not depend on how the text was cut: a character is released only when
  no scanner could still make it part of a match, or of a longer match.
- At most `longest` characters are held. What could still be a match by then is let go, but not
  forgotten: where it becomes one after all it is `late`, and the rule's `on_error` decides.
- Bounded: some `KEPT` characters are kept to recognise such a match, then it counts as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.policy.content_rule import LOOK_BEHIND, ContentRule
from gateway.verdict import Finding

KEPT = 8192
"""Characters that may look like one growing match before it is taken for one; twice `longest`
where that is more."""


Failure = tuple[ContentRule, Exception]
"""A rule whose scanner raised."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A rule's finding in `text`, and what is left of it to act on: `[start, end)` of the lane.

    `late`: it cannot be replaced as a whole, for it is longer than the window holds back, or
    stands inside of something that is. `finding` is None where it grew beyond `KEPT`.
    """

    rule: ContentRule
    finding: Finding | None
    text: str
    start: int
    end: int
    late: bool = False


@dataclass(slots=True)
class _Watch:
    """One rule, up to where its findings are settled, and where a match may be growing."""

    rule: ContentRule
    floor: int = 0
    hold: int = 0


class TextWindow:
    """Text comes in by `push`, decisions come out of `advance`.

    Attributes:
        decided: offset up to which text may go; what lies between it and `end` is held.
        failed: rules whose scanner raised, with the error; they take no part any more.
    """

    __slots__ = ("_base", "_kept", "_longest", "_text", "_watches", "decided", "failed")

    def __init__(self, rules: Sequence[ContentRule], failed: list[Failure] | None = None) -> None:
        self._watches = [_Watch(rule) for rule in rules]
        self._longest = max((rule.scanner.longest for rule in rules), default=0)
        self._kept = max(KEPT, 2 * self._longest)
        self._text = ""
        self._base = 0  # offset of the first character of `_text`
        self.decided = 0
        self.failed: list[Failure] = [] if failed is None else failed

    @property
    def end(self) -> int:
        return self._base + len(self._text)

    def push(self, text: str) -> None:
        self._text += text

    def advance(self, *, final: bool = False) -> list[Seen]:
        """Settle as much as can be settled, and return what was found in it, by start.

        `final`: no more text follows, so everything is settled.
        """
        settled: list[Seen] = []
        size = len(self._text)
        while True:
            floor, limit = self._growing(final)
            if limit <= floor and size - limit <= self._longest and not final:
                return settled
            limit, waiting = self._settle(limit, settled)
            if final or size - limit <= self._longest:
                break
            # More is undecided than may be held: what was found in what must go counts as it is.
            least = size - self._longest
            if not waiting or waiting[0].start - self._base >= least:
                self._let_go(least, settled)
                break
            self._force(waiting[0], settled)
        self._forget()
        return settled

    def _growing(self, final: bool) -> tuple[int, int]:
        """Where in the text the first undecided part begins, and where the first match may be
        growing; what stands before that is as it will be."""
        text, base = self._text, self._base
        floor = limit = size = len(text)
        for watch in self._watches:
            watch.hold = size
            start = watch.floor - base
            if not final:
                try:
                    watch.hold = watch.rule.scanner.hold(text, start)
                except Exception as error:  # noqa: BLE001  its own on_error decides
                    self._fail(watch, error)
                    continue
            if watch.hold < limit:
                limit = watch.hold
            if start < floor:
                floor = start
        if not self._watches:
            floor = -1  # the last rule has failed: nothing is undecided
        return floor, limit

    def _settle(self, limit: int, settled: list[Seen]) -> tuple[int, list[Seen]]:
        """Take the findings before `limit` to `settled`; return the limit and those that wait.

        A finding that the limit would cut waits as a whole, and all behind it with it.
        """
        found = self._find()
        limit += self._base
        done = 0
        if found:
            for seen in reversed(found):
                if seen.start < limit < seen.end:
                    limit = seen.start
            for seen in found:
                if seen.end > limit:
                    break
                settled.append(self._placed(seen))
                done += 1
        for watch in self._watches:
            if watch.floor < limit:
                watch.floor = limit
        if self.decided < limit:
            self.decided = limit
        return limit - self._base, found[done:]

    def _find(self) -> list[Seen]:
        text, base = self._text, self._base
        found: list[Seen] = []
        for watch in self._watches:
            rule = watch.rule
            try:
                findings = rule.scanner.find(text, watch.floor - base)
            except Exception as error:  # noqa: BLE001  its own on_error decides
                self._fail(watch, error)
                continue
            if findings:
                found += [Seen(rule, f, text, base + f.start, base + f.end) for f in findings]
        if len(found) > 1:
            found.sort(key=_place)
        return found

    def _placed(self, seen: Seen) -> Seen:
        """A finding that began in text that was let go acts on what is left of it."""
        if seen.start >= self.decided:
            return seen
        return Seen(seen.rule, seen.finding, seen.text, self.decided, seen.end, late=True)

    def _force(self, seen: Seen, settled: list[Seen]) -> None:
        """Settle one finding although a match is growing around it."""
        watch = next(watch for watch in self._watches if watch.rule is seen.rule)
        late = seen.end - seen.start > self._longest or watch.hold + self._base < seen.start
        start = max(seen.start, self.decided)
        late = late or start > seen.start
        settled.append(Seen(seen.rule, seen.finding, seen.text, start, seen.end, late))
        watch.floor = seen.end

    def _let_go(self, least: int, settled: list[Seen]) -> None:
        """Release all but the last `longest` characters, and remember what is growing."""
        self.decided = max(self.decided, self._base + least)
        for watch in self._watches:
            watch.floor = max(watch.floor, self._base + min(watch.hold, least))
            if self.end - watch.floor > self._kept:
                text, start, end = self._text, self.decided, self.end
                settled.append(Seen(watch.rule, None, text, start, end, late=True))
                watch.floor = self.decided

    def _forget(self) -> None:
        """Cut off what nothing needs any more."""
        oldest = self.decided
        for watch in self._watches:
            if watch.floor < oldest:
                oldest = watch.floor
        cut = oldest - LOOK_BEHIND - self._base
        if cut > 0:
            self._text = self._text[cut:]
            self._base += cut

    def _fail(self, watch: _Watch, error: Exception) -> None:
        self.failed.append((watch.rule, error))
        self._watches = [other for other in self._watches if other is not watch]


def _place(seen: Seen) -> tuple[int, int]:
    return seen.start, -seen.end
