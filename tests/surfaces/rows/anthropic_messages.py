"""Anthropic's Messages."""

from __future__ import annotations

import json
from typing import Any

from gateway.dialects.base import Surface
from tests.surfaces.row import PROBE, Asked, Row, Told, body, sse

PATH = "/v1/messages"
HALF = len(PROBE) // 2
CUT = (PROBE[:HALF], PROBE[HALF:])
ARGUMENTS = json.dumps({"path": f"at {PROBE}"})
MIDDLE = ARGUMENTS.index(PROBE) + HALF
USER = {"role": "user", "content": "Go on"}
ONLY_NOW = "an answer holds only what the model says now, and what its provider's tools gave"
HOSTED = {"type": "mcp_tool_result", "tool_use_id": "m1", "is_error": False}
USE = {"type": "tool_use", "id": "t1", "name": "read", "input": {}}


def asked(*messages: Any, path: str = PATH, readonly: bool = False, **more: Any) -> Asked:
    sent = {"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": messages or (USER,), **more}
    return Asked(path, body(sent), readonly=readonly)


def turn(*blocks: Any, readonly: bool = False) -> Asked:
    """An earlier answer of the model, then a question."""
    return asked(USER, {"role": "assistant", "content": blocks}, USER, readonly=readonly)


def result(content: Any) -> Asked:
    block = {"type": "tool_result", "tool_use_id": "t1", "content": content}
    return asked(
        USER, {"role": "assistant", "content": [USE]}, {"role": "user", "content": [block]}
    )


def answered(*blocks: Any, readonly: bool = False) -> Told:
    message = {"id": "m1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5"}
    usage = {"input_tokens": 3, "output_tokens": 5}
    sent = {**message, "content": blocks, "stop_reason": "end_turn", "usage": usage}
    return Told(asked(), body(sent), readonly=readonly)


def streamed(block: Any, *deltas: Any, readonly: bool = False) -> Told:
    usage = {"input_tokens": 3, "output_tokens": 1}
    message = {"id": "m1", "type": "message", "role": "assistant", "content": [], "usage": usage}
    events = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 5},
        },
        {"type": "message_stop"},
    ]
    raw = sse(*events, named=True)
    return Told(asked(stream=True), raw, "text/event-stream", readonly=readonly)


ROW = Row(
    provider="anthropic",
    requests={
        Surface.SYSTEM: {
            "text": asked(system=f"Never say {PROBE}."),
            "blocks": asked(system=[{"type": "text", "text": PROBE}]),
        },
        Surface.USER: {
            "text": asked({"role": "user", "content": f"Hello {PROBE}"}),
            "blocks": asked({"role": "user", "content": [{"type": "text", "text": PROBE}]}),
            "counted": asked(
                {"role": "user", "content": PROBE}, path="/v1/messages/count_tokens?beta=true"
            ),
        },
        Surface.ASSISTANT: {"text": turn({"type": "text", "text": PROBE})},
        Surface.TOOL_CALL: {"input": turn({**USE, "input": {"path": PROBE}})},
        Surface.TOOL_RESULT: {
            "text": result(f"It says {PROBE}."),
            "blocks": result([{"type": "text", "text": PROBE}]),
            "hosted": turn({**HOSTED, "content": [{"type": "text", "text": PROBE}]}),
        },
        Surface.TOOL_DEFINITION: {
            "description": asked(tools=[{"name": "read", "description": PROBE, "input_schema": {}}])
        },
        Surface.REASONING: {
            "signed": turn(
                {"type": "thinking", "thinking": PROBE, "signature": "c2ln"}, readonly=True
            )
        },
    },
    answers={
        Surface.OUTPUT: {"text": answered({"type": "text", "text": f"It is {PROBE}."})},
        Surface.TOOL_CALL: {"input": answered({**USE, "input": {"path": PROBE}})},
        Surface.TOOL_RESULT: {
            "hosted": answered({**HOSTED, "content": [{"type": "text", "text": PROBE}]})
        },
        Surface.REASONING: {
            "signed": answered(
                {"type": "thinking", "thinking": PROBE, "signature": "c2ln"}, readonly=True
            )
        },
    },
    streams={
        Surface.OUTPUT: {
            "text": streamed(
                {"type": "text", "text": ""}, *({"type": "text_delta", "text": c} for c in CUT)
            )
        },
        Surface.TOOL_CALL: {
            "input": streamed(
                USE,
                *(
                    {"type": "input_json_delta", "partial_json": piece}
                    for piece in (ARGUMENTS[:MIDDLE], ARGUMENTS[MIDDLE:])
                ),
            )
        },
        Surface.TOOL_RESULT: {
            "hosted": streamed({**HOSTED, "content": [{"type": "text", "text": PROBE}]})
        },
        Surface.REASONING: {
            "signed": streamed(
                {"type": "thinking", "thinking": "", "signature": ""},
                *({"type": "thinking_delta", "thinking": c} for c in CUT),
                {"type": "signature_delta", "signature": "c2ln"},
                readonly=True,
            )
        },
    },
    lacks={
        "requests": {"output": "what the model said before is `assistant`"},
        "answers": dict.fromkeys(("system", "user", "assistant", "tool_definition"), ONLY_NOW),
        "streams": dict.fromkeys(("system", "user", "assistant", "tool_definition"), ONLY_NOW),
    },
)
