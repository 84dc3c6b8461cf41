"""Whole answers of Ollama."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects.base import Usage
from gateway.dialects.ollama_answer import OllamaAnswer
from tests.dialects.ollama_samples import DONE, OLLAMA, call_of, chat, embed, generate

HEAD = {"model": "qwen3", "created_at": "2026-01-01T00:00:00Z"}


def answer(body: dict[str, Any]) -> OllamaAnswer:
    made = OLLAMA.decode_answer(chat(), orjson.dumps(body))
    assert isinstance(made, OllamaAnswer)
    return made


def told(**message: Any) -> OllamaAnswer:
    return answer({**HEAD, "message": {"role": "assistant", "content": "", **message}, **DONE})


def test_an_answer_tells_what_it_is_and_leaves_as_it_came() -> None:
    made = told(content="Hello", thinking="hm", note="more")
    assert [(s.surface.value, s.text) for s in made.segments] == [
        ("output", "more"),
        ("output", "Hello"),
        ("reasoning", "hm"),
    ]
    assert (made.model, made.finish, made.usage) == ("qwen3", "stop", Usage(11, output=18))
    assert made.encode() is made.document.raw


def test_a_generated_text_is_read() -> None:
    made = answer({**HEAD, "response": "Hello", "thinking": "hm", "context": [1], **DONE})
    assert [(s.surface.value, s.text) for s in made.segments] == [
        ("output", "Hello"),
        ("reasoning", "hm"),
    ]


def test_a_changed_text_takes_along_what_repeats_it() -> None:
    body = {**HEAD, "response": "my secret", "context": [1, 2], "logprobs": [{"token": "secret"}]}
    made = answer({**body, **DONE})
    made.segments[0].replace("my [gone]")
    assert orjson.loads(made.encode()) == {**HEAD, "response": "my [gone]", **DONE}


def test_a_text_in_both_places_is_read_in_both() -> None:
    made = answer({**HEAD, "message": {"content": "a"}, "response": "b", "thinking": "c", **DONE})
    assert {s.text for s in made.segments} == {"a", "b", "c"}


def test_of_calls_those_that_are_allowed_are_left() -> None:
    made = told(content="Looking.", tool_calls=[call_of("a", n=1), call_of("b")])
    assert [(c.key, c.name, c.arguments) for c in made.tool_calls] == [
        ("0", "a", '{"n":1}'),
        ("1", "b", "{}"),
    ]
    made.remove_tool_calls(frozenset({"1"}), "No b.")
    message = orjson.loads(made.encode())["message"]
    assert message["tool_calls"] == [call_of("a", n=1)]
    assert message["content"] == "Looking."


@pytest.mark.parametrize(("content", "left"), [("", "No a."), ("Looking.", "Looking.\n\nNo a.")])
def test_where_no_call_is_left_a_text_says_why(content: str, left: str) -> None:
    made = told(content=content, tool_calls=[call_of("a")])
    made.remove_tool_calls(frozenset({"0"}), "No a.")
    assert orjson.loads(made.encode())["message"] == {"role": "assistant", "content": left}


def test_calls_of_generate_are_judged_too() -> None:
    made = answer({**HEAD, "response": "", "tool_calls": [call_of("a")], **DONE})
    made.remove_tool_calls(frozenset({"0"}), "No a.")
    body = orjson.loads(made.encode())
    assert body["response"] == "No a."
    assert "tool_calls" not in body


def test_other_arguments_go_in_as_an_object() -> None:
    made = told(tool_calls=[call_of("a", to="ann")])
    made.replace_arguments("0", '{"to":"<name>"}')
    assert orjson.loads(made.encode())["message"]["tool_calls"] == [call_of("a", to="<name>")]
    assert made.tool_calls[0].arguments == '{"to":"<name>"}'


@pytest.mark.parametrize(
    "body",
    [
        {"message": "hi", "done": True},
        {"response": {"text": "hi"}, "done": True},
        {"message": {"tool_calls": ["hi"]}, "done": True},
    ],
)
def test_what_has_another_shape_is_read_and_named(body: dict[str, Any]) -> None:
    made = answer(body)
    assert "hi" in [s.text for s in made.segments]
    assert "body" in [item.what for item in made.unscannable]


def test_a_picture_that_was_made_is_named() -> None:
    assert [i.what for i in answer({"image": "AAAA", "done": True}).unscannable] == ["image"]
    assert [i.what for i in told(images=["AAAA"]).unscannable] == ["image"]


def test_an_estimate_stands_in_for_a_cached_prompt() -> None:
    call = generate(prompt="x" * 400)
    made = OLLAMA.decode_answer(call, b'{"response": "a", "done": true, "eval_count": 3}')
    assert made.usage == Usage(call.input_estimate(), output=3, estimated=True)


def test_vectors_hold_no_text() -> None:
    body = b'{"model": "n", "embeddings": [[0.1]], "prompt_eval_count": 4}'
    made = OLLAMA.decode_answer(embed(input="a"), body)
    made.remove_tool_calls(frozenset(), "")
    made.replace_arguments("0", "{}")
    assert (made.segments, made.usage, made.model) == ([], Usage(4), "n")
    assert made.encode() == body
    old = OLLAMA.decode_answer(embed("/api/embeddings", prompt="a"), b'{"embedding": [0.1]}')
    assert old.usage is None
