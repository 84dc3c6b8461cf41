"""Answers as the Gemini API gives them, for the fake provider: whole, and in both framings.

Shapes follow the API's public reference and the recorded streams in the project's test data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from gateway.testing.answers import Say


def generate(say: Say) -> dict[str, Any]:
    """A whole answer: thoughts, text, calls."""
    parts: list[dict[str, Any]] = [{"text": text, "thought": True} for text in say.reasoning]
    if say.text:
        parts.append({"text": say.text})
    return _chunk(say, [*parts, *_calls(say)], last=True)


def generate_stream(say: Say) -> list[dict[str, Any]]:
    """The chunks of a streamed answer. The last has the reason why it ended."""
    chunks = [_chunk(say, [{"text": text, "thought": True}]) for text in say.reasoning]
    chunks += [_chunk(say, [{"text": piece}]) for piece in say.pieces]
    chunks += [_chunk(say, [call]) for call in _calls(say)]
    return [*chunks, _chunk(say, [{"text": ""}], last=True)]


def as_events(chunks: Sequence[dict[str, Any]]) -> list[bytes]:
    """Server-sent events, as `alt=sse` asks for them."""
    return [b"data: " + orjson.dumps(chunk) + b"\r\n\r\n" for chunk in chunks]


def as_array(chunks: Sequence[dict[str, Any]]) -> list[bytes]:
    """One JSON array, a piece for each chunk."""
    indented = [orjson.dumps(chunk, option=orjson.OPT_INDENT_2) for chunk in chunks]
    return [b"[" + indented[0], *(b"\n,\r\n" + each for each in indented[1:]), b"\n]\n"]


def answer_to(method: str, body: dict[str, Any], say: Say) -> dict[str, Any]:
    """The whole answer to a method of a model, by the word behind the colon."""
    if method == "countTokens":
        return {"totalTokens": say.usage[0]}
    if method == "embedContent":
        return {"embedding": {"values": [0.1, 0.2, 0.3]}}
    if method == "batchEmbedContents":
        count = len(body.get("requests") or ())
        return {"embeddings": [{"values": [0.1, 0.2, 0.3]} for _ in range(count)]}
    return generate(say)


def _calls(say: Say) -> list[dict[str, Any]]:
    return [
        {"functionCall": {"id": tool.id, "name": tool.name, "args": orjson.loads(tool.arguments)}}
        for tool in say.tools
    ]


def _chunk(say: Say, parts: list[dict[str, Any]], *, last: bool = False) -> dict[str, Any]:
    asked, given = say.usage
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}}
    usage = {"promptTokenCount": asked, "totalTokenCount": asked}
    if last:
        candidate["finishReason"] = "STOP"
        usage = {**usage, "candidatesTokenCount": given, "totalTokenCount": asked + given}
    return {
        "candidates": [{**candidate, "index": 0}],
        "usageMetadata": usage,
        "modelVersion": say.model,
        "responseId": "gemini-1",
    }
