"""Every content block of the Messages API is read, or named as unscannable."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.anthropic_blocks import BlockReader, arguments_text, depends_on
from gateway.dialects.base import Surface
from gateway.dialects.jsondoc import JsonDocument

TEXT = {"type": "text", "text": "words"}


def read(block: Any, surface: Surface = Surface.USER, **options: Any) -> BlockReader:
    reader = BlockReader(JsonDocument(None, b""), **options)
    reader.block([block], 0, surface, "messages[0].content[0]")
    return reader


def found(reader: BlockReader) -> list[tuple[str, str]]:
    return [(segment.surface.value, segment.text) for segment in reader.segments]


def unread(reader: BlockReader) -> list[str]:
    return [each.what for each in reader.unscannable]


CASES: list[tuple[Any, list[tuple[str, str]], list[str]]] = [
    (TEXT, [("user", "words")], []),
    ("bare words", [("user", "bare words")], []),
    (
        {**TEXT, "citations": [{"type": "page_location", "cited_text": "quoted"}]},
        [("user", "words"), ("user", "quoted")],
        [],
    ),
    ({"type": "image", "source": {"type": "base64", "data": "AAAA"}}, [], ["image"]),
    (
        {"type": "document", "title": "T", "source": {"type": "text", "data": "page"}},
        [("user", "page"), ("user", "T")],
        [],
    ),
    (
        {"type": "document", "source": {"type": "content", "content": [TEXT]}},
        [("user", "words")],
        [],
    ),
    ({"type": "document", "source": {"type": "base64", "data": "JVBE"}}, [], ["file"]),
    (
        {"type": "document", "source": {"type": "url", "url": "https://x.test"}},
        [("user", "https://x.test")],
        ["file"],
    ),
    ({"type": "document", "source": {"type": "file", "file_id": "f"}}, [], ["file"]),
    (
        {"type": "search_result", "source": "s", "title": "t", "content": [TEXT]},
        [("tool_result", "s"), ("tool_result", "t"), ("tool_result", "words")],
        [],
    ),
    ({"type": "tool_result", "tool_use_id": "a", "content": "r"}, [("tool_result", "r")], []),
    (
        {
            "type": "tool_result",
            "tool_use_id": "a",
            "content": [TEXT, {"type": "image", "source": {"data": "AA"}}],
        },
        [("tool_result", "words")],
        ["image"],
    ),
    (
        {"type": "tool_use", "id": "a", "name": "f", "input": {"k": "v", "n": 4111111111111111}},
        [
            ("tool_call", "v"),
            ("tool_call", "k"),
            ("tool_call", "4111111111111111"),
            ("tool_call", "n"),
        ],
        [],
    ),
    (
        {
            "type": "web_search_tool_result",
            "tool_use_id": "a",
            "content": [
                {
                    "type": "web_search_result",
                    "title": "T",
                    "url": "u",
                    "encrypted_content": "xyz",
                }
            ],
        },
        [("tool_result", "T"), ("tool_result", "u")],
        ["encrypted"],
    ),
    (
        {
            "type": "bash_code_execution_tool_result",
            "tool_use_id": "a",
            "content": {"type": "bash_code_execution_result", "stdout": "out", "return_code": 0},
        },
        [("tool_result", "out")],
        [],
    ),
    (
        {"type": "mcp_tool_result", "tool_use_id": "a", "content": [TEXT]},
        [("tool_result", "words")],
        [],
    ),
    ({"type": "thinking", "thinking": "hm", "signature": "s"}, [("reasoning", "hm")], []),
    ({"type": "redacted_thinking", "data": "xyz"}, [], ["encrypted"]),
    ({"type": "container_upload", "file_id": "f"}, [], ["file"]),
    ({"type": "compaction", "content": "sum"}, [("user", "sum")], []),
    (
        {
            "type": "mcp_tool_listing",
            "mcp_server_name": "m",
            "tools": [{"name": "echo", "input_schema": {}}],
        },
        [
            ("tool_definition", "echo"),
            ("tool_definition", "name"),
            ("tool_definition", "input_schema"),
        ],
        [],
    ),
    ({"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}}, [], []),
]


@pytest.mark.parametrize(("block", "segments", "unscannable"), CASES)
def test_a_known_block(block: Any, segments: list[tuple[str, str]], unscannable: list[str]) -> None:
    reader = read(block)
    assert sorted(found(reader)) == sorted(segments)
    assert unread(reader) == unscannable


def test_an_unknown_block_is_read_leaf_by_leaf_and_named() -> None:
    reader = read({"type": "hologram", "deep": {"inner": "words"}})
    assert {"words", "inner"} <= {text for _, text in found(reader)}
    assert unread(reader) == ["body"]


def test_signed_texts_are_readonly() -> None:
    thought = read({"type": "thinking", "thinking": "hm", "signature": "s"})
    sealed = read({"type": "compaction", "content": "sum", "encrypted_content": "x"})
    free = read({"type": "compaction", "content": "sum"})
    assert [s.readonly for r in (thought, sealed, free) for s in r.segments] == [True, True, False]


def test_calls_and_results_are_gathered() -> None:
    reader = BlockReader(JsonDocument(None, b""))
    blocks = [
        {"type": "tool_use", "id": "a", "name": "f", "input": {"k": 1}},
        {"type": "server_tool_use", "id": "b", "name": "web_search", "input": {}},
        {"type": "tool_result", "tool_use_id": "a", "content": "r", "is_error": True},
        {
            "type": "web_fetch_tool_result",
            "tool_use_id": "b",
            "content": {"type": "web_fetch_tool_result_error", "error_code": "x"},
        },
    ]
    for number in range(len(blocks)):
        reader.block(blocks, number, Surface.ASSISTANT, "p")
    assert [(c.id, c.name, c.arguments, c.hosted) for c in reader.calls] == [
        ("a", "f", '{"k":1}', False),
        ("b", "web_search", "{}", True),
    ]
    assert [(s.call_id, s.text, s.is_error) for s in reader.results] == [
        ("a", "r", True),
        ("b", "", True),
    ]


def test_two_screenshots_are_two_results() -> None:
    def shot(data: str) -> str:
        image = {"type": "image", "source": {"type": "base64", "data": data}}
        return read({"type": "tool_result", "tool_use_id": "a", "content": [image]}).results[0].text

    assert shot("a" * 200) != shot("b" * 200)
    assert shot("a" * 200) == shot("a" * 200)


def test_a_result_of_a_kind_to_come_is_read_as_a_result() -> None:
    reader = read({"type": "smell_tool_result", "tool_use_id": "a", "content": {"scent": "rose"}})
    assert found(reader) == [("tool_result", "rose")]


def test_what_a_block_hangs_on() -> None:
    assert depends_on({"type": "x", "tool_use_id": "a"}) == "a"
    assert depends_on({"caller": {"type": "code_execution_20250825", "tool_id": "b"}}) == "b"
    assert depends_on({"caller": {"type": "direct"}}) == ""
    assert arguments_text(None) == "{}"
