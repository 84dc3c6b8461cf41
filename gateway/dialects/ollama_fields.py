"""What Ollama's bodies have in common, asked and answered: tool calls, pictures, usage, lines.

Shapes are those of Ollama's API (`api/types.go` of the server, `_types.py` of its Python client).
Arguments of a tool call are an object here, not JSON in a string.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.dialects.base import Surface, ToolCall, Usage
from gateway.dialects.jsondoc import dumps
from gateway.dialects.openai_chat_fields import arguments_text, read_extra
from gateway.dialects.reading import Reader, string, whole_number

ANSWER_FIELDS = frozenset(
    "completed context created_at done done_reason error eval_count eval_duration load_duration "
    "logprobs message model prompt_eval_count prompt_eval_duration remote_host remote_model "
    "response thinking tool_calls total total_duration image".split()
)
"""Fields of an answer that are read by name, or that hold no text of a model."""

MESSAGE_FIELDS = frozenset("content images role thinking tool_calls tool_name tool_call_id".split())
"""Fields of a message that are read by name."""

_CALL_FIELDS = frozenset({"function", "id", "type"})
_FUNCTION_FIELDS = frozenset({"arguments", "index", "name"})
_LINE_ENDS = re.compile("[\u0085\u2028\u2029]")


def read_tool_call(reader: Reader, entry: dict[str, Any], key: str, place: str) -> ToolCall:
    """One entry of `tool_calls`."""
    inner = entry.get("function")
    function: dict[str, Any] = inner if type(inner) is dict else entry
    made = ToolCall(
        string(entry.get("id")),
        string(function.get("name")),
        arguments_text(function.get("arguments")),
        key,
    )
    reader.json_text(function, "arguments", Surface.TOOL_CALL, f"{place}.function.arguments")
    for extra in function.keys() - _FUNCTION_FIELDS - _CALL_FIELDS:
        read_extra(reader, function, extra, Surface.TOOL_CALL, place)
    if function is not entry:
        for extra in entry.keys() - _CALL_FIELDS:
            read_extra(reader, entry, extra, Surface.TOOL_CALL, place)
    return made


def argument_holder(entry: dict[str, Any]) -> dict[str, Any]:
    """The object that has an entry's `arguments`."""
    inner = entry.get("function")
    return inner if type(inner) is dict else entry


def read_images(reader: Reader, images: Any, surface: Surface, place: str) -> None:
    """A list of pictures in base64, which nobody can read. They count as pictures, not as text."""
    if images is None:
        return
    for number, image in enumerate(images if type(images) is list else [images]):
        reader.opaque("image", surface, f"{place}[{number}]")
        if type(image) is str:
            reader.media_bytes += len(image)
        elif type(image) is dict or type(image) is list:
            reader.json(image, surface, f"{place}[{number}]")


def usage_of(payload: dict[str, Any], input_estimate: int) -> Usage | None:
    """What an answer, or the last line of a stream, says of its tokens; None where it says nothing.

    The server leaves `prompt_eval_count` out where it had the whole prompt in its cache: the
    estimate stands in for it then, and marks the usage.
    """
    asked = whole_number(payload.get("prompt_eval_count"))
    given = whole_number(payload.get("eval_count"))
    if not asked and not given:
        return None
    return Usage(asked or input_estimate, output=given, estimated=not asked)


def line(payload: Any) -> bytes:
    """One line of a stream. Characters that some clients take for a line's end are escaped: the
    Python client splits lines as `str.splitlines` does."""
    raw = dumps(payload)
    if not raw.isascii():
        raw = _LINE_ENDS.sub(lambda found: f"\\u{ord(found.group()):04x}", raw.decode()).encode()
    return raw + b"\n"
