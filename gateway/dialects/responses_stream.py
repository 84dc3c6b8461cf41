"""A streamed answer of the Responses API: what was decided is applied while frames are written.

Rules of this file:
- Snapshots agree with what was let through: texts and arguments that were replaced are
  replaced in every later repetition, calls that were removed are missing from it.
- A text that was changed loses its annotations and log probabilities: they point into it.
- Where events were dropped or added, later ones are numbered anew; else nothing is touched.
"""

from __future__ import annotations

from typing import Any

from gateway.dialects import responses_events as events
from gateway.dialects.base import AnswerStream, Event, Frame, Surface
from gateway.dialects.jsondoc import JsonDocument, dumps, loads_lenient
from gateway.dialects.leaf_parts import RawFrame, apply_leaves, write_raw
from gateway.dialects.reading import string
from gateway.dialects.responses_answer import notice_item, set_arguments
from gateway.dialects.responses_event_names import (
    ARGUMENT_DELTAS,
    ARGUMENT_DONE,
    PROGRESS,
    TEXT_DONE,
)
from gateway.dialects.responses_events import Item, ItemFrame, LanePart
from gateway.dialects.responses_items import CALLS, ItemReader, field_of
from gateway.dialects.responses_reading import Learn, ResponsesReader
from gateway.dialects.sse import encode

_COMPLETE = frozenset({"response.completed", "response.incomplete"})


class ResponsesStream(AnswerStream):
    """See the rules above, and `docs/dialects-responses.md` for how a stream is ended."""

    def __init__(
        self, *, sealed: bool = False, learn: Learn | None = None, resumable: bool = False
    ) -> None:
        """`sealed` and `learn`: see `ResponsesReader`. `resumable`: the numbers of events stay as
        they are, for the caller may go on from one of them (`starting_after`)."""
        super().__init__()
        self._reader = ResponsesReader(sealed=sealed, learn=learn)
        self._resumable = resumable
        self._swaps: dict[tuple[Surface, str], str] = {}  # texts that were let through otherwise
        self._begun = False
        self._start_over()

    def _start_over(self) -> None:
        """A response begins: what was written of the one before no longer counts."""
        self._done: list[Any] = []  # finished items as they were let through
        self._gone: list[int] = []  # the provider's indexes of what was removed
        self._gone_ids: set[str] = set()
        self._notices: list[str] = []
        self._calls = 0  # calls let through that the agent is to run
        self._next = 0  # the index of the next item
        self._shift = 0  # events added less events dropped
        self._sequence: int | None = None  # the number of the event written last
        self._closed = False

    def read(self, event: Event) -> Frame:
        reader = self._reader
        frame = reader.read(event)
        self.id, self.model = reader.id, reader.model
        if frame.closing:
            self.usage, self.finish, self.finished = reader.usage, reader.finish, True
        return frame

    # --- deciding ---

    def remove_tool(self, lane: str, notice: str) -> None:
        item = self._reader.calls[lane]
        item.removed = True
        item.notice = notice

    def replace_arguments(self, lane: str, arguments: str) -> None:
        self._reader.calls[lane].arguments = arguments

    # --- writing ---

    def write(self, frame: Frame) -> bytes:
        if not isinstance(frame, ItemFrame):
            return write_raw(frame) if isinstance(frame, RawFrame) else frame.event.raw
        payload: dict[str, Any] = frame.payload
        kind = string(payload.get("type"))
        if kind == "response.created" and self._begun:
            self._start_over()
        item = frame.item
        if item is not None:
            if not item.written:
                self._begin_item(item)
            if item.removed:
                self._shift -= "sequence_number" in payload
                return b""
        changed = self._carry(frame)
        if frame.untold:
            changed |= self._settle_untold(frame)
        if item is not None and item.call is not None:
            if item.arguments is not None and self._drops(item, kind):
                self._shift -= "sequence_number" in payload
                return b""
            changed |= self._set_arguments(frame, item, kind)
        changed |= self._mend(kind, frame)
        head = b""
        if frame.closing:
            head, closing_changed = self._close(kind, frame)
            changed |= closing_changed
        if kind == "response.output_item.done":
            self._done.append(payload.get("item"))
        return head + self._number(frame, changed)

    def _begin_item(self, item: Item) -> None:
        """The first frame of an item is let through, or is not."""
        item.written = True
        if item.parent and item.parent in self._gone_ids:
            item.removed = True
        if item.removed:
            self._gone.append(item.index)
            self._gone_ids |= {item.id, item.call_id} - {""}
            if item.notice and item.notice not in self._notices:
                self._notices.append(item.notice)
        else:
            self._next = max(self._next, self._out_index(item.index) + 1)
            self._calls += item.call is not None and not item.call.hosted

    def _out_index(self, index: int) -> int:
        return index - sum(gone < index for gone in self._gone)

    def _number(self, frame: ItemFrame, changed: bool) -> bytes:
        """Give an event its numbers, and its bytes."""
        payload = frame.payload
        self._begun = True
        sequence = payload.get("sequence_number")
        if type(sequence) is int:
            shift = 0 if self._resumable else self._shift
            self._sequence = sequence + shift
            if shift:
                payload["sequence_number"] = self._sequence
                changed = True
        index = payload.get("output_index")
        if self._gone and type(index) is int:
            payload["output_index"] = self._out_index(index)
            changed = True
        if not changed:
            return frame.event.raw
        return encode(dumps(payload), frame.event.name)

    # --- texts ---

    def _carry(self, frame: ItemFrame) -> bool:
        """Put replaced texts into the payload, and remember what was let through of a lane."""
        for part in frame.parts:
            if type(part) is LanePart and part.of is not None:
                part.of.went.append(part.text)
                if part.text != part.holder[part.key]:
                    part.of.edited = True
                    part.holder[part.key] = part.text
                    _drop_pointers(part.holder)
        if frame.changed:
            for surface, before, after in apply_leaves(frame.parts):
                self._swaps[surface, before] = after
        for lane in frame.ends:
            if lane.edited:
                self._swaps[lane.surface, "".join(lane.came)] = "".join(lane.went)
        return frame.changed

    def _mend(self, kind: str, frame: ItemFrame) -> bool:
        """Replace in a snapshot what was let through otherwise."""
        if not self._swaps:
            return False
        payload = frame.payload
        if kind in TEXT_DONE:
            field = TEXT_DONE[kind][1]
            return self._swap_field(payload, field)
        nodes: list[Any] = []
        if kind == "response.output_item.done":
            nodes = [payload.get("item")]
        elif "part" in payload and kind.endswith(".done"):
            item_kind = frame.item.kind if frame.item else "message"
            nodes = [{"type": item_kind, "role": "assistant", "content": [payload["part"]]}]
        elif type(payload.get("response")) is dict:
            nodes = payload["response"].get("output") or []
        elif kind.startswith("response.shell_call_output_content."):
            nodes = [{"type": "shell_call_output", "output": payload.get("output")}]
        return self._swap(nodes)

    def _swap_field(self, holder: dict[str, Any], field: str) -> bool:
        whole = holder.get(field)
        for surface in (Surface.OUTPUT, Surface.REASONING):
            new = self._swaps.get((surface, whole)) if type(whole) is str else None
            if new is not None:
                holder[field] = new
                _drop_pointers(holder)
                return True
        return False

    def _swap(self, nodes: list[Any]) -> bool:
        reader = ItemReader(JsonDocument(None, b""), read_arguments=False)
        for number in range(len(nodes)):
            reader.item(nodes, number, Surface.OUTPUT, "")
        changed = False
        for segment in reader.segments:
            new = self._swaps.get((segment.surface, segment.text))
            if new is not None:
                segment.replace(new)
                changed = True
                _drop_pointers(segment.holder)
        return changed

    # --- arguments ---

    @staticmethod
    def _drops(item: Item, kind: str) -> bool:
        """Whether an event holds a piece of arguments that were let through otherwise."""
        return kind in PROGRESS or (kind in ARGUMENT_DELTAS and item.sent)

    def _set_arguments(self, frame: ItemFrame, item: Item, kind: str) -> bool:
        """Put a call's arguments, as they were judged, into an event of its item."""
        payload = frame.payload
        if kind in ARGUMENT_DELTAS:
            if item.arguments is None:
                return False
            item.sent = True
            payload["delta"] = item.arguments
            return True
        if not item.ended:
            return False
        if kind in ARGUMENT_DONE:
            field = ARGUMENT_DONE[kind]
            changed: bool = payload.get(field) != item.judged
            payload[field] = item.judged
            return changed
        node = payload.get("item")
        if type(node) is not dict or node.get("type") not in CALLS:
            return False
        if kind == "response.output_item.added" and item.arguments is None:
            value = node.get(field_of(node))
            if type(value) is not str or not value:
                return False  # a start that is still without arguments
        return _align(node, item.judged)

    def _settle_untold(self, frame: ItemFrame) -> bool:
        """Apply what was decided of calls that only this snapshot has."""
        changed = False
        for item, node in frame.untold:
            self._begin_item(item)
            if item.removed:
                response = frame.payload["response"]
                response["output"] = [each for each in response["output"] if each is not node]
                changed = True
            else:
                changed |= _align(node, item.judged)
        return changed

    # --- closing ---

    def _close(self, kind: str, frame: ItemFrame) -> tuple[bytes, bool]:
        """Bring the closing snapshot in line; add the notice where no call is left."""
        self._closed = True
        payload = frame.payload
        response = payload.get("response")
        output = response.get("output") if type(response) is dict else None
        if type(response) is not dict or type(output) is not list:
            return b"", False
        items = [item for _, item in sorted(frame.items.items())]
        kept = self._kept(output, items)
        changed = len(kept) != len(output)
        untold = [node for _, node in frame.untold]
        repeated = [node for node in kept if not any(node is each for each in untold)]
        changed |= self._align_calls(repeated, items)
        head = b""
        if self._notices and not self._calls and kind in _COMPLETE:
            item = notice_item(self.id, " ".join(self._notices))
            sequence = payload.get("sequence_number")
            start = sequence + self._shift if type(sequence) is int else None
            head, count = events.notice_events(item, self._next, start)
            self._shift += count if start is not None else 0
            kept.append(item)
            changed = True
        if changed:
            response["output"] = kept
        return head, changed

    def _kept(self, output: list[Any], items: list[Item]) -> list[Any]:
        """The closing snapshot's items without those that were removed."""
        if not self._gone:
            return output
        if len(items) == len(output):
            return [node for node, item in zip(output, items, strict=True) if not item.removed]
        return [
            node
            for node in output
            if type(node) is not dict
            or not self._gone_ids & {string(node.get("id")), string(node.get("call_id"))}
        ]

    @staticmethod
    def _align_calls(nodes: list[Any], items: list[Item]) -> bool:
        """Give the calls of the closing snapshot the arguments that were let through."""
        judged = [item for item in items if item.call is not None and not item.removed]
        changed = False
        for node in nodes:
            if type(node) is dict and node.get("type") in CALLS and judged:
                changed |= _align(node, _match(node, judged).judged)
        return changed

    # --- stopping ---

    def stop(self, code: str, message: str) -> bytes:
        """`response.failed` with the message, carrying what was let through so far."""
        if self._closed:
            return b""
        self._closed = True
        self.finish = "failed"
        response = self._reader.response or events.skeleton(self.id, self.model)
        head = b""
        if not self._begun:
            created = {"type": "response.created", "response": {**response, "output": []}}
            self._sequence = 0
            head = events.event(created, 0)
        sequence = None if self._sequence is None else self._sequence + 1
        return head + events.event(events.failed(response, message, self._done), sequence)


def _drop_pointers(holder: Any) -> None:
    """Log probabilities and annotations of a text that is another one now."""
    if type(holder) is dict:
        for name in ("logprobs", "annotations"):
            if holder.get(name):
                holder[name] = []


def _align(node: dict[str, Any], judged: str) -> bool:
    """Give a call's item the judged arguments; False where it has them."""
    value = node.get(field_of(node))
    if not judged or value == judged:
        return False
    if type(value) is not str and value is not None and value == loads_lenient(judged):
        return False
    set_arguments(node, judged)
    return True


def _match(node: dict[str, Any], items: list[Item]) -> Item:
    """Take the item of the stream that a node of the closing snapshot repeats off the list."""
    for number, item in enumerate(items):
        if (item.call_id and item.call_id == node.get("call_id")) or (
            item.id and item.id == node.get("id")
        ):
            return items.pop(number)
    return items.pop(0)
