"""MCP: what a client sends and what a server says, as a whole answer, in the stream that answers
a POST, and on a stream that only listens."""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import Surface
from tests.surfaces.row import PROBE, Asked, Row, Told, body, sse

EVENTS = "text/event-stream"
IS = f"is {PROBE}"
TEXT = {"type": "text", "text": IS}


def request(method: str, params: Any = None, **more: Any) -> dict[str, Any]:
    made = {"jsonrpc": "2.0", "id": 1, "method": method, **more}
    return made if params is None else {**made, "params": params}


def asked(method: str, params: Any = None, **more: Any) -> Asked:
    readonly = more.pop("readonly", False)
    return Asked("", body(request(method, params, **more)), readonly=readonly)


def reply(result: Any) -> Asked:
    """The client's answer to a request of the server."""
    return Asked("", body({"jsonrpc": "2.0", "id": "s1", "result": result}))


def tool(arguments: Any, **more: Any) -> Asked:
    return asked("tools/call", {"name": "read", "arguments": arguments, **more})


CALL = tool({"path": "/a"})
LISTEN = Asked("", method="GET", content_type="")


def result(value: Any, number: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": value}


def notice(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": f"notifications/{method}", "params": params}


def gave(*content: Any, **more: Any) -> dict[str, Any]:
    return result({"content": list(content), **more})


TOOL: dict[str, Any] = {"name": "read", "inputSchema": {"type": "object"}}
SCHEMA = {"type": "object", "properties": {"path": {"type": "string", "description": IS}}}
EMBEDDED = {"uri": "file:///a", "text": IS}
ASK = {"role": "user", "content": TEXT}
RESULTS: dict[str, Any] = {
    "text": gave(TEXT),
    "error": gave(TEXT, isError=True),
    "embedded": gave({"type": "resource", "resource": EMBEDDED}),
    "address": gave({"type": "resource_link", "uri": f"file:///{PROBE}", "name": "a"}),
    "link": gave({"type": "resource_link", "uri": "file:///a", "name": "a", "description": IS}),
    "unknown block": gave({"type": "table", "rows": [[1, IS]]}),
    "field of a block": gave({"type": "text", "text": "a", "note": IS}),
    "structured": gave(structuredContent={"a": [{"b": IS}]}),
    "key": gave(structuredContent={PROBE: 1}),
    "resource": result({"contents": [EMBEDDED]}),
    "prompt": result({"description": "a", "messages": [ASK]}),
    "completion": result({"completion": {"values": ["a", IS], "total": 2}}),
    "task": result({"task": {"taskId": "t", "status": "working", "statusMessage": IS}}),
    "unknown": result({"answer": {"a": IS}}),
    "no object": result([IS]),
    "protocol error": {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": IS}},
    "data of an error": {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {"code": -32000, "message": "a", "data": {"why": IS}},
    },
    "asked in a result": result(
        {"inputRequests": {"q": {"method": "elicitation/create", "params": {"message": IS}}}}
    ),
}
DEFINITIONS: dict[str, Any] = {
    "description": result({"tools": [{**TOOL, "description": IS}]}),
    "title": result({"tools": [{**TOOL, "annotations": {"title": IS}}]}),
    "input": result({"tools": [{**TOOL, "inputSchema": SCHEMA}]}),
    "output": result({"tools": [{**TOOL, "outputSchema": SCHEMA}]}),
    "prompt": result({"prompts": [{"name": "a", "arguments": [{"name": "b", "title": IS}]}]}),
    "resource": result({"resources": [{"uri": f"file:///{PROBE}", "name": "a"}]}),
    "template": result({"resourceTemplates": [{"uriTemplate": "a", "name": "a", "title": IS}]}),
    "instructions": result({"protocolVersion": "2025-11-25", "instructions": IS}),
    "server": result({"serverInfo": {"name": "a", "version": "1", "title": IS}}),
}
MESSAGES: dict[str, Any] = {
    "log": notice("message", level="info", data={"a": [IS]}),
    "progress": notice("progress", progressToken=1, progress=1, message=IS),
    "unknown notice": notice("odd", said=IS),
    "sampling": request("sampling/createMessage", {"maxTokens": 1, "messages": [ASK]}),
    "system prompt": request(
        "sampling/createMessage", {"maxTokens": 1, "messages": [], "systemPrompt": IS}
    ),
    "elicitation": request("elicitation/create", {"message": IS, "requestedSchema": {}}),
    "form": request("elicitation/create", {"message": "a", "requestedSchema": SCHEMA}),
}
SAMPLING_TOOL = {"maxTokens": 1, "messages": [], "tools": [{**TOOL, "description": IS}]}


def whole(told: Any) -> Told:
    return Told(CALL, body(told))


def streamed(told: Any) -> Told:
    return Told(CALL, sse(notice("progress", progressToken=1, progress=1), told), EVENTS)


def listened(told: Any) -> Told:
    return Told(LISTEN, b": hi\n\nid: 7\n" + sse(told), EVENTS)


NO_MODEL = "a tool server is no model: what it says is a result or a definition"
LACKS = {
    surface.value: NO_MODEL
    for surface in Surface
    if surface not in (Surface.TOOL_RESULT, Surface.TOOL_DEFINITION)
}

ROW = Row(
    provider="mcp",
    requests={
        Surface.TOOL_CALL: {
            "arguments": tool({"a": [{"b": IS}]}),
            "key": tool({PROBE: 1}),
            "number of a list": Asked(
                "",
                body(
                    [
                        request("ping"),
                        request("tools/call", {"name": "read", "arguments": {"a": IS}}, id=2),
                    ]
                ),
            ),
            "name": asked("tools/call", {"name": PROBE}, readonly=True),
            "resource": asked("resources/read", {"uri": f"file:///{PROBE}"}),
            "unknown method": asked("odd/method", {"a": [IS]}),
            "unknown field": asked("ping", note=IS),
            "notice": Asked("", body(notice("cancelled", requestId=1, reason=IS))),
            "sampled call": reply(
                {
                    "role": "assistant",
                    "model": "m",
                    "content": {"type": "tool_use", "id": "1", "name": "a", "input": {"b": IS}},
                }
            ),
            "at another path": Asked("/mcp", body(request("odd/method", {"a": IS}))),
        },
        Surface.USER: {
            "prompt": asked("prompts/get", {"name": "a", "arguments": {"b": IS}}),
            "completion": asked(
                "completion/complete",
                {
                    "ref": {"type": "ref/prompt", "name": "a"},
                    "argument": {"name": "b", "value": IS},
                },
            ),
            "form": reply({"action": "accept", "content": {"name": IS}}),
            "form in a call": tool(
                {}, inputResponses={"q": {"action": "accept", "content": {"a": IS}}}
            ),
            "roots": reply({"roots": [{"uri": f"file:///{PROBE}"}]}),
            "client": asked("initialize", {"clientInfo": {"name": "a", "description": IS}}),
            "refusal": Asked(
                "", body({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": IS}})
            ),
        },
        Surface.ASSISTANT: {
            "sampled": reply({"role": "assistant", "model": "m", "content": TEXT}),
            "sampled parts": reply({"role": "assistant", "model": "m", "content": [TEXT]}),
            "sampled in a call": tool(
                {}, inputResponses={"q": {"role": "assistant", "content": TEXT}}
            ),
        },
        Surface.TOOL_RESULT: {
            "sampled result": reply(
                {
                    "role": "assistant",
                    "model": "m",
                    "content": {"type": "tool_result", "toolUseId": "1", "content": [TEXT]},
                }
            ),
        },
    },
    answers={
        Surface.TOOL_RESULT: {
            **{name: whole(told) for name, told in RESULTS.items()},
            "text of no protocol": Told(CALL, f"<p>{IS}</p>".encode(), "text/html"),
            "json of no protocol": whole({"detail": IS}),
            "json text": whole(IS),
            "list of answers": whole([result({}), gave(TEXT)]),
        },
        Surface.TOOL_DEFINITION: {
            **{name: whole(told) for name, told in DEFINITIONS.items()},
            "name": Told(CALL, body(result({"tools": [{**TOOL, "name": PROBE}]})), readonly=True),
        },
    },
    streams={
        Surface.TOOL_RESULT: {
            **{name: streamed(told) for name, told in {**RESULTS, **MESSAGES}.items()},
            **{f"heard {name}": listened(told) for name, told in {**RESULTS, **MESSAGES}.items()},
            "text of no protocol": listened(IS),
        },
        Surface.TOOL_DEFINITION: {
            **{name: streamed(told) for name, told in DEFINITIONS.items()},
            **{f"heard {name}": listened(told) for name, told in DEFINITIONS.items()},
            "sampling": streamed(request("sampling/createMessage", SAMPLING_TOOL)),
        },
    },
    lacks={
        "requests": {
            "system": "a client sends a server no instructions for a model",
            "tool_definition": "a client declares no tools to a server",
            "reasoning": NO_MODEL,
            "output": "what the client's model said is `assistant`",
        },
        "answers": LACKS,
        "streams": LACKS,
    },
)
