"""What the Anthropic stream knows of its blocks, and the events that the gateway writes itself.

The events' shapes are those of "Streaming Messages" in the API's docs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.dialects.base import Frame, ToolCall, Usage
from gateway.dialects.sse import encode


@dataclass(slots=True)
class Block:
    """One content block. `index` is the provider's, `out` the caller's.

    `parent` is the id of the provider-run call that it hangs on, `whole` says that a call's
    input came with its start, `node` is set where the block came inside `message_start`.
    """

    lane: str
    index: int
    kind: str
    parent: str = ""
    node: dict[str, Any] | None = None
    id: str = ""
    call: ToolCall | None = None
    whole: bool = False
    out: int = -1
    removed: bool = False
    notice: str = ""
    arguments: str | None = None


@dataclass(slots=True)
class Written:
    """What of one message has been let through."""

    started: bool = False
    ended: bool = False  # its message_delta is written
    stopped: bool = False  # its message_stop is written
    open: Block | None = None
    next: int = 0  # the index of the next block
    dropped: int = 0
    calls: int = 0  # calls that the agent is to run
    removed_ids: set[str] = field(default_factory=set)
    notices: list[str] = field(default_factory=list)

    def drop(self, block: Block) -> None:
        """Leave a block out; what hangs on it will follow."""
        self.dropped += 1
        if block.id:
            self.removed_ids.add(block.id)
        if block.notice and block.notice not in self.notices:
            self.notices.append(block.notice)


@dataclass(slots=True)
class Message:
    """One message of the stream: the prefix of its lanes, and calls inside its start."""

    prefix: str
    prefilled: list[Block] = field(default_factory=list)


@dataclass(slots=True)
class BlockFrame(Frame):
    """A frame and the block it belongs to, None for what belongs to the message."""

    block: Block | None = None
    message: Message = field(default_factory=lambda: Message(""))


def _event(payload: dict[str, Any]) -> bytes:
    return encode(orjson.dumps(payload), payload["type"])


MESSAGE_STOP = _event({"type": "message_stop"})


def message_start(answer_id: str, model: str, usage: Usage | None) -> bytes:
    return _event(
        {
            "type": "message_start",
            "message": {
                "id": answer_id or "msg_portcullis",
                "type": "message",
                "role": "assistant",
                "model": model,
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": usage.input if usage else 0, "output_tokens": 0},
            },
        }
    )


def text_block(index: int, text: str) -> bytes:
    """A complete text block."""
    return (
        _event(
            {
                "type": "content_block_start",
                "index": index,
                "content_block": {"type": "text", "text": ""},
            }
        )
        + _event(
            {
                "type": "content_block_delta",
                "index": index,
                "delta": {"type": "text_delta", "text": text},
            }
        )
        + block_stop(index)
    )


def block_stop(index: int) -> bytes:
    return _event({"type": "content_block_stop", "index": index})


def arguments_delta(index: int, arguments: str) -> bytes:
    """All arguments of a call in one piece."""
    return _event(
        {
            "type": "content_block_delta",
            "index": index,
            "delta": {"type": "input_json_delta", "partial_json": arguments},
        }
    )


def message_delta(reason: str, usage: Usage | None) -> bytes:
    return _event(
        {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": None},
            "usage": {"output_tokens": usage.output if usage else 0},
        }
    )


def error(code: str, message: str) -> bytes:
    return _event(
        {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": message, "code": code},
        }
    )
