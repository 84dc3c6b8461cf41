"""Declared tools: all are seen, and one that is taken out leaves a body that the API takes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.openai_chat import OpenAIChat
from gateway.dialects.openai_chat_tools import ToolList
from gateway.dialects.reading import Reader
from gateway.message import Headers, Request


def function(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


def open_list(**root: Any) -> tuple[dict[str, Any], ToolList, Reader]:
    reader = Reader(JsonDocument(root, b""))
    return root, ToolList(root, reader), reader


def test_all_kinds_of_tools_are_declared() -> None:
    _, tools, _ = open_list(
        tools=[
            function("find"),
            {"type": "custom", "custom": {"name": "shell", "format": {"type": "text"}}},
            {"type": "code_interpreter"},
        ],
        functions=[{"name": "old"}],
        web_search_options={},
    )
    assert [(tool.name, tool.hosted) for tool in tools.declared] == [
        ("find", False),
        ("shell", False),
        ("code_interpreter", True),
        ("old", False),
        ("web_search", True),
    ]


def test_all_their_words_are_read_but_those_of_the_schema_language() -> None:
    schema = {
        "type": "object",
        "properties": {"secret_name": {"type": "string", "enum": ["one"], "description": "which"}},
        "required": ["secret_name"],
    }
    _, _, reader = open_list(
        tools=[function("find", description="finds", parameters=schema)],
        response_format={"type": "json_schema", "json_schema": {"name": "out", "description": "d"}},
    )
    assert sorted(s.text for s in reader.segments) == sorted(
        ["find", "finds", "secret_name", "one", "which", "secret_name", "out", "d"]
    )
    assert {s.place for s in reader.segments} == {"tools[0]", "response_format"}


@pytest.mark.parametrize("value", ["text", {"a": "text"}, ["text"]])
def test_tools_of_a_strange_shape_are_read(value: Any) -> None:
    _, _, reader = open_list(tools=value)
    assert "text" in [s.text for s in reader.segments]
    assert reader.unscannable


CHOICES = [
    ("auto", "auto"),
    ({"type": "function", "function": {"name": "b"}}, "same"),
    ({"type": "function", "function": {"name": "a"}}, None),
    ({"type": "custom", "custom": {"name": "a"}}, None),
    (
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [function("a"), function("b")]},
        },
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [function("b")]}},
    ),
    (
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [function("a")]}},
        "none",
    ),
]


@pytest.mark.parametrize(("choice", "left"), CHOICES)
def test_a_choice_of_a_tool_that_has_gone_goes_with_it(choice: Any, left: Any) -> None:
    root, tools, _ = open_list(tools=[function("a"), function("b")], tool_choice=choice)
    assert tools.remove(frozenset({"a"})) == {"tools[0]"}
    assert root["tools"] == [function("b")]
    assert root.get("tool_choice") == (choice if left == "same" else left)


def test_the_last_tool_takes_the_choice_along() -> None:
    root, tools, _ = open_list(
        tools=[function("a")], tool_choice="required", parallel_tool_calls=True
    )
    tools.remove(frozenset({"a"}))
    assert root == {}
    assert tools.declared == []


def test_older_functions_and_web_search_are_taken_out_too() -> None:
    root, tools, _ = open_list(
        functions=[{"name": "a"}, {"name": "b"}],
        function_call={"name": "a"},
        web_search_options={"search_context_size": "low"},
    )
    tools.remove(frozenset({"a", "web_search"}))
    assert root == {"functions": [{"name": "b"}]}
    tools.remove(frozenset({"b"}))
    assert root == {}


def test_taking_out_one_after_another() -> None:
    root, tools, _ = open_list(tools=[function(name) for name in "abc"])
    tools.remove(frozenset({"a"}))
    assert tools.remove(frozenset({"c"})) == {"tools[2]"}
    assert root["tools"] == [function("b")]
    assert tools.remove(frozenset({"x"})) == frozenset()


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"web_search_options": {}}, ["web_search"]),
        ({"search_parameters": {"mode": "auto"}}, ["web_search"]),
        ({"search_parameters": {"mode": "off"}}, []),
        ({"enable_search": True}, ["web_search"]),
        ({"enable_search": False}, []),
        ({"plugins": [{"id": "web"}, {"id": "file-parser"}]}, ["web_search", "file-parser"]),
        ({"data_sources": [{"type": "azure_search"}]}, ["azure_search"]),
        ({"dataSources": [{"type": "AzureCognitiveSearch"}]}, ["AzureCognitiveSearch"]),
        ({"model": "openai/gpt-4o:online"}, ["web_search"]),
        ({"models": ["a/b", "a/c:online"]}, ["web_search"]),
    ],
)
def test_what_the_provider_runs_is_a_tool_whatever_the_field_is_called(
    fields: dict[str, Any], names: list[str]
) -> None:
    made = hosted(**fields)
    assert [(tool.name, tool.hosted) for tool in made.tools] == [(name, True) for name in names]


def test_what_the_provider_runs_can_be_taken_out() -> None:
    made = hosted(
        model="openai/gpt-4o:online",
        models=["a/c:online", 7],
        plugins=[{"id": "web"}, {"id": "file-parser"}],
        search_parameters={"mode": "on"},
        enable_search=True,
        data_sources=[{"type": "azure_search"}],
    )
    made.remove_tools(frozenset({"web_search", "azure_search"}))
    sent = orjson.loads(made.encode())
    assert sent.pop("messages")
    assert sent == {
        "model": "openai/gpt-4o",
        "models": ["a/c", 7],
        "plugins": [{"id": "file-parser"}],
    }
    assert made.model == "openai/gpt-4o"
    assert [tool.name for tool in made.tools] == ["file-parser"]


def hosted(**fields: Any) -> Any:
    """A call whose body has these fields."""
    message = {"role": "user", "content": "Hello"}
    body = orjson.dumps({"model": "m", "messages": [message], **fields})
    return OpenAIChat().decode(Request("POST", "/v1/chat/completions", Headers(), body), body)
