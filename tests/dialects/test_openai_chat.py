"""Whole chat answers: read in full, and still valid messages after calls were taken out."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from openai.types.chat import ChatCompletion

from gateway.dialects.base import Answer, RateLimit
from gateway.dialects.openai_chat import OpenAIChat
from gateway.message import Headers, Request
from tests.dialects.transcripts import exchanges

CHAT = OpenAIChat()


def post(body: bytes = b'{"model":"m","messages":[]}') -> Request:
    return Request("POST", "/v1/chat/completions", Headers(), body)


def answer(*messages: dict[str, Any], finish: str = "stop", **fields: Any) -> Answer:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [
            {
                "index": number,
                "message": {"role": "assistant", **message},
                "logprobs": {"content": [], "refusal": None},
                "finish_reason": finish,
            }
            for number, message in enumerate(messages)
        ],
        **fields,
    }
    request = post()
    return CHAT.decode_answer(CHAT.decode(request, request.body), orjson.dumps(body))


def got(made: Answer) -> ChatCompletion:
    return ChatCompletion.model_validate_json(made.encode())


def function(name: str, arguments: str = "{}") -> dict[str, Any]:
    call = {"name": name, "arguments": arguments}
    return {"id": f"id_{name}", "type": "function", "function": call}


def test_recorded_answers_leave_as_they_came() -> None:
    for row in exchanges("openai_chat"):
        request = row["request"].encode()
        call = CHAT.decode(post(request), request)
        body = row["response"].encode()
        if row["stream"]:
            continue
        made = CHAT.decode_answer(call, body)
        assert made.encode() == body
        if row["status"] == 200:
            usage = orjson.loads(body)["usage"]
            assert made.usage is not None
            assert made.usage.total_input == usage["prompt_tokens"]
            assert made.usage.output == usage["completion_tokens"]
            assert made.model
            assert made.id


def test_everything_that_a_model_says_is_a_segment() -> None:
    made = answer(
        {
            "content": "hello",
            "refusal": "no",
            "reasoning_content": "because",
            "tool_calls": [function("f", '{"a":"arg"}')],
            "annotations": [{"type": "url_citation", "url_citation": {"title": "a page"}}],
            "audio": {"id": "au", "data": "AAAA", "transcript": "spoken"},
        },
        citations=["https://example.org"],
    )
    found = {(s.surface.value, s.text) for s in made.segments}
    for pair in (
        ("output", "hello"),
        ("output", "no"),
        ("reasoning", "because"),
        ("tool_call", "arg"),
        ("output", "a page"),
        ("output", "spoken"),
        ("output", "https://example.org"),
    ):
        assert pair in found
    assert [u.what for u in made.unscannable] == ["audio"]
    assert [(c.id, c.name, c.arguments) for c in made.tool_calls] == [("id_f", "f", '{"a":"arg"}')]
    assert (made.model, made.id, made.finish) == ("gpt-4o-mini-2024-07-18", "chatcmpl-1", "stop")


def test_a_changed_text_takes_its_token_probabilities_along() -> None:
    made = answer({"content": "a secret"}, {"content": "fine"})
    next(s for s in made.segments if s.text == "a secret").replace("[x]")
    first, second = got(made).choices
    assert (first.message.content, first.logprobs) == ("[x]", None)
    assert second.logprobs is not None


def test_one_of_two_calls_is_taken_out() -> None:
    made = answer(
        {"content": None, "tool_calls": [function("a"), function("b")]}, finish="tool_calls"
    )
    made.remove_tool_calls(frozenset({made.tool_calls[0].key}), "removed a")
    choice = got(made).choices[0]
    assert [call.id for call in choice.message.tool_calls or ()] == ["id_b"]
    assert (choice.message.content, choice.finish_reason) == (None, "tool_calls")
    assert [call.name for call in made.tool_calls] == ["b"]


def test_the_only_call_leaves_a_text_that_says_why() -> None:
    made = answer(
        {"content": None, "tool_calls": [function("a")]},
        {"content": "and", "tool_calls": [function("a")]},
        {"content": None, "tool_calls": [function("b")]},
        finish="tool_calls",
    )
    keys = frozenset(call.key for call in made.tool_calls if call.name == "a")
    made.remove_tool_calls(keys, "removed a")
    first, second, third = got(made).choices
    assert (first.message.content, first.finish_reason) == ("removed a", "stop")
    assert (second.message.content, second.finish_reason) == ("and\n\nremoved a", "stop")
    assert first.message.tool_calls is None
    assert third.finish_reason == "tool_calls"


def test_the_older_function_call_is_taken_out_too() -> None:
    made = answer(
        {"content": None, "function_call": {"name": "f", "arguments": '{"a":"x"}'}},
        finish="function_call",
    )
    assert made.tool_calls[0].name == "f"
    made.remove_tool_calls(frozenset({made.tool_calls[0].key}), "removed f")
    choice = got(made).choices[0]
    assert choice.message.function_call is None
    assert (choice.message.content, choice.finish_reason) == ("removed f", "stop")


def test_arguments_are_replaced_after_a_rewrite_of_them() -> None:
    custom = {"id": "c", "type": "custom", "custom": {"name": "shell", "input": "rm"}}
    made = answer({"content": None, "tool_calls": [function("f", '{"a":"x"}'), custom]})
    made.segments[0].replace("rewritten")
    made.replace_arguments(made.tool_calls[0].key, '{"a":"other"}')
    made.replace_arguments(made.tool_calls[1].key, "ls")
    calls = orjson.loads(made.encode())["choices"][0]["message"]["tool_calls"]
    assert calls[0]["function"]["arguments"] == '{"a":"other"}'
    assert calls[1]["custom"]["input"] == "ls"
    assert [call.arguments for call in made.tool_calls] == ['{"a":"other"}', "ls"]


def test_the_calls_show_the_arguments_that_were_let_through() -> None:
    made = answer({"content": None, "tool_calls": [function("f", '{"a": "x"}')]})
    next(s for s in made.segments if s.text == "x").replace("y")
    made.encode()
    assert made.tool_calls[0].arguments == '{"a":"y"}'


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices":{}}', b"<html>"])
def test_what_is_no_answer_says_so(body: bytes) -> None:
    request = post()
    with pytest.raises(ValueError):
        CHAT.decode_answer(CHAT.decode(request, request.body), body)


@pytest.mark.parametrize(
    "choices",
    [["x"], [{"message": "x"}], [{"message": {"content": ["x"]}}], [{"text": "x"}],
     [{"message": {"tool_calls": ["x"]}}], [{"message": {"tool_calls": "x"}}]],
)  # fmt: skip
def test_answers_of_a_strange_shape_are_still_read(choices: Any) -> None:
    request = post()
    body = orjson.dumps({"choices": choices})
    made = CHAT.decode_answer(CHAT.decode(request, request.body), body)
    assert "x" in [s.text for s in made.segments]


def test_an_error_with_status_200_is_an_answer_without_text() -> None:
    request = post()
    made = CHAT.decode_answer(CHAT.decode(request, request.body), b'{"error":{"message":"m"}}')
    assert made.tool_calls == []


def test_error_bodies_and_limits_are_the_api_s() -> None:
    body = orjson.loads(CHAT.error_body(400, "pii_found", "No.", "ptc-1"))
    assert body["error"]["code"] == "pii_found"
    assert "x-ratelimit-limit-tokens" in CHAT.limit_headers([RateLimit("tokens", 1, 1, 1.0)])


def test_an_answer_that_is_fetched_later_is_a_place_in_a_queue() -> None:
    """xAI's deferred completions: what was reserved is charged, for nobody tells what it cost."""
    request = Request("POST", "/v1/chat/completions", Headers())
    body = b'{"model":"grok-4","deferred":true,"messages":[{"role":"user","content":"hi"}]}'
    call = OpenAIChat().decode(request, body)
    assert call.deferred
    answer = OpenAIChat().decode_answer(call, b'{"request_id":"r_1"}')
    assert (answer.encode(), answer.usage) == (b'{"request_id":"r_1"}', None)
    plain = OpenAIChat().decode(request, body.replace(b"true", b"false"))
    assert not plain.deferred
    with pytest.raises(ValueError, match="choices"):
        OpenAIChat().decode_answer(plain, b'{"request_id":"r_1"}')
