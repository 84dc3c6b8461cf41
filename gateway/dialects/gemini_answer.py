"""Whole answers of the Gemini API, and what streamed chunks have in common with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.dialects.base import Answer, Surface, ToolCall
from gateway.dialects.gemini_fields import camel, each, field, listed
from gateway.dialects.gemini_parts import PartReader
from gateway.dialects.gemini_usage import read_searches, read_usage
from gateway.dialects.jsondoc import JsonDocument, loads_lenient
from gateway.dialects.reading import string

HEAD = frozenset("candidates createTime error modelVersion responseId usageMetadata".split())
"""Fields of an answer that are read by name, or hold no text."""

CANDIDATE = frozenset(
    "avgLogprobs content finishReason index logprobsResult safetyRatings tokenCount".split()
)
"""Fields of a candidate that are read by name, or hold no text of their own."""

_FOUND = frozenset({"groundingMetadata", "groundingAttributions", "urlContextMetadata"})
"""What the provider's own tools found."""

_SEALED = frozenset({"continuationToken", "googleMapsWidgetContextToken", "sdkBlob"})
"""Values that only Google can read."""

_CALLS = ("functionCall", "executableCode", "toolCall")
_RESULTS = ("codeExecutionResult", "toolResponse")


class GeminiAnswer(Answer):
    """A `GenerateContentResponse`. A tool call's key is `<candidate>/<number>`."""

    def __init__(self, document: JsonDocument) -> None:
        """Raises ValueError where the document is no answer."""
        super().__init__(document)
        self._document = document
        root: dict[str, Any] = document.root
        if not any(camel(key) in HEAD or camel(key) == "promptFeedback" for key in root):
            raise ValueError("no candidates")
        self.id = string(field(root, "responseId"))
        self.model = string(field(root, "modelVersion"))
        self.usage = read_usage(None, field(root, "usageMetadata"))
        read_searches(self.usage, listed(root, "candidates"))
        self._nodes: dict[str, dict[str, Any]] = {}
        reader = PartReader(document)
        for name, spelled in reader.names(root, "").items():
            if name == "candidates":
                for number, (holder, key, where) in enumerate(each(root, spelled, name)):
                    self._read(reader, holder, key, number, where)
            elif name not in HEAD:
                read_extra(reader, root, spelled, name, "")
        self.segments = reader.segments
        self.unscannable = reader.unscannable

    def _read(self, reader: PartReader, holder: Any, key: Any, number: int, place: str) -> None:
        candidate = holder[key]
        if type(candidate) is not dict:
            reader.unknown(holder, key, Surface.OUTPUT, place)
            return
        reader.nodes = []
        read_candidate(reader, candidate, place)
        self.finish = self.finish or string(field(candidate, "finishReason"))
        for count, (call, node) in enumerate(reader.nodes):
            call.key = f"{number}/{count}"
            self.tool_calls.append(call)
            self._nodes[call.key] = node

    def encode(self) -> bytes:
        if self._document.changed:
            for candidate in listed(self._document.root, "candidates"):
                forget_logprobs(candidate)
        return self._document.encode()

    def remove_tool_calls(self, keys: frozenset[str], notice: str) -> None:
        gone = {id(self._nodes[key]) for key in keys if key in self._nodes}
        if not gone:
            return
        self.tool_calls = [call for call in self.tool_calls if call.key not in keys]
        for candidate in listed(self._document.root, "candidates"):
            parts = parts_of(candidate)
            kept = without(parts, gone)
            if len(kept) != len(parts):
                parts[:] = kept
                if not any(field(part, "functionCall") is not None for part in kept):
                    parts.append({"text": notice})
        self._document.touch()

    def replace_arguments(self, key: str, arguments: str) -> None:
        set_arguments(self._nodes[key], loads_lenient(arguments))
        for call in self.tool_calls:
            if call.key == key:
                call.arguments = arguments
        self._document.touch()


def read_candidate(reader: PartReader, candidate: dict[str, Any], place: str) -> None:
    """All text of a candidate: its content, what was found for it, why it ended."""
    for name, spelled in reader.names(candidate, place).items():
        if name == "content":
            reader.content(candidate, spelled, Surface.OUTPUT, f"{place}.content")
        elif name not in CANDIDATE:
            read_extra(reader, candidate, spelled, name, place)


def read_extra(reader: PartReader, holder: dict[str, Any], key: str, name: str, place: str) -> None:
    """A field beside the content: sources and citations, feedback, what is not known."""
    value = holder[key]
    at = f"{place}.{name}".lstrip(".")
    if name in _SEALED:
        reader.opaque("encrypted", Surface.OUTPUT, at)
    elif name in _FOUND and type(value) is dict:
        for word, spelled in reader.names(value, at).items():
            surface = Surface.OUTPUT if word == "groundingSupports" else Surface.TOOL_RESULT
            _read_found(reader, value, spelled, word, surface, at)
    elif type(value) is str:
        reader.text(holder, key, Surface.OUTPUT, at)
    elif type(value) is dict or type(value) is list:
        reader.structure(value, Surface.OUTPUT, at)


def _read_found(
    reader: PartReader, holder: dict[str, Any], key: str, name: str, surface: Surface, place: str
) -> None:
    value = holder[key]
    if name in _SEALED:
        reader.opaque("encrypted", surface, place)
    elif type(value) is str:
        reader.text(holder, key, surface, place)
    elif type(value) is dict and name == "searchEntryPoint":
        for word, spelled in reader.names(value, place).items():
            _read_found(reader, value, spelled, word, surface, place)
    else:
        reader.structure(value, surface, place)


def parts_of(candidate: Any) -> list[Any]:
    """The parts of a candidate, as a list that stands in it: of one part alone it is made."""
    content = field(candidate, "content")
    if type(content) is not dict:
        return []
    parts = content.get("parts")
    if type(parts) is not list:
        parts = content["parts"] = [] if parts is None else [parts]
    return parts


def without(parts: list[Any], gone: set[int]) -> list[Any]:
    """Parts without some calls, by their identity, and without what the provider gave to them."""
    kept: list[Any] = []
    ids: set[str] = set()
    orphans = 0  # results without an id that are to come
    for part in parts:
        if id(part) in gone:
            inner = inner_of(part, _CALLS)
            ids |= {string(inner.get("id"))} - {""}
            orphans += field(part, "functionCall") is None and not inner.get("id")
            continue
        result = inner_of(part, _RESULTS)
        if result:
            if string(result.get("id")) in ids:
                continue
            if orphans and not result.get("id"):
                orphans -= 1
                continue
        kept.append(part)
    return kept


def inner_of(part: Any, names: Iterable[str]) -> dict[str, Any]:
    """The call or the result that a part holds; an empty object without one."""
    for name in names:
        inner = field(part, name)
        if type(inner) is dict:
            return inner
    return {}


def set_arguments(part: dict[str, Any], arguments: Any) -> None:
    """Give the call that a part holds other arguments; it comes whole then."""
    inner = inner_of(part, _CALLS)
    if field(part, "executableCode") is not None:
        inner["code"] = string(field(arguments, "code"))
        return
    for name in ("partialArgs", "partial_args", "willContinue", "will_continue"):
        inner.pop(name, None)
    inner["args"] = arguments


def forget_logprobs(candidate: Any) -> None:
    """The probabilities of a text's tokens repeat the text."""
    if type(candidate) is dict:
        for name in ("logprobsResult", "logprobs_result"):
            candidate.pop(name, None)


def call_of(part: dict[str, Any]) -> ToolCall:
    """The function call of a part, without its arguments."""
    inner = inner_of(part, ("functionCall",))
    return ToolCall(string(inner.get("id")), string(inner.get("name")), "")
