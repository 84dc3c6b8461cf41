"""Chat completions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from gateway.dialects.base import Surface
from tests.surfaces.row import PROBE, Asked, Row, Told, body, sse

PATH = "/v1/chat/completions"
HALF = len(PROBE) // 2
CUT = (PROBE[:HALF], PROBE[HALF:])
ARGUMENTS = json.dumps({"path": f"at {PROBE}"})
MIDDLE = ARGUMENTS.index(PROBE) + HALF
FUNCTION = {"name": "read", "arguments": ARGUMENTS}
AS_OBJECT = {"name": "read", "arguments": {"path": f"/a/{PROBE}"}}


def asked(*messages: Any, readonly: bool = False, **more: Any) -> Asked:
    said = messages or ({"role": "user", "content": "Hello"},)
    return Asked(PATH, body({"model": "gpt-4o", "messages": said, **more}), readonly=readonly)


def turn(**message: Any) -> Asked:
    """An earlier answer of the model, then a result or a question."""
    user = {"role": "user", "content": "Go on"}
    return asked(user, {"role": "assistant", "content": None, **message}, user)


def answered(**message: Any) -> Told:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return Told(asked(), body({"id": "c1", "model": "gpt-4o", "choices": [choice]}))


def streamed(*deltas: Any) -> Told:
    chunks = [{"id": "c1", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    last = {"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return Told(asked(stream=True), sse(*chunks, last, "[DONE]"), "text/event-stream")


def told_readonly(*deltas: Any) -> Told:
    """A stream in which rules may see the probe, but never rewrite it."""
    return replace(streamed(*deltas), readonly=True)


def call(**function: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": 0, "id": "t1", "type": "function", "function": function}]}


TOOL = {"type": "function", "function": {"name": "read", "description": f"Reads {PROBE}."}}
RESULT = {"role": "tool", "tool_call_id": "t1", "content": f"It says {PROBE}."}
CALLED = {"id": "t1", "type": "function", "function": {"name": "read", "arguments": "{}"}}

ROW = Row(
    provider="openai",
    requests={
        Surface.SYSTEM: {
            "system": asked({"role": "system", "content": PROBE}),
            "developer": asked({"role": "developer", "content": [{"type": "text", "text": PROBE}]}),
        },
        Surface.USER: {
            "text": asked({"role": "user", "content": f"Hello {PROBE}"}),
            "parts": asked({"role": "user", "content": [{"type": "text", "text": PROBE}]}),
            "unknown_role": asked({"role": "guest", "content": PROBE}),
            "unknown_field": asked(x_note=f"see {PROBE}"),
        },
        Surface.ASSISTANT: {
            "content": turn(content=PROBE),
            "refusal": turn(refusal=f"I do not say {PROBE}"),
        },
        Surface.TOOL_CALL: {
            "tool_calls": turn(tool_calls=[{"id": "t1", "type": "function", "function": FUNCTION}]),
            "function_call": turn(function_call=FUNCTION),
            "object_arguments": turn(tool_calls=[{"id": "t1", "function": AS_OBJECT}]),
        },
        Surface.TOOL_RESULT: {
            "tool": asked(
                {"role": "user", "content": "Go on"},
                {"role": "assistant", "content": None, "tool_calls": [CALLED]},
                RESULT,
            ),
            "function": asked({"role": "function", "name": "read", "content": PROBE}),
        },
        Surface.TOOL_DEFINITION: {
            "tools": asked(tools=[TOOL]),
            "functions": asked(functions=[{"name": "read", "description": PROBE}]),
        },
        Surface.REASONING: {"reasoning_content": turn(content="Yes.", reasoning_content=PROBE)},
    },
    answers={
        Surface.OUTPUT: {
            "content": answered(content=f"It is {PROBE}."),
            "refusal": answered(content=None, refusal=PROBE),
            "parts": answered(content=[{"type": "text", "text": PROBE}]),
        },
        Surface.TOOL_CALL: {
            "object_arguments": answered(
                content="", tool_calls=[{"id": "t1", "function": AS_OBJECT}]
            ),
            "tool_calls": answered(
                content=None, tool_calls=[{"id": "t1", "type": "function", "function": FUNCTION}]
            ),
            "function_call": answered(content=None, function_call=FUNCTION),
        },
        Surface.REASONING: {
            "reasoning_content": answered(content="Yes.", reasoning_content=PROBE),
            "parts": replace(
                answered(content=[{"type": "thinking", "thinking": [{"text": PROBE}]}]),
                readonly=True,
            ),
        },
    },
    streams={
        Surface.OUTPUT: {
            "content": streamed(
                {"role": "assistant", "content": ""}, *({"content": c} for c in CUT)
            ),
            "refusal": streamed(*({"refusal": c} for c in CUT)),
            "parts": streamed(*({"content": [{"type": "text", "text": c}]} for c in CUT)),
        },
        Surface.TOOL_CALL: {
            "object_arguments": streamed(call(**AS_OBJECT)),
            "tool_calls": streamed(
                call(name="read", arguments=""),
                *(
                    {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
                    for piece in (ARGUMENTS[:MIDDLE], ARGUMENTS[MIDDLE:])
                ),
            ),
        },
        Surface.REASONING: {
            "reasoning_content": streamed(*({"reasoning_content": c} for c in CUT)),
            "reasoning": streamed(*({"reasoning": c} for c in CUT)),
            "parts": told_readonly(
                *({"content": [{"type": "thinking", "thinking": [{"text": c}]}]} for c in CUT)
            ),
        },
    },
    lacks={
        "requests": {"output": "what the model said before is `assistant`"},
        "answers": dict.fromkeys(
            ("system", "user", "assistant", "tool_result", "tool_definition"),
            "an answer holds only what the model says now",
        ),
        "streams": dict.fromkeys(
            ("system", "user", "assistant", "tool_result", "tool_definition"),
            "an answer holds only what the model says now",
        ),
    },
)
