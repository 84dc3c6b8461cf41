"""Drives a streamed answer through a dialect as the stream window does, and through real SDKs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import anthropic
import httpx2
import openai
import orjson

from gateway.dialects.base import AnswerStream, Event, Frame, PartKind, ToolCall
from gateway.dialects.sse import EventReader, encode

Decide = Callable[[AnswerStream, str, ToolCall], None]


def sse(payloads: Iterable[dict[str, Any]]) -> bytes:
    """Event payloads as the providers frame them."""
    return b"".join(encode(orjson.dumps(each), each["type"]) for each in payloads)


def events_of(raw: bytes) -> list[Event]:
    reader = EventReader()
    return reader.feed(raw) + reader.end()


def payloads_of(raw: bytes) -> list[Any]:
    return [orjson.loads(event.data) for event in events_of(raw) if event.data]


def cut(raw: bytes, seed: int) -> list[bytes]:
    """The bytes in pieces of random length."""
    chance = random.Random(seed)
    places = sorted(chance.sample(range(len(raw)), min(len(raw), chance.randint(1, 40))))
    return [raw[a:b] for a, b in zip([0, *places], [*places, len(raw)], strict=True)]


def pass_through(stream: AnswerStream, pieces: Iterable[bytes]) -> bytes:
    """Read and write every event at once; nothing acts."""
    reader = EventReader()
    out = b""
    for piece in pieces:
        for event in reader.feed(piece):
            out += stream.write(stream.read(event))
    return out + b"".join(stream.write(stream.read(event)) for event in reader.end())


def drive(
    stream: AnswerStream,
    raw: bytes,
    *,
    edits: dict[str, str] | None = None,
    decide: Decide | None = None,
) -> bytes:
    """Read the whole stream, replace texts (`edits`: old to new), judge calls, write it all."""
    frames = [stream.read(event) for event in events_of(raw)]
    for old, new in (edits or {}).items():
        replace_text(frames, old, new)
    if decide is not None:
        for lane, call in calls_of(frames).items():
            decide(stream, lane, call)
    return b"".join(stream.write(frame) for frame in frames)


def calls_of(frames: Iterable[Frame]) -> dict[str, ToolCall]:
    """Assemble tool calls from frames, by lane, in order; a call that never ends is left out."""
    open_calls: dict[str, ToolCall] = {}
    done: dict[str, ToolCall] = {}
    for frame in frames:
        for part in frame.parts:
            if part.kind is PartKind.TOOL_START:
                assert part.tool is not None
                open_calls[part.lane] = part.tool
                part.tool.arguments = part.text
            elif part.kind is PartKind.TOOL_ARGS:
                open_calls[part.lane].arguments += part.text
            elif part.kind is PartKind.TOOL_END:
                done[part.lane] = open_calls[part.lane]
    return done


def texts_of(frames: Iterable[Frame]) -> dict[str, str]:
    """The text of every lane."""
    texts: dict[str, str] = {}
    for frame in frames:
        for part in frame.parts:
            if part.kind is PartKind.TEXT:
                texts[part.lane] = texts.get(part.lane, "") + part.text
    return texts


def replace_text(frames: list[Frame], old: str, new: str) -> int:
    """Put `new` for `old` in every lane, also where it lies across several frames."""
    count = 0
    for lane, text in texts_of(frames).items():
        at = text.find(old)
        while at >= 0:
            _edit(frames, lane, at, at + len(old), new)
            count += 1
            text = text[:at] + new + text[at + len(old) :]
            at = text.find(old, at + len(new))
    return count


def _edit(frames: list[Frame], lane: str, start: int, end: int, new: str) -> None:
    at = 0
    for frame in frames:
        for part in frame.parts:
            if part.kind is not PartKind.TEXT or part.lane != lane:
                continue
            here, at = at, at + len(part.text)
            if here >= end or at <= start:
                continue
            head = part.text[: max(start - here, 0)]
            tail = part.text[max(end - here, 0) :] if end < at else ""
            part.text = head + (new if start >= here else "") + tail
            frame.changed = True


def remove(*names: str, notice: str = "The gateway removed a call.") -> Decide:
    """Remove the calls of some tools."""

    def decide(stream: AnswerStream, lane: str, call: ToolCall) -> None:
        if call.name in names:
            stream.remove_tool(lane, notice)

    return decide


def rearm(name: str, arguments: str) -> Decide:
    """Give the calls of one tool other arguments."""

    def decide(stream: AnswerStream, lane: str, call: ToolCall) -> None:
        if call.name == name:
            stream.replace_arguments(lane, arguments)

    return decide


def stopped_at(stream: AnswerStream, raw: bytes, count: int, message: str) -> bytes:
    """Let `count` events through, then stop."""
    out = b""
    for event in events_of(raw)[:count]:
        out += stream.write(stream.read(event))
    return out + stream.stop("pii_found", message)


# --- real clients -----------------------------------------------------------------------------


def _transport(raw: bytes, counter: list[int]) -> httpx2.MockTransport:
    def answer(request: httpx2.Request) -> httpx2.Response:
        counter.append(1)
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=raw)

    return httpx2.MockTransport(answer)


def anthropic_message(raw: bytes) -> Any:
    """The message that the anthropic SDK makes of a stream."""
    asked: list[int] = []
    http = httpx2.Client(transport=_transport(raw, asked))
    client = anthropic.Anthropic(api_key="k", base_url="http://gateway.test", http_client=http)
    with client.beta.messages.stream(
        model="claude", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
    ) as stream:
        message = stream.get_final_message()
    assert len(asked) == 1
    return message


def openai_events(raw: bytes) -> list[Any]:
    """The events that the openai SDK's accumulating stream gives."""
    asked: list[int] = []
    http = httpx2.Client(transport=_transport(raw, asked))
    client = openai.OpenAI(api_key="k", base_url="http://gateway.test/v1", http_client=http)
    with client.responses.stream(model="gpt", input="hi") as stream:
        events = list(stream)
    assert len(asked) == 1
    return events


def openai_response(raw: bytes) -> Any:
    """The response that the openai SDK makes of a stream that completes."""
    last = openai_events(raw)[-1]
    assert last.type in ("response.completed", "response.incomplete"), last.type
    return last.response
