"""Embeddings: every content of every request is read, and the vectors pass."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.dialects.base import Usage
from gateway.dialects.gemini import Gemini
from gateway.dialects.gemini_embeddings import PER_REQUEST, EmbedCall
from gateway.message import Headers, Request

MODEL = "/v1beta/models/gemini-embedding-001"


def ask(body: Any, method: str = "embedContent") -> EmbedCall:
    raw = json.dumps(body).encode()
    call = Gemini().decode(Request("POST", f"{MODEL}:{method}", Headers(), raw), raw)
    assert isinstance(call, EmbedCall)
    return call


def content(text: str) -> dict[str, Any]:
    return {"parts": [{"text": text}]}


@pytest.mark.parametrize(
    ("method", "body", "texts"),
    [
        ("embedContent", {"content": content("a"), "title": "t", "taskType": "X"}, ["a", "t"]),
        (
            "embedContent",
            {"content": content("a"), "embedContentConfig": {"title": "t"}},
            ["a", "t"],
        ),
        (
            "batchEmbedContents",
            {"requests": [{"content": content("a")}, {"content": content("b"), "title": "t"}]},
            ["a", "b", "t"],
        ),
        (
            "asyncBatchEmbedContent",
            {
                "batch": {
                    "displayName": "n",
                    "input_config": {
                        "requests": {"requests": [{"request": {"content": content("a")}}]}
                    },
                }
            },
            ["n", "a"],
        ),
    ],
)
def test_every_text_is_read(method: str, body: Any, texts: list[str]) -> None:
    call = ask(body, method)
    assert [segment.text for segment in call.segments] == texts
    assert {segment.surface.value for segment in call.segments} == {"user"}
    assert (call.operation, call.max_output) == ("embeddings", 0)
    assert call.input_bound() == len(call.encode()) + PER_REQUEST
    assert call.input_estimate() == len("".join(texts)) // 4 + 1


def test_what_is_answered_later_is_deferred_and_a_file_of_it_out_of_sight() -> None:
    call = ask({"batch": {"inputConfig": {"fileName": "files/1"}}}, "asyncBatchEmbedContent")
    assert (call.deferred, call.batched, call.readable_answer) == (True, True, False)
    assert [item.what for item in call.unscannable] == ["file"]
    assert call.input_bound() == -1


def test_models_of_the_requests_do_not_go_unseen() -> None:
    requests = [{"model": f"models/{name}", "content": content("a")} for name in ("x", "y")]
    call = ask({"requests": requests}, "batchEmbedContents")
    assert call.model == "gemini-embedding-001"
    assert call.get_field("models") == ["x", "y"]


def test_a_forced_field_keeps_its_spelling() -> None:
    call = ask({"content": content("a"), "output_dimensionality": 5})
    call.force_field("outputDimensionality", 7)
    call.force_field("taskType", "X")
    assert json.loads(call.encode()) == {
        "content": content("a"),
        "output_dimensionality": 7,
        "taskType": "X",
    }
    assert call.get_field("task_type") == "X"


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        ({"embedding": {"values": [0.1]}}, None),
        ({"embeddings": [{"values": [0.1]}], "usageMetadata": {"promptTokenCount": 7}}, Usage(7)),
    ],
)
def test_vectors_pass(body: Any, usage: Usage | None) -> None:
    raw = json.dumps(body).encode()
    answer = Gemini().decode_answer(ask({"content": content("a")}), raw)
    assert (answer.encode(), answer.usage, answer.segments) == (raw, usage, [])


def test_what_has_no_vectors_is_no_answer() -> None:
    with pytest.raises(ValueError, match="no embeddings"):
        Gemini().decode_answer(ask({"content": content("a")}), b"{}")
