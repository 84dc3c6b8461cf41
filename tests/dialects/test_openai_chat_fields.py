"""Fields of chat messages: a call is read whole, and what nobody named is read leaf by leaf."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.base import Surface
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.openai_chat_fields import (
    arguments_text,
    drop_repeats,
    put_arguments,
    read_answer_parts,
    read_call,
    read_extra,
    read_images,
)
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


@pytest.mark.parametrize(
    ("given", "text"), [({"a": 1}, '{"a":1}'), ([1], "[1]"), ('{"a":1}', '{"a":1}'), (None, "")]
)
def test_arguments_are_json_text_whatever_a_server_sends(given: Any, text: str) -> None:
    assert arguments_text(given) == text


def test_arguments_keep_their_shape() -> None:
    holder: dict[str, Any] = {"object": {"a": 1}, "text": '{"a":1}'}
    put_arguments(holder, "object", '{"a":2}')
    put_arguments(holder, "text", '{"a":2}')
    assert holder == {"object": {"a": 2}, "text": '{"a":2}'}


def test_what_says_the_text_token_by_token_goes() -> None:
    choice = {"text": "x", "logprobs": {"tokens": ["y"]}, "token_ids": [1], "index": 0}
    drop_repeats(choice)
    assert choice == {"text": "x", "logprobs": None, "token_ids": None, "index": 0}


def test_an_answer_in_parts_is_read_part_by_part() -> None:
    parts: list[Any] = [
        {"type": "text", "text": "one", "note": "two"},
        {"type": "thinking", "thinking": [{"type": "text", "text": "three"}]},
        {"type": "image_url", "image_url": {"url": "https://example.org/four"}},
        "five",
        {"type": "reference", "ids": ["six"]},
    ]
    reader = reader_of(parts)
    read_answer_parts(reader, parts, "content")
    texts = {segment.text: segment.surface for segment in reader.segments}
    assert texts["three"] is Surface.REASONING
    for word in ("one", "two", "https://example.org/four", "five", "six"):
        assert texts[word] is Surface.OUTPUT
    assert [item.what for item in reader.unscannable] == ["image"]


def test_pictures_are_named_and_their_addresses_read() -> None:
    images: list[Any] = [
        {"image_url": {"url": "data:image/png;base64,AAAA"}},
        {"image_url": "https://example.org/x"},
        "AAAA",
    ]
    reader = reader_of(images)
    read_images(reader, images, Surface.OUTPUT, "images")
    assert [item.what for item in reader.unscannable] == ["image"] * 3
    assert [segment.text for segment in reader.segments] == ["https://example.org/x"]
