"""Embeddings: texts are read, tokens cannot be, and there is nothing to read in an answer."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects.base import Call, RateLimit
from gateway.dialects.openai_embeddings import OpenAIEmbeddings
from gateway.errors import CallerError
from gateway.message import Headers, Request
from tests.dialects.transcripts import exchanges

EMBEDDINGS = OpenAIEmbeddings()


def decode(body: bytes) -> Call:
    return EMBEDDINGS.decode(Request("POST", "/v1/embeddings", Headers(), body), body)


def call(given: Any, **fields: Any) -> Call:
    return decode(orjson.dumps({"model": "text-embedding-3-small", "input": given, **fields}))


def test_recorded_exchanges_leave_as_they_came() -> None:
    for row in exchanges("openai_embeddings"):
        made = decode(row["request"].encode())
        assert made.encode() == row["request"].encode()
        body = row["response"].encode()
        answer = EMBEDDINGS.decode_answer(made, body)
        assert answer.encode() == body
        assert answer.segments == answer.tool_calls == []
        if row["status"] == 200:
            counted = orjson.loads(body)["usage"]["prompt_tokens"]
            assert answer.usage is not None
            assert (answer.usage.input, answer.usage.output) == (counted, 0)
            assert made.input_bound() >= counted


def test_each_text_is_a_segment() -> None:
    assert [(s.surface.value, s.place) for s in call("a").segments] == [("user", "input")]
    assert [s.place for s in call(["a", "b"]).segments] == ["input[0]", "input[1]"]
    assert [s.text for s in call([{"text": "a", "image": "AA"}]).segments if s.text == "a"]
    assert [s.text for s in call("a", user="u@example.org").segments] == ["a", "u@example.org"]
    assert call("a", user="u").user_id == "u"


@pytest.mark.parametrize("given", [[1, 2, 3], [[1, 2], [3]], ["a", 4]])
def test_tokens_cannot_be_read(given: Any) -> None:
    assert [u.what for u in call(given).unscannable] == ["tokens"]


def test_tokens_are_counted() -> None:
    assert call([1, 2, 3]).input_estimate() == 3
    assert call([[1, 2], [3]]).input_estimate() == 3
    assert call("abcde").input_estimate() == 1


def test_nothing_is_put_out_so_nothing_is_reserved_for_it() -> None:
    made = call("a")
    assert made.max_output == 0
    made.set_max_output(5)
    assert not made.document.changed
    assert made.operation == "embeddings"


def test_a_text_and_a_field_can_be_changed() -> None:
    made = call(["a", "b"])
    made.segments[1].replace("x")
    made.force_field("dimensions", 8)
    assert made.get_field("dimensions") == 8
    assert orjson.loads(made.encode())["input"] == ["a", "x"]
    made.remove_tools(frozenset({"a"}))


def test_a_deployment_in_the_path_answers_whatever_model_the_body_names() -> None:
    body = orjson.dumps({"model": "cheap", "input": "a"})
    path = "/openai/deployments/dear/embeddings?api-version=1"
    assert EMBEDDINGS.decode(Request("POST", path, Headers(), body), body).model == "dear"


def test_what_is_no_embedding_says_so() -> None:
    with pytest.raises(CallerError):
        decode(b"[]")
    with pytest.raises(ValueError):
        EMBEDDINGS.decode_answer(call("a"), b'{"object":"list"}')


def test_errors_and_limits_are_openai_s() -> None:
    assert b'"code":"x"' in EMBEDDINGS.error_body(400, "x", "m", "r")
    assert EMBEDDINGS.limit_headers([RateLimit("requests", 1, 1, 1.0)]).items
    stream = EMBEDDINGS.open_stream(call("a"))
    assert stream.stop("x", "m").startswith(b"data: ")
