"""Batches: every request is judged like one that came alone, and every answer is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.dialects.base import Call
from gateway.dialects.empty_call import EmptyCall
from gateway.dialects.gemini import Gemini
from gateway.dialects.gemini_batch import GeminiBatch, GeminiBatchAnswer
from gateway.dialects.gemini_paths import is_kept
from gateway.dialects.paths import dialect_for
from gateway.message import Headers, Request

GEMINI = Gemini()
PATH = "/v1beta/models/gemini-2.5-flash:batchGenerateContent"


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"request": {"contents": [{"parts": [{"text": text}]}], **more}}


def batch(requests: Any, **more: Any) -> dict[str, Any]:
    return {"batch": {"displayName": "n", "inputConfig": {"requests": requests}, **more}}


def ask(body: Any) -> GeminiBatch:
    raw = json.dumps(body).encode()
    call = GEMINI.decode(Request("POST", PATH, Headers(), raw), raw)
    assert isinstance(call, GeminiBatch)
    return call


def texts(call: Call) -> list[str]:
    return [segment.text for segment in call.segments]


@pytest.mark.parametrize(
    "requests",
    [
        {"requests": [said("a"), said("b")]},
        [said("a"), said("b")],
    ],
)
def test_each_request_is_a_call_of_its_own(requests: Any) -> None:
    call = ask(batch(requests))
    assert (call.model, call.operation, call.deferred) == ("gemini-2.5-flash", "batch", True)
    assert texts(call) == ["n", "a", "b"]
    assert [texts(member) for member in call.members] == [["a"], ["b"]]
    assert {member.model for member in call.members} == {"gemini-2.5-flash"}
    assert all(member.batched for member in call.members)
    assert call.input_bound() > 0


def test_one_request_may_stand_without_a_list() -> None:
    call = ask(batch({"requests": said("a")}))
    assert [texts(member) for member in call.members] == [["a"]]


def test_a_change_in_one_request_is_written_and_the_others_stay() -> None:
    body = batch({"requests": [said("a"), said("b", tools=[{"googleSearch": {}}])]})
    call = ask(body)
    assert call.encode() == json.dumps(body).encode()
    call.members[1].remove_tools(frozenset({"google_search"}))
    call.members[1].set_max_output(7)
    call.gather()
    requests = json.loads(call.encode())["batch"]["inputConfig"]["requests"]["requests"]
    assert requests[0] == said("a")
    assert requests[1] == said("b", generationConfig={"maxOutputTokens": 7})


def test_what_stands_beside_the_requests_is_read_and_a_file_is_out_of_sight() -> None:
    call = ask({"batch": {"input_config": {"file_name": "files/1"}, "note": {"k": "v"}}, "x": "y"})
    assert set(texts(call)) == {"v", "k", "y"}
    assert [(item.what, item.place) for item in call.unscannable] == [
        ("file", "batch.inputConfig.fileName")
    ]
    assert call.names_model  # of requests in a file only the path tells
    metadata = ask(batch({"requests": [{**said("a"), "metadata": {"k": "v"}}, "odd"]}))
    assert {"v", "k", "odd"} <= set(texts(metadata))


ANSWER = {
    "candidates": [
        {
            "content": {"parts": [{"text": "secret"}, {"functionCall": {"name": "f", "args": {}}}]},
            "finishReason": "STOP",
        }
    ]
}
DONE = {
    "name": "batches/1",
    "metadata": {"state": "BATCH_STATE_SUCCEEDED", "displayName": "n", "model": "models/g"},
    "done": True,
    "response": {
        "inlinedResponses": {
            "inlinedResponses": [{"response": ANSWER}, {"error": {"code": 3, "message": "bad"}}]
        }
    },
}


@pytest.mark.parametrize("body", [DONE, {"operations": [DONE]}])
def test_what_came_of_a_batch_is_read(body: Any) -> None:
    raw = json.dumps(body).encode()
    call = GEMINI.decode(Request("GET", "/v1beta/batches/1", Headers()), b"")
    assert isinstance(call, EmptyCall)
    answer = GEMINI.decode_answer(call, raw)
    assert isinstance(answer, GeminiBatchAnswer)
    assert {s.text for s in answer.segments} == {"secret", "bad", "n"}
    assert not any(segment.fresh for segment in answer.segments)
    assert answer.encode() == raw
    (inner,) = answer.inside
    assert [made.name for made in inner.tool_calls] == ["f"]
    inner.remove_tool_calls(frozenset({"0/0"}), "No.")
    next(s for s in answer.segments if s.text == "secret").replace("*")
    out = answer.encode().decode()
    assert '{"text":"*"},{"text":"No."}' in out
    assert "functionCall" not in out


@pytest.mark.parametrize("path", ["/v1beta/batches/1", "/v1beta/batches", "/google/v1/batches/1"])
def test_batches_are_read_when_they_are_given_back(path: str) -> None:
    assert is_kept(path)
    assert dialect_for("gemini", "GET", path) == "gemini"
    assert not is_kept("/v1beta/openai/batches/1")
