"""Small streams of the Responses API, made for the tests."""

from __future__ import annotations

from typing import Any

from tests.dialects.driving import sse

Parts = list[dict[str, Any]]


def response(status: str, output: list[Any], **extra: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": "gpt-x",
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
        **extra,
    }


USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 0},
    "output_tokens": 30,
    "output_tokens_details": {"reasoning_tokens": 10},
    "total_tokens": 130,
}


def message(index: int, *pieces: str) -> tuple[Parts, dict[str, Any]]:
    """Events of a message item, and the finished item."""
    where = {"item_id": f"msg_{index}", "output_index": index, "content_index": 0}
    whole = "".join(pieces)
    part = {"type": "output_text", "text": whole, "annotations": [], "logprobs": []}
    item = {
        "id": f"msg_{index}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }
    events: Parts = [
        _added(index, {**item, "status": "in_progress", "content": []}),
        {"type": "response.content_part.added", **where, "part": {**part, "text": ""}},
    ]
    events += [
        {"type": "response.output_text.delta", **where, "delta": piece, "logprobs": []}
        for piece in pieces
    ]
    events += [
        {"type": "response.output_text.done", **where, "text": whole, "logprobs": []},
        {"type": "response.content_part.done", **where, "part": part},
        _done(index, item),
    ]
    return events, item


def reasoning(index: int, *pieces: str, sealed: bool = False) -> tuple[Parts, dict[str, Any]]:
    where = {"item_id": f"rs_{index}", "output_index": index, "summary_index": 0}
    part = {"type": "summary_text", "text": "".join(pieces)}
    item: dict[str, Any] = {"id": f"rs_{index}", "type": "reasoning", "summary": [part]}
    if sealed:
        item["encrypted_content"] = "gAAAA"
    events: Parts = [
        _added(index, {**item, "summary": []}),
        {"type": "response.reasoning_summary_part.added", **where, "part": {**part, "text": ""}},
    ]
    events += [
        {"type": "response.reasoning_summary_text.delta", **where, "delta": piece}
        for piece in pieces
    ]
    events += [
        {"type": "response.reasoning_summary_text.done", **where, "text": part["text"]},
        {"type": "response.reasoning_summary_part.done", **where, "part": part},
        _done(index, item),
    ]
    return events, item


def call(index: int, name: str, *pieces: str) -> tuple[Parts, dict[str, Any]]:
    where = {"item_id": f"fc_{index}", "output_index": index}
    item = {
        "id": f"fc_{index}",
        "type": "function_call",
        "status": "completed",
        "call_id": f"call_{index}",
        "name": name,
        "arguments": "".join(pieces),
    }
    events: Parts = [_added(index, {**item, "status": "in_progress", "arguments": ""})]
    events += [
        {"type": "response.function_call_arguments.delta", **where, "delta": piece}
        for piece in pieces
    ]
    events += [
        {
            "type": "response.function_call_arguments.done",
            **where,
            "arguments": item["arguments"],
        },
        _done(index, item),
    ]
    return events, item


def whole(index: int, item: dict[str, Any], **start: Any) -> tuple[Parts, dict[str, Any]]:
    """An item that comes without deltas; `start` are fields of its first appearance."""
    return [_added(index, {**item, **start}), _done(index, item)], item


def stream(*items: tuple[Parts, dict[str, Any]], status: str = "completed", **extra: Any) -> bytes:
    """A numbered stream of items, from `created` to its closing event."""
    payloads: Parts = [
        {"type": "response.created", "response": response("in_progress", [])},
        {"type": "response.in_progress", "response": response("in_progress", [])},
    ]
    for events, _ in items:
        payloads += events
    output = [item for _, item in items]
    extra.setdefault("usage", USAGE)
    payloads.append({"type": f"response.{status}", "response": response(status, output, **extra)})
    return sse({**each, "sequence_number": number} for number, each in enumerate(payloads))


def _added(index: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def _done(index: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}
