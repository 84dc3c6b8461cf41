"""Chat Completions as a dialect, and its whole answers.

The other `openai_chat_*` files hold the request, its tools, and the stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.dialects.base import Answer, AnswerStream, Call, RateLimit, Surface, ToolCall
from gateway.dialects.jsondoc import JsonDocument, parse_answer, parse_object
from gateway.dialects.openai_chat_fields import (
    arguments_text,
    drop_repeats,
    put_arguments,
    read_answer_parts,
    read_call,
    read_extra,
    read_function,
    read_images,
)
from gateway.dialects.openai_chat_request import ChatCall
from gateway.dialects.openai_chat_stream import ChatStream
from gateway.dialects.openai_errors import chat_usage, error_object, error_type, limit_headers
from gateway.dialects.plain_object import PlainObject
from gateway.dialects.reading import Reader, string
from gateway.message import Headers, Request

_ANSWER_FIELDS = frozenset(
    "choices created error id model object prompt_filter_results provider service_tier "
    "system_fingerprint usage x_groq".split()
)
_CHOICE_FIELDS = frozenset(
    "content_filter_results finish_reason index logprobs matched_stop message "
    "native_finish_reason stop_reason token_ids".split()
)
_CALL_REASONS = frozenset({"tool_calls", "function_call"})


class OpenAIChat:
    """`/v1/chat/completions`, and what speaks like it."""

    name = "openai_chat"

    def decode(self, request: Request, body: bytes) -> Call:
        """Raises CallerError where the body is no JSON object that can be read one way."""
        return ChatCall(parse_object(body), request.path)

    def decode_answer(self, call: Call, body: bytes) -> Answer:
        """Raises ValueError where the body has neither `choices` nor `error`."""
        document = parse_answer(body)
        if call.deferred and "request_id" in document.root and "choices" not in document.root:
            return PlainObject(document)
        return ChatAnswer(document)

    def open_stream(self, call: Call) -> AnswerStream:
        return ChatStream(hide_usage=call.hide_usage)

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:
        return error_object(error_type(status), code, message)

    def limit_headers(self, limits: Sequence[RateLimit]) -> Headers:
        return limit_headers(limits)


class ChatAnswer(Answer):
    """A whole answer. After `encode()` the arguments of `tool_calls` are those let through.

    Where the text of a choice was changed its `logprobs` are dropped: they repeat it.
    """

    def __init__(self, document: JsonDocument) -> None:
        super().__init__(document)
        self._document = document
        root: dict[str, Any] = document.root
        choices = root.get("choices")
        if type(choices) is not list:
            if "error" not in root:
                raise ValueError("no choices")
            choices = []
        self.model = string(root.get("model"))
        self.id = string(root.get("id"))
        self.usage = chat_usage(root.get("usage"), root.get("service_tier"))
        self._calls: dict[str, tuple[dict[str, Any], Any]] = {}  # key: its message and its entry
        self._texts: list[tuple[dict[str, Any], dict[str, Any], Any, Any]] = []
        reader = Reader(document)
        for number, choice in enumerate(choices):
            if type(choice) is dict:
                self._read_choice(reader, choice, number)
            else:
                reader.unknown(choices, number, Surface.OUTPUT, f"choices[{number}]")
        if not _ANSWER_FIELDS.issuperset(root):
            for key in root.keys() - _ANSWER_FIELDS:
                read_extra(reader, root, key, Surface.OUTPUT, key)
        self.segments = reader.segments
        self.unscannable = reader.unscannable

    def _read_choice(self, reader: Reader, choice: dict[str, Any], number: int) -> None:
        self.finish = self.finish or string(choice.get("finish_reason"))
        place = f"choices[{number}]"
        message = choice.get("message")
        if type(message) is dict:
            self._texts.append((choice, message, message.get("content"), message.get("refusal")))
            self._read_message(reader, message, number, f"{place}.message")
        elif message is not None:
            reader.unknown(choice, "message", Surface.OUTPUT, place)
        if not _CHOICE_FIELDS.issuperset(choice):
            for key in choice.keys() - _CHOICE_FIELDS:
                read_extra(reader, choice, key, Surface.OUTPUT, place)

    def _read_message(
        self, reader: Reader, message: dict[str, Any], number: int, place: str
    ) -> None:
        for key, value in message.items():
            if key == "role" or value is None:
                continue
            if key == "tool_calls" and type(value) is list:
                self._read_calls(reader, message, value, number, place)
            elif key == "function_call" and type(value) is dict:
                name = string(value.get("name"))
                read_function(reader, value, f"{place}.function_call")
                arguments = arguments_text(value.get("arguments"))
                call = ToolCall(name, name, arguments, f"{number}/function")
                self._keep(call, message, value)
            elif key == "audio" and type(value) is dict:
                reader.opaque("audio", Surface.OUTPUT, place)
                reader.text(value, "transcript", Surface.OUTPUT, place)
            elif key == "content" and type(value) is list:
                read_answer_parts(reader, value, f"{place}.content")
            elif key == "images" and type(value) is list:
                read_images(reader, value, Surface.OUTPUT, f"{place}.images")
            else:
                read_extra(reader, message, key, Surface.OUTPUT, f"{place}.{key}")

    def _read_calls(
        self,
        reader: Reader,
        message: dict[str, Any],
        calls: list[Any],
        number: int,
        place: str,
    ) -> None:
        for index, entry in enumerate(calls):
            where = f"{place}.tool_calls[{index}]"
            if type(entry) is dict:
                self._keep(read_call(reader, entry, f"{number}/{index}", where), message, entry)
            else:
                reader.unknown(calls, index, Surface.TOOL_CALL, where)

    def _keep(self, call: ToolCall, message: dict[str, Any], entry: dict[str, Any]) -> None:
        self.tool_calls.append(call)
        self._calls[call.key] = (message, entry)

    # --- writing ---

    def encode(self) -> bytes:
        document = self._document
        if not document.changed:
            return document.raw
        document.flush()
        for choice, message, content, refusal in self._texts:
            same = message.get("content") == content and message.get("refusal") == refusal
            if not same or type(content) is list:
                drop_repeats(choice)
        for call in self.tool_calls:
            call.arguments = _arguments(self._calls[call.key][1])
        return document.encode()

    def remove_tool_calls(self, keys: frozenset[str], notice: str) -> None:
        self._document.flush()
        for choice, message, _, _ in self._texts:
            gone = {
                id(entry)
                for key, (holder, entry) in self._calls.items()
                if key in keys and holder is message
            }
            if gone:
                self._take_out(choice, message, gone, notice)
        self.tool_calls = [call for call in self.tool_calls if call.key not in keys]
        self._document.touch()

    @staticmethod
    def _take_out(
        choice: dict[str, Any], message: dict[str, Any], gone: set[int], notice: str
    ) -> None:
        """Take entries out of one message; without any left it ends as text does."""
        drop_repeats(choice)
        if id(message.get("function_call")) in gone:
            del message["function_call"]
        if type(calls := message.get("tool_calls")) is list:
            kept = [entry for entry in calls if id(entry) not in gone]
            if kept:
                message["tool_calls"] = kept
            else:
                del message["tool_calls"]
        if message.get("tool_calls") or message.get("function_call"):
            return
        text = message.get("content")
        if type(text) is list:
            text.append({"type": "text", "text": notice})
        else:
            message["content"] = f"{text}\n\n{notice}" if text else notice
        if choice.get("finish_reason") in _CALL_REASONS:
            choice["finish_reason"] = "stop"

    def replace_arguments(self, key: str, arguments: str) -> None:
        self._document.flush()
        entry = self._calls[key][1]
        holder, field = _argument_field(entry)
        put_arguments(holder, field, arguments)
        for choice, message, _, _ in self._texts:
            if message is self._calls[key][0]:
                drop_repeats(choice)
        self._document.touch()


def _argument_field(entry: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Where a tool call or a `function_call` keeps its arguments."""
    if type(function := entry.get("function")) is dict:
        return function, "arguments"
    if type(custom := entry.get("custom")) is dict:
        return custom, "input"
    return entry, "arguments"


def _arguments(entry: dict[str, Any]) -> str:
    holder, field = _argument_field(entry)
    return arguments_text(holder.get(field))
