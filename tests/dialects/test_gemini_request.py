"""A request to Gemini: its model is in the path, its limits in the settings, its bounds hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.dialects.gemini import Gemini
from gateway.dialects.gemini_request import PER_IMAGE, PER_REQUEST, GeminiCall
from gateway.message import Headers, Request

MODEL = "/v1beta/models/gemini-2.5-flash"
SAID = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def ask(body: Any, path: str = f"{MODEL}:generateContent") -> GeminiCall:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    call = Gemini().decode(Request("POST", path, Headers(), raw), raw)
    assert isinstance(call, GeminiCall)
    return call


def test_what_is_asked_of_which_model_stands_in_the_path() -> None:
    call = ask(SAID)
    assert (call.model, call.operation, call.stream) == ("gemini-2.5-flash", "chat", False)
    assert (call.billable, call.readable_answer, dict(call.framings)) == (True, True, {})
    call = ask(SAID, f"{MODEL}:streamGenerateContent")
    assert call.stream
    assert list(call.framings) == ["application/json"]
    call = ask(SAID, f"{MODEL}:countTokens")
    assert (call.operation, call.billable, call.readable_answer) == ("count_tokens", False, False)
    call = ask({"model": "models/gemini-2.5-pro", **SAID}, "/v1beta/cachedContents")
    assert (call.operation, call.model) == ("cache", "gemini-2.5-pro")


def test_unchanged_bodies_leave_byte_for_byte() -> None:
    raw = b'{ "contents" : [ { "parts" : [ { "text" : "caf\\u00e9", "news": 1.50 } ] } ] }'
    assert ask(raw).encode() == raw


def test_a_cap_is_written_into_the_settings() -> None:
    call = ask({**SAID, "generationConfig": {"maxOutputTokens": 900, "candidateCount": 2}})
    assert (call.max_output, call.choices) == (900, 2)
    call.set_max_output(100)
    assert call.max_output == 100
    sent = json.loads(call.encode())
    assert sent == {**SAID, "generationConfig": {"maxOutputTokens": 100, "candidateCount": 2}}
    counted = ask(SAID, f"{MODEL}:countTokens")
    counted.set_max_output(100)
    assert json.loads(counted.encode()) == SAID


def test_a_forced_field_goes_where_the_api_has_it() -> None:
    call = ask({**SAID, "generation_config": {"temperature": 1}})
    call.force_field("temperature", 0)
    call.force_field("top_k", 5)
    call.force_field("service_tier", "flex")
    assert json.loads(call.encode()) == {
        **SAID,
        "generation_config": {"temperature": 0, "topK": 5},
        "serviceTier": "flex",
    }
    assert (call.get_field("top_k"), call.get_field("serviceTier")) == (5, "flex")
    unchanged = ask({**SAID, "service_tier": "flex", "generationConfig": {"seed": 1}})
    unchanged.force_field("service_tier", "flex")
    unchanged.force_field("seed", 1)
    assert not unchanged.document.changed


def test_another_model_in_the_body_does_not_go_unseen() -> None:
    call = ask({"model": "models/gemini-3-pro", **SAID})
    assert call.model == "gemini-2.5-flash"
    assert call.get_field("models") == ["gemini-3-pro"]
    assert ask({"model": "models/gemini-2.5-flash", **SAID}).get_field("models") == []
    nested = {"generateContentRequest": {"model": "models/gemini-3-pro", **SAID}}
    assert ask(nested, f"{MODEL}:countTokens").get_field("models") == ["gemini-3-pro"]


def test_tools_are_taken_out_with_what_they_say() -> None:
    tools = [{"functionDeclarations": [{"name": "a", "description": "d"}]}, {"googleSearch": {}}]
    call = ask({**SAID, "tools": tools})
    assert [tool.name for tool in call.tools] == ["a", "google_search"]
    call.remove_tools(frozenset({"google_search"}))
    call.remove_tools(frozenset({"a"}))
    call.remove_tools(frozenset({"unknown"}))
    assert json.loads(call.encode()) == SAID
    assert call.tools == []
    assert [segment.text for segment in call.segments] == ["Hello"]


def test_the_bytes_of_the_body_bound_its_tokens() -> None:
    raw = json.dumps(SAID).encode()
    assert ask(raw).input_bound() == len(raw) + PER_REQUEST
    picture = {"inlineData": {"mimeType": "image/png", "data": "A" * 4000}}
    call = ask({"contents": [{"parts": [picture]}]})
    size = len(call.encode())
    assert call.input_bound() == size - 4000 + PER_REQUEST + PER_IMAGE
    call.set_max_output(10**9)
    assert call.input_bound() > size - 4000 + PER_REQUEST + PER_IMAGE


@pytest.mark.parametrize(
    "body",
    [
        {"contents": [{"parts": [{"fileData": {"mimeType": "application/pdf", "fileUri": "x"}}]}]},
        {"contents": [{"parts": [{"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}]}]},
        {**SAID, "cachedContent": "cachedContents/1"},
        {**SAID, "tools": [{"urlContext": {}}]},
    ],
)
def test_what_has_no_bound_says_so(body: Any) -> None:
    assert ask(body).input_bound() == -1


def test_the_estimate_is_a_quarter_of_the_text() -> None:
    assert ask({"contents": [{"parts": [{"text": "é" * 10}]}]}).input_estimate() == 5


@pytest.mark.parametrize(
    ("query", "readable"),
    [
        ("alt=sse", True),
        ("$ct=application/json", True),
        ("%24ct=application/x-protobuf", False),
        ("$ct=application/x-protobuf&alt=sse", False),
    ],
)
def test_a_body_that_the_query_calls_something_else_is_not_read_for_sure(
    query: str, readable: bool
) -> None:
    call = ask(SAID, f"{MODEL}:streamGenerateContent?{query}")
    assert [item.what for item in call.unscannable] == ([] if readable else ["body"])
    assert (call.input_bound() == -1) is not readable
