"""Legacy Completions as a dialect: `/v1/completions`, and what speaks like it.

Fields are those of the API reference ("Create completion") and of the servers that kept it (vLLM,
llama.cpp, Ollama, Azure OpenAI). The chunks of a stream differ from chat's in one field, `text`, so
that chat's reader reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.dialects.base import (
    Answer,
    AnswerStream,
    Call,
    RateLimit,
    Step,
    StepKind,
    Surface,
)
from gateway.dialects.json_call import JsonCall
from gateway.dialects.jsondoc import JsonDocument, parse_answer, parse_object
from gateway.dialects.openai_chat_fields import drop_repeats, read_extra
from gateway.dialects.openai_chat_request import PREDICT, with_predict
from gateway.dialects.openai_chat_stream import ChatStream
from gateway.dialects.openai_errors import chat_usage, error_object, error_type, limit_headers
from gateway.dialects.paths import model_of
from gateway.dialects.reading import Reader, asked_number, string
from gateway.dialects.token_estimate import likely_in
from gateway.message import Headers, Request

PER_REQUEST = 64
"""Tokens allowed beside the bytes of the body: a server may put a template around the prompt."""

_FORMAT_FIELDS = frozenset(
    "best_of echo frequency_penalty logit_bias logprobs max_tokens model n presence_penalty prompt "
    "prompt_embeds seed stream stream_options temperature top_p".split()
)
_ANSWER_FIELDS = frozenset(
    "choices created error id model object prompt_filter_results provider service_tier "
    "system_fingerprint usage".split()
)
_CHOICE_FIELDS = frozenset(
    "content_filter_results finish_reason index logprobs matched_stop native_finish_reason "
    "prompt_logprobs prompt_token_ids stop_reason text token_ids".split()
)


class OpenAICompletions:
    """`/v1/completions`, and a deployment's or an engine's."""

    name = "openai_completions"

    def decode(self, request: Request, body: bytes) -> Call:
        """Raises CallerError where the body is no JSON object that can be read one way."""
        return CompletionsCall(parse_object(body), request.path)

    def decode_answer(self, call: Call, body: bytes) -> Answer:
        """Raises ValueError where the body has neither `choices` nor `error`."""
        return CompletionsAnswer(parse_answer(body))

    def open_stream(self, call: Call) -> AnswerStream:
        return ChatStream(hide_usage=call.hide_usage)

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:
        return error_object(error_type(status), code, message)

    def limit_headers(self, limits: Sequence[RateLimit]) -> Headers:
        return limit_headers(limits)


class CompletionsCall(JsonCall):
    """`prompt` is a text, a list of texts, or tokens; `suffix` is the text behind the answer."""

    dialect = "openai_completions"
    answer_surfaces = frozenset({Surface.OUTPUT})

    def __init__(self, document: JsonDocument, path: str = "") -> None:
        super().__init__(document)
        self._path_model = model_of(path)
        self._prompts = 1
        self._tokens = 0  # of the prompt, sent as numbers
        reader = Reader(document)
        self._read_prompt(reader)
        if self._root.get("prompt_embeds") is not None:
            reader.opaque("tokens", Surface.USER, "prompt_embeds")
            reader.unbounded = True
        for key in self._root:
            if key not in _FORMAT_FIELDS:
                read_extra(reader, self._root, key, Surface.USER, key)
        self._read_fields()
        self._unbounded = reader.unbounded
        self.segments = reader.segments
        self.unscannable = reader.unscannable
        self.steps = [Step(StepKind.HUMAN)]

    def _read_fields(self) -> None:
        root = self._root
        self.model = self._path_model or string(root.get("model"))
        self.stream = bool(root.get("stream"))
        limit = root.get("max_tokens")
        self.max_output = limit if type(limit) is int else None
        if PREDICT in root:
            self.max_output = with_predict(self.max_output, root[PREDICT])
        asked = max(1, asked_number(root.get("n")), asked_number(root.get("best_of")))
        self.choices = asked * self._prompts  # all of `best_of` are charged for
        self.user_id = string(root.get("user"))

    def _read_prompt(self, reader: Reader) -> None:
        given = self._root.get("prompt")
        if type(given) is str:
            reader.text(self._root, "prompt", Surface.USER, "prompt")
        elif type(given) is list:
            self._read_prompts(reader, given)
        elif type(given) is dict:  # text with pictures, as llama.cpp takes it
            reader.opaque("file", Surface.USER, "prompt")
            reader.json(given, Surface.USER, "prompt")
        elif given is not None:
            reader.unknown(self._root, "prompt", Surface.USER, "prompt")

    def _read_prompts(self, reader: Reader, given: list[Any]) -> None:
        numbers = 0
        for index, item in enumerate(given):
            place = f"prompt[{index}]"
            if type(item) is str:
                reader.text(given, index, Surface.USER, place)
            elif type(item) is int:
                numbers += 1
            elif type(item) is list and all(type(each) is int for each in item):
                numbers += len(item)
            else:
                reader.opaque("file", Surface.USER, place)
                if type(item) is list or type(item) is dict:
                    reader.json(item, Surface.USER, place)
        if numbers:
            reader.opaque("tokens", Surface.USER, "prompt")
        one = bool(given) and all(type(item) is int for item in given)
        self._tokens = numbers
        self._prompts = 1 if one else max(1, len(given))

    # --- writing ---

    def set_max_output(self, tokens: int) -> None:
        self._root["max_tokens"] = tokens
        if PREDICT in self._root:
            self._root[PREDICT] = tokens
        self.max_output = tokens
        self._document.touch()

    def rename_model(self, name: str) -> bool:
        """Not where the path names the deployment."""
        return not self._path_model and super().rename_model(name)

    def conclude(self, note: str) -> bool:
        """Completions call no tools, and their prompt is a text to go on with: no note is safe."""
        return True

    def ask_usage(self) -> None:
        options = self._root.get("stream_options")
        kept = options if type(options) is dict else {}
        if not self.stream or kept.get("include_usage") is True:
            return
        self._root["stream_options"] = {**kept, "include_usage": True}
        self.hide_usage = True
        self._document.touch()

    # --- measures ---

    def input_bound(self) -> int:
        """All bytes of the body: a token is at least one byte of text, or one number."""
        return -1 if self._unbounded else self._body_size() + PER_REQUEST

    def input_estimate(self) -> int:
        """A quarter of the text's bytes; tokens are counted."""
        return likely_in(self.segments) + self._tokens


class CompletionsAnswer(Answer):
    """A whole answer. Where a choice's text was changed, what repeats it is dropped."""

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
        self.usage = chat_usage(root.get("usage"))
        self._texts: list[tuple[dict[str, Any], Any]] = []
        reader = Reader(document)
        for number, choice in enumerate(choices):
            place = f"choices[{number}]"
            if type(choice) is dict:
                self._read_choice(reader, choice, place)
            else:
                reader.unknown(choices, number, Surface.OUTPUT, place)
        for key in root.keys() - _ANSWER_FIELDS:
            read_extra(reader, root, key, Surface.OUTPUT, key)
        self.segments = reader.segments
        self.unscannable = reader.unscannable

    def _read_choice(self, reader: Reader, choice: dict[str, Any], place: str) -> None:
        self.finish = self.finish or string(choice.get("finish_reason"))
        self._texts.append((choice, choice.get("text")))
        reader.text(choice, "text", Surface.OUTPUT, f"{place}.text")
        for key in choice.keys() - _CHOICE_FIELDS:
            read_extra(reader, choice, key, Surface.OUTPUT, place)

    def encode(self) -> bytes:
        if self._document.changed:
            for choice, text in self._texts:
                if choice.get("text") != text:
                    drop_repeats(choice)
        return self._document.encode()

    def remove_tool_calls(self, keys: frozenset[str], notice: str) -> None:
        """Completions call no tools."""

    def replace_arguments(self, key: str, arguments: str) -> None:
        """Completions call no tools."""
