"""Every item of the Responses API is read, or named as unscannable."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

import pytest
from openai.types import conversations, responses

from gateway.dialects.base import Surface
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.responses_items import (
    ItemReader,
    call_of,
    depends_on,
    field_of,
    is_hosted,
    is_models,
    kind_of,
)


def read(item: Any, **options: Any) -> ItemReader:
    reader = ItemReader(JsonDocument(None, b""), **options)
    reader.item([item], 0, Surface.ASSISTANT, "input[0]")
    return reader


def found(reader: ItemReader) -> list[tuple[str, str]]:
    return [(segment.surface.value, segment.text) for segment in reader.segments]


CASES: list[tuple[Any, list[tuple[str, str]], list[str]]] = [
    ({"role": "user", "content": "hi"}, [("user", "hi")], []),
    ({"role": "developer", "content": "be"}, [("system", "be")], []),
    (
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "look"},
                {"type": "input_image", "image_url": "https://x.test/a.png"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:AAAA"},
                {"type": "input_audio", "input_audio": {"data": "AAAA"}},
            ],
        },
        [("user", "look"), ("user", "https://x.test/a.png"), ("user", "a.pdf")],
        ["image", "file", "audio"],
    ),
    (
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {
                    "type": "output_text",
                    "text": "so",
                    "annotations": [{"type": "url_citation", "title": "T"}],
                },
                {"type": "refusal", "refusal": "no"},
            ],
        },
        [("assistant", "so"), ("assistant", "T"), ("assistant", "no")],
        [],
    ),
    (
        {
            "type": "reasoning",
            "id": "r",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "content": [{"type": "reasoning_text", "text": "deep"}],
            "encrypted_content": "gAAA",
        },
        [("reasoning", "hm"), ("reasoning", "deep")],
        ["encrypted"],
    ),
    (
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"k":"v"}'},
        [("tool_call", "v"), ("tool_call", "k")],
        [],
    ),
    (
        {"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "SELECT 1"},
        [("tool_call", "SELECT 1")],
        [],
    ),
    (
        {"type": "function_call_output", "call_id": "c", "output": "r"},
        [("tool_result", "r")],
        [],
    ),
    (
        {
            "type": "function_call_output",
            "call_id": "c",
            "output": [{"type": "input_text", "text": "r"}, {"type": "input_image"}],
        },
        [("tool_result", "r")],
        ["image"],
    ),
    (
        {
            "type": "computer_call_output",
            "call_id": "c",
            "output": {"type": "computer_screenshot", "image_url": "data:image/png;base64,AA"},
        },
        [],
        ["image"],
    ),
    (
        {
            "type": "shell_call_output",
            "call_id": "c",
            "output": [{"stdout": "o", "stderr": "e", "outcome": {"type": "exit", "exit_code": 1}}],
        },
        [("tool_result", "o"), ("tool_result", "e")],
        [],
    ),
    (
        {
            "type": "local_shell_call",
            "call_id": "c",
            "action": {"command": ["ls"], "env": {}},
        },
        [("tool_call", "ls"), ("tool_call", "command"), ("tool_call", "env")],
        [],
    ),
    (
        {"type": "mcp_call", "name": "f", "arguments": "{}", "output": "r", "error": None},
        [("tool_result", "r")],
        [],
    ),
    (
        {"type": "file_search_call", "queries": ["q"], "results": [{"text": "t", "file_id": "f"}]},
        [("tool_call", "q"), ("tool_result", "t")],
        [],
    ),
    (
        {
            "type": "code_interpreter_call",
            "code": "1+1",
            "outputs": [{"type": "logs", "logs": "2"}, {"type": "image", "url": "u"}],
        },
        [("tool_call", "1+1"), ("tool_result", "2")],
        ["image"],
    ),
    (
        {"type": "image_generation_call", "revised_prompt": "a cat", "result": "AAAA"},
        [("assistant", "a cat")],
        ["image"],
    ),
    (
        {"type": "mcp_list_tools", "tools": [{"name": "echo"}]},
        [("tool_definition", "echo"), ("tool_definition", "name")],
        [],
    ),
    ({"type": "mcp_approval_response", "approve": False, "reason": "no"}, [("user", "no")], []),
    ({"type": "compaction", "encrypted_content": "gAAA"}, [], ["encrypted"]),
    ({"type": "item_reference", "id": "x"}, [], ["history"]),
    ({"id": "x"}, [], ["history"]),
    ({"type": "program_output", "call_id": "c", "result": "r"}, [("tool_result", "r")], []),
    ({"type": "compaction_trigger"}, [], []),
]


@pytest.mark.parametrize(("item", "segments", "unscannable"), CASES)
def test_a_known_item(item: Any, segments: list[tuple[str, str]], unscannable: list[str]) -> None:
    reader = read(item)
    assert sorted(found(reader)) == sorted(segments)
    assert [each.what for each in reader.unscannable] == unscannable


@pytest.mark.parametrize("item", [{"type": "hologram", "deep": ["words"]}, "words", ["words"]])
def test_an_unknown_item_is_read_leaf_by_leaf_and_named(item: Any) -> None:
    reader = read(item)
    assert "words" in [text for _, text in found(reader)]
    assert [each.what for each in reader.unscannable] == ["body"]


def test_reasoning_with_an_encrypted_copy_is_readonly() -> None:
    item = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    assert not read(item).segments[0].readonly
    assert read({**item, "encrypted_content": "g"}).segments[0].readonly


def test_arguments_are_left_alone_where_calls_are_judged_apart() -> None:
    item = {"type": "mcp_call", "name": "f", "arguments": '{"k":"v"}', "output": "r"}
    assert found(read(item, read_arguments=False)) == [("tool_result", "r")]


@pytest.mark.parametrize(
    ("item", "name", "arguments", "hosted"),
    [
        ({"type": "function_call", "name": "f", "arguments": "{}"}, "f", "{}", False),
        ({"type": "custom_tool_call", "name": "sql", "input": "x"}, "sql", "x", False),
        ({"type": "shell_call", "action": {"commands": []}}, "shell", '{"commands":[]}', False),
        (
            {"type": "shell_call", "action": {}, "environment": {"type": "container_reference"}},
            "shell",
            "{}",
            True,
        ),
        ({"type": "apply_patch_call", "operation": {"a": 1}}, "apply_patch", '{"a":1}', False),
        ({"type": "computer_call", "actions": [1]}, "computer", "[1]", False),
        ({"type": "mcp_call", "name": "echo", "arguments": "{}"}, "echo", "{}", True),
        ({"type": "web_search_call"}, "web_search", "", True),
        ({"type": "tool_search_call", "execution": "client"}, "tool_search", "", False),
    ],
)
def test_what_is_called(item: dict[str, Any], name: str, arguments: str, hosted: bool) -> None:
    call = call_of({**item, "call_id": "c", "id": "i"}, "k")
    assert (call.name, call.arguments, call.hosted) == (name, arguments, hosted)
    assert (call.id, call.key) == ("c", "k")
    assert is_hosted(item) is hosted


def test_which_field_has_the_arguments() -> None:
    assert field_of({"type": "computer_call", "actions": []}) == "actions"
    assert field_of({"type": "computer_call", "action": {}}) == "action"
    assert field_of({"type": "image_generation_call"}) == ""


def test_whose_item_it_is() -> None:
    models = [
        {"role": "assistant", "content": "x"},
        {"type": "reasoning"},
        {"type": "function_call"},
        {"type": "tool_search_output", "execution": "server"},
    ]
    others = [
        {"role": "user", "content": "x"},
        {"type": "function_call_output"},
        {"type": "tool_search_output", "execution": "client"},
        {"type": "mcp_approval_response"},
    ]
    assert all(is_models(item) for item in models)
    assert not any(is_models(item) for item in others)
    assert [kind_of(item) for item in ({"role": "user"}, {"id": "x"}, {})] == [
        "message",
        "item_reference",
        "",
    ]


def test_results_say_whether_they_failed() -> None:
    def failed(item: dict[str, Any]) -> bool | None:
        return read({"call_id": "c", **item}).results[0].is_error

    outcome = {"type": "exit", "exit_code": 0}
    good = {"stdout": "o", "stderr": "", "outcome": outcome}
    bad = {**good, "outcome": {"type": "exit", "exit_code": 2}}
    assert failed({"type": "function_call_output", "output": "r"}) is None
    assert failed({"type": "apply_patch_call_output", "status": "failed", "output": "r"}) is True
    assert failed({"type": "shell_call_output", "output": [good]}) is False
    assert failed({"type": "shell_call_output", "output": [good, bad]}) is True
    assert failed({"type": "mcp_call", "name": "f", "error": "boom"}) is True


def test_what_an_item_hangs_on() -> None:
    assert depends_on({"type": "shell_call_output", "call_id": "c"}) == "c"
    caller = {"type": "program", "caller_id": "p"}
    assert depends_on({"type": "function_call", "call_id": "c", "caller": caller}) == "p"
    assert depends_on({"type": "function_call", "call_id": "c"}) == ""


def kinds_of(union: Any) -> Iterator[str]:
    """The `type` of every model in a union of the SDK's."""
    if isinstance(union, str):
        yield union
    elif fields := getattr(union, "model_fields", None):
        yield from kinds_of(fields["type"].annotation)
    else:
        for part in typing.get_args(union):
            yield from kinds_of(part)


@pytest.mark.parametrize(
    "union",
    [
        responses.ResponseItem,
        responses.ResponseInputItem,
        responses.ResponseOutputItem,
        conversations.ConversationItem,
    ],
    ids=["listed", "input", "output", "conversation"],
)
def test_every_item_of_the_sdk_is_known(union: Any) -> None:
    kinds = set(kinds_of(union))
    assert len(kinds) > 15
    for kind in kinds:
        reader = ItemReader(JsonDocument(None, b""))
        reader.item([{"type": kind, "role": "user"}], 0, Surface.ASSISTANT, "item")
        assert "body" not in {item.what for item in reader.unscannable}, kind
