"""What goes on of a streamed answer, and when: one piece for all dialects and content rules.

Rules of this file:
- Frames leave whole and in order. Where no rule acted, what leaves is byte for byte what
  came. A frame waits while one of its characters could still become part of a match.
- Where a rule may end the stream, its opening (frames without content) waits for the first
  content, so that a block can still be an answer of its own.
- A tool call is assembled, judged, then let through; text of other groups goes on meanwhile
  (the only frames that may overtake).
- After a block nothing leaves but the dialect's own ending. Text that nobody judged never does.
- What is held is bounded by `MAX_HELD` bytes and `MAX_LANES` lanes, and measured.
- Pure: no clock, no I/O. Whoever feeds it decides about keep-alives.
"""

from __future__ import annotations

from gateway.dialects.base import (
    AnswerStream,
    Event,
    Frame,
    Part,
    PartKind,
    Surface,
    ToolCall,
)
from gateway.policy import wording
from gateway.policy.answer_guard import AnswerGuard
from gateway.policy.content import Edit, effect
from gateway.policy.frame_queue import FrameQueue, Held, Placed
from gateway.policy.lanes import CallLane, TextLane
from gateway.policy.text_window import Seen
from gateway.verdict import Action, Finding, Verdict

MAX_HELD = 8 * 1024 * 1024
"""Bytes of frames, and characters of arguments, that one stream may make the window keep."""

MAX_LANES = 4096
"""Lanes that one stream may have open."""

MAX_OPENING = 8
"""Frames without content that wait for the first content. Pings are such frames: where there are
more, the caller should hear them."""


class StreamWindow:
    """Feeds the events of one answer through a guard.

    Attributes:
        blocked: the verdict that stopped the stream.
        message: what the caller is told then.
        begun: something has left. A block before that leaves no bytes at all.
        held: characters that are held back now, arguments of tool calls included.
        text_out: bytes of text that came, tool arguments included.
    """

    def __init__(self, stream: AnswerStream, guard: AnswerGuard, reference: str) -> None:
        self.stream = stream
        self.blocked: Verdict | None = None
        self.message = ""
        self.begun = False
        self.text_out = 0
        self._guard = guard
        self._rules = guard.rules
        self._reference = reference
        self._texts: dict[str, TextLane] = {}
        self._calls: dict[str, CallLane] = {}
        self._queue = FrameQueue()
        self._opening: list[Frame] | None = [] if guard.may_stop else None
        self._cut: TextLane | None = None  # the lane in which a block fell
        self._unread: set[tuple[str, str]] = set()
        self._kept = 0  # characters of arguments of calls that are being assembled
        self.held = 0

    @property
    def waits(self) -> bool:
        """Whether something is held back, so that the caller hears nothing meanwhile."""
        return bool(self._queue) or bool(self._opening)

    def feed(self, event: Event) -> bytes:
        """Take one event; return what may leave now."""
        if self.blocked is not None:
            return b""
        frame = self.stream.read(event)
        if self._rules.idle:
            self._note(frame)
        elif self._queue or self._opening is not None or not self._is_free(frame):
            held = self._take(frame)
            if self._queue or not held.ready:
                return self._keep(held)
            opening = self._opening
            if opening is not None and len(opening) < MAX_OPENING and _is_silent(frame):
                opening.append(frame)
                return b""
            return self._write(held)
        self.begun = True
        out = self.stream.write(frame)
        # `_is_free` may have stopped the stream, which mypy cannot know.
        return out if self.blocked is None else out + self._ending()  # type: ignore[redundant-expr]

    def _is_free(self, frame: Frame) -> bool:
        """Whether no rule may change or stop a frame: structure, or text that rules at most look
        at. What there was to note of it is noted then."""
        parts = frame.parts
        if frame.unscannable or len(parts) > 1:
            return False
        if not parts:
            return True
        part = parts[0]
        lane = self._texts.get(part.lane)
        if lane is None or not lane.free or part.kind is not PartKind.TEXT:
            return False
        self._count(part)
        lane.begun = True
        if lane.let_pass(part.text):
            self._look(lane, final=False)
        return True

    def _keep(self, held: Held) -> bytes:
        """Queue a frame; return what may leave because of it."""
        self._queue.add(held)
        if self._queue.size > MAX_HELD:
            self._block(self._guard.overflow())
        return self._release(held.groups)

    def end(self) -> bytes:
        """No more events: settle every lane and every call, return the rest."""
        if self.blocked is not None:
            return b""
        for lane in self._texts.values():
            self._settle(lane, final=True)
        for name in list(self._calls):
            self._judge(name)
        out = self._release(())
        if self._opening and self.blocked is None:
            out += self.open()
        return out

    def open(self) -> bytes:
        """Let the opening go without content: the caller has waited long enough to be told that
        there is an answer. A block can only cut the stream from here on."""
        opening, self._opening = self._opening, None
        self.begun = True
        return b"".join([self.stream.write(frame) for frame in opening or ()])

    def cut(self, verdict: Verdict) -> bytes:
        """End the stream here for something that is not in it (a budget that is spent): what is
        held back never leaves. Returns the ending, nothing where nothing has left yet."""
        self._block(verdict)
        return self._ending()

    def finish(self) -> None:
        """Take what was found to the record. May be called more than once."""
        for lane in self._texts.values():
            self._look(lane, final=True)
        self._guard.finish()

    # --- taking a frame in ---

    def _note(self, frame: Frame) -> None:
        """What the record wants to know of an answer that no rule looks at."""
        for part in frame.parts:
            self._count(part)
            if part.kind is not PartKind.TEXT and part.kind is not PartKind.END:
                self._take_call(part, None)

    def _count(self, part: Part) -> None:
        self.text_out += _size(part.text)
        if part.surface is Surface.REASONING:
            self._guard.note_reasoning(part.text)

    def _take(self, frame: Frame) -> Held:
        held = Held(frame)
        if frame.unscannable:
            self._take_unscannable(frame)
        for part in frame.parts:
            if self.blocked is not None:
                break
            if part.group not in held.groups:
                held.groups += (part.group,)
            self._count(part)
            if part.kind is PartKind.TEXT:
                self._take_text(part, held)
            elif part.kind is PartKind.END:
                lane = self._texts.pop(part.lane, None)
                if lane is not None:
                    self._settle(lane, final=True)
            else:
                self._take_call(part, held if self._rules.hold_calls else None)
        held.torn = self.blocked is not None
        return held

    def _take_unscannable(self, frame: Frame) -> None:
        new = {(item.what, item.surface.value): item for item in frame.unscannable}
        fresh = [item for key, item in new.items() if key not in self._unread]
        if fresh:
            self._unread.update(new)
            verdict = self._guard.on_unscannable(fresh)
            if verdict is not None:
                self._block(verdict)

    def _take_text(self, part: Part, held: Held) -> None:
        lane = self._texts.get(part.lane)
        last = False
        if lane is None:
            rules, surface, readonly = self._rules, part.surface, part.readonly
            holders = rules.holders(surface, readonly=readonly)
            watchers = rules.watchers(surface, readonly=readonly)
            lane = TextLane(surface, readonly, holders, watchers)
            if self._has_room():
                self._texts[part.lane] = lane
            else:
                last = True  # nobody will come back to it
        start = lane.end
        lane.push(part.text)
        held.texts.append(Placed(part, lane, start, lane.end))
        self._settle(lane, final=last)

    def _settle(self, lane: TextLane, *, final: bool) -> None:
        """Decide as much of a lane as can be decided."""
        if lane.plain:
            lane.decided = lane.end
            return
        before = lane.decided
        found = lane.settle(final=final)
        if lane.failed:
            self._take_failures(lane, before)
        for seen in found:
            if self.blocked is None:
                self._on_seen(lane, seen)
        self._look(lane, final=final or lane.cut is not None)
        if self.blocked is None:
            waiting = lane.end - lane.decided
            if waiting != lane.waiting:
                self._measure(waiting - lane.waiting)
                lane.waiting = waiting

    def _look(self, lane: TextLane, *, final: bool) -> None:
        for seen in lane.look(final=final):
            self._guard.on_text(seen, lane.surface, lane.readonly)
        if lane.failed:
            self._take_failures(lane, lane.decided)

    def _take_failures(self, lane: TextLane, decided: int) -> None:
        for rule, error in lane.failed:
            verdict = self._guard.on_rule_error(rule, error)
            if verdict is not None:
                self._block(verdict, lane, decided)
        lane.failed.clear()

    def _on_seen(self, lane: TextLane, seen: Seen) -> None:
        verdict = self._guard.on_text(seen, lane.surface, lane.readonly)
        if verdict is not None:
            self._block(verdict, lane, seen.start)
        elif seen.finding is not None and not seen.late:
            action = effect(seen.rule, lane.surface, readonly=lane.readonly)
            if action is Action.REWRITE:
                self._edit(lane, seen, seen.finding)

    def _edit(self, lane: TextLane, seen: Seen, finding: Finding) -> None:
        try:
            text = seen.rule.replacement(seen.text, finding)
        except Exception as error:  # noqa: BLE001  a rule's own fault: its on_error decides
            verdict = self._guard.on_rule_error(seen.rule, error)
            if verdict is not None:
                self._block(verdict, lane, seen.start)
        else:
            lane.edit(Edit(seen.start, seen.end, text))

    def _take_call(self, part: Part, held: Held | None) -> None:
        """A piece of a tool call. `held` is None where calls need not wait to be judged."""
        lane = self._calls.get(part.lane)
        if part.kind is PartKind.TOOL_END:
            self._judge(part.lane)
            return
        if lane is not None and lane.call is part.tool and not lane.judged:
            self._start_over(lane)
        elif part.kind is PartKind.TOOL_START or lane is None:
            self._judge(part.lane)
            lane = CallLane(part.tool or ToolCall("", "", "", key=part.lane))
            if self._has_room():
                self._calls[part.lane] = lane
        if held is not None:
            held.calls.append(lane)
            if lane.judged and not lane.removed and part.text:
                self._block(self._guard.overflow())  # arguments behind what has been judged
        if part.text and self._kept < MAX_HELD:
            lane.add(part.text)
            self._kept += len(part.text)
            if held is not None:
                self._measure(len(part.text))

    def _start_over(self, lane: CallLane) -> None:
        """The call begins once more: what came of it was a part, and the whole follows."""
        self._kept -= lane.size
        if self._rules.hold_calls:
            self._measure(-lane.size)
        lane.pieces.clear()
        lane.size = 0

    def _judge(self, name: str) -> None:
        lane = self._calls.get(name)
        if lane is None or lane.judged or self.blocked is not None:
            return
        lane.judged = True
        lane.call.arguments = "".join(lane.pieces)
        lane.pieces.clear()
        self._kept -= lane.size
        if self._rules.hold_calls:
            self._measure(-lane.size)
        else:
            del self._calls[name]
        decision = self._guard.on_call(lane.call)
        if decision.removed is not None:
            lane.removed = True
            self.stream.remove_tool(name, decision.removed)
        elif decision.arguments is not None:
            self.stream.replace_arguments(name, decision.arguments)

    def _measure(self, more: int) -> None:
        self.held += more
        if self.held > self._guard.exchange.held_peak:
            self._guard.exchange.held_peak = self.held

    def _has_room(self) -> bool:
        """Whether one more lane can be kept. Where rules act, a stream with more is stopped."""
        if len(self._texts) + len(self._calls) < MAX_LANES:
            return True
        if not self._rules.only_look:
            self._block(self._guard.overflow())
        return False

    # --- letting frames out ---

    def _release(self, touched: tuple[str, ...]) -> bytes:
        out = [self._write(held) for held in self._queue.ready(touched)]
        if self.blocked is not None:
            out.append(self._ending())
        return b"".join(out)

    def _write(self, held: Held) -> bytes:
        out = self.open() if self._opening is not None else b""
        for placed in held.texts:
            part, lane = placed.part, placed.lane
            lane.begun = True
            text = lane.edited(part.text, placed.start)
            if text != part.text:
                part.text = text
                held.frame.changed = True
        self.begun = True
        return out + self.stream.write(held.frame)

    # --- stopping ---

    def _block(self, verdict: Verdict, lane: TextLane | None = None, at: int = 0) -> None:
        if self.blocked is None:
            self.blocked = verdict
            self._cut = lane
            if lane is not None:
                lane.stop(at)

    def _ending(self) -> bytes:
        """The last bytes: what stood before the block in its own frame, then the ending."""
        assert self.blocked is not None
        out = self._before_the_cut() if self.begun else b""
        self._queue.clear()
        self._opening = None
        self.message = wording.answer_blocked(self.blocked, self._reference, begun=self.begun)
        if self.begun:
            out += self.stream.stop(self.blocked.reason.value, self.message)
        return out

    def _before_the_cut(self) -> bytes:
        head = self._queue.head
        if head is None or len(head.frame.parts) != 1 or not head.texts:
            return b""
        placed = head.texts[0]
        if placed.lane is not self._cut or placed.lane.decided <= placed.start:
            return b""
        placed.part.text = placed.part.text[: placed.lane.decided - placed.start]
        head.frame.changed = True
        return self._write(self._queue.take_head())


def _is_silent(frame: Frame) -> bool:
    """Whether a frame says nothing yet, so that it belongs to the opening."""
    if frame.closing:
        return False
    for part in frame.parts:
        if part.text or part.kind not in (PartKind.TEXT, PartKind.END):
            return False
    return True


def _size(text: str) -> int:
    """Bytes of a text as UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
