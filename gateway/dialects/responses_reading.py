"""Reading a streamed Responses answer: events to frames.

Rules of this file:
- Each text has its lane, `<output index>/<what>`; each output item is a group.
- A snapshot (`...done`, a finished item, the finished response) repeats what was streamed. What
  it holds beyond that is new text, and gets lanes of its own: nothing hides in a snapshot.
- A call is complete when its item is, or at the end of the stream. A call that only a snapshot
  has is judged there.
- A stream that is taken up in its midst begins with pieces of items whose start nobody saw.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.dialects.base import (
    DeclaredTool,
    Event,
    Frame,
    Part,
    PartKind,
    Surface,
    ToolCall,
    Usage,
)
from gateway.dialects.jsondoc import JsonDocument, loads_lenient
from gateway.dialects.leaf_parts import leaf_parts, raw_frame
from gateway.dialects.reading import mapping, objects, string
from gateway.dialects.responses_answer import finish_of, usage_of
from gateway.dialects.responses_event_names import (
    ARGUMENT_DELTAS,
    ARGUMENT_DONE,
    BEGUN_BY,
    CLOSING,
    LIFE,
    PART_EVENTS,
    PROGRESS,
    TEXT_DELTAS,
    TEXT_DONE,
)
from gateway.dialects.responses_events import Item, ItemFrame, Lane, LanePart
from gateway.dialects.responses_items import (
    CALLS,
    ItemReader,
    call_of,
    depends_on,
    kind_of,
    read_echo,
)
from gateway.dialects.responses_tools import ToolList

Learn = Callable[[list[DeclaredTool]], None]


class ResponsesReader:
    """Keeps what of a stream was read. Its memory grows with the answer, which the closing
    event repeats as a whole anyway."""

    def __init__(self, *, sealed: bool = False, learn: Learn | None = None) -> None:
        """`sealed`: the request asked for encrypted reasoning beside the readable one.
        `learn` is there where the stream gives back what is stored, from its start or from its
        midst: it takes the tools that the response says its request declared.
        """
        self.usage: Usage | None = None
        self.model = ""
        self.id = ""
        self.finish = ""
        self.finished = False
        self.response: dict[str, Any] = {}  # the response object as last seen
        self.items: dict[int, Item] = {}
        self.calls: dict[str, Item] = {}  # by lane
        self._sealed = sealed
        self._learn = learn
        self._seen: set[tuple[Surface, str]] = set()
        self._opaque = 0
        self._leaves = 0
        self._responses = 0
        self._snapshots = 0

    def read(self, event: Event) -> Frame:
        if not event.data or event.data == "[DONE]":
            return Frame(event)
        try:
            payload = loads_lenient(event.data)
        except ValueError:
            payload = None
        if type(payload) is not dict:
            self._leaves += 1
            return raw_frame(event, f"leaf{self._leaves}", "")
        kind = string(payload.get("type"))
        item = self.items.get(payload.get("output_index", -1))
        frame = ItemFrame(event, payload, item=item)
        if item is None and self._learn is not None:
            begun = BEGUN_BY.get(kind.rpartition(".")[0])
            item = self._take_up(frame, begun, payload) if begun else None
        if kind in TEXT_DELTAS and item is not None:
            lane = _lane(item, kind, payload)
            self._add(frame, lane, payload, "delta")
        elif kind in ARGUMENT_DELTAS and item is not None and item.call is not None:
            self._add_arguments(frame, item, string(payload.get("delta")))
        else:
            self._read_other(frame, kind, payload)
        return frame

    def _read_other(self, frame: ItemFrame, kind: str, payload: dict[str, Any]) -> None:
        item = frame.item
        if kind == "response.output_item.added":
            self._read_added(frame, payload)
        elif kind == "response.output_item.done":
            self._read_item_done(frame, payload)
        elif kind in CLOSING:
            self._read_closing(frame, payload)
        elif kind in LIFE:
            if kind == "response.created":
                self.items = {}
                self._responses += 1
            self._read_response(frame, payload)
        elif item is None:
            self._read_unknown(frame, kind, payload)
        elif kind in TEXT_DONE:
            delta, field = TEXT_DONE[kind]
            self._end(frame, _lane(item, delta, payload), payload, field)
        elif kind in PART_EVENTS:
            self._read_part(frame, item, kind, payload)
        elif kind in ARGUMENT_DONE:
            whole = string(payload.get(ARGUMENT_DONE[kind]))
            if item.call is not None and whole and not item.pieces:
                self._add_arguments(frame, item, whole)
        elif kind.startswith("response.shell_call_output_content."):
            self._read_shell_output(frame, item, payload)
        elif kind not in PROGRESS:
            self._read_unknown(frame, kind, payload)

    # --- items ---

    def _take_up(self, frame: ItemFrame, kind: str, payload: dict[str, Any]) -> Item | None:
        """An item whose start was not asked for, from its first piece."""
        index = payload.get("output_index")
        if type(index) is not int:
            return None
        item = Item(index, kind, string(payload.get("item_id")), sealed=self._sealed, resumed=True)
        self.items[index] = frame.item = item
        if kind in CALLS:
            self._begin_call(frame, item)
        return item

    def _begin_call(self, frame: ItemFrame, item: Item) -> ToolCall:
        item.call = ToolCall("", "", "", item.lane)
        self.calls[item.lane] = item
        self._start_call(frame, item, item.call)
        return item.call

    @staticmethod
    def _start_call(frame: ItemFrame, item: Item, call: ToolCall) -> None:
        frame.parts.append(
            Part(PartKind.TOOL_START, item.lane, Surface.TOOL_CALL, group=item.group, tool=call)
        )

    def _read_added(self, frame: ItemFrame, payload: dict[str, Any]) -> None:
        index, node = payload.get("output_index"), payload.get("item")
        if type(index) is not int or type(node) is not dict:
            self._read_unknown(frame, "", payload)
            return
        item = Item(
            index,
            kind_of(node),
            string(node.get("id")),
            string(node.get("call_id")),
            depends_on(node),
            self._sealed or bool(node.get("encrypted_content")),
            prefix=f"r{self._responses}/" if self._responses > 1 else "",
        )
        self.items[index] = frame.item = item
        if item.kind in CALLS:
            _identify(self._begin_call(frame, item), node)
            item.initial = call_of(node, "").arguments
        self._read_snapshot(frame, [node], None)

    def _read_item_done(self, frame: ItemFrame, payload: dict[str, Any]) -> None:
        node = payload.get("item")
        if type(node) is not dict:
            self._read_unknown(frame, "", payload)
            return
        if frame.item is None:
            self._read_added(frame, payload)
        item = frame.item
        if item is None:
            return
        if item.resumed:
            self._take_whole(frame, item, node)
        elif item.call is not None and not item.pieces and item.kind == kind_of(node):
            _identify(item.call, node)
            self._add_arguments(frame, item, call_of(node, "").arguments)
        self._end_item(frame, item)
        self._read_snapshot(frame, [node], 0)

    def _take_whole(self, frame: ItemFrame, item: Item, node: dict[str, Any]) -> None:
        """The whole of a call of which only a part was streamed: it takes that part's place."""
        if item.call is None or item.kind != kind_of(node):
            return
        _identify(item.call, node)
        item.call_id = string(node.get("call_id"))
        item.pieces.clear()
        self._start_call(frame, item, item.call)
        self._add_arguments(frame, item, call_of(node, "").arguments)

    def _end_item(self, frame: ItemFrame, item: Item) -> None:
        """Everything of an item is complete."""
        for lane in item.lanes.values():
            if not lane.ended:
                self._end(frame, lane, {}, "")
        if item.call is not None and not item.ended:
            if not item.pieces and item.initial:
                self._add_arguments(frame, item, item.initial)
            frame.parts.append(
                Part(PartKind.TOOL_END, item.lane, Surface.TOOL_CALL, group=item.group)
            )
        item.ended = True

    def _add_arguments(self, frame: ItemFrame, item: Item, text: str) -> None:
        item.pieces.append(text)
        frame.parts.append(Part(PartKind.TOOL_ARGS, item.lane, Surface.TOOL_CALL, text, item.group))

    # --- texts ---

    def _add(self, frame: ItemFrame, lane: Lane, holder: dict[str, Any], key: str) -> None:
        text = holder.get(key)
        if type(text) is not str:
            return
        lane.came.append(text)
        item = frame.item
        frame.parts.append(
            LanePart(
                PartKind.TEXT,
                lane.name,
                lane.surface,
                text,
                item.group if item else "",
                readonly=bool(item and item.sealed and lane.surface is Surface.REASONING),
                holder=holder,
                key=key,
                of=lane,
            )
        )

    def _end(self, frame: ItemFrame, lane: Lane, holder: dict[str, Any], field: str) -> None:
        """A text is complete; `holder[field]` repeats it."""
        if not lane.came and field:
            self._add(frame, lane, holder, field)
        self._seen.add((lane.surface, "".join(lane.came)))
        lane.ended = True
        frame.ends.append(lane)
        group = frame.item.group if frame.item else ""
        frame.parts.append(Part(PartKind.END, lane.name, lane.surface, group=group))
        whole = holder.get(field)
        if type(whole) is str and (lane.surface, whole) not in self._seen:
            reader = _reader()
            reader.text(holder, field, lane.surface, field)
            self._add_leaves(frame, reader)

    def _read_part(self, frame: ItemFrame, item: Item, kind: str, payload: dict[str, Any]) -> None:
        """A content part: empty at its start, at its end a repetition of its text."""
        part = payload.get("part")
        if type(part) is not dict:
            self._read_unknown(frame, kind, payload)
            return
        key = "refusal" if part.get("type") == "refusal" else "text"
        if kind.endswith(".added") and part.get(key):
            delta = "response.output_text.delta"
            if item.kind == "reasoning":
                words = "summary_text" if part.get("type") == "summary_text" else "text"
                delta = f"response.reasoning_{words}.delta"
            self._add(frame, _lane(item, delta, payload), part, key)
        elif kind.endswith(".done"):
            message = {"type": item.kind, "role": "assistant", "content": [part]}
            self._read_snapshot(frame, [message], None)

    def _read_shell_output(self, frame: ItemFrame, item: Item, payload: dict[str, Any]) -> None:
        """What a command of the provider's wrote."""
        delta = payload.get("delta")
        number = payload.get("command_index")
        if type(delta) is dict:
            for stream in ("stdout", "stderr"):
                if stream in delta:
                    lane = _open(item, f"o{number}{stream}", Surface.TOOL_RESULT)
                    self._add(frame, lane, delta, stream)
        else:
            for lane in item.lanes.values():
                if not lane.ended and lane.name.startswith(f"{item.group}/o{number}std"):
                    self._end(frame, lane, {}, "")
            reader = _reader()
            reader.structure(payload.get("output"), Surface.TOOL_RESULT, "output")
            self._add_leaves(frame, reader)

    # --- snapshots ---

    def _read_response(self, frame: ItemFrame, payload: dict[str, Any]) -> None:
        response = payload.get("response")
        if type(response) is not dict:
            return
        if self._learn is not None:
            self._read_echo(frame, response, self._learn)
        self.response = response
        self.id = string(response.get("id")) or self.id
        self.model = string(response.get("model")) or self.model
        output = response.get("output")
        if type(output) is list and output:
            self._read_calls(frame, output)
            self._read_snapshot(frame, output, self._opaque)

    def _read_calls(self, frame: ItemFrame, output: list[Any]) -> None:
        """Calls of a response that no event has told of: they are judged where they stand."""
        for index, node in enumerate(output):
            if type(node) is not dict or node.get("type") not in CALLS:
                continue
            if self._is_told(index, node):
                continue
            self._snapshots += 1
            item = Item(
                index,
                kind_of(node),
                string(node.get("id")),
                string(node.get("call_id")),
                depends_on(node),
                prefix=f"s{self._snapshots}/",
            )
            frame.untold.append((item, node))
            _identify(self._begin_call(frame, item), node)
            self._add_arguments(frame, item, call_of(node, "").arguments)
            self._end_item(frame, item)

    def _is_told(self, index: int, node: dict[str, Any]) -> bool:
        """Whether a call of a response repeats one that was streamed."""
        ids = {string(node.get("id")), string(node.get("call_id"))} - {""}
        name = call_of(node, "").name
        return any(
            item.call is not None
            and item.call.name == name
            and (at == index or bool(ids & {item.id, item.call_id}))
            for at, item in self.items.items()
        )

    def _read_echo(self, frame: ItemFrame, response: dict[str, Any], learn: Learn) -> None:
        """What a stored response repeats of its request; each event's copy is read by itself."""
        reader = _reader()
        read_echo(reader, response, "response")
        if "tools" in response:
            learn(ToolList(response, reader).declared)
        if reader.segments:
            self._leaves += 1
            frame.parts += leaf_parts(reader.segments, f"leaf{self._leaves}", "")

    def _read_closing(self, frame: ItemFrame, payload: dict[str, Any]) -> None:
        for item in self.items.values():
            if not item.ended:
                for node in objects(mapping(payload.get("response")).get("output")):
                    if item.resumed and item.id == node.get("id"):
                        self._take_whole(frame, item, node)
                self._end_item(frame, item)
        frame.items = self.items
        self._read_response(frame, payload)
        response = mapping(payload.get("response"))
        self.usage = usage_of(response) or self.usage
        self.finish = finish_of(response)
        self.finished = True
        frame.closing = True

    def _read_snapshot(self, frame: ItemFrame, nodes: list[Any], told: int | None) -> None:
        """Items as they stand in an event. So many of their unscannable parts were told before;
        None where a later copy of them will tell."""
        reader = _reader()
        for number in range(len(nodes)):
            reader.item(nodes, number, Surface.OUTPUT, "output")
        if told is not None:
            fresh = reader.unscannable[told:]
            frame.unscannable += tuple(fresh)
            self._opaque += len(fresh)
        self._add_leaves(frame, reader)

    def _add_leaves(self, frame: ItemFrame, reader: ItemReader) -> None:
        """Give every text that was not seen before lanes of its own."""
        fresh = [s for s in reader.segments if (s.surface, s.text) not in self._seen]
        if not fresh:
            return
        self._seen.update((s.surface, s.text) for s in fresh)
        self._leaves += 1
        item = frame.item
        sealed = item is not None and item.sealed
        for segment in fresh:
            segment.readonly |= sealed and segment.surface is Surface.REASONING
        group = item.group if item else ""
        frame.parts += leaf_parts(fresh, f"leaf{self._leaves}", group)

    def _read_unknown(self, frame: ItemFrame, kind: str, payload: dict[str, Any]) -> None:
        """An event without text of the model's, or one that this version does not know."""
        reader = _reader()
        if kind == "response.output_text.annotation.added":
            reader.structure(payload.get("annotation"), Surface.OUTPUT, "annotation")
        elif kind == "response.image_generation_call.partial_image":
            reader.opaque("image", Surface.OUTPUT, "partial_image")
        elif kind.endswith("audio.delta"):
            reader.opaque("audio", Surface.OUTPUT, "delta")
        elif kind != "error":
            reader.structure(payload, Surface.OUTPUT, "event")
            if kind.endswith(".delta"):  # a text in pieces: a match may lie across them
                reader.opaque("body", Surface.OUTPUT, "event")
        self._add_leaves(frame, reader)
        frame.unscannable += tuple(reader.unscannable)


def _reader() -> ItemReader:
    return ItemReader(JsonDocument(None, b""), read_arguments=False)


def _identify(call: ToolCall, node: dict[str, Any]) -> None:
    """Take a call's name and id from its item; the finished item is the last word."""
    read = call_of(node, call.key)
    call.id, call.name, call.hosted = read.id or call.id, read.name or call.name, read.hosted


def _lane(item: Item, kind: str, payload: dict[str, Any]) -> Lane:
    index, letter, surface = TEXT_DELTAS[kind]
    return _open(item, f"{letter}{payload.get(index, 0)}", surface)


def _open(item: Item, name: str, surface: Surface) -> Lane:
    lane = item.lanes.get(name)
    if lane is None:
        lane = item.lanes[name] = Lane(f"{item.group}/{name}", surface)
    return lane
