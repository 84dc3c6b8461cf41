"""Items of the OpenAI Responses API, as segments, tool calls and steps.

The shapes are those of the API's reference ("Responses") as the official Python SDK 3.52 types
them. One reader serves requests, whole answers and the snapshots inside streams.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from gateway.dialects.base import Step, StepKind, Surface, ToolCall
from gateway.dialects.jsondoc import JsonDocument, dumps
from gateway.dialects.reading import Reader, mapping, objects, sample, string

_Handler = Callable[["ItemReader", dict[str, Any], Surface, str], None]

TEXTS = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})


@dataclass(frozen=True, slots=True)
class CallShape:
    """How an item that is a call says what is called.

    `name` is that of the tool, "" where the item names it. `field` holds the arguments;
    `prose` says that they are free text and not JSON. `hosted`: the provider runs it.
    """

    field: str
    name: str = ""
    hosted: bool = False
    prose: bool = False


CALLS = {
    "function_call": CallShape("arguments"),
    "custom_tool_call": CallShape("input", prose=True),
    "local_shell_call": CallShape("action", "local_shell"),
    "shell_call": CallShape("action", "shell"),
    "apply_patch_call": CallShape("operation", "apply_patch"),
    "computer_call": CallShape("action", "computer"),
    "mcp_call": CallShape("arguments", hosted=True),
    "mcp_approval_request": CallShape("arguments", hosted=True),
    "web_search_call": CallShape("action", "web_search", hosted=True),
    "file_search_call": CallShape("queries", "file_search", hosted=True),
    "code_interpreter_call": CallShape("code", "code_interpreter", hosted=True, prose=True),
    "image_generation_call": CallShape("", "image_generation", hosted=True),
    "tool_search_call": CallShape("arguments", "tool_search", hosted=True),
    "program": CallShape("code", "programmatic_tool_calling", hosted=True, prose=True),
}
"""Items that are calls of tools, by type."""

MODEL_ITEMS = frozenset(
    {*CALLS, "reasoning", "compaction", "mcp_list_tools", "program_output", "fallback"}
)
"""Items that the model or the provider made; a `message` of the assistant is one too."""


def kind_of(item: dict[str, Any]) -> str:
    """An item's type; messages and references may leave it out."""
    kind = item.get("type")
    if type(kind) is str:
        return kind
    return "message" if "role" in item else "item_reference" if "id" in item else ""


def is_models(item: dict[str, Any]) -> bool:
    """Whether the item belongs to an answer of the model."""
    kind = kind_of(item)
    if kind == "message":
        return item.get("role") == "assistant"
    if kind == "tool_search_output":
        return item.get("execution") == "server"
    return kind in MODEL_ITEMS


def field_of(item: dict[str, Any]) -> str:
    """The field that holds a call's arguments, "" where the item has none."""
    shape = CALLS[item["type"]]
    if shape.field == "action" and "action" not in item and "actions" in item:
        return "actions"
    return shape.field


def is_hosted(item: dict[str, Any]) -> bool:
    """Whether the provider runs the call by itself."""
    kind = item["type"]
    if kind == "shell_call":
        return string(mapping(item.get("environment")).get("type")).startswith("container")
    if kind == "tool_search_call":
        return item.get("execution") != "client"
    return CALLS[kind].hosted


def call_of(item: dict[str, Any], key: str) -> ToolCall:
    """An item of one of the `CALLS` types as a ToolCall."""
    shape = CALLS[item["type"]]
    value = item.get(field_of(item))
    return ToolCall(
        string(item.get("call_id")) or string(item.get("id")),
        shape.name or string(item.get("name")),
        value if type(value) is str else "" if value is None else dumps(value).decode(),
        key=key,
        hosted=is_hosted(item),
    )


def depends_on(item: dict[str, Any]) -> str:
    """The `call_id` of the provider-run call without which an item makes no sense, or ""."""
    caller = string(mapping(item.get("caller")).get("caller_id"))
    return caller or (string(item.get("call_id")) if item.get("type") not in CALLS else "")


class ItemReader(Reader):
    """Reads items. `calls` and `results` gather what the history's steps are made of.

    `read_arguments` False leaves the arguments of calls alone: in answers calls are judged apart.
    """

    __slots__ = ("additions", "calls", "read_arguments", "results")

    def __init__(
        self, document: JsonDocument, *, fresh: bool = True, read_arguments: bool = True
    ) -> None:
        super().__init__(document, fresh=fresh)
        self.calls: list[ToolCall] = []
        self.results: list[Step] = []
        self.additions: list[tuple[str, dict[str, Any]]] = []  # items that declare tools
        self.read_arguments = read_arguments

    def item(self, holder: Any, key: Any, surface: Surface, place: str) -> None:
        """One item; whatever it is, it is read or named as unscannable.

        `surface` is that of the model's own words: `assistant` or `output`.
        """
        node = holder[key]
        unsure = Surface.USER if surface is Surface.ASSISTANT else surface
        if type(node) is not dict:
            self.unknown(holder, key, unsure, place)
            return
        kind = kind_of(node)
        if kind in CALLS:
            self._call(node, kind, surface, place)
        elif handler := self._handlers.get(kind):
            handler(self, node, surface, place)
        else:
            self.unknown(holder, key, unsure, place)

    def content(self, holder: Any, key: Any, surface: Surface, place: str) -> None:
        """Content that is a string or a list of parts."""
        value = holder.get(key)
        if type(value) is list:
            for number in range(len(value)):
                self.part(value, number, surface, f"{place}[{number}]")
        else:
            self.text(holder, key, surface, place)

    def part(
        self, holder: Any, key: Any, surface: Surface, place: str, *, readonly: bool = False
    ) -> None:
        """One part of a content list."""
        node = holder[key]
        kind = mapping(node).get("type")
        if kind in TEXTS:
            self.text(node, "text", surface, f"{place}.text", readonly=readonly)
            if annotations := node.get("annotations"):
                self.structure(annotations, surface, f"{place}.annotations")
        elif kind == "refusal":
            self.text(node, "refusal", surface, f"{place}.refusal")
        elif kind in ("input_image", "computer_screenshot", "output_image"):
            self.picture(node, "image_url", surface, place)
        elif kind == "input_file":
            self.text(node, "filename", surface, f"{place}.filename")
            self.text(node, "file_url", surface, f"{place}.file_url")
            self.opaque("file", surface, place)
        elif kind in ("input_audio", "output_audio"):
            self.text(node, "transcript", surface, f"{place}.transcript")
            self.opaque("audio", surface, place)
        else:
            self.unknown(holder, key, surface, place)

    # --- one method a family of items ---

    def _message(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        role = node.get("role")
        if role in ("system", "developer"):
            surface = Surface.SYSTEM
        elif role != "assistant" and surface is Surface.ASSISTANT:
            surface = Surface.USER
        self.content(node, "content", surface, f"{place}.content")

    def _reasoning(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        sealed = bool(node.get("encrypted_content"))
        for field in ("summary", "content"):
            parts = node.get(field)
            for number in range(len(parts)) if type(parts) is list else ():
                at = f"{place}.{field}[{number}]"
                self.part(parts, number, Surface.REASONING, at, readonly=sealed)
        if sealed:
            self.opaque("encrypted", Surface.REASONING, place)

    def _call(self, node: dict[str, Any], kind: str, surface: Surface, place: str) -> None:
        call = call_of(node, "")
        self.calls.append(call)
        if self.read_arguments and call.arguments:
            shape, field = CALLS[kind], field_of(node)
            at = f"{place}.{field}"
            if type(node[field]) is not str:
                self.json(node[field], Surface.TOOL_CALL, at)
            elif shape.prose:
                self.text(node, field, Surface.TOOL_CALL, at)
            else:
                self.json_text(node, field, Surface.TOOL_CALL, at)
        self._call_results(node, call, surface, place)

    def _call_results(
        self, node: dict[str, Any], call: ToolCall, surface: Surface, place: str
    ) -> None:
        """What a call of the provider's own brought, inside the call's item."""
        mark = self.mark()
        for field in ("output", "error", "outputs", "results", "pending_safety_checks"):
            value = node.get(field)
            if type(value) is str:
                self.text(node, field, Surface.TOOL_RESULT, f"{place}.{field}")
            elif value:
                self.structure(value, Surface.TOOL_RESULT, f"{place}.{field}")
        if call.name == "image_generation":
            self.text(node, "revised_prompt", surface, f"{place}.revised_prompt")
            if node.get("result"):
                self.opaque("image", surface, place)
        if self.mark() != mark:
            self._add_result(call.id, mark, True if node.get("error") else None)

    def _output(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        """What the agent gives back for a call."""
        mark = self.mark()
        at = f"{place}.output"
        output = node.get("output")
        failed: bool | None = True if node.get("status") == "failed" else None
        if type(output) is list and node.get("type") == "shell_call_output":
            self.structure(output, Surface.TOOL_RESULT, at)
            codes = [mapping(each.get("outcome")).get("exit_code", 1) for each in objects(output)]
            failed = any(codes) if codes else None
        elif type(output) is dict:
            self.part(node, "output", Surface.TOOL_RESULT, at)
        else:
            self.content(node, "output", Surface.TOOL_RESULT, at)
        if checks := node.get("acknowledged_safety_checks"):
            self.structure(checks, Surface.TOOL_RESULT, f"{place}.acknowledged_safety_checks")
        call_id = string(node.get("call_id")) or string(node.get("id"))
        self._add_result(call_id, mark, failed, _samples(output))

    def _program_output(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        mark = self.mark()
        self.text(node, "result", Surface.TOOL_RESULT, f"{place}.result")
        self._add_result(string(node.get("call_id")), mark, None)

    def _add_result(
        self, call_id: str, mark: tuple[int, int], failed: bool | None, more: str = ""
    ) -> None:
        text = self.texts_since(mark) + more
        self.results.append(Step(StepKind.RESULT, call_id=call_id, text=text, is_error=failed))

    def _tools(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        """Items that bring definitions of tools."""
        tools = node.get("tools")
        if type(tools) is list:
            for number, entry in enumerate(tools):
                at = f"{place}.tools[{number}].definition"
                if type(entry) is dict:
                    self.json(entry, Surface.TOOL_DEFINITION, at)
                else:
                    self.unknown(tools, number, Surface.TOOL_DEFINITION, at)
        else:
            self.json(tools, Surface.TOOL_DEFINITION, f"{place}.tools")
        if node.get("type") != "mcp_list_tools":
            self.additions.append((place, node))
        self.text(node, "error", Surface.TOOL_RESULT, f"{place}.error")

    def _approval(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        self.text(node, "reason", Surface.USER, f"{place}.reason")

    def _compaction(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        self.opaque("encrypted", surface, place)

    def _reference(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        self.opaque("history", Surface.USER, place)

    def _update(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        self.json(node.get("text"), Surface.TOOL_DEFINITION, f"{place}.text")

    def _nothing(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        """An item of closed words."""

    _handlers: ClassVar[dict[str, _Handler]] = {
        "message": _message,
        "reasoning": _reasoning,
        "function_call_output": _output,
        "custom_tool_call_output": _output,
        "computer_call_output": _output,
        "local_shell_call_output": _output,
        "shell_call_output": _output,
        "apply_patch_call_output": _output,
        "program_output": _program_output,
        "tool_search_output": _tools,
        "additional_tools": _tools,
        "mcp_list_tools": _tools,
        "mcp_approval_response": _approval,
        "compaction": _compaction,
        "item_reference": _reference,
        "configuration_update": _update,
        "compaction_trigger": _nothing,
    }


_ECHOES = {
    "metadata": Surface.USER,
    "prompt": Surface.USER,
    "user": Surface.USER,
    "safety_identifier": Surface.USER,
}


def read_echo(reader: ItemReader, response: dict[str, Any], place: str) -> None:
    """What a stored response repeats of its request, which may have been sent past this gateway.

    Tools are left to who reads their declarations.
    """
    instructions = response.get("instructions")
    if type(instructions) is list:
        for number in range(len(instructions)):
            reader.item(instructions, number, Surface.ASSISTANT, f"{place}.instructions[{number}]")
    else:
        reader.text(response, "instructions", Surface.SYSTEM, f"{place}.instructions")
    for field, surface in _ECHOES.items():
        if type(response.get(field)) is str:
            reader.text(response, field, surface, f"{place}.{field}")
        else:
            reader.json(response.get(field), surface, f"{place}.{field}")


def _samples(output: Any) -> str:
    """Stand-ins for images: two screenshots differ although no text does."""
    nodes = objects(output) if type(output) is list else [mapping(output)]
    return "".join("\n" + sample(each["image_url"]) for each in nodes if "image_url" in each)
