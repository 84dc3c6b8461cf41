"""An upstream's tools: from what the policy file says of them, and what makes no sense."""

from __future__ import annotations

from typing import Any

import yaml

from gateway.config.load import Loaded, load_texts
from gateway.errors import ConfigError
from gateway.upstream.tools import Tool

API = b"""\
openapi: 3.1.0
paths:
  /notes: {post: {operationId: add_note}, get: {operationId: list_notes}}
"""


def load(up: dict[str, Any], *, api: bytes | None = None, provider: str = "http") -> Loaded:
    policy = {
        "version": 1,
        "upstreams": {"up": {"provider": provider, "url": "https://x", **up}},
        "tenants": {"local": {"policies": ["base"]}},
        "default_tenant": "local",
        "policies": {"base": {"rules": []}},
    }
    texts = {"p.yaml": yaml.safe_dump(policy, sort_keys=False).encode()}
    if api is not None:
        texts["openapi:api.yaml"] = api
    return load_texts(texts, {})


def problems(up: dict[str, Any], **more: Any) -> str:
    try:
        load(up, **more)
    except ConfigError as error:
        return "\n".join(error.problems)
    return ""


def tools(up: dict[str, Any], **more: Any) -> dict[str, Tool]:
    return {tool.name: tool for tool in load(up, **more).tools["up"].tools}


WEATHER = {"name": "weather", "method": "get", "path": "/v1/weather/{city}"}


def test_a_tool_is_named_by_method_and_path() -> None:
    more = {"price": "$0.002", "timeout": "5s", "concurrency": 4}
    [tool] = tools({"tools": [{**WEATHER, **more}]}).values()
    assert tool.methods == {"GET"}
    assert tool.path is not None
    assert tool.path.text == "/v1/weather/{city}"
    assert (tool.price, tool.timeout, tool.concurrency) == (2_000_000, 5.0, 4)
    assert tools({"tools": [{**WEATHER, "method": "any"}]})["weather"].methods is None
    assert tools({"tools": [{"name": "w", "path": "/w"}]})["w"].methods is None
    listed = tools({"tools": [{**WEATHER, "method": ["GET", "post"]}]})["weather"]
    assert listed.methods == {"GET", "POST"}


def test_operations_of_a_document_take_prices_by_their_names() -> None:
    up = {"openapi": "api.yaml", "tools": [{"name": "add_note", "price": "$1"}, WEATHER]}
    found = tools(up, api=API)
    assert list(found) == ["add_note", "list_notes", "weather"]
    assert found["add_note"].price == 10**9
    assert found["add_note"].methods == {"POST"}
    assert found["list_notes"].price is None


def test_a_tool_of_an_mcp_server_is_known_by_its_name() -> None:
    [tool] = tools({"tools": [{"name": "search", "price": "$0.01"}]}, provider="mcp").values()
    assert (tool.name, tool.price, tool.path) == ("search", 10_000_000, None)
    told = problems({"tools": [WEATHER]}, provider="mcp")
    assert "p.yaml:8: method: a tool of an MCP upstream is known by its name" in told
    assert "p.yaml:9: path: a tool of an MCP upstream" in told


def test_keys_that_mean_nothing_for_a_provider_are_problems() -> None:
    up = {"tools": [WEATHER], "credential_header": "x-api-key", "openapi": "api.yaml"}
    told = problems(up, provider="openai")
    assert "tools are for providers `http` and `mcp`, not 'openai'" in told
    assert "credential_header is for provider `http`, not 'openai'" in told
    assert "openapi is for provider `http`, not 'openai'" in told
    assert "default: upstreams of provider 'http' are called by name" in problems({"default": True})
    assert "there is no `credential` to put in it" in problems({"credential_header": "x-api-key"})
    unset = {"credential_header": "x-api-key", "credential": "${TOOL_KEY}"}
    assert problems(unset) == ""  # the warning says that there is none


def test_two_tools_that_nothing_tells_apart_are_a_problem() -> None:
    same = {"name": "w2", "method": ["POST", "GET"], "path": "/V1/weather/{town}/"}
    told = problems({"tools": [WEATHER, same]})
    assert "p.yaml:10: tools 'weather' and 'w2' have the same method and path" in told
    assert "same method and path" in problems(
        {"openapi": "api.yaml", "tools": [{"name": "x", "method": "GET", "path": "/notes"}]},
        api=API,
    )
    assert problems({"tools": [WEATHER, {**same, "method": "any"}]}) == ""
    assert problems({"tools": [WEATHER, {**same, "method": "PUT"}]}) == ""
    assert problems({"tools": [WEATHER, {**WEATHER, "name": "w2", "path": "/v1/weather/me"}]}) == ""


def test_two_tools_of_one_name_are_a_problem() -> None:
    named = "there are two tools named 'WEATHER'"
    assert named in problems({"tools": [WEATHER, {"name": "WEATHER", "path": "/x"}]})
    assert named in problems({"tools": [WEATHER, {"name": "WEATHER"}]})
    twice = [{"name": "add_note", "price": "$1"}, {"name": "add_note", "price": "$2"}]
    assert "two tools named 'add_note'" in problems(
        {"openapi": "api.yaml", "tools": twice}, api=API
    )
    own = {"openapi": "api.yaml", "tools": [{"name": "add_note", "path": "/x"}]}
    assert "two tools named 'add_note'" in problems(own, api=API)
    assert "two tools named 'a'" in problems(
        {"tools": [{"name": "a"}, {"name": "a"}]}, provider="mcp"
    )


def test_a_tool_without_a_path_must_be_an_operation() -> None:
    told = problems({"openapi": "api.yaml", "tools": [{"name": "add_notes"}]}, api=API)
    assert "no OpenAPI operation is named so (did you mean 'add_note'?)" in told
    assert "has no `path`" in problems({"tools": [{"name": "x"}]})
    assert "a method needs a `path`" in problems({"tools": [{"name": "x", "method": "GET"}]})


def test_problems_of_a_document_have_its_own_lines() -> None:
    told = problems({"openapi": "api.yaml"}, api=b"openapi: 3.0.0\npaths:\n  a: {get: {}}\n")
    assert (
        told == "api.yaml:3: 'a': expected a path of at most 512 characters, such as \"/v1/{id}\""
    )


def test_an_upstream_without_tools_is_warned_of() -> None:
    assert "upstream 'up' has no tools" in load({}).warnings[0]
    assert load({"tools": [WEATHER]}).warnings == []
    assert load({}, provider="openai").warnings == []
    assert load({}, provider="mcp").warnings == []
