"""Parts of a stream's frame that carry a whole text: a citation, a hosted tool's result, data
that is no JSON.

Such a text does not grow with later events, so it is a lane of its own that ends at once, and
what a rule puts in its place goes back to where it stood in the frame's payload.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.dialects.base import Event, Frame, Part, PartKind, Segment, Surface, Unscannable
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.sse import encode


@dataclass(slots=True)
class LeafPart(Part):
    """A part whose text is that of `segment`, a segment of the frame's payload."""

    segment: Segment | None = None


def leaf_parts(segments: Iterable[Segment], lane: str, group: str) -> list[Part]:
    """Two parts for each segment: its text and its end. Lanes are `<lane>/<number>`."""
    parts: list[Part] = []
    for number, segment in enumerate(segments):
        name = f"{lane}/{number}"
        parts.append(
            LeafPart(
                PartKind.TEXT,
                name,
                segment.surface,
                segment.text,
                group,
                readonly=segment.readonly,
                segment=segment,
            )
        )
        parts.append(Part(PartKind.END, name, segment.surface, group=group))
    return parts


def apply_leaves(parts: Iterable[Part]) -> list[tuple[Surface, str, str]]:
    """Carry replaced texts back into the payload; surface, old and new text of each."""
    done: list[tuple[Surface, str, str]] = []
    for part in parts:
        if type(part) is LeafPart and part.segment is not None:
            before = part.segment.text
            if part.text != before:
                part.segment.replace(part.text)
                done.append((part.surface, before, part.text))
    return done


@dataclass(slots=True)
class RawFrame(Frame):
    """An event whose data is no JSON object: `payload` is `[data]`, read as text."""


def raw_frame(event: Event, lane: str, group: str) -> RawFrame:
    """A frame for data that no reader understands: its text, and the fact itself."""
    payload = [event.data]
    document = JsonDocument(payload, b"")
    segment = Segment(document, payload, 0, event.data, Surface.OUTPUT, "event")
    frame = RawFrame(event, payload, leaf_parts([segment], lane, group))
    frame.unscannable = (Unscannable("body", Surface.OUTPUT, "event"),)
    return frame


def write_raw(frame: RawFrame) -> bytes:
    """The event as it came, or with the text that was put in its place."""
    if not frame.changed:
        return frame.event.raw
    apply_leaves(frame.parts)
    text: str = frame.payload[0]
    return encode(text, frame.event.name)
