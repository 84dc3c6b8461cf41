"""Reading streams of the Responses API: lanes, calls, and what hides in snapshots."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.dialects.base import Frame, PartKind, Surface
from gateway.dialects.responses_reading import ResponsesReader
from tests.dialects.driving import calls_of, events_of, sse, texts_of
from tests.dialects.responses_samples import call, message, reasoning, response, stream, whole


def frames(raw: bytes, *, sealed: bool = False) -> list[Frame]:
    reader = ResponsesReader(sealed=sealed)
    return [reader.read(event) for event in events_of(raw)]


def named(read: list[Frame]) -> list[str]:
    return [each.what for frame in read for each in frame.unscannable]


def test_each_text_is_a_lane_and_each_item_a_group() -> None:
    read = frames(stream(reasoning(0, "h", "m"), message(1, "a", "b"), call(2, "f", "{", "}")))
    assert texts_of(read) == {"0/s0": "hm", "1/0": "ab"}
    assert {(part.lane, part.group) for frame in read for part in frame.parts} == {
        ("0/s0", "0"),
        ("1/0", "1"),
        ("2/call", "2"),
    }
    (made,) = calls_of(read).values()
    assert (made.id, made.name, made.arguments, made.hosted) == ("call_2", "f", "{}", False)
    ends = [part.lane for f in read for part in f.parts if part.kind is PartKind.END]
    assert ends == ["0/s0", "1/0"]


def test_reasoning_with_an_encrypted_copy_is_readonly() -> None:
    def signed(read: list[Frame]) -> set[bool]:
        return {p.readonly for f in read for p in f.parts if p.kind is PartKind.TEXT}

    assert signed(frames(stream(reasoning(0, "hm")))) == {False}
    assert signed(frames(stream(reasoning(0, "hm", sealed=True)))) == {True}
    assert signed(frames(stream(reasoning(0, "hm")), sealed=True)) == {True}
    assert named(frames(stream(reasoning(0, "hm", sealed=True)))) == ["encrypted"]


def test_a_text_that_only_a_snapshot_has_is_read() -> None:
    events, item = message(0, "shown")
    hidden = {**item, "content": [{"type": "output_text", "text": "hidden"}]}
    read = frames(stream(([*events[:-1], {**events[-1], "item": hidden}], item)))
    assert sorted(texts_of(read).values()) == ["hidden", "shown"]
    read = frames(stream((events, {**hidden, "id": "msg_0"})))
    assert sorted(texts_of(read).values()) == ["hidden", "shown"]


def test_a_text_that_came_without_deltas_is_read_once() -> None:
    events, item = message(0)
    part = {"type": "output_text", "text": "whole", "annotations": []}
    events[2]["text"] = "whole"
    events[3]["part"] = part
    item["content"] = [part]
    assert list(texts_of(frames(stream((events, item)))).values()) == ["whole"]


def test_a_text_that_differs_from_its_deltas_is_read_too() -> None:
    events, item = message(0, "a", "b")
    events[4]["text"] = "something else"
    assert "something else" in texts_of(frames(stream((events, item)))).values()


def test_arguments_that_came_without_deltas_are_the_calls() -> None:
    events, item = call(0, "f")
    events[1]["arguments"] = item["arguments"] = '{"a":1}'
    events[2]["item"] = item
    for kept in (events, [events[0], events[2]]):
        (made,) = calls_of(frames(stream((kept, item)))).values()
        assert made.arguments == '{"a":1}'


def test_a_call_that_never_ends_is_complete_at_the_end() -> None:
    events, item = call(0, "f", '{"a":')
    (made,) = calls_of(frames(stream((events[:2], item)))).values()
    assert made.arguments == '{"a":'


def test_hosted_calls_are_calls_and_their_results_are_read() -> None:
    search: dict[str, Any] = {
        "id": "fs_0",
        "type": "file_search_call",
        "status": "completed",
        "queries": ["q"],
        "results": [{"file_id": "f", "text": "found text"}],
    }
    read = frames(stream(whole(0, search, results=None, queries=[])))
    (made,) = calls_of(read).values()
    assert (made.name, made.arguments, made.hosted) == ("file_search", '["q"]', True)
    (lane,) = texts_of(read).items()
    assert lane[1] == "found text"
    surfaces = {p.surface for f in read for p in f.parts if p.kind is PartKind.TEXT}
    assert surfaces == {Surface.TOOL_RESULT}


def test_output_of_hosted_commands_is_read_as_it_comes() -> None:
    item = {"id": "so_0", "type": "shell_call_output", "call_id": "c", "output": []}
    out = [{"stdout": "ab", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]
    where = {"output_index": 0, "item_id": "so_0", "command_index": 0}
    kind = "response.shell_call_output_content"
    events, _ = whole(0, {**item, "output": out}, output=[])
    events[1:1] = [
        {"type": f"{kind}.delta", **where, "delta": {"stdout": "a"}},
        {"type": f"{kind}.delta", **where, "delta": {"stdout": "b"}},
        {"type": f"{kind}.done", **where, "output": out},
    ]
    assert texts_of(frames(stream((events, {**item, "output": out})))) == {"0/o0stdout": "ab"}


def test_a_picture_is_named() -> None:
    item = {"id": "ig", "type": "image_generation_call", "status": "completed", "result": "AAAA"}
    events, _ = whole(0, item, result=None)
    events.insert(
        1,
        {
            "type": "response.image_generation_call.partial_image",
            "output_index": 0,
            "partial_image_b64": "AAAA",
        },
    )
    read = frames(stream((events, item)))
    assert named(read) == ["image", "image"]
    assert not texts_of(read)


def test_unknown_events_are_read_and_pieces_of_unknown_text_named() -> None:
    raw = sse(
        [
            {"type": "response.created", "response": response("in_progress", [])},
            {"type": "response.mood.changed", "mood": "glad"},
            {"type": "response.song.delta", "delta": "la"},
            {"type": "response.audio.delta", "delta": "AAAA"},
        ]
    )
    read = frames(raw)
    assert sorted(texts_of(read).values()) == ["glad", "la"]
    assert named(read) == ["body", "audio"]


def test_an_event_that_is_no_json_is_named() -> None:
    assert named(frames(b"data: {oops\n\ndata: [1]\n\ndata: [DONE]\n\n")) == ["body", "body"]


def test_the_request_that_the_response_echoes_is_not_output() -> None:
    echo = response("in_progress", [], instructions="be nice", tools=[{"name": "f"}])
    assert not texts_of(frames(sse([{"type": "response.created", "response": echo}])))


def test_a_second_response_has_lanes_of_its_own() -> None:
    raw = stream(message(0, "one")) + stream(message(0, "two"))
    assert texts_of(frames(raw)) == {"0/0": "one", "r2/0/0": "two"}


def test_reading_leaves_the_events_as_they_came() -> None:
    raw = stream(reasoning(0, "hm"), message(1, "a"), call(2, "f", "{}"))
    for event, frame in zip(events_of(raw), frames(raw), strict=True):
        assert frame.payload == orjson.loads(event.data)
        assert not frame.changed
