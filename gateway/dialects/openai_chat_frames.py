"""Frames of a streamed chat answer: where their texts stand, and what is cut out of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from gateway.dialects.base import Event, Frame, Part, PartKind, Surface, Unscannable
from gateway.dialects.jsondoc import dumps
from gateway.dialects.openai_chat_calls import Entry, StreamedChoice
from gateway.dialects.openai_chat_fields import drop_repeats
from gateway.dialects.sse import encode

_NULL_USAGE = re.compile(rb',\s*"usage"\s*:\s*null|"usage"\s*:\s*null\s*,\s*')


@dataclass(slots=True)
class PlacedPart(Part):
    """A part whose text stands in `holder[key]` of the frame's payload."""

    holder: Any = None
    key: Any = None


@dataclass(slots=True)
class ChatFrame(Frame):
    """A frame, what it holds of tool calls, and whose they are. `opens`: a choice begins in it."""

    entries: list[tuple[StreamedChoice, Entry]] = field(default_factory=list)
    opens: bool = False


def unreadable(event: Event) -> Frame:
    """Data that is no JSON object, or a torn one: read as the text it is."""
    return Frame(
        event,
        None,
        [
            Part(PartKind.TEXT, "stream/raw", text=event.data, group="stream"),
            Part(PartKind.END, "stream/raw", group="stream"),
        ],
        unscannable=(Unscannable("body", Surface.OUTPUT, "stream"),),
    )


def carry(frame: Frame) -> None:
    """Put replaced texts into the payload; token probabilities repeat the text, so they go."""
    for part in frame.parts:
        if type(part) is PlacedPart:
            part.holder[part.key] = part.text
    choices = frame.payload.get("choices")
    for choice in choices if type(choices) is list else ():
        if type(choice) is dict:
            drop_repeats(choice)


def drop_idle(payload: dict[str, Any]) -> None:
    """Leave out choices of which nothing is left once calls have gone."""
    payload["choices"] = [
        choice
        for choice in payload["choices"]
        if type(choice) is not dict
        or choice.get("finish_reason")
        or type(choice.get("delta")) is not dict
        or any(choice["delta"].values())
    ]


def without_usage(event: Event, payload: dict[str, Any], changed: bool) -> bytes:
    """Leave out what the caller did not ask for: the last chunk, and a null in the others."""
    usage = payload.get("usage")
    if type(usage) is dict and not payload.get("choices"):
        return b""
    if "usage" in payload and usage is None:
        bare, count = _NULL_USAGE.subn(b"", event.raw)
        if not changed and count == 1:
            return bare
        del payload["usage"]
        changed = True
    return encode(dumps(payload), event.name) if changed else event.raw
