"""The tool calls of one streamed choice: put together as they come, taken out as they go.

A call is complete when the next one of its choice begins, when the choice finishes, or when the
stream ends. (Providers send the calls of a choice one after the other.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.dialects.base import Part, PartKind, Surface, ToolCall
from gateway.dialects.openai_chat_fields import arguments_text, put_arguments
from gateway.dialects.reading import string
from gateway.errors import UpstreamError
from gateway.verdict import Reason


@dataclass(slots=True)
class StreamedCall:
    """One call. `arguments` are those that replace its own, `notice` says why it was taken out.
    `fed`: some of its own arguments came, so that its name is complete."""

    lane: str
    index: int
    call: ToolCall
    ended: bool = False
    removed: bool = False
    notice: str = ""
    arguments: str | None = None
    written: bool = False
    fed: bool = False


@dataclass(slots=True)
class Entry:
    """What one frame holds of a call: `holder[field]` is the list or object that `value` is in."""

    call: StreamedCall
    holder: dict[str, Any]
    field: str
    value: dict[str, Any]


@dataclass(slots=True)
class StreamedChoice:
    """One choice of the stream, and what is known of it so far."""

    group: str
    calls: list[StreamedCall] = field(default_factory=list)
    lanes: dict[str, Surface] = field(default_factory=dict)  # of text, not ended
    texted: bool = False  # it has text of its own
    audio: bool = False  # it has sound, and that was said
    noticed: bool = False  # what took its calls out was said

    def find(self, entry: dict[str, Any]) -> StreamedCall | None:
        """The call that an entry of `tool_calls` goes on with, None where it begins one.

        Some servers leave out the ids, the indices, or give every call the same index: behind
        arguments another name is another call, for a client may take it for one.
        """
        ident = string(entry.get("id"))
        index = entry.get("index")
        if type(index) is not int:
            if ident or not self.calls:
                return None
            last = self.calls[-1]
            return None if last.fed and _named(entry) else last
        for call in reversed(self.calls):
            if call.index == index:
                if ident and call.call.id:
                    return call if ident == call.call.id else None
                return None if call.fed and _named(entry) not in ("", call.call.name) else call
        return None

    def begin(self, entry: dict[str, Any], index: Any) -> StreamedCall:
        if type(index) is not int:
            index = len(self.calls)
        lane = f"{self.group}/tool/{index}"
        if any(call.lane == lane for call in self.calls):  # one index for two calls
            lane = f"{lane}.{len(self.calls)}"
        made = StreamedCall(lane, index, ToolCall(string(entry.get("id")), "", "", lane))
        self.calls.append(made)
        return made

    def end(self, call: StreamedCall) -> Part:
        call.ended = True
        return Part(PartKind.TOOL_END, call.lane, Surface.TOOL_CALL, group=self.group)

    def open_calls(self) -> list[StreamedCall]:
        return [call for call in self.calls if not call.ended]

    def end_texts(self) -> list[Part]:
        parts = [
            Part(PartKind.END, lane, surface, group=self.group)
            for lane, surface in self.lanes.items()
        ]
        self.lanes.clear()
        return parts

    # --- what was decided ---

    @property
    def emptied(self) -> bool:
        """It had calls, and every one was taken out."""
        return bool(self.calls) and all(call.removed for call in self.calls)

    def take_notice(self) -> str:
        """Once: the text that stands for the calls that were taken out."""
        if self.noticed or not self.emptied:
            return ""
        self.noticed = True
        notice = " ".join(dict.fromkeys(call.notice for call in self.calls if call.notice))
        return f"\n\n{notice}" if self.texted else notice

    def apply(self, entry: Entry) -> bool:
        """Carry what was decided into one entry of a frame; whether it changed."""
        call = entry.call
        if call.removed:
            held = entry.holder.get(entry.field)
            kept = [e for e in held if e is not entry.value] if type(held) is list else []
            if kept:
                entry.holder[entry.field] = kept
            else:
                entry.holder.pop(entry.field, None)
            return True
        changed = False
        if call.arguments is not None:
            holder, field_name = argument_field(entry.value)
            if type(holder.get(field_name)) is str or not call.written:
                put_arguments(holder, field_name, "" if call.written else call.arguments)
            call.written = changed = True
        gone = sum(other.removed and other.index < call.index for other in self.calls)
        if gone and type(entry.value.get("index")) is int:
            entry.value["index"] = call.index - gone
            changed = True
        return changed


def read_piece(call: StreamedCall, entry: dict[str, Any]) -> str:
    """What an entry adds to a call: id and name are kept, the piece of arguments is returned.

    A name that comes in pieces is put together; one that is merely repeated is not.
    """
    made = call.call
    made.id = made.id or string(entry.get("id"))
    holder, field_name = argument_field(entry)
    name = string(holder.get("name"))
    if name != made.name:
        made.name += name
    text = arguments_text(holder.get(field_name))
    call.fed = call.fed or bool(text)
    if call.ended and (text or (name and name != made.name)):
        raise UpstreamError(
            Reason.ANSWER_MALFORMED,
            "The provider went on with a tool call that was complete.",
            retryable=False,
        )
    return text


def _named(entry: dict[str, Any]) -> str:
    """The name that an entry bears, "" for a mere piece of arguments."""
    return string(argument_field(entry)[0].get("name"))


def argument_field(entry: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Where an entry of `tool_calls`, or a `function_call`, keeps its arguments."""
    if type(function := entry.get("function")) is dict:
        return function, "arguments"
    if type(custom := entry.get("custom")) is dict:
        return custom, "input"
    return entry, "arguments"
