"""Declared tools: who runs them, what they say, and how one is taken out."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.base import DeclaredTool
from gateway.dialects.gemini_parts import PartReader
from gateway.dialects.gemini_tools import ToolList
from gateway.dialects.jsondoc import JsonDocument


def read(root: dict[str, Any]) -> tuple[ToolList, PartReader]:
    reader = PartReader(JsonDocument(root, b""), asked=True)
    return ToolList(root, "tools", "tools", reader), reader


def function(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, **more}


def test_functions_go_by_their_name_and_googles_tools_by_their_field() -> None:
    tools, _ = read(
        {
            "tools": [
                {"functionDeclarations": [function("a"), function("b")], "googleSearch": {}},
                {"code_execution": {}},
                {"urlContext": {}, "fileSearch": {"fileSearchStoreNames": ["s"]}},
                {"computerUse": {"environment": "ENVIRONMENT_BROWSER"}},
                {"mcpServers": [{"name": "wiki"}]},
                {"somethingNew": {}},
            ]
        }
    )
    assert [(tool.name, tool.hosted) for tool in tools.declared] == [
        ("a", False),
        ("b", False),
        ("google_search", True),
        ("code_execution", True),
        ("url_context", True),
        ("file_search", True),
        ("computer_use", False),
        ("wiki", True),
        ("something_new", True),
    ]
    by_name = {tool.name: tool for tool in tools.declared}
    assert "googleSearch" in by_name["google_search"].covers
    assert "google_search_web" in by_name["google_search"].covers
    assert "click_at" in by_name["computer_use"].covers
    assert by_name["wiki"] == DeclaredTool("wiki", hosted=True, covers=("mcp",))


@pytest.mark.parametrize(
    "tools",
    [
        {"functionDeclarations": [function("a", description="d")]},
        {"function_declarations": function("a", description="d")},
        [{"function_declarations": [function("a", description="d")]}],
    ],
)
def test_lists_and_single_messages_in_both_spellings_declare_alike(tools: Any) -> None:
    root = {"tools": tools}
    found, reader = read(root)
    assert [tool.name for tool in found.declared] == ["a"]
    assert {segment.text for segment in reader.segments} == {"a", "d"}
    assert found.remove(frozenset({"a"})) != ()
    assert root == {}


def test_descriptions_and_schemas_are_read_without_the_formats_words() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {"city": {"type": "STRING", "description": "where"}},
        "required": ["city"],
        "propertyOrdering": ["city"],
    }
    for field in ("parameters", "parametersJsonSchema", "response", "response_json_schema"):
        _, reader = read({"tools": [{"functionDeclarations": [function("a", **{field: schema})]}]})
        assert [segment.text for segment in reader.segments if segment.readonly] == ["a"]
        assert {segment.text for segment in reader.segments} == {"a", "city", "where"}


def test_addresses_and_keys_of_servers_are_not_read() -> None:
    server = {
        "name": "wiki",
        "streamableHttpTransport": {"url": "https://x.test", "headers": {"Authorization": "t"}},
    }
    maps = {"googleMaps": {"authConfig": {"apiKey": "k"}, "note": "n"}}
    _, reader = read({"tools": [{"mcpServers": [server]}, maps]})
    assert {segment.text for segment in reader.segments} == {"wiki", "n"}


def test_what_is_left_is_still_valid() -> None:
    root: dict[str, Any] = {
        "tools": [
            {"functionDeclarations": [function("a"), function("b"), function("c")]},
            {"googleSearch": {}, "codeExecution": {}},
            {"mcpServers": [{"name": "wiki"}]},
        ]
    }
    tools, reader = read(root)
    gone = tools.remove(frozenset({"b", "google_search", "wiki"}))
    assert root["tools"] == [
        {"functionDeclarations": [function("a"), function("c")]},
        {"codeExecution": {}},
    ]
    assert [tool.name for tool in tools.declared] == ["a", "c", "code_execution"]
    left = [segment.text for segment in reader.segments if not segment.place.startswith(gone)]
    assert left == ["a", "c"]
    tools.remove(frozenset({"c"}))
    assert root["tools"] == [{"functionDeclarations": [function("a")]}, {"codeExecution": {}}]
    assert tools.remove(frozenset({"unknown"})) == ()
    tools.remove(frozenset({"a", "code_execution"}))
    assert root == {}


@pytest.mark.parametrize(
    ("choice", "left"),
    [
        ({"mode": "AUTO"}, {"mode": "AUTO"}),
        (
            {"mode": "ANY", "allowedFunctionNames": ["a", "b"]},
            {"mode": "ANY", "allowedFunctionNames": ["b"]},
        ),
        ({"mode": "ANY", "allowed_function_names": ["a"]}, {"mode": "NONE"}),
    ],
)
def test_a_choice_of_what_is_gone_is_narrowed(choice: Any, left: Any) -> None:
    root: dict[str, Any] = {
        "tools": [{"functionDeclarations": [function("a"), function("b")]}],
        "toolConfig": {"functionCallingConfig": choice},
    }
    read(root)[0].remove(frozenset({"a"}))
    assert root["toolConfig"] == {"functionCallingConfig": left}


def test_without_any_function_there_is_no_choice() -> None:
    root: dict[str, Any] = {
        "tools": [{"functionDeclarations": [function("a")]}, {"googleSearch": {}}],
        "tool_config": {"function_calling_config": {"mode": "ANY"}},
    }
    read(root)[0].remove(frozenset({"a"}))
    assert root == {"tools": [{"googleSearch": {}}], "tool_config": {}}


def test_what_is_no_tool_is_read_and_named() -> None:
    tools, reader = read({"tools": ["hello", {"functionDeclarations": ["there"]}]})
    assert tools.declared == []
    assert [segment.text for segment in reader.segments] == ["hello", "there"]
    assert [item.what for item in reader.unscannable] == ["body", "body"]
