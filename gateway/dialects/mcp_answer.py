"""What an MCP server sends: the answer to a POST, or one event of a stream."""

from __future__ import annotations

from typing import Any

from gateway.dialects import jsonrpc
from gateway.dialects.base import Answer, Surface
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.jsonrpc import Message
from gateway.dialects.mcp_reading import McpReader


class McpAnswer(Answer):
    """Messages, or JSON of another shape, of which every leaf is read."""

    def __init__(self, document: JsonDocument, messages: list[Message]) -> None:
        super().__init__(document)
        self.messages = messages
        self._document = document
        reader = McpReader(document)
        for message in messages:
            reader.server_message(message.node, message.method)
        box = document.root if type(document.root) is list else [document.root]
        for number, node in enumerate(box):
            if not jsonrpc.is_message(node):
                reader.leaves(box, number, Surface.TOOL_RESULT, "body")
        self.segments = reader.segments
        self.unscannable = reader.unscannable
        self._offers = reader.offers
        self.offers = [tool for tool, _ in reader.offers]

    def encode(self) -> bytes:
        return self._document.encode()

    def remove_offers(self, names: frozenset[str]) -> None:
        gone = [pair for pair in self._offers if pair[0].name in names]
        texts = {id(segment) for tool, _ in gone for segment in tool.texts}
        for _, tools in gone:
            tools[:] = [tool for tool in tools if not _is_named(tool, names)]
        self._offers = [pair for pair in self._offers if pair[0].name not in names]
        self.offers = [tool for tool, _ in self._offers]
        self.segments = [segment for segment in self.segments if id(segment) not in texts]
        self._document.touch()

    def remove_tool_calls(self, keys: frozenset[str], notice: str) -> None:
        """A server makes none."""

    def replace_arguments(self, key: str, arguments: str) -> None:
        """A server makes no calls."""


class McpText(Answer):
    """What is no JSON: one text."""

    def __init__(self, text: str, raw: bytes) -> None:
        self._box = [text]
        document = JsonDocument(self._box, raw)
        super().__init__(document)
        reader = McpReader(document)
        reader.text(self._box, 0, Surface.TOOL_RESULT, "body")
        self.segments = reader.segments

    def encode(self) -> bytes:
        return (
            self._box[0].encode("utf-8", "replace") if self.document.changed else self.document.raw
        )

    def put(self, text: str) -> None:
        """Say something else."""
        self._box[0] = text
        self.document.touch()

    def remove_tool_calls(self, keys: frozenset[str], notice: str) -> None:
        """It holds none."""

    def replace_arguments(self, key: str, arguments: str) -> None:
        """It holds no calls."""


def read_body(body: bytes | str) -> Answer:
    """Read what a server sent. Raises ValueError where it is neither JSON nor text, and for JSON
    that is nested too deeply."""
    try:
        document, messages = jsonrpc.read_answer(body)
    except jsonrpc.NotJsonError:
        document = None
    if document is not None and type(document.root) in (dict, list):
        return McpAnswer(document, messages)
    raw = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    text = body if isinstance(body, str) else body.decode()
    if "\0" in text:  # UTF-16, or no text at all
        raise ValueError("not text")
    return McpText(text, raw)


def _is_named(tool: Any, names: frozenset[str]) -> bool:
    return type(tool) is dict and tool.get("name") in names
