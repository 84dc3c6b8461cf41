"""Ollama's own API: chat, generate and embeddings, streamed as lines of JSON."""

from __future__ import annotations

import json
from typing import Any

from gateway.dialects.base import Surface
from tests.surfaces.row import PROBE, Asked, Row, Told, body

HALF = len(PROBE) // 2
CUT = (PROBE[:HALF], PROBE[HALF:])
LINES = "application/x-ndjson"
CALL = {"function": {"name": "read", "arguments": {"path": f"/a/{PROBE}"}}}
TOOL = {"type": "function", "function": {"name": "read", "description": f"Reads {PROBE}."}}
HELLO = {"role": "user", "content": "Hello"}


def chat(*messages: Any, **more: Any) -> Asked:
    return Asked("/api/chat", body({"model": "qwen3", "messages": messages or (HELLO,), **more}))


def turn(**message: Any) -> Asked:
    """An earlier answer of the model, then a question."""
    return chat(HELLO, {"role": "assistant", "content": "", **message}, HELLO)


def generate(**fields: Any) -> Asked:
    return Asked("/api/generate", body({"model": "qwen3", "prompt": "Hello", **fields}))


def embed(path: str, **fields: Any) -> Asked:
    return Asked(path, body({"model": "nomic-embed-text", **fields}))


def answered(**message: Any) -> Told:
    said = {"role": "assistant", "content": "", **message}
    return Told(chat(stream=False), body({"model": "qwen3", "message": said, "done": True}))


def generated(**fields: Any) -> Told:
    whole = {"model": "qwen3", "response": "", "done": True, **fields}
    return Told(generate(stream=False), body(whole))


def lines(*payloads: Any) -> bytes:
    return b"".join(json.dumps(payload).encode() + b"\n" for payload in payloads)


def streamed(*messages: Any) -> Told:
    told = [
        {"model": "qwen3", "message": {"role": "assistant", **message}, "done": False}
        for message in messages
    ]
    last = {"model": "qwen3", "message": {"role": "assistant", "content": ""}, "done": True}
    return Told(chat(), lines(*told, last), LINES)


def generating(*pieces: Any) -> Told:
    told = [{"model": "qwen3", "response": "", **piece, "done": False} for piece in pieces]
    last = {"model": "qwen3", "response": "", "done": True}
    return Told(generate(), lines(*told, last), LINES)


_ONLY_NOW = {
    surface.value: "an answer holds only what the model says now"
    for surface in Surface
    if surface not in (Surface.OUTPUT, Surface.REASONING, Surface.TOOL_CALL)
}

ROW = Row(
    provider="ollama",
    requests={
        Surface.SYSTEM: {
            "message": chat({"role": "system", "content": PROBE}, HELLO),
            "any_case": chat({"role": "System", "content": PROBE}, HELLO),
            "generate": generate(system=f"You say {PROBE}"),
            "template": generate(template="{{ .Prompt }} " + PROBE),
        },
        Surface.USER: {
            "message": chat({"role": "user", "content": f"Hello {PROBE}"}),
            "unknown_role": chat({"role": "guest", "content": PROBE}),
            "unknown_field": chat(x_note=PROBE),
            "stop": chat(options={"stop": [PROBE]}),
            "prompt": generate(prompt=PROBE),
            "suffix": generate(suffix=PROBE),
            "embed": embed("/api/embed", input=f"a {PROBE}"),
            "embed_list": embed("/api/embed", input=["a", PROBE]),
            "embeddings": embed("/api/embeddings", prompt=PROBE),
        },
        Surface.ASSISTANT: {"content": turn(content=PROBE)},
        Surface.TOOL_CALL: {"tool_calls": turn(tool_calls=[CALL])},
        Surface.TOOL_RESULT: {
            "tool": chat(HELLO, {"role": "tool", "tool_name": "read", "content": PROBE}),
        },
        Surface.TOOL_DEFINITION: {
            "tools": chat(tools=[TOOL]),
            "format": chat(format={"type": "object", "description": PROBE}),
            "generate_format": generate(format={"type": "object", "description": PROBE}),
        },
        Surface.REASONING: {"thinking": turn(content="Yes.", thinking=PROBE)},
    },
    answers={
        Surface.OUTPUT: {
            "content": answered(content=f"It is {PROBE}."),
            "response": generated(response=PROBE),
            "logprobs": generated(response=PROBE, logprobs=[{"token": PROBE, "logprob": -1}]),
            "unknown_field": answered(content="", x_note=PROBE),
        },
        Surface.TOOL_CALL: {
            "tool_calls": answered(tool_calls=[CALL]),
            "generate": generated(tool_calls=[CALL]),
        },
        Surface.REASONING: {
            "thinking": answered(content="Yes.", thinking=PROBE),
            "generate": generated(thinking=PROBE),
        },
    },
    streams={
        Surface.OUTPUT: {
            "content": streamed(*({"content": piece} for piece in CUT)),
            "response": generating(*({"response": piece} for piece in CUT)),
            "unknown_field": streamed(*({"content": "", "x_note": piece} for piece in CUT)),
        },
        Surface.TOOL_CALL: {
            "tool_calls": streamed({"content": "", "tool_calls": [CALL]}),
            "generate": generating({"tool_calls": [CALL]}),
        },
        Surface.REASONING: {
            "thinking": streamed(*({"content": "", "thinking": piece} for piece in CUT)),
            "generate": generating(*({"thinking": piece} for piece in CUT)),
        },
    },
    lacks={
        "requests": {"output": "what the model said before is `assistant`"},
        "answers": _ONLY_NOW,
        "streams": _ONLY_NOW,
    },
)
