"""What Ollama's bodies have in common."""

from __future__ import annotations

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Surface, Usage
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.ollama_fields import line, read_images, read_tool_call, usage_of
from gateway.dialects.reading import Reader


def reader() -> Reader:
    return Reader(JsonDocument({}, b""))


def test_arguments_are_an_object_and_are_read_leaf_by_leaf() -> None:
    entry = {"id": "c1", "function": {"index": 0, "name": "send", "arguments": {"to": ["ann"]}}}
    to = reader()
    call = read_tool_call(to, entry, "0", "here")
    assert (call.id, call.name, call.arguments) == ("c1", "send", '{"to":["ann"]}')
    assert [(s.text, s.surface) for s in to.segments] == [
        ("to", Surface.TOOL_CALL),
        ("ann", Surface.TOOL_CALL),
    ]


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "send", "arguments": {"to": "ann"}},
        {"function": {"name": "send", "arguments": '{"to":"ann"}'}},
    ],
)
def test_calls_of_other_shapes_are_read_too(entry: dict[str, object]) -> None:
    to = reader()
    call = read_tool_call(to, entry, "0", "here")
    assert (call.name, call.arguments) == ("send", '{"to":"ann"}')
    assert "ann" in [s.text for s in to.segments]


def test_what_a_call_has_besides_is_read() -> None:
    to = reader()
    function = {"name": "a", "arguments": {}, "note": "one"}
    read_tool_call(to, {"function": function, "more": "two"}, "0", "here")
    assert {s.text for s in to.segments} == {"one", "two"}


@pytest.mark.parametrize(
    ("images", "count", "size"),
    [(None, 0, 0), (["AAAA", "BB"], 2, 6), ("AAAA", 1, 4), ([{"url": "x"}], 1, 0)],
)
def test_pictures_are_named_and_do_not_count_as_text(images: object, count: int, size: int) -> None:
    to = reader()
    read_images(to, images, Surface.USER, "images")
    assert [item.what for item in to.unscannable] == ["image"] * count
    assert (to.images, to.media_bytes) == (count, size)


def test_usage_is_what_the_last_line_counts() -> None:
    assert usage_of({"prompt_eval_count": 11, "eval_count": 18}, 5) == Usage(11, output=18)
    assert usage_of({"eval_count": 18}, 5) == Usage(5, output=18, estimated=True)
    assert usage_of({"prompt_eval_count": 11}, 5) == Usage(11)
    assert usage_of({}, 5) is None


@given(st.text())
def test_no_client_finds_a_line_end_inside_a_line(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    raw = line({"text": text})
    response = httpx.Response(200, content=raw)
    assert [orjson.loads(one) for one in response.iter_lines()] == [{"text": text}]
    assert raw.count(b"\n") == 1
