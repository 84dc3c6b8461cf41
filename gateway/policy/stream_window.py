"""What goes on of a streamed answer, and when: one piece for all dialects and content rules.

Rules of this file:
- Frames leave whole and in order. Where no rule acted, what leaves is byte for byte what
  came. A frame waits while one of its characters could still become part of a match.
- A tool call is assembled, judged, then let through; text of other groups goes on meanwhile
  (the only frames that may overtake).
- After a block nothing leaves but the dialect's own ending. Text that nobody judged never does.
- What is held is bounded by `MAX_HELD` bytes and measured.
- Pure: no clock, no I/O. Whoever feeds it decides about keep-alives.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gateway.dialects.base import AnswerStream, Event, Frame, Part, PartKind, Surface, ToolCall
from gateway.policy import wording
from gateway.policy.answer_guard import AnswerGuard
from gateway.policy.text_window import Seen, TextWindow
from gateway.verdict import Action, Verdict

MAX_HELD = 8 * 1024 * 1024
"""Bytes of frames that one stream may hold back before it is cut."""


@dataclass(slots=True)
class _Edit:
    """Put `text` in the place of `[start, end)` of a lane."""

    start: int
    end: int
    text: str


@dataclass(slots=True)
class _TextLane:
    """One lane of text: what gates it, what only watches it, what must change in it."""

    surface: Surface
    readonly: bool
    gate: TextWindow | None
    watch: TextWindow | None
    end: int = 0  # absolute end of what has come
    edits: list[_Edit] = field(default_factory=list)
    begun: bool = False  # some of it has been let through

    @property
    def decided(self) -> int:
        return self.end if self.gate is None else self.gate.decided


@dataclass(slots=True)
class _ToolLane:
    """One tool call being assembled."""

    call: ToolCall
    pieces: list[str] = field(default_factory=list)
    judged: bool = False


@dataclass(slots=True)
class _Held:
    """A frame in the queue, with where its text parts lie in their lanes."""

    frame: Frame
    texts: list[tuple[Part, _TextLane, int]]
    tools: list[_ToolLane]
    group: str
    sent: bool = False

    def waits_for_text(self) -> bool:
        return any(start + len(part.text) > lane.decided for part, lane, start in self.texts)

    def waits_for_tools(self) -> bool:
        return any(not lane.judged for lane in self.tools)


class StreamWindow:
    """Feeds events of one answer through a guard. `blocked` is set once it was stopped."""

    def __init__(self, stream: AnswerStream, guard: AnswerGuard, reference: str) -> None:
        self.stream = stream
        self.blocked: Verdict | None = None
        self.message = ""  # what the caller is told where it was stopped
        self.begun = False  # something has left
        self._guard = guard
        self._reference = reference
        self._texts: dict[str, _TextLane] = {}
        self._tools: dict[str, _ToolLane] = {}
        self._queue: deque[_Held] = deque()
        self._side: list[_Held] = []  # queued text that may overtake a tool call
        self._held_bytes = 0
        self._cut: tuple[_TextLane, int] | None = None  # where a block fell
        self.text_out = 0  # characters of answer that came, tool arguments included

    @property
    def held(self) -> int:
        """Characters of text that are held back right now, tool calls not counted."""
        return sum(lane.end - lane.decided for lane in self._texts.values())

    @property
    def waits(self) -> bool:
        """Whether something is held back, so that the caller hears nothing meanwhile."""
        return bool(self._queue)

    def finish(self) -> None:
        """Take what was found to the record. May be called more than once."""
        self._guard.finish()

    def feed(self, event: Event) -> bytes:
        """Take one event; return what may leave now."""
        if self.blocked is not None:
            return b""
        frame = self.stream.read(event)
        if not frame.parts and not self._queue:
            self.begun = True
            return self.stream.write(frame)
        self._queue.append(self._take(frame))
        self._held_bytes += len(event.raw)
        if self._held_bytes > MAX_HELD and self.blocked is None:
            self._block(self._guard.overflow())
        return self._release()

    def end(self) -> bytes:
        """No more events: settle every lane and every call, return the rest."""
        if self.blocked is not None:
            return b""
        for lane in self._texts.values():
            self._advance(lane, final=True)
        for name in list(self._tools):
            self._judge(name)
        return self._release()

    # --- taking a frame in ---

    def _take(self, frame: Frame) -> _Held:
        held = _Held(frame, [], [], "")
        for part in frame.parts:
            held.group = part.group
            self.text_out += len(part.text)
            match part.kind:
                case PartKind.TEXT:
                    self._take_text(part, held)
                case PartKind.END:
                    if part.lane in self._texts:
                        self._advance(self._texts[part.lane], final=True)
                case PartKind.TOOL_START:
                    assert part.tool is not None
                    self._tools[part.lane] = _ToolLane(part.tool)
                    if part.text:
                        self._tools[part.lane].pieces.append(part.text)
                    self._hold_tool(part, held)
                case PartKind.TOOL_ARGS:
                    if part.lane in self._tools:
                        self._tools[part.lane].pieces.append(part.text)
                        self._hold_tool(part, held)
                case PartKind.TOOL_END:
                    self._judge(part.lane)
        return held

    def _hold_tool(self, part: Part, held: _Held) -> None:
        if self._guard.watches_calls:
            held.tools.append(self._tools[part.lane])

    def _take_text(self, part: Part, held: _Held) -> None:
        lane = self._texts.get(part.lane)
        if lane is None:
            lane = self._texts[part.lane] = self._open_lane(part)
        held.texts.append((part, lane, lane.end))
        lane.end += len(part.text)
        for window in (lane.gate, lane.watch):
            if window is not None:
                window.push(part.text)
        self._advance(lane, final=False)
        waiting = lane.end - lane.decided
        if waiting > self._guard.exchange.held_peak:
            self._guard.exchange.held_peak = waiting

    def _open_lane(self, part: Part) -> _TextLane:
        gates = self._guard.holders(part.surface, part.readonly)
        watches = self._guard.watchers(part.surface, part.readonly)
        return _TextLane(
            part.surface,
            part.readonly,
            TextWindow(gates) if gates else None,
            TextWindow(watches) if watches else None,
        )

    def _advance(self, lane: _TextLane, *, final: bool) -> None:
        if lane.watch is not None:
            for seen in lane.watch.advance(final=final):
                self._guard.on_text(seen, lane.surface, lane.readonly)
        if lane.gate is None or self.blocked is not None:
            return
        for seen in lane.gate.advance(final=final):
            self._on_seen(lane, seen)
            if self.blocked is not None:
                return

    def _on_seen(self, lane: _TextLane, seen: Seen) -> None:
        verdict = self._guard.on_text(seen, lane.surface, lane.readonly)
        if verdict is not None:
            self._cut = (lane, seen.start)
            self._block(verdict)
        elif seen.rule.action_on(lane.surface) is Action.REWRITE and not lane.readonly:
            last = lane.edits[-1].end if lane.edits else 0
            if seen.start >= last:  # of two that overlap the first stands
                replacement = seen.rule.replacement(seen.text, seen.finding)
                lane.edits.append(_Edit(seen.start, seen.end, replacement))

    def _judge(self, name: str) -> None:
        lane = self._tools.get(name)
        if lane is None or lane.judged or self.blocked is not None:
            return
        lane.judged = True
        lane.call.arguments = "".join(lane.pieces)
        decision = self._guard.on_call(lane.call)
        if decision.removed is not None:
            self.stream.remove_tool(name, decision.removed)
        elif decision.arguments is not None:
            self.stream.replace_arguments(name, decision.arguments)

    # --- letting frames out ---

    def _release(self) -> bytes:
        out: list[bytes] = []
        queue = self._queue
        while queue:
            head = queue[0]
            if head.sent:
                queue.popleft()
            elif self._ready(head):
                queue.popleft()
                out.append(self._write(head))
            else:
                break
        if self.blocked is not None:
            out.append(self._ending())
        elif queue:
            self._overtake(out)
        else:
            self._side.clear()
        sent = b"".join(out)
        if sent:
            self.begun = True
        return sent

    def _ready(self, held: _Held) -> bool:
        if held.waits_for_tools() or held.waits_for_text():
            return False
        return self._cut is None or not any(
            lane is self._cut[0] and start + len(part.text) > self._cut[1]
            for part, lane, start in held.texts
        )

    def _overtake(self, out: list[bytes]) -> None:
        """Text of other groups need not wait for a tool call that is being assembled."""
        head, newest = self._queue[0], self._queue[-1]
        if newest is not head and newest.texts and not newest.tools:
            self._side.append(newest)
        if not head.waits_for_tools():
            return
        blocked_groups = {held.group for held in self._queue if held.waits_for_tools()}
        waiting: list[_Held] = []
        stuck: set[str] = set()
        for held in self._side:
            free = held.group not in blocked_groups and held.group not in stuck
            if held.sent:
                continue
            if free and self._ready(held) and all(lane.begun for _, lane, _ in held.texts):
                held.sent = True
                out.append(self._write(held))
            else:
                stuck.add(held.group)
                waiting.append(held)
        self._side = waiting

    def _write(self, held: _Held) -> bytes:
        self._held_bytes -= len(held.frame.event.raw)
        for part, lane, start in held.texts:
            lane.begun = True
            self._apply(part, lane, start, held.frame)
        return self.stream.write(held.frame)

    def _apply(self, part: Part, lane: _TextLane, start: int, frame: Frame) -> None:
        """Carry a lane's edits into one part of it."""
        end = start + len(part.text)
        touching = [e for e in lane.edits if e.start < end and e.end > start]
        if not touching:
            return
        pieces: list[str] = []
        at = start
        for edit in touching:
            pieces.append(part.text[at - start : max(edit.start - start, 0)] if at < edit.start else "")
            if edit.start >= start:
                pieces.append(edit.text)
            at = min(edit.end, end)
        pieces.append(part.text[at - start :])
        part.text = "".join(pieces)
        frame.changed = True
        lane.edits = [e for e in lane.edits if e.end > end]

    # --- stopping ---

    def _block(self, verdict: Verdict) -> None:
        self.blocked = verdict

    def _ending(self) -> bytes:
        """The last bytes: what came before the block in its own frame, then the ending."""
        out: list[bytes] = []
        if self._cut is not None and self._queue:
            lane, at = self._cut
            head = self._queue[0]
            fits = [
                (part, start)
                for part, held_lane, start in head.texts
                if held_lane is lane and start < at and len(head.texts) == 1
            ]
            if fits and not head.waits_for_tools():
                part, start = fits[0]
                part.text = part.text[: at - start]
                head.frame.changed = True
                out.append(self._write(head))
        self._queue.clear()
        self._side.clear()
        assert self.blocked is not None
        begun = self.begun or bool(out and any(out))
        self.message = wording.answer_blocked(self.blocked, self._reference, begun=begun)
        if begun:
            out.append(self.stream.stop(self.blocked.reason.value, self.message))
        return b"".join(out)
