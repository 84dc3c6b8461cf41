"""A provider that keeps things: responses, conversations, chat completions, files, batches.

What an id is called decides what is kept under it: `..._word` holds a secret word, `..._call` a
call of a dangerous tool.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from gateway.testing.provider import Raw, Seen

WORD = "swordfish"
SAID = {"word": f"The word is {WORD}.", "clean": "All is well."}


def message(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }


CALL = {
    "id": "fc_1",
    "type": "function_call",
    "call_id": "call_1",
    "name": "delete_table",
    "arguments": '{"table": "t"}',
    "status": "completed",
}


def response(name: str, **more: Any) -> dict[str, Any]:
    what = name.rpartition("_")[2]
    made = {
        "id": name,
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "gpt-4o-mini",
        "output": [CALL] if what == "call" else [message(SAID.get(what, SAID["clean"]))],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "instructions": None,
        "metadata": {},
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 15,
        },
    }
    return {**made, **more}


def stream(name: str, after: int) -> bytes:
    """The events of a stored response behind number `after`."""
    whole = response(name)
    item = whole["output"][0]
    bare = {**item, "status": "in_progress"}
    where = {"output_index": 0, "item_id": item["id"]}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**whole, "output": [], "usage": None}},
    ]
    if item["type"] == "message":
        part, text = item["content"][0], item["content"][0]["text"]
        where["content_index"] = 0
        events += [
            {
                "type": "response.output_item.added",
                "output_index": 0,
                "item": bare | {"content": []},
            },
            {"type": "response.content_part.added", **where, "part": part | {"text": ""}},
            *(
                {"type": "response.output_text.delta", **where, "delta": text[at : at + 6]}
                for at in range(0, len(text), 6)
            ),
            {"type": "response.output_text.done", **where, "text": text},
            {"type": "response.content_part.done", **where, "part": part},
        ]
    else:
        kind = "response.function_call_arguments"
        events += [
            {
                "type": "response.output_item.added",
                "output_index": 0,
                "item": bare | {"arguments": ""},
            },
            {"type": f"{kind}.delta", **where, "delta": item["arguments"]},
            {"type": f"{kind}.done", **where, "arguments": item["arguments"]},
        ]
    events += [
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': n})}\n\n".encode()
        for n, event in enumerate(events)
        if n > after
    )


def completion(name: str) -> dict[str, Any]:
    said = {"role": "assistant", "content": SAID.get(name.rpartition("_")[2], SAID["clean"])}
    return {
        "id": name,
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": said, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def listed(*items: dict[str, Any]) -> dict[str, Any]:
    return {
        "object": "list",
        "data": list(items),
        "first_id": "a",
        "last_id": "b",
        "has_more": False,
    }


def lines(*items: Any) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def asked(text: str) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {"id": "msg_0", "type": "message", "role": "user", "content": content}


def batch_file(name: str) -> bytes:
    """Results of a batch of OpenAI's: one that says the word, one that is harmless."""
    del name
    return lines(
        *(
            {
                "id": f"batch_req_{n}",
                "custom_id": str(n),
                "response": {"status_code": 200, "request_id": "r", "body": completion(each)},
                "error": None,
            }
            for n, each in enumerate(("c_word", "c_clean"))
        )
    )


def claude(text: str) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 4},
    }


def message_batch(url: str) -> dict[str, Any]:
    counts = dict.fromkeys(("processing", "canceled", "errored", "expired"), 0)
    return {
        "id": "msgbatch_1",
        "type": "message_batch",
        "processing_status": "ended",
        "request_counts": {**counts, "succeeded": 2},
        "created_at": "2026-11-21T00:00:00Z",
        "expires_at": "2026-11-22T00:00:00Z",
        "ended_at": "2026-11-21T01:00:00Z",
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": f"{url}/v1/messages/batches/msgbatch_1/results",
    }


class Keeper:
    """The provider's script. `url` is its own address, which it puts into batch objects."""

    def __init__(self) -> None:
        self.url = ""

    def __call__(self, seen: Seen) -> Raw:
        path, _, query = seen.path.partition("?")
        parts = path.removeprefix("/v1/").split("/")
        if parts[0] == "responses" and "stream=true" in query:
            after = int(dict(parse_qsl(query)).get("starting_after", -1))
            body = stream(parts[1], after)
            return Raw(pieces=(body,), content_type="text/event-stream")
        read: Callable[[list[str], Seen], Any] = getattr(self, f"_{parts[0]}")
        made = read(parts[1:], seen)
        if isinstance(made, bytes):
            return Raw(pieces=(made,), content_type="application/octet-stream")
        return Raw(pieces=(json.dumps(made).encode(),))

    def _responses(self, rest: list[str], seen: Seen) -> Any:
        if not rest:
            queued = {"status": "queued", "background": True, "output": [], "usage": None}
            return response("resp_later", **queued)
        if rest[1:] == ["input_items"]:
            return listed(asked(SAID.get(rest[0].rpartition("_")[2], "Hello")))
        status = "cancelled" if rest[1:] == ["cancel"] else "completed"
        return response(rest[0], status=status)

    def _conversations(self, rest: list[str], seen: Seen) -> Any:
        if rest[1:2] == ["items"]:
            return listed(asked(SAID.get(rest[0].rpartition("_")[2], "Hello")))
        return {"id": "conv_1", "object": "conversation", "created_at": 1, "metadata": {}}

    def _chat(self, rest: list[str], seen: Seen) -> Any:
        if rest[2:] == ["messages"]:
            text = SAID.get(rest[1].rpartition("_")[2], "Hello")
            return listed({"id": "m1", "role": "user", "content": text, "content_parts": None})
        return completion(rest[1])

    def _files(self, rest: list[str], seen: Seen) -> Any:
        if rest[1:] == ["content"]:
            return batch_file(rest[0])
        kept = {"bytes": len(seen.body), "created_at": 1, "filename": "in.jsonl"}
        return {"id": "file-1", "object": "file", "purpose": "batch", "status": "ok", **kept}

    def _batches(self, rest: list[str], seen: Seen) -> Any:
        return {
            "id": "batch_1",
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "input_file_id": "file-1",
            "completion_window": "24h",
            "status": "completed",
            "output_file_id": "file-2",
            "created_at": 1,
        }

    def _messages(self, rest: list[str], seen: Seen) -> Any:
        if rest[2:] == ["results"]:
            return lines(
                *(
                    {"custom_id": name, "result": {"type": "succeeded", "message": claude(text)}}
                    for name, text in SAID.items()
                )
            )
        return message_batch(self.url)
