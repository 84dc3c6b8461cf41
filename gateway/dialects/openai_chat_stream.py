"""The streamed answer of Chat Completions.

Lanes: `c0` the text of choice 0, `c0/reasoning`, `c0/refusal`, `c0/transcript`, `c0/tool/1` its
call of index 1, `c0/<field>` what a compatible server adds. Each choice is a group.

Rules of this file:
- Text that no field of the API names is a lane too: nothing that a client could read is unseen.
- A frame that nothing touched leaves with the bytes it came with.
"""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import (
    AnswerStream,
    Event,
    Frame,
    Part,
    PartKind,
    Surface,
    Unscannable,
)
from gateway.dialects.jsondoc import dumps, loads_lenient
from gateway.dialects.openai_chat_calls import (
    Entry,
    StreamedCall,
    StreamedChoice,
    argument_field,
    read_piece,
)
from gateway.dialects.openai_chat_fields import is_picture_data
from gateway.dialects.openai_chat_frames import (
    ChatFrame,
    PlacedPart,
    carry,
    drop_idle,
    unreadable,
    without_usage,
)
from gateway.dialects.openai_errors import chat_usage, error_object
from gateway.dialects.reading import string
from gateway.dialects.sse import encode

MAX_LANES = 256
"""Lanes of fields that the API does not name; what comes beyond shares one."""

_CHUNK_FIELDS = frozenset(
    "choices created error id model object obfuscation prompt_filter_results provider "
    "service_tier system_fingerprint usage x_groq".split()
)
_CHOICE_FIELDS = frozenset(
    "content_filter_offsets content_filter_results delta finish_reason index logprobs "
    "matched_stop native_finish_reason stop_reason".split()
)
_ENTRY_FIELDS = frozenset("arguments custom function id index input name type".split())
_CALL_REASONS = frozenset({"tool_calls", "function_call"})
_HEAD = ("id", "object", "created", "model")


class ChatStream(AnswerStream):
    """See `AnswerStream`. `hide_usage`: usage was asked for by the gateway, not by the caller."""

    def __init__(self, *, hide_usage: bool = False) -> None:
        super().__init__()
        self._hide = hide_usage
        self._edited = False  # some call was taken out or given other arguments
        self._choices: dict[int, StreamedChoice] = {}
        self._rest = StreamedChoice("stream")  # what belongs to no choice
        self._calls: dict[str, tuple[StreamedChoice, StreamedCall]] = {}
        self._lanes: set[str] = set()
        self._head: dict[str, Any] = {}

    # --- reading ---

    def read(self, event: Event) -> Frame:
        """Raises UpstreamError where a tool call goes on after it was complete."""
        data = event.data
        if not data:
            return Frame(event)
        if data == "[DONE]" or data.strip() == "[DONE]":
            self.finished = True
            return Frame(event, None, self._end_all(), closing=True)
        try:
            payload = loads_lenient(data)
        except ValueError:
            payload = None
        if type(payload) is not dict:
            return unreadable(event)
        frame = ChatFrame(event, payload)
        self._read_head(payload)
        choices = payload.get("choices")
        if type(choices) is list:
            for position, choice in enumerate(choices):
                if type(choice) is dict:
                    self._read_choice(frame, choice, position)
                else:
                    self._read_other(frame, self._rest, choices, position, "choice")
        elif choices is not None:
            self._read_other(frame, self._rest, payload, "choices", "choices")
        for key in payload.keys() - _CHUNK_FIELDS:
            self._read_other(frame, self._rest, payload, key, key)
        if not choices and type(payload.get("usage")) is dict:
            frame.parts += self._end_all()
        return frame

    def _read_head(self, payload: dict[str, Any]) -> None:
        self.model = self.model or string(payload.get("model"))
        if not self.id and (name := string(payload.get("id"))):
            self.id = name
            self._head = {key: payload[key] for key in _HEAD if key in payload}
        usage = payload.get("usage")
        if usage is not None:
            self.usage = chat_usage(usage, payload.get("service_tier")) or self.usage

    def _read_choice(self, frame: ChatFrame, choice: dict[str, Any], position: int) -> None:
        index = choice.get("index")
        if type(index) is not int:
            index = position
        state = self._choices.get(index)
        if state is None:
            state = self._choices[index] = StreamedChoice(f"c{index}")
            frame.opens = True
        ends: list[Part] = []  # of calls that this frame proves complete
        touched: list[StreamedCall] = []  # calls that this frame adds to
        at = len(frame.parts)
        delta = choice.get("delta")
        if type(delta) is dict:
            for key, value in delta.items():
                if key == "content" and type(value) is str:
                    if value:
                        state.texted = True
                        self._text(frame, state, state.group, Surface.OUTPUT, delta, key)
                elif key == "tool_calls" and type(value) is list:
                    for number, entry in enumerate(value):
                        if type(entry) is dict:
                            self._read_call(frame, state, delta, entry, ends, touched)
                        else:
                            self._read_other(frame, state, value, number, key)
                elif value is not None and key != "role":
                    self._read_field(frame, state, delta, key, ends, touched)
        elif delta is not None:
            self._read_other(frame, state, choice, "delta", "delta")
        for key in choice.keys() - _CHOICE_FIELDS:
            self._read_other(frame, state, choice, key, key)
        if reason := choice.get("finish_reason"):
            self.finish = self.finish or string(reason)
            for call in state.open_calls():
                (frame.parts if call in touched else ends).append(state.end(call))
            frame.parts += state.end_texts()
        frame.parts[at:at] = ends

    def _read_field(
        self,
        frame: ChatFrame,
        state: StreamedChoice,
        delta: dict[str, Any],
        key: str,
        ends: list[Part],
        touched: list[StreamedCall],
    ) -> None:
        """A field of a delta beside its role, content and tool calls."""
        value = delta[key]
        group = state.group
        if key == "function_call" and type(value) is dict:
            self._read_call(frame, state, delta, value, ends, touched, legacy=True)
        elif key == "refusal" and type(value) is str:
            self._text(frame, state, f"{group}/refusal", Surface.OUTPUT, delta, key)
        elif key == "reasoning_content" and type(value) is str:
            twice = type(delta.get("reasoning")) is str  # some send the same under two names
            lane = f"{group}/reasoning_content" if twice else f"{group}/reasoning"
            self._text(frame, state, lane, Surface.REASONING, delta, key)
        elif key == "audio" and type(value) is dict:
            if value.get("data") and not state.audio:
                state.audio = True
                frame.unscannable += (Unscannable("audio", Surface.OUTPUT, f"{group}.audio"),)
            if type(value.get("transcript")) is str:
                lane = f"{group}/transcript"
                self._text(frame, state, lane, Surface.OUTPUT, value, "transcript")
        elif (key == "content" and type(value) is list) or (
            key == "images" and type(value) is list
        ):
            self._read_parts(frame, state, value)
        else:
            self._read_other(frame, state, delta, key, key)

    def _read_parts(self, frame: ChatFrame, state: StreamedChoice, parts: list[Any]) -> None:
        """Content as a list of parts, as Mistral's reasoning models stream it. Its text goes on
        with the text of other chunks."""
        for number, part in enumerate(parts):
            if type(part) is dict and part.get("type") == "text" and type(part.get("text")) is str:
                state.texted = True
                self._text(frame, state, state.group, Surface.OUTPUT, part, "text")
                for key in part.keys() - {"type", "text"}:
                    self._read_other(frame, state, part, key, key)
            elif type(part) is dict and part.get("type") == "thinking" and "thinking" in part:
                for key in part.keys() - {"type"}:
                    self._read_other(frame, state, part, key, f"thinking/{key}")
            elif is_picture_data(part):
                frame.unscannable += (Unscannable("image", Surface.OUTPUT, state.group),)
            else:
                self._read_other(frame, state, parts, number, "content")

    @staticmethod
    def _text(
        frame: ChatFrame,
        state: StreamedChoice,
        lane: str,
        surface: Surface,
        holder: dict[str, Any],
        key: str,
    ) -> None:
        text = holder[key]
        if text:
            state.lanes[lane] = surface
            frame.parts.append(
                PlacedPart(PartKind.TEXT, lane, surface, text, state.group, holder=holder, key=key)
            )

    def _read_other(
        self,
        frame: ChatFrame,
        state: StreamedChoice,
        holder: Any,
        key: Any,
        name: str,
    ) -> None:
        """Whatever strings lie under a field that the API does not name, each field a lane.

        Reasoning that has structure may be signed, and is never rewritten.
        """
        thought = name.startswith(("reasoning", "thinking"))
        surface = Surface.REASONING if thought else Surface.OUTPUT
        readonly = thought and type(holder[key]) is not str
        group = state.group
        stack: list[tuple[Any, Any, str]] = [(holder, key, name)]
        while stack:
            node, at, path = stack.pop()
            value = node[at]
            if type(value) is str:
                if not value:
                    continue
                lane = self._lane(f"{group}/{path}")
                state.lanes[lane] = surface
                frame.parts.append(
                    PlacedPart(PartKind.TEXT, lane, surface, value, group, None, readonly, node, at)
                )
            elif type(value) is dict:
                if thought and "encrypted" in string(value.get("type")):
                    frame.unscannable += (Unscannable("encrypted", surface, group),)
                else:
                    stack.extend((value, inner, f"{path}/{inner}") for inner in reversed(value))
            elif type(value) is list:
                stack.extend((value, number, path) for number in reversed(range(len(value))))

    def _lane(self, lane: str) -> str:
        if lane in self._lanes or len(self._lanes) < MAX_LANES:
            self._lanes.add(lane)
            return lane
        return "stream/other"

    def _read_call(
        self,
        frame: ChatFrame,
        state: StreamedChoice,
        delta: dict[str, Any],
        entry: dict[str, Any],
        ends: list[Part],
        touched: list[StreamedCall],
        *,
        legacy: bool = False,
    ) -> None:
        """One entry of `tool_calls`, or a `function_call`."""
        parts, group = frame.parts, state.group
        index = -1 if legacy else entry.get("index")
        call = state.find({"index": -1} if legacy else entry)
        if call is None:
            for open_call in state.open_calls():
                (parts if open_call in touched else ends).append(state.end(open_call))
            call = state.begin(entry, index)
            self._calls[call.lane] = (state, call)
            start = Part(PartKind.TOOL_START, call.lane, Surface.TOOL_CALL, group=group)
            start.tool = call.call
            parts.append(start)
        touched.append(call)
        piece = read_piece(call, entry)
        if piece:
            parts.append(Part(PartKind.TOOL_ARGS, call.lane, Surface.TOOL_CALL, piece, group))
        field_name = "function_call" if legacy else "tool_calls"
        frame.entries.append((state, Entry(call, delta, field_name, entry)))
        inner = argument_field(entry)[0]
        if len(inner) > 2 or len(entry) > 3:
            for holder in (inner,) if inner is entry else (inner, entry):
                for key in holder.keys() - _ENTRY_FIELDS:
                    self._read_other(frame, state, holder, key, f"tool/{key}")

    def _end_all(self) -> list[Part]:
        parts: list[Part] = []
        for state in (*self._choices.values(), self._rest):
            parts += [state.end(call) for call in state.open_calls()]
            parts += state.end_texts()
        return parts

    # --- deciding ---

    def remove_tool(self, lane: str, notice: str) -> None:
        call = self._calls[lane][1]
        call.removed, call.notice = True, notice
        self._edited = True

    def replace_arguments(self, lane: str, arguments: str) -> None:
        self._calls[lane][1].arguments = arguments
        self._edited = True

    # --- writing ---

    def write(self, frame: Frame) -> bytes:
        event, payload = frame.event, frame.payload
        if not (frame.changed or self._edited or self._hide):
            return event.raw
        if type(payload) is not dict:
            if frame.changed:
                return encode(frame.parts[0].text, event.name)
            return self._notices() + event.raw if frame.closing else event.raw
        changed = frame.changed
        if changed:
            carry(frame)
        before = b""
        if self._edited and type(frame) is ChatFrame:
            edited = sum(state.apply(entry) for state, entry in frame.entries) > 0
            if edited and not frame.opens:  # clients want to see a choice begin
                drop_idle(payload)
                if not payload["choices"] and payload.get("usage") is None:
                    return b""
            before, mended = self._finish(payload)
            changed = changed or edited or mended
        if self._hide:
            return before + without_usage(event, payload, changed)
        return before + (encode(dumps(payload), event.name) if changed else event.raw)

    def _finish(self, payload: dict[str, Any]) -> tuple[bytes, bool]:
        """Where a choice finishes without the calls it had: the notice before, the reason after."""
        before, mended = b"", False
        choices = payload.get("choices")
        for position, choice in enumerate(choices if type(choices) is list else ()):
            if type(choice) is not dict or not choice.get("finish_reason"):
                continue
            index = choice["index"] if type(choice.get("index")) is int else position
            state = self._choices.get(index)
            if state is None or not state.emptied:
                continue
            if notice := state.take_notice():
                before += self._notice(index, notice)
            if choice["finish_reason"] in _CALL_REASONS:
                choice["finish_reason"] = "stop"
                mended = True
        return before, mended

    def _notices(self) -> bytes:
        """At `[DONE]`: what the choices that never finished have still to say."""
        return b"".join(
            self._notice(index, notice)
            for index, state in self._choices.items()
            if (notice := state.take_notice())
        )

    def _notice(self, index: int, text: str) -> bytes:
        choice = {"index": index, "delta": {"content": text}, "finish_reason": None}
        return encode(dumps({**self._head, "choices": [choice]}))

    def stop(self, code: str, message: str) -> bytes:
        """An error chunk and no `[DONE]`: the SDKs raise it as APIError with code and message."""
        return encode(error_object("invalid_request_error", code, message))
