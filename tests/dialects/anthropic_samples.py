"""Small streams of the Messages API, made for the tests."""

from __future__ import annotations

from typing import Any

from tests.dialects.driving import sse


def start(**extra: Any) -> dict[str, Any]:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 1},
        **extra,
    }
    return {"type": "message_start", "message": message}


def text(index: int, *pieces: str) -> list[dict[str, Any]]:
    block = {"type": "text", "text": ""}
    deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
    return _block(index, block, deltas)


def thinking(index: int, *pieces: str) -> list[dict[str, Any]]:
    block = {"type": "thinking", "thinking": "", "signature": ""}
    deltas: list[dict[str, Any]] = [{"type": "thinking_delta", "thinking": p} for p in pieces]
    return _block(index, block, [*deltas, {"type": "signature_delta", "signature": "c2ln"}])


def tool(index: int, name: str, *pieces: str, kind: str = "tool_use") -> list[dict[str, Any]]:
    block = {"type": kind, "id": f"toolu_{index}", "name": name, "input": {}}
    return _block(index, block, [{"type": "input_json_delta", "partial_json": p} for p in pieces])


def result(index: int, of: int, content: Any, kind: str) -> list[dict[str, Any]]:
    return _block(index, {"type": kind, "tool_use_id": f"toolu_{of}", "content": content}, [])


def end(reason: str, output: int = 20) -> list[dict[str, Any]]:
    return [
        {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": None},
            "usage": {"output_tokens": output},
        },
        {"type": "message_stop"},
    ]


def stream(*parts: dict[str, Any] | list[dict[str, Any]]) -> bytes:
    payloads: list[dict[str, Any]] = []
    for part in parts:
        payloads += part if isinstance(part, list) else [part]
    return sse(payloads)


def _block(index: int, block: dict[str, Any], deltas: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]
