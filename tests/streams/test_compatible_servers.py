"""Servers that speak chat completions in their own way: nothing that they say or call goes
unjudged, and what no rule touches leaves as it came.

The ways are those of the servers' own documentation: DeepSeek, OpenRouter, vLLM, Mistral, Groq,
llama.cpp, LM Studio, Gemini's compatible endpoint, Together, Perplexity, Azure OpenAI.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.dialects.base import PartKind, Surface
from gateway.dialects.openai_chat import OpenAIChat
from gateway.dialects.sse import EventReader, encode
from gateway.message import Headers, Request
from gateway.policy.pipeline import Pipeline
from tests.dialects.driving import calls_of
from tests.policy.test_cases import Case, Expect, compiled, exchange_of
from tests.surfaces.test_every_surface import compiled as probing

CHAT = OpenAIChat()
DONE = b"data: [DONE]\n\n"
HELLO = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'
READING, DELETING = '{"city":"Bonn"}', '{"table":"orders"}'


def sse(*payloads: Any) -> bytes:
    """Events; bytes are comments, as they are."""
    return b"".join(
        each if isinstance(each, bytes) else encode(json.dumps(each)) for each in payloads
    )


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def call(name: str, arguments: Any, **fields: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **fields}


def whole(**message: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", **message}}]}


WEATHER = ("weather", {"city": "Bonn"})
DELETE = ("delete_table", {"table": "orders"})


@dataclass(frozen=True)
class Server:
    """What a server sends, and what is in it: texts by surface, calls in order."""

    stream: bytes
    output: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, Any], ...] = ()
    answer: dict[str, Any] | None = None


SERVERS = {
    "deepseek": Server(
        sse(
            delta(role="assistant", content=None, reasoning_content=""),
            delta(content=None, reasoning_content="Let me "),
            delta(content=None, reasoning_content="think."),
            delta(content="Yes", reasoning_content=None),
            {**delta("stop", content=""), "usage": {"prompt_tokens": 9, "completion_tokens": 3}},
        )
        + DONE,
        output="Yes",
        reasoning="Let me think.",
        answer=whole(content="Yes", reasoning_content="Let me think."),
    ),
    "openrouter": Server(
        sse(
            b": OPENROUTER PROCESSING\n\n",
            b": OPENROUTER PROCESSING\n\n",
            {**delta(role="assistant", content="", reasoning="Hm."), "provider": "Some"},
            {
                "choices": [
                    {
                        "index": 0,
                        "delta": {"content": "Yes"},
                        "finish_reason": "stop",
                        "native_finish_reason": "end_turn",
                    }
                ]
            },
            {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3, "cost": 0.1}},
        )
        + DONE,
        output="Yes",
        reasoning="Hm.",
        answer=whole(content="Yes", reasoning="Hm."),
    ),
    "vllm": Server(
        sse(
            {**delta(role="assistant", content=""), "prompt_token_ids": None},
            delta(reasoning="Hm."),
            delta(tool_calls=[call("weather", "", id="chatcmpl-tool-1", type="function", index=0)]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": READING}}]),
            {
                "choices": [
                    {
                        "index": 0,
                        "delta": {"content": ""},
                        "logprobs": None,
                        "finish_reason": "tool_calls",
                        "stop_reason": None,
                        "token_ids": None,
                    }
                ]
            },
        )
        + DONE,
        reasoning="Hm.",
        calls=(WEATHER,),
        answer=whole(
            content=None, reasoning="Hm.", tool_calls=[call("weather", READING, id="1", type="f")]
        ),
    ),
    "mistral": Server(
        sse(
            delta(role="assistant", content=""),
            delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]),
            delta(content=[{"type": "text", "text": "Ye"}]),
            delta(content="s"),
            delta("tool_calls", content="", tool_calls=[call("weather", READING, id="a", index=0)]),
        )
        + DONE,
        output="Yes",
        reasoning="textHm.",
        calls=(WEATHER,),
        answer=whole(
            content=[
                {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                {"type": "text", "text": "Yes"},
            ],
            tool_calls=[call("weather", READING, id="a", index=0)],
        ),
    ),
    "groq": Server(
        sse(
            {**delta(role="assistant", content=""), "x_groq": {"id": "req_1"}},
            delta(reasoning="Hm."),
            delta(content="Yes"),
            {**delta("stop"), "x_groq": {"id": "req_1", "usage": {"queue_time": 0.1}}},
        )
        + DONE,
        output="Yes",
        reasoning="Hm.",
    ),
    "arguments as an object": Server(
        sse(
            delta(tool_calls=[call("weather", {"city": "Bonn"}, id="1", index=0)]),
            delta(tool_calls=[call("delete_table", {"table": "orders"}, id="2", index=1)]),
            delta("tool_calls"),
        )
        + DONE,
        calls=(WEATHER, DELETE),
        answer=whole(
            content=None,
            tool_calls=[
                call("weather", {"city": "Bonn"}, id="1"),
                call("delete_table", {"table": "orders"}, id="2"),
            ],
        ),
    ),
    "no ids and no indices": Server(
        sse(
            delta(tool_calls=[call("weather", READING), call("delete_table", DELETING)]),
            delta("stop"),
        ),
        calls=(WEATHER, DELETE),
        answer=whole(
            content="", tool_calls=[call("weather", READING), call("delete_table", DELETING)]
        ),
    ),
    "one index for all": Server(
        sse(
            delta(tool_calls=[call("weather", READING, index=0)]),
            delta(tool_calls=[call("delete_table", DELETING, index=0)]),
            delta("tool_calls"),
        )
        + DONE,
        calls=(WEATHER, DELETE),
    ),
    "no inner object": Server(
        sse(
            delta(tool_calls=[{"index": 0, "id": "1", "name": "weather", "arguments": READING}]),
            delta("tool_calls"),
        ),
        calls=(WEATHER,),
        answer=whole(content="", tool_calls=[{"id": "1", "name": "weather", "arguments": READING}]),
    ),
    "gemini, compatible": Server(
        sse(
            delta(
                role="assistant",
                tool_calls=[
                    {
                        **call("weather", READING, id="", index=0, type="function"),
                        "extra_content": {"google": {"thought_signature": "abc"}},
                    }
                ],
            ),
            delta("stop", role="assistant"),
        )
        + DONE,
        output="abc",
        calls=(WEATHER,),
    ),
    "together": Server(
        sse({"choices": [{"index": 0, "text": "Yes", "delta": {"content": "Yes", "token_id": 9}}]})
        + DONE,
        output="YesYes",
    ),
    "perplexity": Server(
        sse({**delta("stop", content="Yes"), "citations": ["https://example.org"]}) + DONE,
        output="Yeshttps://example.org",
    ),
    "azure": Server(
        sse(
            {"choices": [], "id": "", "model": "", "prompt_filter_results": [{"prompt_index": 0}]},
            delta(role="assistant", content=""),
            delta(content="Yes"),
            {
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": None,
                        "content_filter_results": {"hate": {"filtered": False}},
                        "content_filter_offsets": {"check_offset": 4},
                    }
                ]
            },
            delta("stop"),
        )
        + DONE,
        output="Yes",
    ),
    "an error on the way": Server(
        sse(delta(content="Ye"), {**delta("error", content=""), "error": {"code": 502}}),
        output="Ye",
    ),
    "no usage, null choices": Server(
        sse(delta(content="Yes"), {"choices": None, "usage": {"prompt_tokens": 1}}) + DONE,
        output="Yes",
    ),
}
every_server = pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS.keys())


def passed(pipeline: Pipeline, server: Server) -> bytes:
    """A server's stream through the window of a pipeline, in pieces of 3 bytes."""
    case = Case(
        what="",
        rules=[],
        dialect="openai_chat",
        request=json.loads(HELLO),
        expect=Expect(action="allow"),
    )
    exchange = exchange_of(case, CHAT)
    assert exchange.call is not None
    window = pipeline.window(exchange, CHAT.open_stream(exchange.call))
    reader, out = EventReader(), b""
    for at in range(0, len(server.stream), 3):
        for event in reader.feed(server.stream[at : at + 3]):
            out += window.feed(event)
    for event in reader.end():
        out += window.feed(event)
    return out + window.end()


@every_server
def test_a_stream_says_what_it_says_on_its_surface(server: Server) -> None:
    stream = CHAT.open_stream(CHAT.decode(Request("POST", "/x", Headers(), HELLO), HELLO))
    reader = EventReader()
    frames = [stream.read(event) for event in reader.feed(server.stream) + reader.end()]
    texts = {Surface.OUTPUT: "", Surface.REASONING: ""}
    for frame in frames:
        for part in frame.parts:
            if part.kind is PartKind.TEXT:
                texts[part.surface] += part.text
    assert texts == {Surface.OUTPUT: server.output, Surface.REASONING: server.reasoning}
    called = [(each.name, json.loads(each.arguments)) for each in calls_of(frames).values()]
    assert tuple(called) == server.calls
    assert not any(frame.unscannable for frame in frames)


@pytest.mark.parametrize("name", [name for name, server in SERVERS.items() if server.answer])
def test_a_whole_answer_says_the_same(name: str) -> None:
    server = SERVERS[name]
    answer = CHAT.decode_answer(
        CHAT.decode(Request("POST", "/x", Headers(), HELLO), HELLO),
        json.dumps(server.answer).encode(),
    )
    called = [(each.name, json.loads(each.arguments)) for each in answer.tool_calls]
    assert tuple(called) == server.calls
    said = {segment.text for segment in answer.segments if segment.surface is Surface.REASONING}
    assert not server.reasoning or said & {server.reasoning, "Hm."}
    assert not answer.unscannable
    answer.remove_tool_calls(frozenset(each.key for each in answer.tool_calls), "No.")
    assert b"delete_table" not in answer.encode()


@every_server
def test_a_stream_that_no_rule_touches_leaves_as_it_came(server: Server) -> None:
    everywhere = tuple(sorted(Surface))
    pipeline, _ = probing("{provider: openai, url: 'http://127.0.0.1:9'}", everywhere)
    assert passed(pipeline, server) == server.stream


@pytest.mark.parametrize("name", [n for n, s in SERVERS.items() if DELETE in s.calls])
def test_a_forbidden_tool_does_not_slip_through(name: str) -> None:
    out = passed(compiled([{"kind": "tools", "deny": ["delete_*"]}]), SERVERS[name])
    assert b"delete_table" not in out
    assert b"weather" in out


@pytest.mark.parametrize("name", [n for n, s in SERVERS.items() if DELETE in s.calls])
def test_arguments_are_judged_and_rewritten_whatever_their_shape(name: str) -> None:
    rule = {"kind": "patterns", "deny": ["orders"], "surfaces": ["tool_call"], "action": "redact"}
    out = passed(compiled([rule]), SERVERS[name])
    assert b"orders" not in out
    assert b"delete_table" in out
    assert b"Bonn" in out


def test_other_arguments_of_a_whole_answer_keep_their_shape() -> None:
    body = whole(content=None, tool_calls=[call("a", {"to": "ann"}), call("b", '{"to":"ann"}')])
    decoded = CHAT.decode(Request("POST", "/x", Headers(), HELLO), HELLO)
    answer = CHAT.decode_answer(decoded, json.dumps(body).encode())
    for each in answer.tool_calls:
        answer.replace_arguments(each.key, '{"to":"x"}')
    first, second = json.loads(answer.encode())["choices"][0]["message"]["tool_calls"]
    assert first["function"]["arguments"] == {"to": "x"}
    assert second["function"]["arguments"] == '{"to":"x"}'


@pytest.mark.parametrize(
    "image", [{"image_url": {"url": "data:image/png;base64,AAAA"}}, {"image_url": "data:x,AAAA"}]
)
def test_a_picture_that_a_model_made_is_named(image: dict[str, Any]) -> None:
    call = CHAT.decode(Request("POST", "/x", Headers(), HELLO), HELLO)
    images = [{"type": "image_url", **image}]
    answer = CHAT.decode_answer(call, json.dumps(whole(content="", images=images)).encode())
    assert [item.what for item in answer.unscannable] == ["image"]
    frame = CHAT.open_stream(call).read(EventReader().feed(sse(delta(images=images)))[0])
    assert [item.what for item in frame.unscannable] == ["image"]
    far = [{"type": "image_url", "image_url": {"url": "https://example.org/x.png"}}]
    frame = CHAT.open_stream(call).read(EventReader().feed(sse(delta(images=far)))[0])
    assert "https://example.org/x.png" in [part.text for part in frame.parts]
