"""Declared tools: what they are called, who runs them, and how they are taken out."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.dialects.base import DeclaredTool
from gateway.dialects.jsondoc import parse_object
from gateway.dialects.responses_request import ResponsesCall

SHELL = {"type": "function", "name": "run", "description": "runs", "parameters": {}}
READ = {"type": "function", "name": "read", "parameters": {}}
MCP = {
    "type": "mcp",
    "server_label": "github",
    "server_url": "https://x.test",
    "authorization": "Bearer secret",
    "headers": {"x": "secret"},
    "allowed_tools": {"tool_names": ["pr"]},
}


def call(**fields: Any) -> ResponsesCall:
    return ResponsesCall(
        parse_object(orjson.dumps({"model": "m", "input": "hi", **fields})), "chat"
    )


def sent(made: ResponsesCall) -> dict[str, Any]:
    root: dict[str, Any] = orjson.loads(made.encode())
    return root


def test_who_runs_a_tool_and_what_its_calls_are_called() -> None:
    made = call(
        tools=[
            SHELL,
            {"type": "custom", "name": "sql"},
            {"type": "namespace", "name": "crm", "description": "d", "tools": [READ]},
            MCP,
            {"type": "web_search_preview"},
            {"type": "local_shell"},
            {"type": "shell", "environment": {"type": "container_auto"}},
            {"type": "computer_use_preview"},
            {"type": "tool_search"},
            {"type": "code_interpreter", "container": {"type": "auto"}},
        ]
    )
    assert made.tools == [
        DeclaredTool("run"),
        DeclaredTool("sql"),
        DeclaredTool("read", types=("crm",)),
        DeclaredTool("github", hosted=True, covers=("mcp", "pr"), types=("mcp",)),
        DeclaredTool(
            "web_search_preview",
            hosted=True,
            covers=("web_search",),
            types=("web_search_preview", "web_search"),
        ),
        DeclaredTool("local_shell", types=("local_shell",)),
        DeclaredTool("shell", hosted=True, types=("shell",)),
        DeclaredTool(
            "computer_use_preview",
            covers=("computer",),
            types=("computer_use_preview", "computer_use", "computer"),
        ),
        DeclaredTool("tool_search", hosted=True, types=("tool_search",)),
        DeclaredTool("code_interpreter", hosted=True, types=("code_interpreter",)),
    ]


def test_an_mcp_servers_credentials_are_not_read() -> None:
    texts = [segment.text for segment in call(tools=[MCP]).segments]
    assert "https://x.test" in texts
    assert not any("secret" in text for text in texts)


def test_a_removed_tool_is_gone_with_its_choice_and_its_segments() -> None:
    made = call(tools=[SHELL, READ], tool_choice={"type": "function", "name": "run"})
    made.remove_tools(frozenset({"run"}))
    assert sent(made)["tools"] == [READ]
    assert "tool_choice" not in sent(made)
    assert [tool.name for tool in made.tools] == ["read"]
    assert not any(segment.text == "runs" for segment in made.segments)


def test_a_list_of_allowed_tools_loses_the_removed_one() -> None:
    allowed = [{"type": "function", "name": "run"}, {"type": "function", "name": "read"}]
    choice = {"type": "allowed_tools", "mode": "auto", "tools": allowed}
    made = call(tools=[SHELL, READ], tool_choice=choice)
    made.remove_tools(frozenset({"run"}))
    assert sent(made)["tool_choice"]["tools"] == allowed[1:]
    made.remove_tools(frozenset({"read"}))
    assert not {"tools", "tool_choice"} & sent(made).keys()


def test_an_mcp_server_goes_by_its_label() -> None:
    choice = {"type": "mcp", "server_label": "github"}
    made = call(tools=[MCP, READ], tool_choice=choice)
    made.remove_tools(frozenset({"github"}))
    assert sent(made)["tools"] == [READ]
    assert "tool_choice" not in sent(made)


def test_a_namespace_without_tools_goes_too() -> None:
    space = {"type": "namespace", "name": "crm", "description": "d", "tools": [SHELL, READ]}
    made = call(tools=[space])
    made.remove_tools(frozenset({"run"}))
    assert sent(made)["tools"][0]["tools"] == [READ]
    made.remove_tools(frozenset({"read"}))
    assert "tools" not in sent(made)


def test_tools_that_items_bring_are_declared_and_can_be_removed() -> None:
    item = {"type": "additional_tools", "role": "developer", "tools": [SHELL, READ]}
    made = call(input=[{"role": "user", "content": "hi"}, item], tools=[READ])
    assert [tool.name for tool in made.tools] == ["read", "run", "read"]
    made.remove_tools(frozenset({"run"}))
    assert sent(made)["input"][1]["tools"] == [READ]


def test_removing_what_is_not_there_changes_nothing() -> None:
    made = call(tools=[SHELL])
    made.remove_tools(frozenset({"other"}))
    assert made.encode() == made.document.raw


def test_tools_of_an_unknown_shape_are_read_and_named() -> None:
    made = call(tools={"x": "secret words"})
    assert "secret words" in [segment.text for segment in made.segments]
    assert [each.what for each in made.unscannable] == ["body"]
