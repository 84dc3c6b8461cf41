"""Answers as the providers give them, for the fake provider: whole and as event streams.

Shapes follow the providers' public API references (OpenAI chat completions, legacy completions,
responses and embeddings; Anthropic messages; Ollama), as the recorded exchanges in the project's
test data show them, where they have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool call that the fake model makes. `arguments` is JSON text.

    `namespace` is where a Responses request declared it: Codex puts each MCP server into one.
    """

    name: str
    arguments: str = "{}"
    id: str = "call_1"
    namespace: str = ""


@dataclass(slots=True)
class Say:
    """What the fake model answers.

    `pieces` are the deltas of a stream; a whole answer joins them. `usage` is
    (input tokens, output tokens).
    """

    pieces: Sequence[str] = ("Hello", " there.")
    tools: Sequence[Tool] = ()
    usage: tuple[int, int] = (12, 5)
    model: str = "gpt-4o-mini-2024-07-18"
    reasoning: Sequence[str] = ()
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def sse(payloads: Iterable[dict[str, Any]], *, named: bool) -> list[bytes]:
    """Events; `named` puts each payload's `type` in an `event:` line."""
    return [
        (f"event: {p['type']}\n" if named else "").encode() + b"data: " + orjson.dumps(p) + b"\n\n"
        for p in payloads
    ]


# --- OpenAI chat completions ---


def chat(say: Say) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": say.text or None, "refusal": None}
    if say.tools:
        message["tool_calls"] = [
            {"id": t.id, "type": "function", "function": {"name": t.name, "arguments": t.arguments}}
            for t in say.tools
        ]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": say.model,
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": "tool_calls" if say.tools else "stop",
            }
        ],
        "usage": _chat_usage(say),
    }


def chat_stream(say: Say, *, usage: bool) -> list[bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        made: dict[str, Any] = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": say.model,
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
        }
        if usage:
            made["usage"] = None
        return made

    chunks = [chunk({"role": "assistant", "content": ""})]
    chunks += [chunk({"content": piece}) for piece in say.pieces]
    for index, tool in enumerate(say.tools):
        function = {"name": tool.name, "arguments": ""}
        start = {"index": index, "id": tool.id, "type": "function", "function": function}
        chunks.append(chunk({"tool_calls": [start]}))
        for piece in _cut(tool.arguments):
            chunks.append(
                chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
            )
    chunks.append(chunk({}, "tool_calls" if say.tools else "stop"))
    if usage:
        chunks.append({**chunk({}), "choices": [], "usage": _chat_usage(say)})
    return [*sse(chunks, named=False), b"data: [DONE]\n\n"]


def _chat_usage(say: Say) -> dict[str, Any]:
    asked, given = say.usage
    return {
        "prompt_tokens": asked,
        "completion_tokens": given,
        "total_tokens": asked + given,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


# --- OpenAI responses and embeddings ---


def responses(say: Say, *, output: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    asked, given = say.usage
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": say.model,
        "output": _items(say) if output is None else output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": given,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + given,
        },
    }


def _items(say: Say) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if say.text:
        part = {"type": "output_text", "text": say.text, "annotations": [], "logprobs": []}
        items.append(
            {
                "id": "msg_1",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [part],
            }
        )
    items += [
        {
            "id": f"fc_{number}",
            "type": "function_call",
            "status": "completed",
            "call_id": tool.id,
            "name": tool.name,
            "arguments": tool.arguments,
            **({"namespace": tool.namespace} if tool.namespace else {}),
        }
        for number, tool in enumerate(say.tools)
    ]
    return items


def responses_stream(say: Say) -> list[bytes]:
    begun = {**responses(say, output=[]), "status": "in_progress", "usage": None}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(_items(say)):
        if item["type"] == "message":
            events += _message_events(index, item, say)
        else:
            events += _call_events(index, item)
    events.append({"type": "response.completed", "response": responses(say)})
    numbered = [{**event, "sequence_number": n} for n, event in enumerate(events)]
    return sse(numbered, named=True)


def _message_events(index: int, item: dict[str, Any], say: Say) -> list[dict[str, Any]]:
    at = {"item_id": item["id"], "output_index": index, "content_index": 0}
    part = item["content"][0]
    empty = {**part, "text": ""}
    return [
        {
            "type": "response.output_item.added",
            "output_index": index,
            "item": {**item, "status": "in_progress", "content": []},
        },
        {"type": "response.content_part.added", **at, "part": empty},
        *(
            {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
            for piece in say.pieces
        ),
        {"type": "response.output_text.done", **at, "text": say.text, "logprobs": []},
        {"type": "response.content_part.done", **at, "part": part},
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def _call_events(index: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    at = {"item_id": item["id"], "output_index": index}
    return [
        {
            "type": "response.output_item.added",
            "output_index": index,
            "item": {**item, "status": "in_progress", "arguments": ""},
        },
        *(
            {"type": "response.function_call_arguments.delta", **at, "delta": piece}
            for piece in _cut(item["arguments"])
        ),
        {
            "type": "response.function_call_arguments.done",
            **at,
            "arguments": item["arguments"],
            "name": item["name"],
        },
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def embeddings(say: Say, count: int) -> dict[str, Any]:
    asked = say.usage[0]
    return {
        "object": "list",
        "model": say.model,
        "data": [
            {"object": "embedding", "index": n, "embedding": [0.1, 0.2, 0.3]} for n in range(count)
        ],
        "usage": {"prompt_tokens": asked, "total_tokens": asked},
    }


# --- OpenAI legacy completions ---


def completions(say: Say) -> dict[str, Any]:
    choice = {"index": 0, "text": say.text, "logprobs": None, "finish_reason": "stop"}
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1_700_000_000,
        "model": say.model,
        "choices": [choice],
        "usage": _chat_usage(say),
    }


def completions_stream(say: Say) -> list[bytes]:
    def chunk(text: str, finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
        return {
            "id": "cmpl-1",
            "object": "text_completion",
            "created": 1_700_000_000,
            "choices": [choice],
            "model": say.model,
        }

    chunks = [*(chunk(piece) for piece in say.pieces), chunk("", "stop")]
    return [*sse(chunks, named=False), b"data: [DONE]\n\n"]


# --- Ollama ---


def ollama(say: Say, *, chats: bool) -> dict[str, Any]:
    text, thinking = say.text, "".join(say.reasoning)
    calls = _ollama_calls(say)
    return {**_ollama_line(say, text, thinking, calls, chats=chats), **_ollama_end(say)}


def ollama_stream(say: Say, *, chats: bool) -> list[bytes]:
    def line(text: str = "", thinking: str = "", calls: Sequence[Any] = ()) -> dict[str, Any]:
        return {**_ollama_line(say, text, thinking, calls, chats=chats), "done": False}

    told = [line(thinking=piece) for piece in say.reasoning]
    told += [line(piece) for piece in say.pieces]
    told += [line(calls=[call]) for call in _ollama_calls(say)]
    last = {**_ollama_line(say, "", "", (), chats=chats), **_ollama_end(say)}
    return [orjson.dumps(each) + b"\n" for each in (*told, last)]


def _ollama_calls(say: Say) -> list[dict[str, Any]]:
    return [
        {"function": {"name": tool.name, "arguments": orjson.loads(tool.arguments)}}
        for tool in say.tools
    ]


def _ollama_line(
    say: Say, text: str, thinking: str, calls: Sequence[Any], *, chats: bool
) -> dict[str, Any]:
    thought = {"thinking": thinking} if thinking else {}
    called = {"tool_calls": calls} if calls else {}
    head = {"model": say.model, "created_at": "2026-01-01T00:00:00.000000Z"}
    if not chats:
        return {**head, "response": text, **thought, **called}
    return {**head, "message": {"role": "assistant", "content": text, **thought, **called}}


def _ollama_end(say: Say) -> dict[str, Any]:
    asked, given = say.usage
    return {
        "done": True,
        "done_reason": "stop",
        "total_duration": 200_000_000,
        "load_duration": 100_000_000,
        "prompt_eval_count": asked,
        "prompt_eval_duration": 50_000_000,
        "eval_count": given,
        "eval_duration": 50_000_000,
    }


# --- Anthropic messages ---


def messages(say: Say) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if say.text:
        content.append({"type": "text", "text": say.text})
    content += [
        {"type": "tool_use", "id": t.id, "name": t.name, "input": orjson.loads(t.arguments)}
        for t in say.tools
    ]
    asked, given = say.usage
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": say.model,
        "content": content,
        "stop_reason": "tool_use" if say.tools else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": asked, "output_tokens": given},
    }


def messages_stream(say: Say) -> list[bytes]:
    whole = messages(say)
    asked, given = say.usage
    opening = {
        **whole,
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": asked, "output_tokens": 1},
    }
    events: list[dict[str, Any]] = [{"type": "message_start", "message": opening}]
    for index, block in enumerate(whole["content"]):
        if block["type"] == "text":
            start: dict[str, Any] = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": piece} for piece in say.pieces]
        else:
            start = {**block, "input": {}}
            raw = next(t.arguments for t in say.tools if t.id == block["id"])
            deltas = [{"type": "input_json_delta", "partial_json": p} for p in ["", *_cut(raw)]]
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        if index == 0:
            events.append({"type": "ping"})
        events += [{"type": "content_block_delta", "index": index, "delta": d} for d in deltas]
        events.append({"type": "content_block_stop", "index": index})
    stop = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": stop, "usage": {"output_tokens": given}})
    events.append({"type": "message_stop"})
    return sse(events, named=True)


def _cut(text: str, size: int = 7) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]
