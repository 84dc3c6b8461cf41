"""Frames that wait, in order, and which of them may leave.

Rules of this file:
- Frames leave whole and in the order in which they came. The one exception: while a tool call
  is being assembled, text of other groups overtakes it, where the lane has been begun.
- Every operation costs the same however many frames wait.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.dialects.base import Frame, Part
from gateway.policy.lanes import CallLane, TextLane


@dataclass(slots=True)
class Placed:
    """A text part and where it stands in its lane: `[start, end)`."""

    part: Part
    lane: TextLane
    start: int
    end: int


@dataclass(slots=True)
class Held:
    """A frame, its texts, and the calls that must be judged before it may leave.

    `torn`: the stream was blocked before all of it was looked at; it never leaves.
    """

    frame: Frame
    texts: list[Placed] = field(default_factory=list)
    calls: list[CallLane] = field(default_factory=list)
    groups: tuple[str, ...] = ()
    serial: int = 0
    torn: bool = False

    @property
    def assembling(self) -> bool:
        """Whether it waits for a call that is not complete."""
        for lane in self.calls:  # noqa: SIM110  asked for every frame: a generator costs more
            if not lane.judged:
                return True
        return False

    @property
    def ready(self) -> bool:
        """Whether all that it holds is decided."""
        for placed in self.texts:
            if placed.end > placed.lane.decided:
                return False
        return not self.torn and not self.assembling

    @property
    def may_overtake(self) -> bool:
        return (
            bool(self.texts)
            and not self.calls
            and len(self.groups) == 1
            and all(placed.lane.begun for placed in self.texts)
            and self.ready
        )


class FrameQueue:
    """What one stream holds back. `size` is in bytes of frames."""

    __slots__ = ("_frames", "_lines", "_serial", "size")

    def __init__(self) -> None:
        self._frames: OrderedDict[int, Held] = OrderedDict()
        self._lines: dict[str, deque[Held]] = {}  # by group, each in order
        self._serial = 0
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self._frames)

    @property
    def head(self) -> Held | None:
        return next(iter(self._frames.values()), None)

    def add(self, held: Held) -> None:
        self._serial += 1
        held.serial = self._serial
        self._frames[held.serial] = held
        self.size += len(held.frame.event.raw)
        for group in held.groups:
            self._lines.setdefault(group, deque()).append(held)

    def ready(self, touched: tuple[str, ...]) -> Iterator[Held]:
        """Take out what may leave now. `touched`: the groups of the frame that came last."""
        frames = self._frames
        moved = False
        while frames:
            held = next(iter(frames.values()))
            if held.assembling:
                # Where the head has moved, frames of any group may have come free.
                for group in list(self._lines) if moved else touched:
                    yield from self._overtaking(group)
                return
            if not held.ready:
                return
            self._take(held)
            moved = True
            yield held

    def _overtaking(self, group: str) -> Iterator[Held]:
        while (line := self._lines.get(group)) and line[0].may_overtake:
            held = line[0]
            self._take(held)
            yield held

    def take_head(self) -> Held:
        """Take the first frame out, ready or not."""
        held = next(iter(self._frames.values()))
        self._take(held)
        return held

    def clear(self) -> None:
        self._frames.clear()
        self._lines.clear()
        self.size = 0

    def _take(self, held: Held) -> None:
        del self._frames[held.serial]
        self.size -= len(held.frame.event.raw)
        for group in held.groups:
            line = self._lines[group]
            line.popleft()  # what leaves is always the first of its groups
            if not line:
                del self._lines[group]
