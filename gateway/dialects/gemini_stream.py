"""A streamed answer of the Gemini API, in either framing: server-sent events or one JSON array.

Lanes: `c0` the text of candidate 0, `c0/thought` its thoughts, `c0/tool/0` its first call. Texts
that come whole (sources, results of the provider's tools) are lanes of their own, `leaf1/0`. Each
candidate is a group.

Rules of this file:
- Text in a field that the API does not name is read too: no text that a client could read is
  unseen.
- A frame that nothing touched leaves with the bytes it came with; in an array with another
  separator, where what stood before it has gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as made_by
from typing import Any

from gateway.dialects.base import AnswerStream, Event, Frame, Part, PartKind, Surface
from gateway.dialects.gemini_answer import (
    CANDIDATE,
    HEAD,
    forget_logprobs,
    inner_of,
    parts_of,
    read_extra,
)
from gateway.dialects.gemini_calls import Entry, StreamedCall, StreamedCandidate
from gateway.dialects.gemini_errors import error_object
from gateway.dialects.gemini_fields import field, listed
from gateway.dialects.gemini_parts import SIGNATURES, PartReader
from gateway.dialects.gemini_usage import read_searches, read_usage
from gateway.dialects.json_array import ArrayEvent, ArrayWriter
from gateway.dialects.jsondoc import JsonDocument, dumps, loads_lenient
from gateway.dialects.leaf_parts import RawFrame, apply_leaves, leaf_parts, raw_frame
from gateway.dialects.reading import string
from gateway.dialects.sse import TornEvent, encode

_CONTENT = frozenset({"parts", "role"})
_READ = frozenset({"text", "functionCall"})
_RESULTS = ("codeExecutionResult", "toolResponse")
_REST = "stream"


@dataclass(slots=True)
class TextPart(Part):
    """A piece of a lane's text, which stands in `holder[key]` of the frame's payload."""

    holder: Any = None
    key: str = ""


@dataclass(slots=True)
class ChunkFrame(Frame):
    """A chunk, and what it holds of calls."""

    entries: list[Entry] = made_by(default_factory=list)


class GeminiStream(AnswerStream):
    """See `AnswerStream`. `choices`: how many candidates were asked for."""

    def __init__(self, choices: int = 1) -> None:
        super().__init__()
        self._choices = choices
        self._candidates: dict[int, StreamedCandidate] = {}
        self._calls: dict[str, StreamedCall] = {}
        self._leaves = 0
        self._done = False  # every candidate has ended, or none was let through
        self._edited = False  # some call was taken out or given other arguments
        self._array: ArrayWriter | None = None
        self._bare = False  # what is written stands alone, in no framing
        self._head: dict[str, Any] = {}

    # --- reading ---

    def read(self, event: Event) -> Frame:
        """Raises UpstreamError where a tool call goes on after it was complete."""
        if self._array is None:
            if type(event) is ArrayEvent:
                self._array = ArrayWriter()
            elif type(event) is TornEvent and event.raw.lstrip().startswith(b"{"):
                self._bare = True  # one answer where a stream was asked for
        if not event.data:
            if type(event) is ArrayEvent and b"]" in event.raw:
                self.finished = True
                return Frame(event, None, self._end_all(), closing=True)
            return Frame(event)
        try:
            payload = loads_lenient(event.data)
        except ValueError:
            payload = None
        if type(payload) is not dict:
            self._leaves += 1
            return raw_frame(event, f"leaf{self._leaves}", _REST)
        frame = ChunkFrame(event, payload)
        self._read_head(payload)
        for position, candidate in enumerate(listed(payload, "candidates")):
            self._read_candidate(frame, candidate, position)
        if not HEAD.issuperset(payload):
            self._read_rest(frame, payload)
        if self._done and self.usage is not None and not self.finished:
            self.finished = frame.closing = True
        return frame

    def _read_rest(self, frame: ChunkFrame, payload: dict[str, Any]) -> None:
        """What stands beside the candidates."""
        reader = PartReader(JsonDocument(None, b""))
        for name, spelled in reader.names(payload, "").items():
            if name not in HEAD:
                read_extra(reader, payload, spelled, name, "")
                self._done = self._done or name == "promptFeedback"
        self._add_leaves(frame, reader, _REST)

    def _read_head(self, payload: dict[str, Any]) -> None:
        self.model = string(field(payload, "modelVersion")) or self.model
        self.id = self.id or string(field(payload, "responseId"))
        self.usage = read_usage(self.usage, field(payload, "usageMetadata"))
        read_searches(self.usage, listed(payload, "candidates"))
        if not self._head:
            self._head = {
                key: payload[key] for key in ("modelVersion", "responseId") if key in payload
            }

    def _read_candidate(self, frame: ChunkFrame, candidate: Any, position: int) -> None:
        if type(candidate) is not dict:
            reader = PartReader(JsonDocument(None, b""))
            reader.unknown([candidate], 0, Surface.OUTPUT, "candidates")
            self._add_leaves(frame, reader, _REST)
            return
        index = candidate.get("index")
        index = index if type(index) is int else position
        state = self._candidates.get(index)
        if state is None:
            state = self._candidates[index] = StreamedCandidate(f"c{index}")
        content = candidate.get("content")
        parts = parts_of(candidate)
        for number, part in enumerate(parts):
            self._read_part(frame, state, parts, number, part)
        known = type(content) is dict and _CONTENT.issuperset(content)
        if not known or not CANDIDATE.issuperset(candidate):
            self._read_extras(frame, state, candidate)
        if reason := field(candidate, "finishReason"):
            self.finish = self.finish or string(reason)
            state.finished = True
            self._done = len(self._candidates) >= self._choices and all(
                each.finished for each in self._candidates.values()
            )
            frame.parts += state.end_call()
            frame.parts += state.end_texts()

    def _read_extras(
        self, frame: ChunkFrame, state: StreamedCandidate, candidate: dict[str, Any]
    ) -> None:
        """What stands beside the parts: sources, citations, what is not known."""
        reader = PartReader(JsonDocument(None, b""))
        content = candidate.get("content")
        if type(content) is dict:
            for name, spelled in reader.names(content, "content").items():
                if name not in _CONTENT:
                    reader.unknown(content, spelled, Surface.OUTPUT, "content")
        elif content is not None:
            reader.unknown(candidate, "content", Surface.OUTPUT, "content")
        for name, spelled in reader.names(candidate, "candidates").items():
            if name not in CANDIDATE:
                read_extra(reader, candidate, spelled, name, "candidates")
        self._add_leaves(frame, reader, state.group)

    def _read_part(
        self,
        frame: ChunkFrame,
        state: StreamedCandidate,
        parts: list[Any],
        number: int,
        part: Any,
    ) -> None:
        if type(part) is dict:
            text = part.get("text")
            if type(text) is str:
                self._read_text(frame, state, part, text)
                if len(part) == 1:
                    return
            if type(field(part, "functionCall")) is dict:
                call = state.read(part, frame.parts)
                if call is not None:
                    self._calls[call.lane] = call
                    frame.entries.append(Entry(call, parts, part))
        reader = PartReader(JsonDocument(None, b""))
        reader.part(parts, number, Surface.OUTPUT, "part", _READ)
        for made, node in reader.nodes:
            call, said = state.whole(made)
            self._calls[call.lane] = call
            frame.parts += said
            frame.entries.append(Entry(call, parts, node))
        if result := inner_of(part, _RESULTS):
            for call in reversed(state.calls):
                if call.call.hosted and call.call.id == string(result.get("id")):
                    frame.entries.append(Entry(call, parts, part, result=True))
                    break
        self._add_leaves(frame, reader, state.group)

    @staticmethod
    def _read_text(
        frame: ChunkFrame, state: StreamedCandidate, part: dict[str, Any], text: str
    ) -> None:
        if not text:
            return
        lane, surface, readonly = state.group, Surface.OUTPUT, False
        if part.get("thought"):
            lane, surface = f"{lane}/thought", Surface.REASONING
            readonly = not SIGNATURES.isdisjoint(part)
            lane = f"{lane}/signed" if readonly else lane
        else:
            state.texted = True
        state.lanes[lane] = surface
        frame.parts.append(
            TextPart(PartKind.TEXT, lane, surface, text, state.group, None, readonly, part, "text")
        )

    def _add_leaves(self, frame: ChunkFrame, reader: PartReader, group: str) -> None:
        if reader.segments:
            self._leaves += 1
            frame.parts += leaf_parts(reader.segments, f"leaf{self._leaves}", group)
        if reader.unscannable:
            frame.unscannable += tuple(reader.unscannable)

    def _end_all(self) -> list[Part]:
        parts: list[Part] = []
        for state in self._candidates.values():
            parts += state.end_call() + state.end_texts()
        return parts

    # --- deciding ---

    def remove_tool(self, lane: str, notice: str) -> None:
        call = self._calls[lane]
        call.removed, call.notice = True, notice
        self._edited = True

    def replace_arguments(self, lane: str, arguments: str) -> None:
        self._calls[lane].arguments = arguments
        self._edited = True

    # --- writing ---

    def write(self, frame: Frame) -> bytes:
        event = frame.event
        if not (frame.changed or self._edited):
            return self._keep(event)
        if isinstance(frame, RawFrame):
            apply_leaves(frame.parts)
            text: str = frame.payload[0]
            return self._add(text.encode(), event) if frame.changed else self._keep(event)
        if not isinstance(frame, ChunkFrame):
            return (self._notices(event) if frame.closing else b"") + self._keep(event)
        payload = frame.payload
        if frame.changed:
            self._carry(frame)
        removed = sum([entry.apply() for entry in frame.entries]) > 0
        finished = self._finish(payload)
        if removed and not finished and _is_idle(payload):
            return b""
        if frame.changed or removed or finished:
            return self._add(dumps(payload), event)
        return self._keep(event)

    def _keep(self, event: Event) -> bytes:
        if self._array is None or type(event) is not ArrayEvent:
            return event.raw
        return self._array.keep(event)

    def _add(self, element: bytes, event: Event | None = None) -> bytes:
        if self._array is not None:
            return self._array.add(element)
        if self._bare:
            return element
        return encode(element, event.name if event is not None else "")

    @staticmethod
    def _carry(frame: ChunkFrame) -> None:
        """Put replaced texts into the payload; what repeats or seals them goes."""
        apply_leaves(frame.parts)
        for part in frame.parts:
            if type(part) is TextPart and part.holder[part.key] != part.text:
                part.holder[part.key] = part.text
                for name in SIGNATURES:
                    part.holder.pop(name, None)
        for candidate in listed(frame.payload, "candidates"):
            forget_logprobs(candidate)

    def _finish(self, payload: dict[str, Any]) -> bool:
        """Where a candidate finishes without the calls it had: the notice, as its last text."""
        added = False
        for position, candidate in enumerate(listed(payload, "candidates")):
            if not field(candidate, "finishReason"):
                continue
            index = candidate.get("index")
            state = self._candidates.get(index if type(index) is int else position)
            if state is not None and (notice := state.take_notice()):
                if type(field(candidate, "content")) is not dict:
                    candidate["content"] = {"role": "model", "parts": []}
                parts_of(candidate).append({"text": notice})
                added = True
        return added

    def _notices(self, event: Event) -> bytes:
        """At the end of the array: what the candidates that never finished have still to say."""
        out = b""
        for index, state in self._candidates.items():
            if notice := state.take_notice():
                content = {"role": "model", "parts": [{"text": notice}]}
                candidate = {"content": content, "finishReason": "STOP", "index": index}
                out += self._add(dumps({"candidates": [candidate], **self._head}), event)
        return out

    def stop(self, code: str, message: str) -> bytes:
        """An error in the place of the next chunk: google-genai raises it as ClientError."""
        out = self._add(error_object(400, code, message))
        return out if self._array is None else out + self._array.close()


def _is_idle(payload: dict[str, Any]) -> bool:
    """Whether nothing is left in a chunk once calls have gone."""
    for candidate in listed(payload, "candidates"):
        if type(candidate) is not dict or candidate.keys() - {"content", "index"}:
            return False
        if parts_of(candidate):
            return False
    return True
