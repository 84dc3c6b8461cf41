"""Fields of chat messages: a call is read whole, and what nobody named is read leaf by leaf."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.base import Surface
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.openai_chat_fields import read_call, read_extra
from gateway.dialects.reading import Reader


def reader_of(root: Any) -> Reader:
    return Reader(JsonDocument(root, b""))


def test_a_function_call_gives_its_arguments_leaf_by_leaf() -> None:
    entry = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":"b"}'}}
    reader = reader_of(entry)
    call = read_call(reader, entry, "0/0", "here")
    assert (call.id, call.name, call.arguments, call.key) == ("c1", "f", '{"a":"b"}', "0/0")
    assert [(s.text, s.surface, s.place) for s in reader.segments] == [
        ("b", Surface.TOOL_CALL, "here.function.arguments"),
        ("a", Surface.TOOL_CALL, "here.function.arguments"),
    ]


def test_a_custom_call_gives_its_input() -> None:
    entry = {"id": "c1", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    reader = reader_of(entry)
    call = read_call(reader, entry, "0/0", "here")
    assert (call.name, call.arguments) == ("sh", "ls")
    assert [s.text for s in reader.segments] == ["ls"]


@pytest.mark.parametrize(
    "entry",
    [
        {"function": {"name": 1, "arguments": {"a": "x"}}},
        {"function": "x"},
        {"function": {"name": "f", "arguments": "{}", "more": "x"}},
        {"custom": {"name": "f", "input": "", "more": "x"}},
        {"custom": {"input": ["x"]}},
        {"extra_content": {"note": "x"}},
        {"function": {"name": "f", "arguments": "{}"}, "custom": {"name": "g", "input": "x"}},
    ],
)
def test_a_call_of_a_strange_shape_is_still_read(entry: dict[str, Any]) -> None:
    reader = reader_of(entry)
    read_call(reader, entry, "0/0", "here")
    assert "x" in [s.text for s in reader.segments]


def test_what_is_called_reasoning_is_that_and_signed_where_it_has_structure() -> None:
    root = {
        "reasoning": "plain",
        "thinking_blocks": [{"thinking": "deep", "signature": "s"}],
        "reasoning_details": [{"type": "reasoning.encrypted", "data": "zz"}],
        "note": "aside",
    }
    reader = reader_of(root)
    for key in root:
        read_extra(reader, root, key, Surface.ASSISTANT, key)
    found = {s.text: (s.surface, s.readonly) for s in reader.segments}
    assert found["plain"] == (Surface.REASONING, False)
    assert found["deep"] == (Surface.REASONING, True)
    assert found["aside"] == (Surface.ASSISTANT, False)
    assert [u.what for u in reader.unscannable] == ["encrypted"]
