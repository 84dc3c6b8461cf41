"""What a provider streams: OpenAI's chat chunks and Anthropic's events, a word or so in each, in
the shape in which they are recorded today.

Most of the text is prose; the rest holds what detectors must look at twice (numbers in groups,
dates, paths, an `@` that is no address), and nothing that any rule acts on.
"""

from __future__ import annotations

import json
import re

from benchmarks.bodies import PROSE

NUMBERS = (
    "Ferry 4021 left pier 12 at 08:45 on 2024-03-17 with 1,204 crates, 37 of them marked "
    "4539 1488 and bound for berth 7-21; the log at /var/log/harbour@pier was 98.6% full. "
)
WIRES = {"chat": "/v1/chat/completions", "messages": "/v1/messages"}


def words(count: int) -> list[str]:
    """`count` pieces of text as models stream them: a word with the space before it."""
    pieces = re.findall(r"\S+\s*|\s+", (PROSE + NUMBERS) * (count // 60 + 1))
    return [f" {piece.strip()}" for piece in pieces[:count]]


def request(wire: str, stream: int) -> bytes:
    """A streaming request of about 1 KB. `stream` is the number by which upstream knows it."""
    question = f"stream-{stream:06d}. Tell me of the coast. {PROSE}"
    body = {
        "model": "gpt-4o-mini" if wire == "chat" else "claude-haiku-4-5",
        "max_tokens": 256,
        "stream": True,
        "messages": [{"role": "user", "content": question}],
    }
    return json.dumps(body).encode()


def events(wire: str, deltas: int) -> list[bytes]:
    """The events of one answer with so many pieces of text; each ends with the only blank line in
    it."""
    return _chat(deltas) if wire == "chat" else _messages(deltas)


def _chat(deltas: int) -> list[bytes]:
    head = {
        "id": "chatcmpl-CbenchStreamedAnswer0000000",
        "object": "chat.completion.chunk",
        "created": 1764000000,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "system_fingerprint": "fp_50906f2aac",
    }

    def chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        padding = "AbCdEfGhIjKlMn"[: 14 - len(delta.get("content", "")) % 14]
        return _event("", {**head, "choices": [choice], "obfuscation": padding})

    return [
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": word}) for word in words(deltas)),
        chunk({}, "stop"),
        b"data: [DONE]\n\n",
    ]


def _messages(deltas: int) -> list[bytes]:
    message: dict[str, object] = {
        "id": "msg_01BenchStreamedAnswer000",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5-20251001",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 120, "output_tokens": 1},
    }
    block = {"type": "text", "text": ""}
    done = {"stop_reason": "end_turn", "stop_sequence": None}

    def typed(name: str, **fields: object) -> bytes:
        return _event(name, {"type": name, **fields})

    return [
        typed("message_start", message=message),
        typed("content_block_start", index=0, content_block=block),
        typed("ping"),
        *(
            typed("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
            for word in words(deltas)
        ),
        typed("content_block_stop", index=0),
        typed("message_delta", delta=done, usage={"output_tokens": deltas}),
        typed("message_stop"),
    ]


def _event(name: str, payload: object) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(payload, separators=(',', ':'))}\n\n".encode()
