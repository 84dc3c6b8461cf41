"""Requests to Ollama's own API: `/api/chat`, `/api/generate`, `/api/embed`, `/api/embeddings`.

What each field is read as stands in docs/dialects-ollama.md. The server is written in Go, whose
JSON reader takes keys in any case: a body that relies on that is refused (`spelling.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.dialects.base import Framing, Step, StepKind, Surface, ToolCall
from gateway.dialects.json_call import JsonCall
from gateway.dialects.jsondoc import SCHEMA_KEYS, SCHEMA_WORDS, JsonDocument, leaf_segments
from gateway.dialects.last_words import append_text, append_to_last
from gateway.dialects.model_names import ollama_names
from gateway.dialects.ndjson import LineReader
from gateway.dialects.ollama_fields import MESSAGE_FIELDS, read_images, read_tool_call
from gateway.dialects.openai_chat_fields import read_extra
from gateway.dialects.openai_chat_tools import ToolList
from gateway.dialects.reading import Reader, mapping, string
from gateway.dialects.spelling import refuse_variants
from gateway.dialects.token_estimate import likely_in
from gateway.errors import CallerError
from gateway.verdict import Reason

PER_REQUEST = 1024
"""Tokens allowed for what the server adds: the model's template, and the system prompt that its
Modelfile may have. Such a prompt may be longer; nothing in a request tells."""

PER_IMAGE = 16_384
"""Tokens of one picture at most. The vision models that Ollama serves cut a picture into patches:
some hundreds of tokens for most, up to 16,384 for Qwen2.5-VL (its model card)."""

LIKELY_IMAGE = 1_000
"""Tokens of one picture, as an estimate."""

_LINES = Framing(LineReader)  # without anything to keep alive: its client fails on an empty line
FRAMINGS = {"application/x-ndjson": _LINES, "application/ndjson": _LINES}

_SURFACES = {
    "system": Surface.SYSTEM,
    "user": Surface.USER,
    "assistant": Surface.ASSISTANT,
    "tool": Surface.TOOL_RESULT,
}
_OPTIONS = frozenset(
    "frequency_penalty low_vram main_gpu min_p mirostat mirostat_eta mirostat_tau num_batch "
    "num_ctx num_gpu num_keep num_predict num_thread penalize_newline presence_penalty "
    "repeat_last_n repeat_penalty seed stop temperature tfs_z top_k top_p typical_p use_mlock "
    "use_mmap".split()
)
"""Fields that stand among the `options`."""

_ANSWERED = frozenset({"user", "tool"})
_COMMON = frozenset(
    "_debug_render_only dimensions format keep_alive logprobs model options raw runner shift "
    "stream think tools top_logprobs truncate width height steps".split()
)


class OllamaCall(JsonCall):
    """What all requests share: the model, the options, the format of the answer."""

    dialect = "ollama"
    framings: Mapping[str, Framing] = FRAMINGS

    def __init__(self, document: JsonDocument) -> None:
        super().__init__(document)
        refuse_variants(document.root)
        self._tools: ToolList | None = None
        self._read_fields()
        reader = Reader(document)
        self._read(reader)
        self._read_options(reader)
        self._images = reader.images
        self._media_bytes = reader.media_bytes
        self.segments = reader.segments
        self.unscannable = reader.unscannable

    def _read_fields(self) -> None:
        root = self._root
        self.model, *others = ollama_names(string(root.get("model")))
        self.aliases = tuple(others)
        self.stream = root.get("stream") is not False  # it streams unless told not to
        limit = mapping(root.get("options")).get("num_predict")
        whole = int(limit) if type(limit) is int or type(limit) is float else 0
        self.max_output = whole if whole > 0 else None  # 0, -1 and -2 set no limit

    def _read(self, reader: Reader) -> None:
        """What a request of its path holds."""
        raise NotImplementedError

    def _read_options(self, reader: Reader) -> None:
        """`options` holds numbers, and texts at which the model stops."""
        options = self._root.get("options")
        if options is not None:
            reader.structure({"options": options}, Surface.USER, "options")

    def _read_format(self, reader: Reader) -> None:
        """The schema of the answer instructs the model as a tool's does."""
        schema = self._root.get("format")
        if type(schema) is dict:
            reader.segments += leaf_segments(
                reader.document,
                schema,
                Surface.TOOL_DEFINITION,
                "format",
                fresh=reader.fresh,
                known=SCHEMA_KEYS,
                words=SCHEMA_WORDS,
            )
        elif schema is not None and schema not in ("", "json"):
            reader.unknown(self._root, "format", Surface.TOOL_DEFINITION, "format")

    def _read_others(self, reader: Reader, known: frozenset[str]) -> None:
        for key in self._root:
            if key not in known and key not in _COMMON:
                read_extra(reader, self._root, key, Surface.USER, key)

    # --- writing ---

    def force_field(self, path: str, value: Any) -> None:
        """What the server knows as an option goes among the options."""
        if path not in _OPTIONS:
            super().force_field(path, value)
        elif path not in (options := mapping(self._root.get("options"))) or options[path] != value:
            self._root["options"] = {**options, path: value}
            self._read_fields()
            self._document.touch()

    def get_field(self, path: str) -> Any:
        return (
            mapping(self._root.get("options")).get(path)
            if path in _OPTIONS
            else (super().get_field(path))
        )

    def set_max_output(self, tokens: int) -> None:
        options = self._root.get("options")
        self._root["options"] = {
            **(options if type(options) is dict else {}),
            "num_predict": tokens,
        }
        self.max_output = tokens
        self._document.touch()

    def conclude(self, note: str) -> bool:
        """The server knows no `tool_choice`: what is not declared is not called."""
        self.remove_tools(frozenset(tool.name for tool in self.tools))
        if "prompt" in self._root:
            append_text(self.segments, self._root, "prompt", note)
        append_to_last(self.segments, self._root.get("messages"), _ANSWERED, note)
        self._document.touch()
        return True

    def remove_tools(self, names: frozenset[str]) -> None:
        if self._tools is None or not (gone := self._tools.remove(names)):
            return
        self.tools = self._tools.declared
        self.segments = [s for s in self.segments if s.place not in gone]
        self._document.touch()

    # --- measures ---

    def input_bound(self) -> int:
        """All bytes of the body but pictures, which have an allowance, as the server's own has."""
        size = self._body_size() - self._media_bytes
        return size + PER_REQUEST + PER_IMAGE * self._images

    def input_estimate(self) -> int:
        return likely_in(self.segments) + LIKELY_IMAGE * self._images


class OllamaChat(OllamaCall):
    """`/api/chat`."""

    def _read(self, reader: Reader) -> None:
        messages = self._root.get("messages")
        if messages is None:
            messages = []
        if type(messages) is not list or not all(type(each) is dict for each in messages):
            raise CallerError(Reason.BODY_MALFORMED, "`messages` must be a list of objects.")
        answered = _last_answer(messages)
        for number, message in enumerate(messages):
            reader.fresh = number > answered
            self._read_message(reader, message, f"messages[{number}]")
        reader.fresh = answered < 0
        if self._root.get("tools") is not None:
            self._tools = ToolList(self._root, reader)
            self.tools = self._tools.declared
        self._read_format(reader)
        self._read_others(reader, frozenset({"messages"}))

    def _read_message(self, reader: Reader, message: dict[str, Any], place: str) -> None:
        role = string(message.get("role")).lower()
        surface = _SURFACES.get(role, Surface.USER)
        mark = reader.mark()
        reader.text(message, "content", surface, f"{place}.content")
        reader.text(message, "thinking", Surface.REASONING, f"{place}.thinking")
        read_images(reader, message.get("images"), surface, f"{place}.images")
        calls: list[ToolCall] = []
        given = message.get("tool_calls")
        if type(given) is list:
            for index, entry in enumerate(given):
                where = f"{place}.tool_calls[{index}]"
                if type(entry) is dict:
                    calls.append(read_tool_call(reader, entry, str(index), where))
                else:
                    reader.unknown(given, index, Surface.TOOL_CALL, where)
        elif given is not None:
            reader.unknown(message, "tool_calls", Surface.TOOL_CALL, f"{place}.tool_calls")
        if not MESSAGE_FIELDS.issuperset(message):
            for key in message.keys() - MESSAGE_FIELDS:
                read_extra(reader, message, key, surface, f"{place}.{key}")
        self._add_step(role, message, calls, reader.texts_since(mark) if role == "tool" else "")

    def _add_step(
        self, role: str, message: dict[str, Any], calls: list[ToolCall], text: str
    ) -> None:
        steps = self.steps
        if role == "assistant":
            if not steps or steps[-1].kind is not StepKind.MODEL:
                steps.append(Step(StepKind.MODEL))
            for call in calls:
                call.id = call.id or f"{len(steps)}/{len(steps[-1].calls)}"
                steps[-1].calls.append(call)
        elif role == "tool":
            steps.append(Step(StepKind.RESULT, call_id=self._called(message), text=text))
        elif role == "user":
            steps.append(Step(StepKind.HUMAN))

    def _called(self, message: dict[str, Any]) -> str:
        """The call that a result belongs to: by its id where it has one, else the first of that
        name, else the first, that has none yet."""
        if named := string(message.get("tool_call_id")):
            return named
        answered: set[str] = set()
        for step in reversed(self.steps):
            if step.kind is StepKind.RESULT:
                answered.add(step.call_id)
            elif step.kind is StepKind.MODEL:
                waiting = [call for call in step.calls if call.id not in answered]
                name = string(message.get("tool_name")) or string(message.get("name"))
                of_name = [call for call in waiting if call.name == name]
                return next((call.id for call in of_name or waiting), "")
        return ""


class OllamaGenerate(OllamaCall):
    """`/api/generate`: a prompt, and what stands around it."""

    _FIELDS = frozenset("context images prompt suffix system template".split())

    def _read(self, reader: Reader) -> None:
        root = self._root
        reader.text(root, "system", Surface.SYSTEM, "system")
        reader.text(root, "template", Surface.SYSTEM, "template")
        reader.text(root, "prompt", Surface.USER, "prompt")
        reader.text(root, "suffix", Surface.USER, "suffix")
        read_images(reader, root.get("images"), Surface.USER, "images")
        if root.get("context"):  # the conversation until now, as tokens
            reader.opaque("history", Surface.USER, "context")
        self._read_format(reader)
        self._read_others(reader, self._FIELDS)
        self.steps = [Step(StepKind.HUMAN)]


class OllamaEmbed(OllamaCall):
    """`/api/embed` (`input`) and the older `/api/embeddings` (`prompt`): text in, vectors out."""

    operation = "embeddings"

    def _read_fields(self) -> None:
        super()._read_fields()
        self.stream = False
        self.max_output = 0

    def _read(self, reader: Reader) -> None:
        given = self._root.get("input")
        if type(given) is list:
            for number, item in enumerate(given):
                place = f"input[{number}]"
                if type(item) is str:
                    reader.text(given, number, Surface.USER, place)
                else:
                    reader.unknown(given, number, Surface.USER, place)
        elif given is not None:
            reader.text(self._root, "input", Surface.USER, "input")
        reader.text(self._root, "prompt", Surface.USER, "prompt")
        self._read_others(reader, frozenset({"input", "prompt"}))

    def set_max_output(self, tokens: int) -> None:
        """Embeddings have no output tokens to cap."""


def _last_answer(messages: list[dict[str, Any]]) -> int:
    """The index of the model's last answer that something follows, -1 without one."""
    followed = False
    for number in range(len(messages) - 1, -1, -1):
        if string(messages[number].get("role")).lower() != "assistant":
            followed = True
        elif followed:
            return number
    return -1
