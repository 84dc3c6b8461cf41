"""What a Responses stream knows of its items, and the events that the gateway writes itself.

The events' shapes are those of "Streaming events" in the API's reference.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.dialects.base import Frame, Part, Surface, ToolCall
from gateway.dialects.jsondoc import dumps
from gateway.dialects.sse import encode


@dataclass(slots=True)
class Lane:
    """One text that grows: what came of it, and what was let through."""

    name: str
    surface: Surface
    came: list[str] = field(default_factory=list)
    went: list[str] = field(default_factory=list)
    edited: bool = False
    ended: bool = False


@dataclass(slots=True)
class LanePart(Part):
    """A piece of a lane's text, which stands in `holder[key]` of the frame's payload."""

    holder: Any = None
    key: Any = None
    of: Lane | None = None


@dataclass(slots=True)
class Item:
    """One output item. `index` is the provider's; `initial` the arguments its start had.

    `parent` is the `call_id` of the provider-run call that it hangs on. `sealed` reasoning
    goes with an encrypted copy of itself and is not rewritten. `resumed`: its beginning was in a
    part of the stream that was not asked for, so its pieces are not the whole.
    """

    index: int
    kind: str
    id: str = ""
    call_id: str = ""
    parent: str = ""
    sealed: bool = False
    call: ToolCall | None = None
    initial: str = ""
    pieces: list[str] = field(default_factory=list)
    lanes: dict[str, Lane] = field(default_factory=dict)
    ended: bool = False
    written: bool = False
    removed: bool = False
    notice: str = ""
    arguments: str | None = None
    resumed: bool = False
    sent: bool = False  # the replaced arguments have left
    prefix: str = ""  # of its lanes, from the second response of a stream on

    @property
    def group(self) -> str:
        return f"{self.prefix}{self.index}"

    @property
    def lane(self) -> str:
        return f"{self.prefix}{self.index}/call"

    @property
    def judged(self) -> str:
        """The arguments that were let through: as the provider streamed them, or others."""
        return "".join(self.pieces) if self.arguments is None else self.arguments


@dataclass(slots=True)
class ItemFrame(Frame):
    """A frame, the item it belongs to, and the lanes that end with it.

    `items` are all of the response, where the frame closes it. `untold` are calls that only this
    frame's snapshot has, each with its node there.
    """

    item: Item | None = None
    ends: list[Lane] = field(default_factory=list)
    items: dict[int, Item] = field(default_factory=dict)
    untold: list[tuple[Item, Any]] = field(default_factory=list)


def event(payload: dict[str, Any], sequence: int | None) -> bytes:
    """One event; numbered where the provider numbers its own."""
    if sequence is not None:
        payload["sequence_number"] = sequence
    return encode(dumps(payload), payload["type"])


def notice_events(item: dict[str, Any], index: int, sequence: int | None) -> tuple[bytes, int]:
    """A whole message item as the events that build it up, and how many they are."""
    part = item["content"][0]
    where = {"item_id": item["id"], "output_index": index, "content_index": 0}
    bare = {**item, "status": "in_progress", "content": []}
    payloads: list[dict[str, Any]] = [
        {"type": "response.output_item.added", "output_index": index, "item": bare},
        {"type": "response.content_part.added", **where, "part": {**part, "text": ""}},
        {"type": "response.output_text.delta", **where, "delta": part["text"], "logprobs": []},
        {"type": "response.output_text.done", **where, "text": part["text"], "logprobs": []},
        {"type": "response.content_part.done", **where, "part": part},
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]
    events = [
        event(payload, None if sequence is None else sequence + number)
        for number, payload in enumerate(payloads)
    ]
    return b"".join(events), len(events)


def failed(response: dict[str, Any], message: str, output: list[Any]) -> dict[str, Any]:
    """The closing event of a stream that is stopped.

    `invalid_prompt` is the one code on which Codex neither retries nor hides the message
    (measured; see docs/dialects-responses.md).
    """
    return {
        "type": "response.failed",
        "response": {
            **response,
            "status": "failed",
            "error": {"code": "invalid_prompt", "message": message},
            "output": output,
        },
    }


def skeleton(answer_id: str, model: str) -> dict[str, Any]:
    """A response object, for a stream that is stopped before the provider's was seen."""
    return {
        "id": answer_id or "resp_portcullis",
        "object": "response",
        "created_at": 0,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
