"""Frames that wait: in order, but for text that overtakes a call of another group."""

from __future__ import annotations

from itertools import count

from gateway.dialects.base import Event, Frame, Part, PartKind, Surface, ToolCall
from gateway.policy.frame_queue import FrameQueue, Held, Placed
from gateway.policy.lanes import CallLane, TextLane

numbers = count(1)


def frame() -> Frame:
    number = next(numbers)
    return Frame(Event(f"{number}\n".encode(), "", str(number)))


def lane(*, begun: bool = True, decided: int = 100) -> TextLane:
    made = TextLane(Surface.OUTPUT, False, (), ())
    made.begun, made.decided = begun, decided
    return made


def text(group: str, of: TextLane, end: int = 5) -> Held:
    placed = Placed(Part(PartKind.TEXT, "t", text="x" * end), of, 0, end)
    return Held(frame(), [placed], [], (group,))


def call(group: str) -> tuple[Held, CallLane]:
    pending = CallLane(ToolCall("c", "f", ""))
    return Held(frame(), [], [pending], (group,)), pending


def leave(queue: FrameQueue, *touched: str) -> list[Held]:
    return list(queue.ready(touched))


def test_frames_leave_in_order_as_soon_as_they_are_decided() -> None:
    queue, waiting = FrameQueue(), lane(decided=4)
    first, second = text("a", waiting), text("b", lane())
    queue.add(first)
    queue.add(second)
    assert leave(queue, "b") == []
    assert queue.size == len(first.frame.event.raw) + len(second.frame.event.raw)
    waiting.decided = 5
    assert leave(queue, "a") == [first, second]
    assert not queue
    assert queue.size == 0


def test_text_overtakes_a_call_of_another_group_only() -> None:
    queue = FrameQueue()
    held, pending = call("a")
    same, other = text("a", lane()), text("b", lane())
    for each in (held, same, other):
        queue.add(each)
    assert leave(queue, "b") == [other]
    pending.judged = True
    assert leave(queue, "a") == [held, same]


def test_text_of_a_lane_that_has_not_begun_keeps_its_place() -> None:
    queue = FrameQueue()
    queue.add(call("a")[0])
    queue.add(text("b", lane(begun=False)))
    assert leave(queue, "b") == []


def test_within_a_group_nothing_overtakes() -> None:
    queue = FrameQueue()
    queue.add(call("a")[0])
    waiting = lane(decided=0)
    first, second = text("b", waiting), text("b", lane())
    queue.add(first)
    queue.add(second)
    assert leave(queue, "b") == []
    waiting.decided = 5
    assert leave(queue, "b") == [first, second]


def test_text_that_waits_for_text_is_not_overtaken() -> None:
    queue = FrameQueue()
    queue.add(text("a", lane(decided=0)))
    queue.add(text("b", lane()))
    assert leave(queue, "b") == []


def test_a_frame_of_two_groups_keeps_its_place_in_both() -> None:
    queue = FrameQueue()
    held, pending = call("a")
    both = text("b", lane())
    both.groups = ("b", "c")
    behind = text("c", lane())
    for each in (held, both, behind):
        queue.add(each)
    assert leave(queue, "b", "c") == []
    pending.judged = True
    assert leave(queue) == [held, both, behind]


def test_when_the_head_moves_every_group_is_looked_at_again() -> None:
    queue = FrameQueue()
    first, pending = call("a")
    second, _ = call("c")
    late = lane(begun=False)
    text_b = text("b", late)
    for each in (first, second, text_b):
        queue.add(each)
    assert leave(queue, "b") == []
    late.begun = True
    pending.judged = True
    assert leave(queue, "a") == [first, text_b]


def test_a_torn_frame_never_leaves() -> None:
    queue = FrameQueue()
    torn = text("a", lane())
    torn.torn = True
    queue.add(torn)
    assert leave(queue, "a") == []
    assert queue.head is torn
    assert queue.take_head() is torn
    assert queue.head is None


def test_a_cleared_queue_is_empty() -> None:
    queue = FrameQueue()
    queue.add(call("a")[0])
    queue.clear()
    assert not queue
    assert queue.size == 0
    assert leave(queue, "a") == []
