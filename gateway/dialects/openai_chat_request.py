"""A request to Chat Completions: `/v1/chat/completions` and what speaks like it.

What each field is read as stands in docs/dialects.md. Field names and types are those of the
API reference ("Create chat completion"), with the fields that compatible servers add to messages.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.dialects.base import Segment, Step, StepKind, Surface, ToolCall
from gateway.dialects.json_call import JsonCall
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.last_words import append_to_last
from gateway.dialects.model_names import HIDES_REASONING, variant_names
from gateway.dialects.openai_chat_fields import (
    arguments_text,
    read_call,
    read_extra,
    read_function,
)
from gateway.dialects.openai_chat_tools import TOOL_FIELDS, ToolList, searches_online
from gateway.dialects.paths import model_of
from gateway.dialects.reading import Reader, asked_number, mapping, string
from gateway.dialects.token_estimate import likely_in
from gateway.errors import CallerError
from gateway.verdict import Reason

PER_IMAGE = 50_000
"""Tokens of one image at most: gpt-4o-mini counts 2,833 + 8 tiles of 5,667, other models less
(OpenAI's guide "Images and vision", 2025)."""

LIKELY_IMAGE = 1_000
"""Tokens of one image, as an estimate: gpt-4o at high detail counts 765 for 1024 x 1024."""

PER_REQUEST = 64
"""What a provider may add around the messages. Its tokens for each message, name and schema entry
(3 to 12, OpenAI's cookbook "How to count tokens") are fewer than the bytes of JSON around them."""

_FORMAT_FIELDS = frozenset(
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens "
    "max_tokens messages modalities model n parallel_tool_calls prediction presence_penalty "
    "prompt_cache_retention reasoning_effort response_format seed service_tier store stream "
    "stream_options temperature tool_choice tools top_logprobs top_p verbosity "
    "web_search_options".split()
)
"""Fields that are read by name below, or that hold no text. Any other is read leaf by leaf."""

_NAMING = frozenset({"metadata", "user", "safety_identifier", "prompt_cache_key"})
"""Fields that name the end user, or a conversation."""

_SURFACES = {
    "system": Surface.SYSTEM,
    "developer": Surface.SYSTEM,
    "user": Surface.USER,
    "assistant": Surface.ASSISTANT,
    "tool": Surface.TOOL_RESULT,
    "function": Surface.TOOL_RESULT,
}
_PLAIN = {role: _SURFACES[role] for role in ("system", "developer", "user", "assistant")}
_HUMAN, _MODEL = StepKind.HUMAN, StepKind.MODEL  # looking a member up is not free
_NEW_LIMIT = HIDES_REASONING
"""Models that take `max_completion_tokens` only; `max_tokens` is a 400 for them (the API's own
answer: "Unsupported parameter: 'max_tokens' is not supported with this model")."""
_ANSWERED = frozenset({"user", "tool"})
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")


PREDICT = "n_predict"
"""llama.cpp's own field for a cap of the output. There it wins over the others (its server's
README), elsewhere it says nothing."""


class NameSegment(Segment):
    """The `name` of a message. What replaces it is kept within the API's alphabet."""

    __slots__ = ()

    def replace(self, text: str) -> None:
        super().replace(_NOT_A_NAME.sub("_", text)[:64] or "_")


class ChatCall(JsonCall):
    """See `Call`. Raises CallerError where `messages` is no list of objects."""

    dialect = "openai_chat"

    def __init__(self, document: JsonDocument, path: str = "") -> None:
        super().__init__(document)
        self._path_model = model_of(path)
        self._read_fields()
        reader = Reader(document)
        messages = self._root.get("messages")
        if type(messages) is not list:
            messages = []
            if self._root.get("messages") is not None:
                raise _bad_messages()
        self._media_bytes = 0
        answered = _last_answer(messages)
        self._read_messages(reader, messages, answered)
        reader.fresh = answered < 0
        self._tools: ToolList | None = None
        named = ":" in self.model or "models" in self._root
        if not TOOL_FIELDS.isdisjoint(self._root) or (named and searches_online(self._root)):
            self._tools = ToolList(self._root, reader)
            self.tools = self._tools.declared
        self._read_others(reader)
        self._images = reader.images
        self._unbounded = reader.unbounded or any(tool.hosted for tool in self.tools)
        self.segments = reader.segments
        self.unscannable = reader.unscannable

    # --- reading ---

    def _read_fields(self) -> None:
        root = self._root
        # A deployment that the path names is what answers, whatever the body says.
        self.model = self._path_model or string(root.get("model"))
        if ":" in self.model:
            self.aliases = variant_names(self.model)
        self.stream = bool(root.get("stream"))
        newer, older = root.get("max_completion_tokens"), root.get("max_tokens")
        limit = older if type(older) is int else None
        if type(newer) is int:
            limit = newer if limit is None else max(newer, limit)
        if PREDICT in root:
            limit = with_predict(limit, root[PREDICT])
        self.max_output = limit
        self.choices = max(1, asked_number(root["n"])) if "n" in root else 1
        if not _NAMING.isdisjoint(root):
            metadata = mapping(root.get("metadata"))
            names = (metadata.get("user_id"), root.get("user"), root.get("safety_identifier"))
            self.user_id = next(filter(None, map(string, names)), "")
            self.cache_key = string(root.get("prompt_cache_key"))

    def _read_messages(self, reader: Reader, messages: list[Any], answered: int) -> None:
        document, segments, steps = reader.document, reader.segments, self.steps
        for number, message in enumerate(messages):
            fresh = number > answered
            try:  # most messages: a role that carries no tools, and a text
                role, text = message["role"], message["content"]
                plain = role in _PLAIN and type(text) is str and len(message) == 2
            except (KeyError, TypeError):
                plain = False
            if plain:
                if text:
                    place = f"messages[{number}].content"
                    segments.append(
                        Segment(document, message, "content", text, _PLAIN[role], place, fresh)
                    )
                if role == "user":
                    steps.append(Step(_HUMAN))
                elif role == "assistant" and (not steps or steps[-1].kind is not _MODEL):
                    steps.append(Step(_MODEL))
            else:
                reader.fresh = fresh
                self._read_message(reader, number, message)

    def _read_message(self, reader: Reader, number: int, message: Any) -> None:
        if type(message) is not dict:
            raise _bad_messages()
        role = string(message.get("role"))
        surface = _SURFACES.get(role, Surface.USER)
        place = f"messages[{number}]"
        mark = reader.mark()
        content = message.get("content")
        if type(content) is str:
            reader.text(message, "content", surface, f"{place}.content")
        elif type(content) is list:
            for index in range(len(content)):
                self._read_part(reader, content, index, surface, f"{place}.content[{index}]")
        elif content is not None:
            reader.unknown(message, "content", surface, f"{place}.content")
        calls: list[ToolCall] = []
        if len(message) > ("role" in message) + ("content" in message):
            for key in message:
                if key != "role" and key != "content":
                    self._read_field(reader, message, key, surface, place, calls)
        self._add_step(role, message, calls, reader, mark)

    def _read_field(
        self,
        reader: Reader,
        message: dict[str, Any],
        key: str,
        surface: Surface,
        place: str,
        calls: list[ToolCall],
    ) -> None:
        """One field of a message beside its role and content."""
        value = message[key]
        if value is None or key == "tool_call_id" or key == "id":
            return
        if key == "tool_calls" and type(value) is list:
            for index, call in enumerate(value):
                where = f"{place}.tool_calls[{index}]"
                if type(call) is dict:
                    calls.append(read_call(reader, call, f"{len(calls)}", where))
                else:
                    reader.unknown(value, index, Surface.TOOL_CALL, where)
        elif key == "function_call" and type(value) is dict:
            read_function(reader, value, f"{place}.function_call")
            name = string(value.get("name"))
            calls.append(ToolCall(name, name, arguments_text(value.get("arguments")), "function"))
        elif key == "name":
            self._read_name(reader, message, surface, place)
        elif key == "audio" and surface is Surface.ASSISTANT:
            reader.opaque("history", surface, f"{place}.audio")
        else:
            read_extra(reader, message, key, surface, f"{place}.{key}")

    @staticmethod
    def _read_name(reader: Reader, message: dict[str, Any], surface: Surface, place: str) -> None:
        name = message["name"]
        if surface is Surface.TOOL_RESULT and type(name) is str:
            return  # the name of the function, which the tool rules know
        if type(name) is str and name:
            reader.segments.append(
                NameSegment(
                    reader.document,
                    message,
                    "name",
                    name,
                    surface,
                    f"{place}.name",
                    fresh=reader.fresh,
                )
            )
        elif type(name) is not str:
            reader.unknown(message, "name", surface, f"{place}.name")

    def _read_part(
        self, reader: Reader, parts: list[Any], index: int, surface: Surface, place: str
    ) -> None:
        """One part of a message's content."""
        part = parts[index]
        if type(part) is not dict:
            reader.unknown(parts, index, surface, place)
            return
        kind = part.get("type")
        if kind == "text" or kind == "refusal":
            reader.text(part, kind, surface, f"{place}.{kind}")
            if len(part) > 2:
                for key in part.keys() - {"type", kind, "cache_control"}:
                    read_extra(reader, part, key, surface, place)
        elif kind == "image_url":
            reader.opaque("image", surface, place)
            self._read_source(reader, part, "image_url", surface, place)
        elif kind == "input_audio":
            reader.opaque("audio", surface, place)
        elif kind == "video_url":
            reader.opaque("video", surface, place)
            reader.unbounded = True
            self._read_source(reader, part, "video_url", surface, place)
        elif kind == "thinking" or kind == "reasoning":
            reader.json(part, Surface.REASONING, place)
        elif kind == "file":
            reader.opaque("file", surface, place)
            reader.structure(part, surface, place)
        else:
            reader.opaque("file", surface, place)
            reader.json(part, surface, place)

    def _read_source(
        self, reader: Reader, part: dict[str, Any], key: str, surface: Surface, place: str
    ) -> None:
        """Where a picture lies: an address is text, the data itself is not."""
        holder: dict[str, Any] = part
        source = part.get(key)
        if type(source) is dict:
            holder, key, source = source, "url", source.get("url")
        if type(source) is not str:
            return
        if source[:5].lower() == "data:":
            self._media_bytes += len(source)
        else:
            reader.text(holder, key, surface, f"{place}.image_url.url")

    def _read_others(self, reader: Reader) -> None:
        """Fields of the body beside the messages and tools."""
        root = self._root
        if (prediction := root.get("prediction")) is not None:
            reader.structure({"prediction": prediction}, Surface.USER, "prediction")
        if (search := root.get("web_search_options")) is not None:
            reader.json(search, Surface.USER, "web_search_options")
        if not _FORMAT_FIELDS.issuperset(root):
            self.deferred = root.get("deferred") is True  # xAI's: fetched later
            for key in root:
                if key not in _FORMAT_FIELDS:
                    read_extra(reader, root, key, Surface.USER, key)

    def _add_step(
        self,
        role: str,
        message: dict[str, Any],
        calls: list[ToolCall],
        reader: Reader,
        mark: tuple[int, int],
    ) -> None:
        steps = self.steps
        if role == "assistant":
            if steps and steps[-1].kind is _MODEL:
                steps[-1].calls += calls
            else:
                steps.append(Step(_MODEL, calls))
        elif role == "tool" or role == "function":
            call_id = string(message.get("tool_call_id")) or string(message.get("name"))
            steps.append(Step(StepKind.RESULT, call_id=call_id, text=reader.texts_since(mark)))
        elif role == "user":
            steps.append(Step(_HUMAN))

    # --- writing ---

    def set_max_output(self, tokens: int) -> None:
        """Into the fields that are there, else into the one that this model takes."""
        root = self._root
        fields = [f for f in ("max_completion_tokens", "max_tokens") if root.get(f) is not None]
        if not fields:
            fields = ["max_completion_tokens" if _NEW_LIMIT.match(self.model) else "max_tokens"]
        if PREDICT in root:
            fields.append(PREDICT)
        for name in fields:
            root[name] = tokens
        self.max_output = tokens
        self._document.touch()

    def rename_model(self, name: str) -> bool:
        """Not where the path names the deployment. A cap goes where the new model takes it."""
        if self._path_model:
            return False
        if _NEW_LIMIT.match(name) and "max_tokens" in self._root:
            cap = self._root.pop("max_tokens")
            self._root.setdefault("max_completion_tokens", cap)
        return super().rename_model(name)

    def conclude(self, note: str) -> bool:
        """Tools stay declared, for the conversation has calls of them; what the provider runs by
        itself goes, for `tool_choice` says nothing about that."""
        self.remove_tools(frozenset(tool.name for tool in self.tools if tool.hosted))
        root = self._root
        if root.get("tools"):
            root["tool_choice"] = "none"
        if root.get("functions"):
            root["function_call"] = "none"
        append_to_last(self.segments, root.get("messages"), _ANSWERED, note)
        self._document.touch()
        return True

    def shows_output(self) -> bool:
        return HIDES_REASONING.match(self.model) is None

    def ask_usage(self) -> None:
        options = self._root.get("stream_options")
        asked = options.get("include_usage") if type(options) is dict else None
        if not self.stream or asked is True:
            return
        kept = options if type(options) is dict else {}
        self._root["stream_options"] = {**kept, "include_usage": True}
        self.hide_usage = True
        self._document.touch()

    def remove_tools(self, names: frozenset[str]) -> None:
        if self._tools is None or not (gone := self._tools.remove(names)):
            return
        self.tools = self._tools.declared
        self.segments = [s for s in self.segments if s.place not in gone]
        self._read_fields()
        self._document.touch()

    # --- measures ---

    def input_bound(self) -> int:
        """All bytes of the body but pictures' data, which have an allowance instead."""
        if self._unbounded:
            return -1
        return self._body_size() - self._media_bytes + PER_REQUEST + PER_IMAGE * self._images

    def input_estimate(self) -> int:
        return likely_in(self.segments) + LIKELY_IMAGE * self._images


def with_predict(limit: int | None, predict: Any) -> int | None:
    """The cap of a request that has `n_predict` too: the larger, None where one sets none."""
    if limit is None or type(predict) is not int or predict < 0:
        return None
    return max(limit, predict)


def _last_answer(messages: list[Any]) -> int:
    """The index of the model's last answer that something follows, -1 without one.

    (An assistant message that stands last is the caller's own beginning of the next answer.)
    """
    followed = False
    for number in range(len(messages) - 1, -1, -1):
        message = messages[number]
        if type(message) is not dict or message.get("role") != "assistant":
            followed = True
        elif followed:
            return number
    return -1


def _bad_messages() -> CallerError:
    return CallerError(Reason.BODY_MALFORMED, "`messages` must be a list of objects.")
