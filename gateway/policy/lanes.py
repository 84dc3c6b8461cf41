"""The lanes of a streamed answer: texts that are released as they are decided, and tool calls
that are assembled, judged and then released.

Rules of this file:
- Offsets are code points from the lane's start, of the text as the provider sent it.
- A rule that only looks sees exactly the text that those which act have let through, so that
  what it reports does not depend on how the text was cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.dialects.base import Surface, ToolCall
from gateway.policy.content import Edit
from gateway.policy.content_rule import ContentRule
from gateway.policy.text_window import Failure, Seen, TextWindow

LOOK_AT = 512
"""Characters that those that only look are given at a time: nothing waits for what they say."""


class TextLane:
    """One lane of text.

    `holders` are the rules that may change or stop it, `watchers` those that only look.

    Attributes:
        plain: no rule has a say in it.
        free: no rule may change or stop it.
        end: offset of the end of what has come.
        decided: offset up to which text may leave.
        cut: where a block fell; nothing from there on is let through.
        begun: some of it has been let through.
        waiting: characters that were held back when it was last settled.
        failed: rules that raised, with the error. Whoever settles the lane empties the list.
    """

    __slots__ = (
        "_ahead",
        "_edits",
        "_gate",
        "_watch",
        "begun",
        "cut",
        "decided",
        "end",
        "failed",
        "free",
        "plain",
        "readonly",
        "surface",
        "waiting",
    )

    def __init__(
        self,
        surface: Surface,
        readonly: bool,
        holders: Sequence[ContentRule],
        watchers: Sequence[ContentRule],
    ) -> None:
        self.surface = surface
        self.readonly = readonly
        self.plain = not holders and not watchers
        self.free = not holders
        self.end = 0
        self.decided = 0
        self.cut: int | None = None
        self.begun = False
        self.waiting = 0
        self.failed: list[Failure] = []
        self._gate = TextWindow(holders, self.failed) if holders else None
        self._watch = TextWindow(watchers, self.failed) if watchers else None
        self._ahead = ""  # what the watchers have not been given yet
        self._edits: list[Edit] = []

    def push(self, text: str) -> None:
        self.end += len(text)
        if self._gate is not None:
            self._gate.push(text)
        if self._watch is not None:
            self._ahead += text

    def let_pass(self, text: str) -> bool:
        """`push` and `settle` where the lane is free; whether there is enough to look at."""
        if self._watch is None:
            return False
        self.end = self.decided = self.end + len(text)
        self._ahead += text
        return len(self._ahead) >= LOOK_AT

    def settle(self, *, final: bool) -> Sequence[Seen]:
        """What those that act have found since; `final`: the lane's text is complete."""
        gate = self._gate
        if gate is None:
            self.decided = self.end
            return ()
        found = gate.advance(final=final)
        self.decided = gate.decided
        return found

    def stop(self, at: int) -> None:
        """Nothing from there on is let through."""
        self.cut = at
        self.decided = min(self.decided, at)

    def look(self, *, final: bool) -> Sequence[Seen]:
        """What those that only look find in what has been decided."""
        watch = self._watch
        if watch is None:
            return ()
        ready = self.decided - watch.end
        if ready < LOOK_AT and not final:
            return ()
        if ready > 0:
            watch.push(self._ahead[:ready])
            self._ahead = self._ahead[ready:]
        return watch.advance(final=final)

    def edit(self, edit: Edit) -> None:
        """Put another text in the place of a finding. Of two that overlap the first stands, and
        the other covers what is left."""
        last = self._edits[-1].end if self._edits else 0
        if edit.end > last:
            self._edits.append(Edit(max(edit.start, last), edit.end, edit.text))

    def edited(self, text: str, start: int) -> str:
        """`text`, which stands at `start` of the lane, with the edits that touch it.

        An edit's text comes out once, where the edit begins. Texts are asked for in order.
        """
        end = start + len(text)
        edits = self._edits
        if not edits or edits[0].start >= end:
            return text
        pieces: list[str] = []
        at = start
        for edit in edits:
            if edit.start >= end:
                break
            if edit.start >= start:
                pieces += (text[at - start : edit.start - start], edit.text)
            at = min(edit.end, end)
        pieces.append(text[at - start :])
        self._edits = [edit for edit in edits if edit.end > end]
        return "".join(pieces)


@dataclass(slots=True)
class CallLane:
    """One tool call being assembled. `size` counts the characters of its arguments."""

    call: ToolCall
    pieces: list[str] = field(default_factory=list)
    size: int = 0
    judged: bool = False
    removed: bool = False

    def add(self, text: str) -> None:
        self.pieces.append(text)
        self.size += len(text)
