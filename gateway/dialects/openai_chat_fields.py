"""Fields that whole messages have in requests and in answers: tool calls, and what is not named."""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import Surface, ToolCall
from gateway.dialects.reading import Reader, string

_CALL_FIELDS = frozenset({"id", "type", "index"})


def read_call(reader: Reader, call: dict[str, Any], key: str, place: str) -> ToolCall:
    """A tool call of a whole message: of a function, or of a custom tool with free input."""
    made = ToolCall(string(call.get("id")), "", "", key)
    for field, value in call.items():
        if field == "function" and type(value) is dict:
            made.name = string(value.get("name"))
            made.arguments = string(value.get("arguments"))
            read_function(reader, value, f"{place}.function")
        elif field == "custom" and type(value) is dict:
            if not made.name:
                made.name, made.arguments = string(value.get("name")), string(value.get("input"))
            reader.text(value, "input", Surface.TOOL_CALL, f"{place}.custom.input")
            for extra in value.keys() - {"name", "input"}:
                read_extra(reader, value, extra, Surface.TOOL_CALL, place)
        elif field not in _CALL_FIELDS:
            read_extra(reader, call, field, Surface.TOOL_CALL, place)
    return made


def read_function(reader: Reader, function: dict[str, Any], place: str) -> None:
    """The `function` of a tool call, or an older `function_call`."""
    reader.json_text(function, "arguments", Surface.TOOL_CALL, f"{place}.arguments")
    if len(function) > 2 or "arguments" not in function:
        for extra in function.keys() - {"name", "arguments"}:
            read_extra(reader, function, extra, Surface.TOOL_CALL, place)


def read_extra(
    reader: Reader, holder: dict[str, Any], key: str, surface: Surface, place: str
) -> None:
    """A field that the API does not name, or one of a compatible server's: leaf by leaf.

    What is called reasoning is read as that; where it has structure it may be signed, and is
    never rewritten.
    """
    value = holder[key]
    thought = key.startswith(("reasoning", "thinking"))
    if thought:
        surface = Surface.REASONING
    if type(value) is str:
        reader.text(holder, key, surface, place)
    elif type(value) is dict or type(value) is list:
        reader.json(value, surface, place, readonly=thought)
        if thought and any(_is_sealed(item) for item in value):
            reader.opaque("encrypted", surface, place)


def _is_sealed(item: Any) -> bool:
    """A piece of reasoning that only the provider can read (`reasoning.encrypted`)."""
    kind = string(item.get("type")) if type(item) is dict else ""
    return "encrypted" in kind or "redacted" in kind
