"""Bodies and streams of Ollama's API, in the shapes of its documentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from gateway.dialects.base import AnswerStream, Call, Event, ToolCall
from gateway.dialects.ndjson import LineReader
from gateway.dialects.ollama import Ollama
from gateway.message import Headers, Request
from tests.dialects.driving import calls_of, replace_text

OLLAMA = Ollama()
DONE = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 174560334,
    "load_duration": 101397084,
    "prompt_eval_count": 11,
    "prompt_eval_duration": 13074791,
    "eval_count": 18,
    "eval_duration": 52479709,
}


def decode(path: str, body: bytes) -> Call:
    return OLLAMA.decode(Request("POST", path, Headers(), body), body)


def chat(*messages: Any, **fields: Any) -> Call:
    return decode("/api/chat", orjson.dumps({"model": "qwen3", "messages": messages, **fields}))


def generate(**fields: Any) -> Call:
    return decode("/api/generate", orjson.dumps({"model": "qwen3", **fields}))


def embed(path: str = "/api/embed", **fields: Any) -> Call:
    return decode(path, orjson.dumps({"model": "nomic-embed-text", **fields}))


def call_of(name: str, **arguments: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}}


def lines(*payloads: Any) -> bytes:
    return b"".join(orjson.dumps(payload) + b"\n" for payload in payloads)


def said(*messages: dict[str, Any], last: dict[str, Any] | None = None) -> bytes:
    """A streamed chat answer; `last` goes into the message of the last line."""
    head = {"model": "qwen3", "created_at": "2026-01-01T00:00:00Z"}
    told = [{**head, "message": {"role": "assistant", **m}, "done": False} for m in messages]
    end = {"role": "assistant", "content": "", **(last or {})}
    return lines(*told, {**head, "message": end, **DONE})


def generated(*pieces: dict[str, Any], **last: Any) -> bytes:
    head = {"model": "qwen3", "created_at": "2026-01-01T00:00:00Z"}
    told = [{**head, "response": "", **piece, "done": False} for piece in pieces]
    return lines(*told, {**head, "response": "", **DONE, **last})


def events_of(raw: bytes) -> list[Event]:
    reader = LineReader()
    return reader.feed(raw) + reader.end()


def payloads_of(raw: bytes) -> list[Any]:
    return [orjson.loads(event.data) for event in events_of(raw)]


def drive(
    stream: AnswerStream,
    raw: bytes,
    *,
    edits: dict[str, str] | None = None,
    decide: Callable[[AnswerStream, str, ToolCall], None] | None = None,
) -> bytes:
    """Read the whole stream, replace texts, judge calls, write it all."""
    frames = [stream.read(event) for event in events_of(raw)]
    for old, new in (edits or {}).items():
        replace_text(frames, old, new)
    if decide is not None:
        for lane, call in calls_of(frames).items():
            decide(stream, lane, call)
    return b"".join(stream.write(frame) for frame in frames)
