"""Declared tools: what they are called, who runs them, and how they are taken out."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.dialects.anthropic_request import AnthropicCall
from gateway.dialects.base import DeclaredTool
from gateway.dialects.jsondoc import parse_object

SHELL = {"name": "shell", "description": "runs", "input_schema": {"type": "object"}}
READ = {"name": "read", "input_schema": {"type": "object"}}


def call(**fields: Any) -> AnthropicCall:
    body = {"model": "m", "max_tokens": 5, "messages": [], **fields}
    return AnthropicCall(parse_object(orjson.dumps(body)), "chat")


def sent(made: AnthropicCall) -> dict[str, Any]:
    root: dict[str, Any] = orjson.loads(made.encode())
    return root


def test_who_runs_a_tool_and_what_its_calls_are_called() -> None:
    made = call(
        tools=[
            SHELL,
            {"type": "custom", **READ},
            {"type": "bash_20250124", "name": "bash"},
            {"type": "web_search_20250305", "name": "web_search"},
            {"type": "code_execution_20250825", "name": "code_execution"},
            {"type": "browser_toolset_20260801"},
            {"type": "mcp_toolset", "mcp_server_name": "github", "tools": [{"name": "pr"}]},
        ],
        mcp_servers=[
            {"type": "url", "name": "github", "url": "https://x.test"},
            {"name": "old", "tool_configuration": {"allowed_tools": ["echo"]}},
        ],
    )
    tools = {tool.name: tool for tool in made.tools}
    assert tools["shell"] == DeclaredTool("shell")
    assert tools["read"] == DeclaredTool("read")
    assert tools["bash"] == DeclaredTool("bash", types=("bash_20250124", "bash"))
    assert tools["web_search"].hosted
    assert "bash_code_execution" in tools["code_execution"].covers
    assert "navigate" in tools["browser_toolset"].covers
    assert not tools["browser_toolset"].hosted
    assert tools["github"] == DeclaredTool(
        "github", hosted=True, covers=("mcp", "pr"), types=("mcp_toolset", "mcp")
    )
    assert tools["old"] == DeclaredTool("old", hosted=True, covers=("mcp", "echo"))
    assert len(made.tools) == 8


def test_switched_off_members_of_a_toolset_are_not_covered() -> None:
    toolset = {
        "type": "mcp_toolset",
        "mcp_server_name": "m",
        "default_config": {"enabled": False},
        "configs": {"on": {"enabled": True}, "off": {}},
    }
    assert call(tools=[toolset]).tools[0].covers == ("mcp", "on")


def test_a_removed_tool_is_gone_with_its_choice_and_its_segments() -> None:
    made = call(tools=[SHELL, READ], tool_choice={"type": "tool", "name": "shell"})
    assert any(segment.text == "runs" for segment in made.segments)
    made.remove_tools(frozenset({"shell"}))
    assert sent(made)["tools"] == [READ]
    assert "tool_choice" not in sent(made)
    assert [tool.name for tool in made.tools] == ["read"]
    assert not any(segment.text == "runs" for segment in made.segments)


def test_a_choice_of_another_tool_stays() -> None:
    made = call(tools=[SHELL, READ], tool_choice={"type": "tool", "name": "read"})
    made.remove_tools(frozenset({"shell"}))
    assert sent(made)["tool_choice"] == {"type": "tool", "name": "read"}


def test_without_tools_there_is_no_choice_either() -> None:
    made = call(tools=[SHELL], tool_choice={"type": "any"})
    made.remove_tools(frozenset({"shell"}))
    assert not {"tools", "tool_choice"} & sent(made).keys()


def test_a_removed_toolset_takes_its_server_along() -> None:
    made = call(
        tools=[READ, {"type": "mcp_toolset", "mcp_server_name": "github"}],
        mcp_servers=[{"name": "github", "url": "u"}, {"name": "other", "url": "u"}],
    )
    made.remove_tools(frozenset({"github"}))
    assert sent(made)["tools"] == [READ]
    assert [each["name"] for each in sent(made)["mcp_servers"]] == ["other"]
    made.remove_tools(frozenset({"other"}))
    assert "mcp_servers" not in sent(made)


def test_tools_defined_in_the_conversation_are_declared_and_can_be_removed() -> None:
    addition = {
        "type": "tool_addition",
        "tool": {"type": "tool_definition", "definition": SHELL},
    }
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "system", "content": [addition]},
        {"role": "user", "content": [{"type": "text", "text": "go"}, dict(addition)]},
    ]
    made = call(messages=messages, tools=[READ])
    assert [tool.name for tool in made.tools] == ["read", "shell", "shell"]
    made.remove_tools(frozenset({"shell"}))
    assert sent(made)["messages"] == [
        {"role": "user", "content": "hi"},
        {"role": "user", "content": [{"type": "text", "text": "go"}]},
    ]
    assert not any(segment.text == "runs" for segment in made.segments)


def test_removing_what_is_not_there_changes_nothing() -> None:
    made = call(tools=[SHELL])
    made.remove_tools(frozenset({"other"}))
    assert made.encode() == made.document.raw


def test_names_are_never_rewritten() -> None:
    made = call(tools=[SHELL])
    assert [s.text for s in made.segments if s.readonly] == ["shell"]


def test_tools_of_an_unknown_shape_are_read_and_named() -> None:
    made = call(tools={"shell": "secret words"})
    assert "secret words" in [segment.text for segment in made.segments]
    assert [each.what for each in made.unscannable] == ["body"]
    made.remove_tools(frozenset({"shell"}))
    assert made.encode() == made.document.raw
