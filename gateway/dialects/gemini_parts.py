"""Contents and parts of the Gemini API, as segments and tool calls.

The shapes are those of the API's reference ("Content", "Part") as google-genai 3.4 types them, in
both spellings. One reader serves requests, whole answers and streamed chunks.

Rules of this file:
- A part is read by its fields, not by the first of them that is known: nothing hides beside a text.
- A part that a signature seals as reasoning is never rewritten. On any other part the signature
  stands for the model's thoughts, not for the part: a rewritten text goes without it (the API asks
  for it back only on calls), a call keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from gateway.dialects.base import Segment, Step, StepKind, Surface, ToolCall
from gateway.dialects.gemini_fields import camel, each, field, unique_fields
from gateway.dialects.jsondoc import JsonDocument, dumps
from gateway.dialects.reading import Reader, sample, string

CODE = "code_execution"
"""What a call of the provider's own interpreter is called: the name of the tool."""

SIGNATURES = frozenset({"thoughtSignature", "thought_signature"})

_WORDS = frozenset(
    {"thought", "mediaResolution", "videoMetadata", "thoughtSignature", "mediaProcessing"}
)
"""Fields of a part that hold switches, sizes and times."""

_SCALARS = frozenset({"id", "name", "scheduling", "willContinue"})
"""Fields of calls and results that hold ids, names and switches."""

_ODD = _SCALARS | frozenset({"language", "outcome", "thought", "thoughtSignature", "toolType"})

_MEDIA = frozenset({"image", "audio", "video"})

_THINKING = frozenset({Surface.ASSISTANT, Surface.OUTPUT})
"""Only the model thinks: what a user calls a thought is read as the user's."""

_Handler = Callable[["PartReader", dict[str, Any], str, Surface, str], None]


class SignedText(Segment):
    """A text whose part is signed. With another text the signature goes."""

    __slots__ = ()

    def replace(self, text: str) -> None:
        super().replace(text)
        for name in SIGNATURES:
            self.holder.pop(name, None)


class PartReader(Reader):
    """Reads contents. `calls` and `results` gather what the history's steps are made of.

    `asked`: it is a request that is read, so calls are segments too (in answers they are judged
    apart, and `nodes` has each call's part), and a field in two spellings is refused.
    """

    __slots__ = ("asked", "calls", "nodes", "pending", "results")

    def __init__(self, document: JsonDocument, *, asked: bool = False) -> None:
        super().__init__(document)
        self.asked = asked
        self.calls: list[ToolCall] = []
        self.results: list[Step] = []
        self.nodes: list[tuple[ToolCall, dict[str, Any]]] = []
        self.pending: list[ToolCall] = []  # calls of the last answer without their result

    def names(self, node: dict[str, Any], place: str) -> dict[str, str]:
        """The fields of a message that say something, by name and as they are spelled. Of two
        spellings in an answer the other keeps its own name, so that it is read as unknown."""
        if self.asked:
            found = unique_fields(node, place)
        else:
            found = {key if (name := camel(key)) in node else name: key for key in node}
        return {name: key for name, key in found.items() if node[key] is not None}

    def content(self, holder: Any, key: Any, surface: Surface, place: str) -> None:
        """A content: its parts; or a text in the place of one."""
        node = holder[key]
        if type(node) is not dict:
            self.unknown(holder, key, surface, place)
            return
        for name, spelled in self.names(node, place).items():
            if name == "parts":
                for inner, at, where in each(node, spelled, f"{place}.parts"):
                    self.part(inner, at, surface, where)
            elif name != "role":
                self.unknown(node, spelled, surface, place)

    def part(
        self,
        holder: Any,
        key: Any,
        surface: Surface,
        place: str,
        skipped: frozenset[str] = frozenset(),
    ) -> None:
        """One part; whatever it holds is read or named as unscannable. `skipped` fields, by their
        camelCase names, were read already."""
        node = holder[key]
        if type(node) is not dict:
            self.unknown(holder, key, surface, place)
            return
        if len(node) == 1 and type(node.get("text")) is str and not skipped:
            self.text(node, "text", surface, f"{place}.text")
            return
        names = self.names(node, place)
        signed = "thoughtSignature" in names
        if surface in _THINKING and field(node, "thought"):
            surface = Surface.REASONING
        for name, spelled in names.items():
            if name in skipped:
                continue
            if name == "text":
                self._text(node, spelled, surface, place, signed=signed)
            elif name in _WORDS and not _is_odd(name, node[spelled]):
                continue
            elif name in self._handlers:
                inner = node[spelled]
                if type(inner) is dict:
                    self._handlers[name](self, node, spelled, surface, f"{place}.{name}")
                elif inner is not None:
                    self.unknown(node, spelled, surface, place)
            elif name.endswith("Metadata"):
                self._json(node, spelled, surface, f"{place}.{name}")
            else:
                self.unknown(node, spelled, surface, place)

    # --- one method a field of a part ---

    def _text(
        self, node: dict[str, Any], key: str, surface: Surface, place: str, *, signed: bool
    ) -> None:
        text = node[key]
        at = f"{place}.text"
        if not signed or type(text) is not str:
            self.text(node, key, surface, at)
        elif surface is Surface.REASONING:
            self.text(node, key, surface, at, readonly=True)
        elif text:
            self.segments.append(
                SignedText(self.document, node, key, text, surface, at, self.fresh)
            )

    def _media(self, node: dict[str, Any], key: str, surface: Surface, place: str) -> None:
        """Data in the body, or the address of a file. `mimeType` says what it is."""
        inner: dict[str, Any] = node[key]
        kind = string(field(inner, "mimeType")).partition("/")[0].strip().lower()
        what = kind if kind in _MEDIA else "file"
        self.opaque(what, surface, place)
        self.unbounded = self.unbounded or what != "image"
        for name, spelled in self.names(inner, place).items():
            value = inner[spelled]
            if name == "data" and type(value) is str:
                self.media_bytes += len(value)
            elif name != "mimeType":
                self.text(inner, spelled, surface, f"{place}.{name}")

    def _call(self, node: dict[str, Any], key: str, surface: Surface, place: str) -> None:
        inner: dict[str, Any] = node[key]
        args = field(inner, "args")
        name = string(inner.get("name"))
        made = ToolCall(self._call_id(inner, name), name, arguments_text(args))
        self._note(made, node)
        if not self.asked:
            self._rest(inner, frozenset({"id", "name", "args", "willContinue"}), surface, place)
            return
        for word, spelled in self.names(inner, place).items():
            if word in ("args", "partialArgs"):
                self._json(inner, spelled, Surface.TOOL_CALL, f"{place}.args")
            elif word not in _SCALARS or _is_odd(word, inner[spelled]):
                self.unknown(inner, spelled, Surface.TOOL_CALL, place)

    def _result(self, node: dict[str, Any], key: str, surface: Surface, place: str) -> None:
        """What a function gave: free JSON, and parts of its own with pictures and files."""
        inner: dict[str, Any] = node[key]
        mark = self.mark()
        samples = ""
        for word, spelled in self.names(inner, place).items():
            if word == "response":
                self._json(inner, spelled, Surface.TOOL_RESULT, f"{place}.response")
            elif word == "parts":
                for holder, at, where in each(inner, spelled, f"{place}.parts"):
                    self.part(holder, at, Surface.TOOL_RESULT, where)
                    samples += "\n" + sample(field(field(holder[at], "inlineData"), "data"))
            elif word not in _SCALARS or _is_odd(word, inner[spelled]):
                self.unknown(inner, spelled, Surface.TOOL_RESULT, place)
        response = inner.get("response")
        failed = type(response) is dict and "error" in response and "output" not in response
        name = string(inner.get("name"))
        self._add_result(string(inner.get("id")), name, mark, samples, failed=failed or None)

    def _code(self, node: dict[str, Any], key: str, surface: Surface, place: str) -> None:
        """A program that the provider runs by itself."""
        inner: dict[str, Any] = node[key]
        given = {"language": inner.get("language"), "code": inner.get("code")}
        made = ToolCall(self._call_id(inner, CODE), CODE, arguments_text(given), hosted=True)
        self._note(made, node)
        if self.asked:
            self.text(inner, "code", Surface.TOOL_CALL, f"{place}.code")
        self._rest(inner, frozenset({"id", "language", "code"}), surface, place)

    def _code_result(self, node: dict[str, Any], key: str, surface: Surface, place: str) -> None:
        inner: dict[str, Any] = node[key]
        mark = self.mark()
        self.text(inner, "output", Surface.TOOL_RESULT, f"{place}.output")
        self._rest(inner, frozenset({"id", "outcome", "output"}), Surface.TOOL_RESULT, place)
        outcome = string(inner.get("outcome"))
        failed = None if not outcome else outcome != "OUTCOME_OK"
        self._add_result(string(inner.get("id")), CODE, mark, "", failed=failed)

    def _hosted_call(self, node: dict[str, Any], key: str, surface: Surface, place: str) -> None:
        """A call of a tool that the provider runs (`toolCall`), by its type."""
        inner: dict[str, Any] = node[key]
        name = string(field(inner, "toolType")).lower()
        args = inner.get("args")
        made = ToolCall(self._call_id(inner, name), name, arguments_text(args), hosted=True)
        self._note(made, node)
        if self.asked and args is not None:
            self._json(inner, "args", Surface.TOOL_CALL, f"{place}.args")
        self._rest(inner, frozenset({"id", "toolType", "args"}), surface, place)

    def _hosted_result(self, node: dict[str, Any], key: str, surface: Surface, place: str) -> None:
        inner: dict[str, Any] = node[key]
        mark = self.mark()
        if inner.get("response") is not None:
            self._json(inner, "response", Surface.TOOL_RESULT, f"{place}.response")
        self._rest(inner, frozenset({"id", "toolType", "response"}), Surface.TOOL_RESULT, place)
        name = string(field(inner, "toolType")).lower()
        self._add_result(string(inner.get("id")), name, mark, "", failed=None)

    def _transcript(self, node: dict[str, Any], key: str, surface: Surface, place: str) -> None:
        self.structure(node[key], surface, place)

    _handlers: ClassVar[dict[str, _Handler]] = {
        "inlineData": _media,
        "fileData": _media,
        "functionCall": _call,
        "functionResponse": _result,
        "executableCode": _code,
        "codeExecutionResult": _code_result,
        "toolCall": _hosted_call,
        "toolResponse": _hosted_result,
        "audioTranscription": _transcript,
    }

    # --- what they share ---

    def _json(self, holder: Any, key: Any, surface: Surface, place: str) -> None:
        value = holder[key]
        if type(value) is dict or type(value) is list:
            self.json(value, surface, place)
        elif value is not None:
            self.unknown(holder, key, surface, place)

    def _rest(
        self, node: dict[str, Any], known: frozenset[str], surface: Surface, place: str
    ) -> None:
        for name, spelled in self.names(node, place).items():
            if name not in known or _is_odd(name, node[spelled]):
                self.unknown(node, spelled, surface, place)

    def _call_id(self, node: dict[str, Any], name: str) -> str:
        """The call's id. In a history most have none: they get one of name and number."""
        return string(node.get("id")) or (f"{name}#{len(self.nodes)}" if self.asked else "")

    def _note(self, made: ToolCall, node: dict[str, Any]) -> None:
        self.calls.append(made)
        self.pending.append(made)
        self.nodes.append((made, node))

    def _add_result(
        self, call_id: str, name: str, mark: tuple[int, int], more: str, *, failed: bool | None
    ) -> None:
        """A result belongs to the call of its id, else to the first open one of its name."""
        for call in self.pending:
            if call.id == call_id if call_id else call.name == name:
                call_id = call.id
                self.pending.remove(call)
                break
        text = self.texts_since(mark) + more
        self.results.append(
            Step(StepKind.RESULT, call_id=call_id or name, text=text, is_error=failed)
        )


def _is_odd(name: str, value: Any) -> bool:
    """Whether a field that holds one word holds a structure, which may say anything."""
    return name in _ODD and (type(value) is dict or type(value) is list)


def arguments_text(arguments: Any) -> str:
    """A call's arguments as JSON text."""
    return dumps(arguments if arguments is not None else {}).decode()
