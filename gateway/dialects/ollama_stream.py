"""The streamed answer of Ollama's own API: lines of JSON, the last one with `done`.

Lanes: `text`, `thinking`, `tool/0` for the first call, and one for each field that the API does not
name. A call is complete in the line in which it comes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.dialects.base import (
    AnswerStream,
    Event,
    Frame,
    Part,
    PartKind,
    Surface,
    ToolCall,
    Unscannable,
)
from gateway.dialects.jsondoc import loads_lenient
from gateway.dialects.ollama_fields import (
    ANSWER_FIELDS,
    MESSAGE_FIELDS,
    argument_holder,
    line,
    usage_of,
)
from gateway.dialects.openai_chat_fields import arguments_text, put_arguments
from gateway.dialects.openai_chat_frames import PlacedPart, unreadable
from gateway.dialects.reading import string

MAX_LANES = 64
"""Lanes of fields that the API does not name; what comes beyond shares one."""


@dataclass(slots=True)
class LineCall:
    """A call in one line, and what was decided of it."""

    entry: dict[str, Any]
    removed: bool = False
    arguments: str | None = None


@dataclass(slots=True)
class LineFrame(Frame):
    """A line, and the calls in it."""

    calls: list[LineCall] = field(default_factory=list)


class OllamaStream(AnswerStream):
    """See `AnswerStream`. `input_estimate` stands in for a count that the server leaves out."""

    def __init__(self, input_estimate: int = 0) -> None:
        super().__init__()
        self._estimate = input_estimate
        self._lanes: dict[str, Surface] = {}
        self._calls: dict[str, LineCall] = {}
        self._notices: list[str] = []
        self._texted = False
        self._changed = False  # something of the answer was changed on its way
        self._head: dict[str, Any] = {}
        self._chats = True  # the text is in a message, not in `response`

    # --- reading ---

    def read(self, event: Event) -> Frame:
        if not event.data:
            return Frame(event)
        try:
            payload = loads_lenient(event.data)
        except ValueError:
            payload = None
        if type(payload) is not dict:
            return unreadable(event)
        frame = LineFrame(event, payload)
        self._read_head(payload)
        message = payload.get("message")
        if type(message) is dict:
            self._read_texts(frame, message, "content")
            for key in message.keys() - MESSAGE_FIELDS:
                self._read_other(frame, message, key)
            if message.get("images"):
                self._see_picture(frame)
        elif message is not None:
            self._read_other(frame, payload, "message")
        self._read_texts(frame, payload, "response")
        if payload.get("image"):
            self._see_picture(frame)
        for key in payload.keys() - ANSWER_FIELDS:
            self._read_other(frame, payload, key)
        if payload.get("done") is True:
            self._read_end(frame, payload)
        return frame

    def _read_head(self, payload: dict[str, Any]) -> None:
        self.model = self.model or string(payload.get("model"))
        if not self._head and "model" in payload:
            self._head = {key: payload[key] for key in ("model", "created_at") if key in payload}
            self._chats = "response" not in payload

    def _read_end(self, frame: LineFrame, payload: dict[str, Any]) -> None:
        self.finish = string(payload.get("done_reason"))
        self.usage = usage_of(payload, self._estimate)
        self.finished = frame.closing = True
        frame.parts += [Part(PartKind.END, lane, kind) for lane, kind in self._lanes.items()]
        self._lanes.clear()

    def _read_texts(self, frame: LineFrame, holder: dict[str, Any], key: str) -> None:
        """The text, the thinking and the calls of a message, or of a line of generate."""
        self._read_text(frame, holder, "thinking", "thinking", Surface.REASONING)
        self._read_text(frame, holder, key, "text", Surface.OUTPUT)
        self._texted = self._texted or bool(holder.get(key))
        calls = holder.get("tool_calls")
        if type(calls) is not list:
            if calls is not None:
                self._read_other(frame, holder, "tool_calls")
            return
        for number, entry in enumerate(calls):
            if type(entry) is dict:
                self._read_call(frame, entry)
            else:
                self._read_other(frame, calls, number)

    def _read_text(
        self, frame: LineFrame, holder: dict[str, Any], key: str, lane: str, surface: Surface
    ) -> None:
        text = holder.get(key)
        if type(text) is str:
            if text:
                self._place(frame, lane, surface, holder, key)
        elif text is not None:
            self._read_other(frame, holder, key)

    def _place(self, frame: LineFrame, lane: str, surface: Surface, holder: Any, key: Any) -> None:
        self._lanes[lane] = surface
        frame.parts.append(
            PlacedPart(PartKind.TEXT, lane, surface, holder[key], holder=holder, key=key)
        )

    def _read_call(self, frame: LineFrame, entry: dict[str, Any]) -> None:
        lane = f"tool/{len(self._calls)}"
        made = self._calls[lane] = LineCall(entry)
        frame.calls.append(made)
        function = argument_holder(entry)
        call = ToolCall(string(entry.get("id")), string(function.get("name")), "", lane)
        arguments = arguments_text(function.get("arguments"))
        frame.parts += [
            Part(PartKind.TOOL_START, lane, Surface.TOOL_CALL, tool=call),
            Part(PartKind.TOOL_ARGS, lane, Surface.TOOL_CALL, arguments),
            Part(PartKind.TOOL_END, lane, Surface.TOOL_CALL),
        ]
        for holder in (entry,) if function is entry else (entry, function):
            for key in holder.keys() - {"arguments", "function", "id", "index", "name", "type"}:
                self._read_other(frame, holder, key)

    def _read_other(self, frame: LineFrame, holder: Any, key: Any) -> None:
        """Whatever strings lie under a field that the API does not name."""
        stack: list[tuple[Any, Any, str]] = [(holder, key, str(key))]
        while stack:
            node, at, path = stack.pop()
            value = node[at]
            if type(value) is str:
                if value:
                    self._place(frame, self._lane(f"other/{path}"), Surface.OUTPUT, node, at)
            elif type(value) is dict:
                stack.extend((value, inner, f"{path}/{inner}") for inner in reversed(value))
            elif type(value) is list:
                stack.extend((value, number, path) for number in reversed(range(len(value))))

    def _lane(self, lane: str) -> str:
        return lane if lane in self._lanes or len(self._lanes) < MAX_LANES else "other"

    @staticmethod
    def _see_picture(frame: LineFrame) -> None:
        frame.unscannable += (Unscannable("image", Surface.OUTPUT, "image"),)

    # --- deciding ---

    def remove_tool(self, lane: str, notice: str) -> None:
        self._calls[lane].removed = True
        self._notices.append(notice)

    def replace_arguments(self, lane: str, arguments: str) -> None:
        self._calls[lane].arguments = arguments

    # --- writing ---

    def write(self, frame: Frame) -> bytes:
        payload = frame.payload
        if type(payload) is not dict:
            return line_of_text(frame) if frame.changed else frame.event.raw
        changed = frame.changed
        if changed:
            for part in frame.parts:
                if type(part) is PlacedPart:
                    part.holder[part.key] = part.text
        if type(frame) is LineFrame and frame.calls:
            edited = self._apply(frame, payload)
            if edited and not frame.closing and not _says_anything(payload):
                self._changed = True
                return b""
            changed = changed or edited
        self._changed = self._changed or changed
        before = self._notice() if frame.closing else b""
        if self._changed:  # what repeats the text, token by token
            for key in ("context", "logprobs"):
                if (frame.closing or changed) and payload.pop(key, None) is not None:
                    changed = True
        return before + (line(payload) if changed else frame.event.raw)

    def _apply(self, frame: LineFrame, payload: dict[str, Any]) -> bool:
        """Carry what was decided of the calls into their line; whether it changed."""
        changed = False
        for call in frame.calls:
            if call.arguments is not None:
                put_arguments(argument_holder(call.entry), "arguments", call.arguments)
                changed = True
        gone = {id(call.entry) for call in frame.calls if call.removed}
        for holder in (payload, payload.get("message")):
            if gone and type(holder) is dict and type(holder.get("tool_calls")) is list:
                kept = [entry for entry in holder["tool_calls"] if id(entry) not in gone]
                if kept:
                    holder["tool_calls"] = kept
                else:
                    del holder["tool_calls"]
        return changed or bool(gone)

    def _notice(self) -> bytes:
        """Where every call was taken out: a line that says why, before the last one."""
        if not self._notices or any(not call.removed for call in self._calls.values()):
            return b""
        self._changed = True
        text = " ".join(dict.fromkeys(self._notices))
        text = f"\n\n{text}" if self._texted else text
        if self._chats:
            said: dict[str, Any] = {"message": {"role": "assistant", "content": text}}
        else:
            said = {"response": text}
        return line({**self._head, **said, "done": False})

    def stop(self, code: str, message: str) -> bytes:
        """A line with `error` and nothing after it: the clients raise it with the message."""
        return line({"error": message})


def line_of_text(frame: Frame) -> bytes:
    """A line that is no JSON, with the text that was put in its place."""
    return frame.parts[0].text.encode() + b"\n"


def _says_anything(payload: dict[str, Any]) -> bool:
    """Whether a line has anything left to say once calls have gone."""
    message = payload.get("message")
    for holder in (payload, message if type(message) is dict else {}):
        if any(holder.get(key) for key in ("content", "response", "thinking", "tool_calls")):
            return True
    return False
