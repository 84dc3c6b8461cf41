"""Fields that whole messages have in requests and in answers: tool calls, and what is not named."""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import Surface, ToolCall
from gateway.dialects.jsondoc import dumps, loads_lenient
from gateway.dialects.reading import Reader, mapping, string

_CALL_FIELDS = frozenset({"id", "type", "index"})
_REPEATS = ("logprobs", "prompt_logprobs", "token_ids", "prompt_token_ids")
"""Fields of a choice that say its text once more, token by token (the last three are vLLM's)."""


def read_call(reader: Reader, call: dict[str, Any], key: str, place: str) -> ToolCall:
    """A tool call of a whole message: of a function, or of a custom tool with free input."""
    made = ToolCall(string(call.get("id")), "", "", key)
    for field, value in call.items():
        if field == "function" and type(value) is dict:
            made.name = string(value.get("name"))
            made.arguments = arguments_text(value.get("arguments"))
            read_function(reader, value, f"{place}.function")
        elif field == "custom" and type(value) is dict:
            if not made.name:
                made.name, made.arguments = string(value.get("name")), string(value.get("input"))
            reader.text(value, "input", Surface.TOOL_CALL, f"{place}.custom.input")
            for extra in value.keys() - {"name", "input"}:
                read_extra(reader, value, extra, Surface.TOOL_CALL, place)
        elif field not in _CALL_FIELDS:
            read_extra(reader, call, field, Surface.TOOL_CALL, place)
    if not made.name and not made.arguments:  # a server that leaves the inner object out
        made.name = string(call.get("name"))
        made.arguments = arguments_text(call.get("arguments"))
    return made


def arguments_text(value: Any) -> str:
    """The arguments of a call as JSON text. Some servers send an object instead of a string."""
    if type(value) is dict or type(value) is list:
        return dumps(value).decode()
    return string(value)


def put_arguments(holder: dict[str, Any], key: str, arguments: str) -> None:
    """Put other arguments into a call: as an object where it had one, else as text."""
    if type(holder.get(key)) is dict or type(holder.get(key)) is list:
        holder[key] = loads_lenient(arguments)
    else:
        holder[key] = arguments


def drop_repeats(choice: dict[str, Any]) -> None:
    """A choice's text was changed: what says it token by token goes."""
    for key in _REPEATS:
        if choice.get(key) is not None:
            choice[key] = None


def read_answer_parts(reader: Reader, parts: list[Any], place: str) -> None:
    """The content of an answer that comes as a list of parts, as Mistral's reasoning models give
    it: text, thinking (which may be signed, and is never rewritten), references."""
    for index, part in enumerate(parts):
        kind = part.get("type") if type(part) is dict else ""
        if kind == "text":
            reader.text(part, "text", Surface.OUTPUT, place)
            for key in part.keys() - {"type", "text"}:
                read_extra(reader, part, key, Surface.OUTPUT, place)
        elif kind == "thinking" or kind == "reasoning":
            reader.json(part, Surface.REASONING, place, readonly=True)
        elif kind == "image_url":
            read_images(reader, [part], Surface.OUTPUT, place)
        elif type(part) is str:
            reader.text(parts, index, Surface.OUTPUT, place)
        else:
            reader.json(part, Surface.OUTPUT, place)


def read_images(reader: Reader, images: list[Any], surface: Surface, place: str) -> None:
    """Pictures that a model made (OpenRouter's `images`); an address is text too."""
    for image in images:
        source = image.get("image_url") if type(image) is dict else None
        if type(source) is str:
            source = image
        key = "image_url" if source is image else "url"
        reader.picture(source if type(source) is dict else {}, key, surface, place)


def is_picture_data(image: Any) -> bool:
    """Whether an entry of `images` holds the picture itself, not an address."""
    source = mapping(image).get("image_url")
    value = source if type(source) is str else mapping(source).get("url")
    return string(value)[:5].lower() == "data:"


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
