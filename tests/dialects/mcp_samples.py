"""MCP messages for tests, and what a dialect makes of them."""

from __future__ import annotations

import json
from typing import Any

from gateway.dialects.base import Answer, Event, Surface
from gateway.dialects.mcp import Mcp
from gateway.dialects.mcp_request import McpCall
from gateway.dialects.mcp_stream import McpStream
from gateway.message import Headers, Request

PATH = "/github"


def request(method: str, params: Any = None, number: Any = 1, **more: Any) -> dict[str, Any]:
    made = {"jsonrpc": "2.0", "id": number, "method": method, **more}
    return made if params is None else {**made, "params": params}


def tool_call(name: str = "read", number: Any = 1, **arguments: Any) -> dict[str, Any]:
    return request("tools/call", {"name": name, "arguments": arguments}, number)


def notice(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": f"notifications/{method}", "params": params}


def result(value: Any, number: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": value}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def decode(message: Any, path: str = PATH, **headers: str) -> McpCall:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    call = Mcp().decode(Request("POST", path, Headers(pairs), body), body)
    assert isinstance(call, McpCall)
    return call


def listening(path: str = PATH) -> McpCall:
    """The call that opens a stream."""
    call = Mcp().decode(Request("GET", path, Headers()), b"")
    assert isinstance(call, McpCall)
    return call


def answer(message: Any) -> Answer:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return Mcp().decode_answer(decode(tool_call()), body)


def stream(call: McpCall | None = None, endpoint: str = "/mcp") -> McpStream:
    made = Mcp(endpoint).open_stream(call if call is not None else decode(tool_call()))
    assert isinstance(made, McpStream)
    return made


def event(message: Any, head: str = "id: 7\n", name: str = "message") -> Event:
    data = message if isinstance(message, str) else json.dumps(message)
    raw = f"{head}event: {name}\ndata: {data}\nretry: 50\n\n".encode()
    return Event(raw, name, data)


def told(raw: bytes) -> Any:
    """The message that an event's bytes hold."""
    (line,) = [line for line in raw.split(b"\n") if line.startswith(b"data: ")]
    return json.loads(line[6:])


def texts(of: Any) -> list[tuple[Surface, str]]:
    return [(segment.surface, segment.text) for segment in of.segments]
