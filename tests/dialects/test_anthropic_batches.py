"""Anthropic's batches: requests, batch objects, results."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects.anthropic_batches import AnthropicBatches, BatchObject, BatchResults
from gateway.dialects.base import Surface
from gateway.errors import CallerError
from gateway.message import Headers, Request

DIALECT = AnthropicBatches()
PATH = "/v1/messages/batches"
PARAMS = {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}


def post(body: Any, path: str = PATH) -> Any:
    raw = orjson.dumps(body) if body is not None else b""
    return DIALECT.decode(Request("POST", path, Headers()), raw)


def get(path: str) -> Any:
    return DIALECT.decode(Request("GET", path, Headers()), b"")


def message(*blocks: Any) -> dict[str, Any]:
    return {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": list(blocks),
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def results(*made: Any) -> bytes:
    lines = [{"custom_id": str(n), "result": each} for n, each in enumerate(made)]
    return b"".join(orjson.dumps(line) + b"\n" for line in lines)


def test_a_batch_is_answered_before_its_work_is_done() -> None:
    call = post({"requests": [{"custom_id": "a", "params": PARAMS}]})
    assert call.deferred
    assert call.billable
    assert [member.max_output for member in call.members] == [9]
    assert [s.text for s in call.segments if s.readonly] == ["a"]


@pytest.mark.parametrize(
    "body",
    [{}, {"requests": []}, {"requests": {}}, {"requests": [{"custom_id": "a"}]}, {"requests": [1]}],
)
def test_a_batch_without_requests_that_can_be_read_is_refused(body: Any) -> None:
    with pytest.raises(CallerError, match="requests"):
        post(body)


def test_fields_that_nobody_knows_are_read() -> None:
    entry = {"custom_id": "a", "params": PARAMS, "new": {"deep": "one"}}
    call = post({"requests": [entry], "other": "two"})
    assert {"one", "two"} <= {segment.text for segment in call.segments}


def test_a_cancel_and_a_look_cost_nothing() -> None:
    for call in (post(None, f"{PATH}/b/cancel"), get(f"{PATH}/b"), get(f"{PATH}/b/results")):
        assert not call.billable
        assert not call.unscannable


def test_the_address_of_the_results_leads_through_the_gateway() -> None:
    batch = {"id": "b", "results_url": f"https://api.anthropic.com{PATH}/b/results"}
    for body in (batch, {"data": [batch, {"id": "c", "results_url": None}], "has_more": False}):
        answer = DIALECT.decode_answer(get(PATH), orjson.dumps(body))
        assert answer.document.changed
        sent = orjson.loads(answer.encode())
        assert sent.get("data", [sent])[0]["results_url"] == f"{PATH}/b/results"


def test_a_batch_that_has_no_results_yet_stays_as_it_came() -> None:
    raw = b'{ "id": "b",  "results_url": null }'
    answer = DIALECT.decode_answer(get(f"{PATH}/b"), raw)
    assert isinstance(answer, BatchObject)
    assert answer.encode() == raw


def test_results_are_answers_line_by_line() -> None:
    failed = {"type": "errored", "error": {"type": "error", "error": {"message": "too long"}}}
    raw = results(
        {"type": "succeeded", "message": message(text("one"))}, failed, {"type": "expired"}
    )
    answer = DIALECT.decode_answer(get(f"{PATH}/b/results"), raw)
    assert isinstance(answer, BatchResults)
    assert answer.encode() == raw
    assert {"one", "too long"} <= {s.text for s in answer.segments}
    assert not any(s.fresh for s in answer.segments)
    next(s for s in answer.segments if s.text == "one").replace("#")
    assert answer.encode() == raw.replace(b'"one"', b'"#"')


def test_a_call_is_taken_out_of_its_own_result() -> None:
    use = {"type": "tool_use", "id": "t", "name": "shell", "input": {}}
    made = {"type": "succeeded", "message": message(text("Well."), use)}
    answer = DIALECT.decode_answer(get(f"{PATH}/b/results"), results(made, made))
    second = answer.inside[1]
    second.remove_tool_calls(frozenset({second.tool_calls[0].key}), "Gone.")
    first, last = map(orjson.loads, answer.encode().splitlines())
    assert first["result"] == made
    assert "shell" not in str(last)
    assert last["result"]["message"]["stop_reason"] == "end_turn"


def test_whatever_else_a_line_says_is_read_and_can_be_rewritten() -> None:
    raw = orjson.dumps({"custom_id": "a", "result": {"type": "new", "note": "one"}, "more": "two"})
    answer = DIALECT.decode_answer(get(f"{PATH}/b/results"), raw)
    for segment in answer.segments:
        segment.replace("#")
    assert answer.encode() == raw.replace(b'"one"', b'"#"').replace(b'"two"', b'"#"')


def test_a_message_that_is_none_is_read_string_by_string() -> None:
    odd = {"type": "succeeded", "message": {"odd": "words"}}
    answer = DIALECT.decode_answer(get(f"{PATH}/b/results"), results(odd))
    assert "words" in {s.text for s in answer.segments}
    assert [(i.what, i.surface) for i in answer.unscannable] == [("body", Surface.OUTPUT)]


def test_results_that_are_no_lines_of_json_are_not_read() -> None:
    with pytest.raises(ValueError, match="unexpected"):
        DIALECT.decode_answer(get(f"{PATH}/b/results"), b"oops\n")
