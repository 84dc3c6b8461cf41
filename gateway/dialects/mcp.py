"""Model Context Protocol over HTTP: the streamable transport (2025-03-26 and later, sessions or
none) and the older one with a stream of its own (2024-11-05). docs/dialects-mcp.md has it all."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.dialects import jsonrpc
from gateway.dialects.base import Answer, Call, MessageStream, RateLimit
from gateway.dialects.mcp_answer import McpText, read_body
from gateway.dialects.mcp_request import McpCall
from gateway.dialects.mcp_stream import McpStream
from gateway.message import Headers, Request
from gateway.verdict import Reason

_UNREAD = frozenset({Reason.BODY_MALFORMED, Reason.DUPLICATE_KEY, Reason.LONE_SURROGATE})


class Mcp:
    """The dialect of one upstream; `endpoint` is the path of its configured URL."""

    name = "mcp"

    def __init__(self, endpoint: str = "/") -> None:
        self._endpoint = endpoint

    def decode(self, request: Request, body: bytes) -> Call:
        return McpCall(request, body, self._endpoint)

    def decode_answer(self, call: Call, body: bytes) -> Answer:
        return read_body(body) if body.strip() else McpText("", body)

    def open_stream(self, call: Call) -> MessageStream:
        assert isinstance(call, McpCall)
        return McpStream(call, self._endpoint)

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:
        """An error that answers no request by its id: the body could not be read so far."""
        number = jsonrpc.INVALID_REQUEST if code in _UNREAD else jsonrpc.INTERNAL_ERROR
        return jsonrpc.write([jsonrpc.error(None, number, message, code)])

    def limit_headers(self, limits: Sequence[RateLimit]) -> Headers:
        """MCP has none: the message says how long to wait."""
        return Headers()
