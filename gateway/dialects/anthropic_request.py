"""A request to the Anthropic Messages API: `/v1/messages` and `/v1/messages/count_tokens`.

What each field is read as stands in docs/dialects-anthropic.md.
"""

from __future__ import annotations

from typing import Any

from gateway.dialects.anthropic_blocks import BlockReader
from gateway.dialects.anthropic_tools import ToolList
from gateway.dialects.base import Call, Step, StepKind, Surface
from gateway.dialects.json_call import JsonCall
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.last_words import append_to_last
from gateway.dialects.reading import mapping, objects, string
from gateway.dialects.token_estimate import CLAUDE, likely_in

MIN_THINKING = 1024
"""The smallest `thinking.budget_tokens` that the API takes (its reference, "Extended thinking")."""

PER_REQUEST = 1024
PER_TOOL = 1024
PER_IMAGE = 6000
"""Tokens allowed beside the bytes of the body. (What a message adds is less than its JSON.)

The API adds up to 735 tokens for its own tools and 346 for the use of tools at all, and counts
at most 4,784 for one image ("Pricing" and "Vision" in its docs).
"""

_FORMAT_FIELDS = frozenset(
    {
        "cache_control",
        "diagnostics",
        "fallback_credit_token",
        "fallbacks",
        "inference_geo",
        "max_tokens",
        "messages",
        "model",
        "service_tier",
        "speed",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
        "mcp_servers",
        "container",
        "thread",
    }
)
"""Fields that are read by name below, or that hold no text."""

_ANSWERED = frozenset({"user"})
_REMINDER = "<system-reminder>"


class AnthropicCall(JsonCall):
    """See `Call`. `set_max_output` keeps `thinking.budget_tokens` below the new maximum."""

    dialect = "anthropic_messages"
    answer_surfaces = Call.answer_surfaces | {Surface.TOOL_RESULT}

    def __init__(self, document: JsonDocument, operation: str) -> None:
        super().__init__(document)
        self.operation = operation
        self.billable = self.readable_answer = operation != "count_tokens"
        root = self._root
        self._read_fields()
        reader = BlockReader(document)
        self._messages = objects(root.get("messages"))
        self._last_answer = _last_answer(self._messages)
        reader.fresh = self._last_answer < 0
        reader.content(root, "system", Surface.SYSTEM, "system")
        self._other_fields(reader)
        self._read_messages(reader)
        reader.fresh = self._last_answer < 0
        self._tools = ToolList(root, reader)
        self.tools = self._tools.declared
        self.segments = reader.segments
        self.unscannable = reader.unscannable
        self._images = reader.images
        self._media_bytes = reader.media_bytes
        self._unbounded = reader.unbounded or any(tool.hosted for tool in self.tools)

    # --- reading ---

    def _read_fields(self) -> None:
        root = self._root
        self.model = string(root.get("model"))
        self.stream = root.get("stream") is True
        limit = root.get("max_tokens")
        self.max_output = limit if type(limit) is int else None
        self.user_id = string(mapping(root.get("metadata")).get("user_id"))

    def _other_fields(self, reader: BlockReader) -> None:
        root = self._root
        if root.get("thread") is not None:
            reader.opaque("history", Surface.USER, "thread")
        if root.get("container") is not None:
            reader.opaque("file", Surface.USER, "container")
        for name in root.keys() - _FORMAT_FIELDS:
            surface = Surface.TOOL_DEFINITION if name.startswith("output") else Surface.USER
            value = root[name]
            if type(value) is str:
                reader.text(root, name, surface, name)
            else:
                reader.json(value, surface, name)

    def _read_messages(self, reader: BlockReader) -> None:
        root = self._root
        messages = root.get("messages")
        if type(messages) is not list:
            if messages is not None:
                reader.unknown(root, "messages", Surface.USER, "messages")
            return
        answer: Step | None = None
        for number, message in enumerate(messages):
            reader.fresh = number > self._last_answer
            place = f"messages[{number}]"
            if type(message) is not dict:
                reader.unknown(messages, number, Surface.USER, place)
                continue
            role = message.get("role")
            reader.calls, reader.results = [], []
            surface = _SURFACES.get(string(role), Surface.USER)
            reader.content(message, "content", surface, f"{place}.content")
            if role == "assistant":
                if answer is None:
                    answer = Step(StepKind.MODEL)
                    self.steps.append(answer)
                answer.calls += reader.calls
                self.steps += reader.results
            elif role != "system":
                answer = None
                self.steps += reader.results
                if _human(message.get("content")):
                    self.steps.append(Step(StepKind.HUMAN))

    # --- writing ---

    def set_max_output(self, tokens: int) -> None:
        if self.operation == "count_tokens":
            return
        self.max_output = tokens
        self._root["max_tokens"] = tokens
        thinking = self._root.get("thinking")
        budget = mapping(thinking).get("budget_tokens")
        if type(thinking) is dict and type(budget) is int and budget >= tokens:
            if tokens > MIN_THINKING:
                thinking["budget_tokens"] = tokens - 1
            else:
                self._root["thinking"] = {"type": "disabled"}
        self._document.touch()

    def conclude(self, note: str) -> bool:
        """Tools stay declared: the API wants them where the conversation has calls of them."""
        if self._root.get("tools") or self._root.get("mcp_servers"):
            self._root["tool_choice"] = {"type": "none"}
        append_to_last(self.segments, self._root.get("messages"), _ANSWERED, note)
        self._document.touch()
        return True

    def shows_output(self) -> bool:
        """What is thought is charged in full and shown as a summary ("Extended thinking")."""
        return mapping(self._root.get("thinking")).get("type") in (None, "disabled")

    def remove_tools(self, names: frozenset[str]) -> None:
        gone = self._tools.remove(names)
        if not gone:
            return
        self.tools = self._tools.declared
        self.segments = [s for s in self.segments if not s.place.startswith(gone)]
        self._document.touch()

    # --- measures ---

    def input_bound(self) -> int:
        """All bytes of the body but pictures' data, and what the provider may add to them."""
        if self._unbounded:
            return -1
        return (
            self._body_size()
            - self._media_bytes
            + PER_REQUEST
            + PER_IMAGE * self._images
            + PER_TOOL * len(self.tools)
        )

    def input_estimate(self) -> int:
        return likely_in(self.segments, CLAUDE)


_SURFACES = {
    "user": Surface.USER,
    "assistant": Surface.ASSISTANT,
    "system": Surface.SYSTEM,
}


def _last_answer(messages: list[dict[str, Any]]) -> int:
    """The index of the model's last answer, -1 without one.

    Text that stands last in the assistant's name is the caller's own beginning of the next
    answer (a prefill), not an answer; a paused turn that is sent back holds more than text.
    """
    last = len(messages)
    while last and messages[last - 1].get("role") == "assistant" and _only_text(messages[last - 1]):
        last -= 1
    for number in range(last - 1, -1, -1):
        if messages[number].get("role") == "assistant":
            return number
    return -1


def _only_text(message: dict[str, Any]) -> bool:
    content = message.get("content")
    if type(content) is not list:
        return True
    return all(mapping(block).get("type") == "text" for block in content)


def _human(content: Any) -> bool:
    """Whether a user message holds anything that a person wrote or attached.

    Results of tools are not, nor are the reminders that Claude Code puts beside them.
    """
    if type(content) is str:
        return not content.lstrip().startswith(_REMINDER)
    for block in objects(content):
        kind = string(block.get("type"))
        if kind == "text":
            if not string(block.get("text")).lstrip().startswith(_REMINDER):
                return True
        elif not kind.endswith("tool_result"):
            return True
    return False
