"""A streamed answer of the Anthropic Messages API: reading events, and writing frames.

Rules of this file:
- Each content block is a lane, `b<index>`; all blocks of a message are one group, because they
  come one after another. Should a second `message_start` come, its lanes begin with `m1/`.
- A block that the provider never ended is ended by `message_delta`, so that no call leaves
  unjudged.
- What was decided is applied when a block's first frame is written: a block without its start
  is dropped whole, and the blocks after it move up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from gateway.dialects import anthropic_events as events
from gateway.dialects.anthropic_answer import (
    CALLING,
    call_of,
    close_with,
    merge_usage,
    without_calls,
)
from gateway.dialects.anthropic_blocks import CALLS, BlockReader, arguments_text, depends_on
from gateway.dialects.anthropic_events import Block, BlockFrame, Message
from gateway.dialects.base import (
    AnswerStream,
    Event,
    Frame,
    Part,
    PartKind,
    Surface,
    Unscannable,
)
from gateway.dialects.jsondoc import JsonDocument, dumps, loads_lenient
from gateway.dialects.leaf_parts import RawFrame, apply_leaves, leaf_parts, raw_frame, write_raw
from gateway.dialects.reading import mapping, string
from gateway.dialects.sse import encode

_Reading = Callable[["AnthropicStream", BlockFrame, dict[str, Any]], None]

GROUP = "message"

_DELTA_TEXTS = {
    "text_delta": ("text", Surface.OUTPUT, False),
    "thinking_delta": ("thinking", Surface.REASONING, True),
    "compaction_delta": ("content", Surface.OUTPUT, False),
}
"""Where a delta has its text, whose surface that is, and whether it is signed."""


class AnthropicStream(AnswerStream):
    """See the rules above, and `docs/dialects-anthropic.md` for how a stream is ended."""

    def __init__(self) -> None:
        super().__init__()
        self._message = Message("")  # the one being read
        self._messages = 0
        self._open: dict[int, Block] = {}  # blocks read but not ended, by the provider's index
        self._blocks: dict[str, Block] = {}  # calls by lane, until their first frame is written
        self._leaves = 0
        self._out = events.Written()

    # --- reading ---

    def read(self, event: Event) -> Frame:
        if not event.data:
            return Frame(event)
        try:
            payload = loads_lenient(event.data)
        except ValueError:
            payload = None
        if type(payload) is not dict:
            self._leaves += 1
            return raw_frame(event, f"leaf{self._leaves}", GROUP)
        frame = BlockFrame(event, payload, message=self._message)
        reading = self._readings.get(string(payload.get("type")))
        if reading is None:
            self._read_unknown(frame, payload)
        else:
            reading(self, frame, payload)
        return frame

    def _read_delta(self, frame: BlockFrame, payload: dict[str, Any]) -> None:
        block = self._open.get(payload.get("index", -1))
        delta = payload.get("delta")
        if block is None or type(delta) is not dict:
            self._read_unknown(frame, payload)
            return
        frame.block = block
        kind = string(delta.get("type"))
        where = _DELTA_TEXTS.get(kind)
        if where is not None and type(delta.get(where[0])) is str:
            name, surface, signed = where
            signed = signed or bool(delta.get("encrypted_content"))
            frame.parts.append(
                Part(PartKind.TEXT, block.lane, surface, delta[name], GROUP, readonly=signed)
            )
            if delta.get("encrypted_content"):
                frame.unscannable = (Unscannable("encrypted", surface, block.lane),)
        elif kind == "input_json_delta" and block.call is not None:
            text = string(delta.get("partial_json"))
            frame.parts.append(Part(PartKind.TOOL_ARGS, block.lane, Surface.TOOL_CALL, text, GROUP))
        elif kind == "citations_delta":
            self._read_leaves(frame, {"type": "text", "text": "", "citations": delta})
        elif kind not in ("signature_delta", "compaction_delta"):
            self._read_unknown(frame, delta)

    def _read_start(self, frame: BlockFrame, payload: dict[str, Any]) -> None:
        index = payload.get("index")
        node = payload.get("content_block")
        if type(index) is not int or type(node) is not dict:
            self._read_unknown(frame, payload)
            return
        if index in self._open:
            self._end_block(frame, index)
        kind = string(node.get("type"))
        block = Block(f"{self._message.prefix}b{index}", index, kind, depends_on(node))
        self._open[index] = block
        frame.block = block
        if kind in CALLS:
            self._start_call(frame, block, node)
        elif kind == "text" or kind == "thinking":
            signed = kind == "thinking"
            surface = Surface.REASONING if signed else Surface.OUTPUT
            if text := string(node.get(kind)):
                frame.parts.append(
                    Part(PartKind.TEXT, block.lane, surface, text, GROUP, readonly=signed)
                )
            if node.get("citations"):
                self._read_leaves(frame, {**node, "text": ""})
        else:
            self._read_leaves(frame, node)
            if kind == "fallback":  # from here on another model answers
                self.model = string(mapping(node.get("to")).get("model")) or self.model

    def _start_call(self, frame: BlockFrame, block: Block, node: dict[str, Any]) -> None:
        call = call_of(node, block.lane)
        call.arguments = ""
        block.call = call
        block.id = call.id
        self._blocks[block.lane] = block
        frame.parts.append(
            Part(PartKind.TOOL_START, block.lane, Surface.TOOL_CALL, group=GROUP, tool=call)
        )
        if node.get("input"):
            block.whole = True
            text = arguments_text(node["input"])
            frame.parts.append(Part(PartKind.TOOL_ARGS, block.lane, Surface.TOOL_CALL, text, GROUP))

    def _read_stop(self, frame: BlockFrame, payload: dict[str, Any]) -> None:
        self._end_block(frame, payload.get("index", -1))

    def _end_block(self, frame: BlockFrame, index: int) -> None:
        block = self._open.pop(index, None)
        if block is None:
            return
        frame.block = block
        kind = PartKind.END if block.call is None else PartKind.TOOL_END
        frame.parts.append(Part(kind, block.lane, group=GROUP))

    def _end_all(self, frame: BlockFrame) -> None:
        for index in list(self._open):
            self._end_block(frame, index)
        frame.block = None

    def _read_message_start(self, frame: BlockFrame, payload: dict[str, Any]) -> None:
        self._end_all(frame)
        prefix = f"m{self._messages}/" if self._messages else ""
        self._messages += 1
        self._message = frame.message = Message(prefix)
        message = mapping(payload.get("message"))
        self.id = string(message.get("id")) or self.id
        self.model = string(message.get("model")) or self.model
        self.usage = merge_usage(self.usage, message.get("usage"))
        content = message.get("content")
        for number, node in enumerate(content if type(content) is list else ()):
            lane = f"{prefix}c{number}"
            if type(node) is dict and node.get("type") in CALLS:
                block = Block(lane, number, node["type"], depends_on(node), node=node)
                self._start_call(frame, block, node)
                frame.parts.append(Part(PartKind.TOOL_END, lane, group=GROUP))
                frame.message.prefilled.append(block)
            elif type(node) is dict:
                self._read_leaves(frame, node)

    def _read_message_delta(self, frame: BlockFrame, payload: dict[str, Any]) -> None:
        self._end_all(frame)
        self.usage = merge_usage(self.usage, payload.get("usage"))
        delta = mapping(payload.get("delta"))
        self.finish = string(delta.get("stop_reason")) or self.finish
        if details := delta.get("stop_details"):
            reader = BlockReader(JsonDocument(None, b""))
            reader.structure(details, Surface.OUTPUT, "stop_details")
            self._add_leaves(frame, reader)

    def _read_message_stop(self, frame: BlockFrame, payload: dict[str, Any]) -> None:
        self._end_all(frame)
        frame.closing = True
        self.finished = True

    def _read_nothing(self, frame: BlockFrame, payload: dict[str, Any]) -> None:
        """A ping, or an error of the provider's: it goes on as it is."""

    def _read_leaves(self, frame: BlockFrame, node: dict[str, Any]) -> None:
        """A block that came whole: a hosted tool's result, a citation, what we do not know."""
        reader = BlockReader(JsonDocument(None, b""))
        reader.block([node], 0, Surface.OUTPUT, string(node.get("type")))
        self._add_leaves(frame, reader)

    def _read_unknown(self, frame: BlockFrame, node: dict[str, Any]) -> None:
        reader = BlockReader(JsonDocument(None, b""))
        reader.unknown([node], 0, Surface.OUTPUT, "event")
        self._add_leaves(frame, reader)

    def _add_leaves(self, frame: BlockFrame, reader: BlockReader) -> None:
        self._leaves += 1
        frame.parts += leaf_parts(reader.segments, f"leaf{self._leaves}", GROUP)
        if reader.unscannable:
            frame.unscannable += tuple(reader.unscannable)

    _readings: ClassVar[dict[str, _Reading]] = {
        "content_block_delta": _read_delta,
        "content_block_start": _read_start,
        "content_block_stop": _read_stop,
        "message_start": _read_message_start,
        "message_delta": _read_message_delta,
        "message_stop": _read_message_stop,
        "ping": _read_nothing,
        "error": _read_nothing,
    }

    # --- deciding ---

    def remove_tool(self, lane: str, notice: str) -> None:
        block = self._blocks[lane]
        block.removed = True
        block.notice = notice

    def replace_arguments(self, lane: str, arguments: str) -> None:
        self._blocks[lane].arguments = arguments

    # --- writing ---

    def write(self, frame: Frame) -> bytes:
        if not isinstance(frame, BlockFrame):
            return write_raw(frame) if isinstance(frame, RawFrame) else frame.event.raw
        kind = frame.payload.get("type")
        if kind == "message_start":
            return self._write_message_start(frame)
        if kind == "message_delta" or kind == "message_stop":
            return self._write_end(frame, kind)
        if frame.block is None:
            return self._write_plain(frame)
        if kind == "content_block_start":
            return self._write_start(frame, frame.block)
        return self._write_block(frame, frame.block, kind == "content_block_stop")

    def _write_plain(self, frame: BlockFrame) -> bytes:
        if frame.changed:
            apply_leaves(frame.parts)
            return _encode(frame)
        return frame.event.raw

    def _write_message_start(self, frame: BlockFrame) -> bytes:
        self._out = out = events.Written(started=True)
        message = frame.payload.get("message")
        content = mapping(message).get("content")
        if type(message) is not dict or type(content) is not list:
            return self._write_plain(frame)
        for block in frame.message.prefilled:
            self._blocks.pop(block.lane, None)
            if block.removed:
                out.drop(block)
            elif block.arguments is not None and block.node is not None:
                block.node["input"] = loads_lenient(block.arguments)
                frame.changed = True
            out.calls += not block.removed and block.kind == "tool_use"
        if out.dropped:
            gone = [each.node for each in frame.message.prefilled if each.removed and each.node]
            message["content"] = without_calls(content, gone)
            if message.get("stop_reason") and not out.calls:
                close_with(message, " ".join(out.notices))
                out.notices.clear()
            frame.changed = True
        out.next = len(message["content"])
        out.dropped = len(content) - out.next
        return self._write_plain(frame)

    def _write_start(self, frame: BlockFrame, block: Block) -> bytes:
        out = self._out
        self._blocks.pop(block.lane, None)
        if block.parent and block.parent in out.removed_ids:
            block.removed = True
        if block.removed:
            out.drop(block)
            return b""
        block.out = block.index - out.dropped
        out.open = block
        out.next = block.out + 1
        out.calls += block.kind == "tool_use"
        if not frame.changed and block.arguments is None and block.out == block.index:
            return frame.event.raw
        frame.payload["index"] = block.out
        node = frame.payload["content_block"]
        self._apply(frame, node, block.kind)
        if block.arguments is None:
            return _encode(frame)
        if block.whole:
            node["input"] = loads_lenient(block.arguments)
            return _encode(frame)
        return _encode(frame) + events.arguments_delta(block.out, block.arguments)

    def _write_block(self, frame: BlockFrame, block: Block, last: bool) -> bytes:
        """A delta or the end of a block."""
        if block.removed:
            return b""
        if last:
            self._out.open = None
        delta = frame.payload.get("delta")
        if block.arguments is not None and mapping(delta).get("type") == "input_json_delta":
            return b""
        if frame.changed and type(delta) is dict:
            where = _DELTA_TEXTS.get(string(delta.get("type")))
            if not self._apply(frame, delta, where[0] if where else "") and where:
                return b""
        elif block.out == block.index:
            return frame.event.raw
        frame.payload["index"] = block.out
        return _encode(frame)

    @staticmethod
    def _apply(frame: BlockFrame, node: dict[str, Any], name: str) -> bool:
        """Carry replaced texts into a block or a delta; False where its own text is now empty."""
        apply_leaves(frame.parts)
        full = True
        for part in frame.parts:
            if part.kind is PartKind.TEXT and type(part) is Part and name in node:
                full = bool(part.text) or not node[name]
                node[name] = part.text
        return full

    def _write_end(self, frame: BlockFrame, kind: str) -> bytes:
        out = self._out
        head = b""
        if out.notices and not out.calls:
            head = self._close_open() + events.text_block(out.next, " ".join(out.notices))
            out.notices.clear()
            delta = frame.payload.get("delta")
            if type(delta) is dict and delta.get("stop_reason") in CALLING:
                delta["stop_reason"] = self.finish = "end_turn"
                frame.changed = True
        out.ended = True
        out.stopped = out.stopped or kind == "message_stop"
        return head + self._write_plain(frame)

    def _close_open(self) -> bytes:
        """End the block that was let through last, where nobody ended it."""
        block, self._out.open = self._out.open, None
        return b"" if block is None else events.block_stop(block.out)

    # --- stopping ---

    def stop(self, code: str, message: str) -> bytes:
        """Close the open block, say why in a text block, and end the turn.

        A call whose arguments are half sent must not be run: there the API's error event ends
        the stream, on which every client gives up.
        """
        out = self._out
        if out.stopped:
            return b""
        out.stopped = True
        if out.ended:
            return events.MESSAGE_STOP
        if out.open is not None and out.open.kind == "tool_use":
            return events.error(code, message)
        head = b"" if out.started else events.message_start(self.id, self.model, self.usage)
        head += self._close_open() + events.text_block(out.next, message)
        reason = "tool_use" if out.calls else "end_turn"
        self.finish = reason
        return head + events.message_delta(reason, self.usage) + events.MESSAGE_STOP


def _encode(frame: Frame) -> bytes:
    return encode(dumps(frame.payload), frame.event.name)
