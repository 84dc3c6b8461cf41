"""A request to the OpenAI Responses API: `/v1/responses`, `/compact` and `/input_tokens`.

What each field is read as stands in docs/dialects-responses.md.
"""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import Call, Step, StepKind, Surface
from gateway.dialects.json_call import JsonCall
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.last_words import append_text
from gateway.dialects.model_names import HIDES_REASONING
from gateway.dialects.openai_errors import usage_limit
from gateway.dialects.reading import mapping, string
from gateway.dialects.responses_items import ItemReader, is_models, kind_of
from gateway.dialects.responses_tools import ToolList
from gateway.dialects.token_estimate import likely_in
from gateway.message import Headers

PER_REQUEST = 256
PER_IMAGE = 50_000
"""Tokens allowed beside the bytes of the body. (What an item or a tool adds is less than its JSON.)

The dearest picture of the API's docs ("Images and vision") is one of eight tiles at high detail
for gpt-4o-mini: 2,833 + 8 * 5,667 tokens.
"""

MESSAGE = "response.create"
"""The `type` of a request that came as a WebSocket message; its answer is always a stream."""

_FORMAT_FIELDS = frozenset(
    {
        "background",
        "context_management",
        "conversation",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "model",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
    }
)
"""Fields that are read by name below, or that hold no text."""


class ResponsesCall(JsonCall):
    """See `Call`. `previous_id` is the response or the conversation that this one continues."""

    dialect = "openai_responses"
    answer_surfaces = Call.answer_surfaces | {Surface.TOOL_RESULT, Surface.TOOL_DEFINITION}

    def __init__(self, document: JsonDocument, operation: str, *, capped: bool = True) -> None:
        """`capped`: the endpoint takes `max_output_tokens`."""
        super().__init__(document)
        self.operation = operation
        self.billable = self.readable_answer = operation != "count_tokens"
        self._capped = capped
        root = self._root
        self._read_fields()
        reader = ItemReader(document)
        items = root.get("input")
        self._last_answer = _last_answer(items) if type(items) is list else -1
        reader.fresh = self._last_answer < 0
        reader.text(root, "instructions", Surface.SYSTEM, "instructions")
        self._read_kept(reader)
        self._read_other(reader)
        self._read_input(reader)
        reader.fresh = self._last_answer < 0
        self._tools = ToolList(root, reader)
        self.tools = self._tools.declared
        self.segments = reader.segments
        self.unscannable = reader.unscannable
        self.deferred = root.get("background") is True  # fetched later, by a request of its own
        self._images = reader.images
        self._media_bytes = reader.media_bytes
        self._unbounded = reader.unbounded or any(tool.hosted for tool in self.tools)

    # --- reading ---

    def _read_fields(self) -> None:
        root = self._root
        self.model = string(root.get("model"))
        self.stream = root.get("stream") is True or root.get("type") == MESSAGE
        limit = root.get("max_output_tokens")
        self.max_output = limit if type(limit) is int else None
        self.user_id = string(root.get("user")) or string(root.get("safety_identifier"))
        self.cache_key = string(root.get("prompt_cache_key"))
        self.previous_id = string(root.get("previous_response_id")) or _conversation(root)
        self.continuable = root.get("store") is not False

    def _read_kept(self, reader: ItemReader) -> None:
        """What the provider keeps: earlier turns, prompt templates."""
        for name in ("previous_response_id", "conversation"):
            if self._root.get(name) is not None:
                reader.opaque("history", Surface.USER, name)
        if self._root.get("prompt") is not None:
            reader.opaque("template", Surface.USER, "prompt")
        variables = mapping(self._root.get("prompt")).get("variables")
        if type(variables) is dict:
            for key, value in variables.items():
                if type(value) is dict:
                    reader.part(variables, key, Surface.USER, "prompt.variables")
                else:
                    reader.text(variables, key, Surface.USER, "prompt.variables")

    def _read_other(self, reader: ItemReader) -> None:
        root = self._root
        reader.json(root.get("text"), Surface.TOOL_DEFINITION, "text")
        for name in root.keys() - _FORMAT_FIELDS:
            if name == "type" and root[name] == MESSAGE:
                continue
            if type(root[name]) is str:
                reader.text(root, name, Surface.USER, name)
            else:
                reader.json(root[name], Surface.USER, name)

    def _read_input(self, reader: ItemReader) -> None:
        root = self._root
        items = root.get("input")
        if type(items) is not list:
            if type(items) is str and items:
                self.steps.append(Step(StepKind.HUMAN))
            reader.text(root, "input", Surface.USER, "input")
            return
        answer: Step | None = None
        for number, item in enumerate(items):
            reader.fresh = number > self._last_answer
            reader.calls, reader.results = [], []
            reader.item(items, number, Surface.ASSISTANT, f"input[{number}]")
            if type(item) is not dict:
                continue
            if is_models(item):
                if answer is None:
                    answer = Step(StepKind.MODEL)
                    self.steps.append(answer)
                answer.calls += reader.calls
            elif kind_of(item) == "message" and item.get("role") == "user":
                answer = None
                self.steps.append(Step(StepKind.HUMAN))
            elif reader.results:
                answer = None
            self.steps += reader.results

    # --- writing ---

    def put_off(self, code: str, message: str, until: float) -> tuple[Headers, bytes]:
        return usage_limit(code, message, until)

    def set_max_output(self, tokens: int) -> None:
        if self._capped:
            self.max_output = tokens
            self._root["max_output_tokens"] = tokens
            self._document.touch()

    def conclude(self, note: str) -> bool:
        root = self._root
        if not self._capped:
            return False
        if root.get("tools") or root.get("prompt") is not None:
            root["tool_choice"] = "none"
        if type(root.get("input")) is list:
            root["input"].append({"type": "message", "role": "developer", "content": note})
        elif type(root.get("input")) is str:
            append_text(self.segments, root, "input", note)
        self._document.touch()
        return True

    def shows_output(self) -> bool:
        return not (HIDES_REASONING.match(self.model) or self._root.get("reasoning"))

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
        return self._body_size() - self._media_bytes + PER_REQUEST + PER_IMAGE * self._images

    def input_estimate(self) -> int:
        return likely_in(self.segments)


def _conversation(root: dict[str, Any]) -> str:
    kept = root.get("conversation")
    return string(kept) or string(mapping(kept).get("id"))


def _last_answer(items: list[Any]) -> int:
    """The index of the last item that the model made, -1 without one.

    Messages that stand last in the assistant's name are the caller's own beginning of the next
    answer, not an answer.
    """
    last = len(items)
    while last and _is_message(items[last - 1]) and is_models(items[last - 1]):
        last -= 1
    for number in range(last - 1, -1, -1):
        item = items[number]
        if type(item) is dict and is_models(item):
            return number
    return -1


def _is_message(item: Any) -> bool:
    return type(item) is dict and kind_of(item) == "message"
