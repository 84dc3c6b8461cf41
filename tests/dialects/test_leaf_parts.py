"""A whole text inside an event is a lane of its own, and is written back where it stood."""

from __future__ import annotations

from gateway.dialects.base import Event, PartKind, Surface
from gateway.dialects.jsondoc import JsonDocument, leaf_segments
from gateway.dialects.leaf_parts import apply_leaves, leaf_parts, raw_frame, write_raw


def test_each_text_begins_and_ends_its_own_lane() -> None:
    root = {"a": "one", "b": ["two"]}
    segments = leaf_segments(JsonDocument(root, b""), root, Surface.TOOL_RESULT, "p")
    parts = leaf_parts(segments, "leaf1", "g")
    assert len({part.lane for part in parts}) == len(segments)
    for text, end in zip(parts[::2], parts[1::2], strict=True):
        assert (text.kind, end.kind, text.lane) == (PartKind.TEXT, PartKind.END, end.lane)
        assert text.group == end.group == "g"


def test_replaced_texts_go_back_and_are_reported() -> None:
    root = {"a": "one", "b": ["two"]}
    document = JsonDocument(root, b"")
    parts = leaf_parts(leaf_segments(document, root, Surface.OUTPUT, "p"), "leaf1", "g")
    assert apply_leaves(parts) == []
    assert not document.changed
    for part in parts:
        if part.text == "two":
            part.text = "#"
    assert apply_leaves(parts) == [(Surface.OUTPUT, "two", "#")]
    assert root == {"a": "one", "b": ["#"]}


def test_data_that_is_no_json_is_read_as_text_and_named() -> None:
    event = Event(b"event: e\ndata: {secret\n\n", "e", "{secret")
    frame = raw_frame(event, "leaf1", "g")
    assert [part.text for part in frame.parts] == ["{secret", ""]
    assert [each.what for each in frame.unscannable] == ["body"]
    assert write_raw(frame) == event.raw
    frame.parts[0].text = "{######"
    frame.changed = True
    assert write_raw(frame) == b"event: e\ndata: {######\n\n"
