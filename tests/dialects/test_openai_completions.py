"""Legacy completions: prompts are read, tokens are named, an answer's text is in no other field."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects.base import Call, PartKind, RateLimit, Surface
from gateway.dialects.openai_completions import CompletionsAnswer, OpenAICompletions
from gateway.errors import CallerError
from gateway.message import Headers, Request
from tests.dialects.driving import drive, events_of, pass_through, payloads_of, texts_of
from tests.dialects.transcripts import exchanges

COMPLETIONS = OpenAICompletions()
PATH = "/v1/completions"


def decode(body: bytes, path: str = PATH) -> Call:
    return COMPLETIONS.decode(Request("POST", path, Headers(), body), body)


def call(prompt: Any = "Hello", *, path: str = PATH, **fields: Any) -> Call:
    body = orjson.dumps({"model": "gpt-3.5-turbo-instruct", "prompt": prompt, **fields})
    return decode(body, path)


def answer(*choices: Any, **fields: Any) -> CompletionsAnswer:
    made = COMPLETIONS.decode_answer(call(), orjson.dumps({"choices": choices, **fields}))
    assert isinstance(made, CompletionsAnswer)
    return made


def test_recorded_exchanges_leave_as_they_came() -> None:
    for row in exchanges("openai_completions"):
        made = decode(row["request"].encode())
        assert made.encode() == row["request"].encode()
        body = row["response"].encode()
        if row["stream"]:
            stream = COMPLETIONS.open_stream(made)
            assert pass_through(stream, [body]) == body
            assert stream.finished
            if made.get_field("stream_options"):
                assert stream.usage is not None
                assert (stream.usage.input, stream.usage.output) == (31, 25)
            continue
        read = COMPLETIONS.decode_answer(made, body)
        assert read.encode() == body
        if row["status"] != 200:
            assert read.segments == []
            continue
        told = orjson.loads(body)
        assert [s.text for s in read.segments] == [c["text"] for c in told["choices"]]
        assert read.usage is not None
        assert read.usage.output == told["usage"]["completion_tokens"]
        assert made.input_bound() >= read.usage.input
        assert made.choices == len(told["choices"])


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("a", [("prompt", "a")]),
        (["a", "b"], [("prompt[0]", "a"), ("prompt[1]", "b")]),
        (["a", [1, 2]], [("prompt[0]", "a")]),
        ([1, 2], []),
    ],
)
def test_every_prompt_is_read(prompt: Any, texts: list[tuple[str, str]]) -> None:
    assert [(s.place, s.text) for s in call(prompt).segments] == texts
    assert all(s.surface is Surface.USER for s in call(prompt).segments)


@pytest.mark.parametrize("prompt", [[1, 2, 3], [[1, 2], [3]], ["a", 4], ["a", [4, 5]]])
def test_tokens_are_named_as_what_nobody_can_read(prompt: Any) -> None:
    assert [(u.what, u.surface) for u in call(prompt).unscannable] == [("tokens", Surface.USER)]


def test_a_prompt_as_vectors_is_named_and_has_no_bound() -> None:
    made = call(None, prompt_embeds="AAAA")
    assert [u.what for u in made.unscannable] == ["tokens"]
    assert made.input_bound() == -1


@pytest.mark.parametrize(
    "prompt",
    [
        {"prompt_string": "look at this", "multimodal_data": ["AAAA"]},
        [{"prompt_string": "look at this", "multimodal_data": ["AAAA"]}],
        [["look at this", 3]],
    ],
)
def test_a_prompt_of_another_shape_is_read_and_named(prompt: Any) -> None:
    made = call(prompt)
    assert "look at this" in [s.text for s in made.segments]
    assert [u.what for u in made.unscannable] == ["file"]
    assert made.input_bound() == -1


def test_suffix_stop_and_unknown_fields_are_read() -> None:
    made = call(suffix="after", stop=["END"], x_note="see", user="u1")
    assert {s.text for s in made.segments} >= {"Hello", "after", "END", "see", "u1"}
    assert made.user_id == "u1"


@pytest.mark.parametrize(
    ("fields", "choices"),
    [
        ({}, 1),
        ({"n": 2}, 2),
        ({"n": 2, "best_of": 5}, 5),
        ({"n": 2, "prompt": ["a", "b", "c"]}, 6),
        ({"prompt": [1, 2, 3]}, 1),
        ({"prompt": [[1, 2], [3]]}, 2),
        ({"n": "many"}, 1),
        ({"n": "3"}, 3),
        ({"best_of": 4.0}, 4),
    ],
)
def test_all_answers_that_will_be_charged_for_are_counted(
    fields: dict[str, Any], choices: int
) -> None:
    assert call(**{"prompt": "a", **fields}).choices == choices


def test_the_output_is_capped_in_its_field() -> None:
    made = call(max_tokens=500)
    assert made.max_output == 500
    made.set_max_output(10)
    assert orjson.loads(made.encode())["max_tokens"] == 10
    assert call().max_output is None
    twice = call(max_tokens=500, n_predict=900)
    assert twice.max_output == 900
    twice.set_max_output(10)
    sent = orjson.loads(twice.encode())
    assert (sent["max_tokens"], sent["n_predict"]) == (10, 10)


def test_usage_is_asked_for_where_a_stream_would_not_tell() -> None:
    made = call(stream=True, stream_options={"other": 1})
    made.ask_usage()
    assert orjson.loads(made.encode())["stream_options"] == {"other": 1, "include_usage": True}
    assert made.hide_usage
    for same in (call(), call(stream=True, stream_options={"include_usage": True})):
        same.ask_usage()
        assert not same.document.changed


@pytest.mark.parametrize(
    "path", ["/openai/deployments/dep/completions", "/v1/engines/dep/completions"]
)
def test_a_model_in_the_path_is_the_one_that_answers(path: str) -> None:
    assert call(path=path).model == "dep"
    assert call().model == "gpt-3.5-turbo-instruct"


def test_tokens_are_counted_in_the_estimate() -> None:
    assert call([1, 2, 3]).input_estimate() == 3
    assert call("abcde").input_estimate() == 1


def test_a_changed_text_takes_along_what_repeats_it() -> None:
    probs = {"tokens": [" secret"], "text_offset": [0]}
    made = answer(
        {"index": 0, "text": "a secret", "logprobs": probs, "token_ids": [1]},
        {"index": 1, "text": "other", "logprobs": {"tokens": ["other"]}},
    )
    made.segments[0].replace("a [gone]")
    first, second = orjson.loads(made.encode())["choices"]
    assert first == {"index": 0, "text": "a [gone]", "logprobs": None, "token_ids": None}
    assert second["logprobs"] == {"tokens": ["other"]}


def test_an_answer_tells_what_it_is() -> None:
    made = answer({"text": "hi", "finish_reason": "length"}, id="c1", model="m")
    assert (made.id, made.model, made.finish) == ("c1", "m", "length")
    with pytest.raises(ValueError, match="no choices"):
        COMPLETIONS.decode_answer(call(), b'{"content": "hi"}')
    assert COMPLETIONS.decode_answer(call(), b'{"error": {"message": "no"}}').segments == []


def test_a_choice_that_is_no_object_is_read_and_named() -> None:
    made = answer("hi", x_note="there")
    assert {s.text for s in made.segments} == {"hi", "there"}
    assert [u.what for u in made.unscannable] == ["body"]


STREAM = (
    b'data: {"id":"c1","choices":[{"text":" my","index":0,"logprobs":null}],"model":"m"}\n\n'
    b'data: {"id":"c1","choices":[{"text":" sec","index":0,"logprobs":{"tokens":["s"]}}]}\n\n'
    b'data: {"id":"c1","choices":[{"text":"ret","index":0,"logprobs":{"tokens":["t"]}}]}\n\n'
    b'data: {"id":"c1","choices":[{"text":"","index":0,"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


def test_a_stream_is_one_text_for_each_choice() -> None:
    stream = COMPLETIONS.open_stream(call(stream=True))
    frames = [stream.read(event) for event in events_of(STREAM)]
    assert list(texts_of(frames).values()) == [" my secret"]
    assert PartKind.END in [part.kind for frame in frames for part in frame.parts]
    assert (stream.model, stream.finish, stream.finished) == ("m", "stop", True)


def test_a_changed_stream_repeats_nothing_of_what_was_taken_out() -> None:
    out = drive(COMPLETIONS.open_stream(call(stream=True)), STREAM, edits={"secret": "[gone]"})
    chunks = payloads_of(out.replace(b"data: [DONE]\n\n", b""))
    assert "".join(c["choices"][0]["text"] for c in chunks) == " my [gone]"
    assert all(not c["choices"][0].get("logprobs") for c in chunks)


def test_errors_and_limits_are_those_of_the_api() -> None:
    body = COMPLETIONS.error_body(400, "secret_found", "No.", "x1")
    assert orjson.loads(body)["error"]["code"] == "secret_found"
    limits = COMPLETIONS.limit_headers([RateLimit("requests", 5, 1, 2.0)])
    assert limits.get("x-ratelimit-limit-requests") == "5"


def test_what_is_no_completion_says_so() -> None:
    with pytest.raises(CallerError):
        decode(b"[]")
