"""Frames of chat streams: what is changed in them reaches the payload and nothing else."""

from __future__ import annotations

from gateway.dialects.base import Event, PartKind
from gateway.dialects.openai_chat_frames import (
    ChatFrame,
    PlacedPart,
    carry,
    drop_idle,
    unreadable,
    without_usage,
)


def test_replaced_texts_go_where_they_stood() -> None:
    delta = {"content": "a"}
    payload = {"choices": [{"delta": delta, "logprobs": {"content": []}}, {"logprobs": None}, "x"]}
    part = PlacedPart(PartKind.TEXT, "c0", text="b", holder=delta, key="content")
    carry(ChatFrame(Event(b"", "", ""), payload, [part]))
    assert payload["choices"] == [
        {"delta": {"content": "b"}, "logprobs": None},
        {"logprobs": None},
        "x",
    ]


def test_only_choices_of_which_nothing_is_left_are_dropped() -> None:
    kept = [
        {"delta": {}, "finish_reason": "stop"},
        {"delta": {"role": "assistant", "content": None}, "finish_reason": None},
        {"delta": {"content": "x"}},
        {"message": {}},
        "x",
    ]
    payload = {"choices": [{"delta": {}}, {"delta": {"content": "", "refusal": None}}, *kept]}
    drop_idle(payload)
    assert payload["choices"] == kept


def test_data_that_cannot_be_read_is_text_that_ends() -> None:
    frame = unreadable(Event(b"data: x\n\n", "", "x"))
    assert [(part.kind, part.text) for part in frame.parts] == [
        (PartKind.TEXT, "x"),
        (PartKind.END, ""),
    ]
    assert frame.unscannable[0].what == "body"


def test_a_changed_frame_loses_its_null_usage_too() -> None:
    event = Event(b'data: {"choices":[1],"usage":null}\n\n', "", "")
    assert without_usage(event, {"choices": [2], "usage": None}, True) == (
        b'data: {"choices":[2]}\n\n'
    )
    assert without_usage(event, {"choices": [1], "usage": None}, False) == (
        b'data: {"choices":[1]}\n\n'
    )
