"""The stream of an MCP server: each event is a message, judged by itself.

Rules of this file:
- Fields of an event other than its data (`id`, `event`, `retry`) stay as they came, in whatever
  order: clients resume by them.
- What was asked for is answered: in the place of a message that was stopped comes one that ends
  the wait of whoever waits for it.
"""

from __future__ import annotations

from typing import Any

from gateway.dialects import jsonrpc
from gateway.dialects.base import Answer, Event, MessageStream
from gateway.dialects.jsonrpc import Kind, Message
from gateway.dialects.mcp_address import told_address
from gateway.dialects.mcp_answer import McpAnswer, McpText, read_body
from gateway.dialects.mcp_carrier import Carried, carried
from gateway.dialects.mcp_request import McpCall, tool_error
from gateway.dialects.sse import with_data

BLOCKED = "portcullis/blocked"
"""A method that no client has: it answers the server that asked with an error."""


class McpStream(MessageStream):
    """A stream that answers a POST, or one that only listens."""

    def __init__(self, call: McpCall, endpoint: str) -> None:
        super().__init__()
        self._call = call
        self._endpoint = endpoint
        asked = (message for message in call.messages if message.kind is Kind.REQUEST)
        self._waiting = {_key(message.id) for message in asked}

    def read(self, event: Event) -> Answer | None:
        if not event.data:
            return None
        if self._call.opens_stream and event.name == "endpoint":
            return self._address(event)
        answer = read_body(event.data)
        if type(answer) is McpAnswer:
            for message in answer.messages:
                self._heard(answer, message)
        return answer

    def _address(self, event: Event) -> Answer:
        """Where the client is to post: through this gateway, as it came."""
        address = McpText("", event.raw)
        address.put(told_address(self._call.prefix, self._endpoint, event.data))
        return address

    def _heard(self, answer: McpAnswer, message: Message) -> None:
        if message.kind not in (Kind.RESULT, Kind.ERROR):
            return
        stands_for = carried(message.id) if self._call.opens_stream else None
        if stands_for is not None:
            _replace(message.node, _told(stands_for))
            answer.document.touch()
        elif self._waiting:
            self._waiting.discard(_key(message.id))
            self.finished = not self._waiting

    def write(self, event: Event, answer: Answer) -> bytes:
        if not answer.document.changed:
            return event.raw
        return with_data(event.raw, answer.encode())

    def refuse(self, event: Event, code: str, message: str) -> bytes:
        try:
            document, messages = jsonrpc.read_answer(event.data)
        except ValueError:
            return with_data(event.raw, b"")
        told = [node for each in messages if (node := _refusal(each, code, message))]
        answers = any(each.kind in (Kind.RESULT, Kind.ERROR) for each in messages)
        self.denied = self.denied or (answers and not self._call.opens_stream)
        batch = type(document.root) is list
        return with_data(event.raw, jsonrpc.write(told, batch=batch))


def _refusal(stopped: Message, code: str, message: str) -> dict[str, Any] | None:
    """What comes in the place of a message; None for one that nobody waits for."""
    if stopped.kind is Kind.NOTIFICATION:
        return None
    if stopped.kind is Kind.REQUEST:
        told = {"reason": code, "message": message}
        return {"jsonrpc": "2.0", "id": stopped.id, "method": BLOCKED, "params": told}
    said = stopped.node.get("result")
    if type(said) is dict and ("content" in said or "structuredContent" in said):
        modern = "resultType" in said
        return jsonrpc.result(stopped.id, tool_error(message, modern=modern))
    return jsonrpc.error(stopped.id, jsonrpc.STOPPED, message, code)


def _told(told: Carried) -> dict[str, Any]:
    if told.party == "tool":
        return jsonrpc.result(told.id, tool_error(told.message))
    return jsonrpc.error(told.id, jsonrpc.STOPPED, told.message, told.code)


def _replace(node: dict[str, Any], other: dict[str, Any]) -> None:
    node.clear()
    node.update(other)


def _key(number: jsonrpc.Id) -> tuple[type, jsonrpc.Id]:
    return type(number), number
