"""Answers of the Anthropic Messages API: a whole message, and its usage."""

from __future__ import annotations

from typing import Any

from gateway.dialects.anthropic_blocks import CALLS, BlockReader, arguments_text, depends_on
from gateway.dialects.base import Answer, Surface, ToolCall, Usage
from gateway.dialects.jsondoc import JsonDocument, loads_lenient
from gateway.dialects.reading import mapping, objects, string, whole_number

CALLING = frozenset({"tool_use", "pause_turn"})
"""Stop reasons that ask the agent to go on with a call."""


_SERVED = ("speed", "inference_geo")
"""What a usage report says of how the answer was served, by the names that requests have."""


class AnthropicAnswer(Answer):
    """A `message` object. A tool call's key is the index of its block."""

    def __init__(self, document: JsonDocument) -> None:
        """Raises ValueError where the document is not a message."""
        super().__init__(document)
        self._document = document
        root: dict[str, Any] = document.root
        self._content = root.get("content")
        if root.get("type") != "message" or type(self._content) is not list:
            raise ValueError("not a message")
        self.id = string(root.get("id"))
        self.model = string(root.get("model"))
        self.finish = string(root.get("stop_reason"))
        self.usage = merge_usage(None, root.get("usage"))
        reader = BlockReader(document, read_arguments=False)
        self._blocks: dict[str, dict[str, Any]] = {}
        for number, block in enumerate(self._content):
            reader.block(self._content, number, Surface.OUTPUT, f"content[{number}]")
            if type(block) is dict and block.get("type") in CALLS:
                self._blocks[str(number)] = block
                self.tool_calls.append(call_of(block, str(number)))
        self.segments = reader.segments
        self.unscannable = reader.unscannable

    def encode(self) -> bytes:
        return self._document.encode()

    def remove_tool_calls(self, keys: frozenset[str], notice: str) -> None:
        gone = [self._blocks.pop(key) for key in keys if key in self._blocks]
        if not gone:
            return
        self.tool_calls = [call for call in self.tool_calls if call.key not in keys]
        root = self._document.root
        root["content"] = self._content = without_calls(root["content"], gone)
        close_with(root, notice)
        self.finish = string(root.get("stop_reason"))
        self._document.touch()

    def replace_arguments(self, key: str, arguments: str) -> None:
        self._blocks[key]["input"] = loads_lenient(arguments)
        for call in self.tool_calls:
            if call.key == key:
                call.arguments = arguments
        self._document.touch()


class TokenCount(Answer):
    """What `/v1/messages/count_tokens` answers: a number, and nothing to read."""

    def encode(self) -> bytes:
        return self.document.raw


def call_of(block: dict[str, Any], key: str) -> ToolCall:
    """A call's block as a ToolCall."""
    return ToolCall(
        string(block.get("id")),
        string(block.get("name")),
        arguments_text(block.get("input")),
        key=key,
        hosted=block.get("type") != "tool_use",
    )


def without_calls(content: list[Any], gone: list[dict[str, Any]]) -> list[Any]:
    """Content without some calls, and without the blocks that hang on them."""
    ids = {string(block.get("id")) for block in gone} - {""}
    return [
        block
        for block in content
        if not any(block is each for each in gone)
        and not (type(block) is dict and depends_on(block) in ids)
    ]


def close_with(message: dict[str, Any], notice: str) -> None:
    """Where no call for the agent is left, `notice` closes the message and it ends its turn."""
    content: list[Any] = message["content"]
    if any(mapping(block).get("type") == "tool_use" for block in content):
        return
    content.append({"type": "text", "text": notice})
    if message.get("stop_reason") in CALLING:
        message["stop_reason"] = "end_turn"


def merge_usage(known: Usage | None, report: Any) -> Usage | None:
    """A usage report laid over what earlier events said.

    `message_start` reports the input, `message_delta` cumulative totals; a field that is
    missing or null keeps its earlier value ("Streaming Messages" in the API's docs).
    `input_tokens` is what the cache neither gave nor took.

    Where several inferences made the answer (`iterations`: one that shortens the history, an
    advisor's, one of another model after a refusal) the totals are those of some of them only;
    all are charged ("Compaction", "Advisor tool" in the API's docs).
    """
    fields = mapping(report)
    if not fields:
        return known
    usage = known if known is not None else Usage()
    if fields.get("input_tokens") is not None:
        usage.input = whole_number(fields["input_tokens"])
    if fields.get("cache_read_input_tokens") is not None:
        usage.cache_read = whole_number(fields["cache_read_input_tokens"])
    if fields.get("output_tokens") is not None:
        usage.output = whole_number(fields["output_tokens"])
    details = mapping(fields.get("output_tokens_details"))
    if details.get("thinking_tokens") is not None:
        usage.reasoning = whole_number(details["thinking_tokens"])
    written = fields.get("cache_creation_input_tokens")
    hour = mapping(fields.get("cache_creation")).get("ephemeral_1h_input_tokens")
    if written is not None or hour is not None:
        total = (
            whole_number(written)
            if written is not None
            else usage.cache_write + usage.cache_write_1h
        )
        long = whole_number(hour) if hour is not None else usage.cache_write_1h
        usage.cache_write_1h = min(long, total)
        usage.cache_write = total - usage.cache_write_1h
    for name in _SERVED:
        if type(fields.get(name)) is str:
            usage.detailed().served[name] = fields[name]
    searches = whole_number(mapping(fields.get("server_tool_use")).get("web_search_requests"))
    if searches:
        usage.detailed().searches = searches
    steps = objects(fields.get("iterations"))
    if len(steps) > 1:
        _take_steps(usage, steps)
    return usage


def _take_steps(usage: Usage, steps: list[dict[str, Any]]) -> None:
    """The sums of all inferences in the place of the totals, and each of them."""
    parts = [(string(step.get("model")), merge_usage(None, step) or Usage()) for step in steps]
    usage.input = sum(part.input for _, part in parts)
    usage.cache_read = sum(part.cache_read for _, part in parts)
    usage.cache_write = sum(part.cache_write for _, part in parts)
    usage.cache_write_1h = sum(part.cache_write_1h for _, part in parts)
    usage.output = sum(part.output for _, part in parts)
    usage.detailed().steps = tuple(parts)
