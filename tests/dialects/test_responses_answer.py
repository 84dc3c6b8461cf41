"""Whole responses: transparent unless something acts, valid if it does."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from openai.types.responses import Response

from gateway.dialects.base import Usage
from gateway.dialects.jsondoc import parse_answer
from gateway.dialects.responses_answer import (
    ResponsesAnswer,
    finish_of,
    is_call_for_agent,
    notice_item,
    set_arguments,
    usage_of,
)
from tests.dialects.responses_samples import USAGE, call, message, response

CALL = call(1, "shell", '{"cmd":"ls"}')[1]
OTHER = call(2, "read", "{}")[1]
TEXT = message(0, "hello")[1]
RAN = {
    "id": "sh",
    "type": "shell_call",
    "status": "completed",
    "call_id": "c",
    "action": {"commands": ["ls"]},
    "environment": {"type": "container_reference", "container_id": "x"},
}
GAVE = {
    "id": "so",
    "type": "shell_call_output",
    "status": "completed",
    "call_id": "c",
    "max_output_length": None,
    "output": [{"stdout": "files", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
}


def answer(*output: Any) -> ResponsesAnswer:
    body = response("completed", list(output), usage=USAGE)
    return ResponsesAnswer(parse_answer(orjson.dumps(body, option=orjson.OPT_INDENT_2)))


def out(made: ResponsesAnswer) -> Response:
    return Response.model_validate_json(made.encode())


def test_unchanged_answers_are_the_same_bytes() -> None:
    made = answer(TEXT, CALL)
    assert made.encode() == made.document.raw
    assert (made.id, made.model, made.finish) == ("resp_1", "gpt-x", "completed")
    assert made.usage == Usage(input=40, cache_read=60, output=30, reasoning=10)


def test_texts_are_segments_and_calls_are_calls() -> None:
    made = answer(TEXT, CALL, RAN, GAVE)
    assert [segment.text for segment in made.segments] == ["hello", "files"]
    assert [(c.key, c.name, c.hosted) for c in made.tool_calls] == [
        ("1", "shell", False),
        ("2", "shell", True),
    ]
    made.segments[0].replace("bye")
    assert out(made).output_text == "bye"


def test_a_removed_call_leaves_the_others() -> None:
    made = answer(TEXT, CALL, OTHER)
    made.remove_tool_calls(frozenset({"1"}), "No.")
    assert [item.type for item in out(made).output] == ["message", "function_call"]
    assert [each.name for each in made.tool_calls] == ["read"]


def test_without_a_call_left_the_notice_is_a_message() -> None:
    made = answer(CALL)
    made.remove_tool_calls(frozenset({"0"}), "No.")
    assert out(made).output_text == "No."
    assert out(made).status == "completed"


def test_a_removed_hosted_call_takes_its_output_along() -> None:
    made = answer(RAN, GAVE, OTHER)
    made.remove_tool_calls(frozenset({"0"}), "No.")
    assert [item.type for item in out(made).output] == ["function_call"]


def test_arguments_are_replaced_in_the_form_of_their_item() -> None:
    made = answer(CALL, RAN)
    made.replace_arguments("0", '{"cmd":"true"}')
    made.replace_arguments("1", '{"commands":["true"]}')
    root = orjson.loads(made.encode())
    assert root["output"][0]["arguments"] == '{"cmd":"true"}'
    assert root["output"][1]["action"] == {"commands": ["true"]}
    assert [each.arguments for each in made.tool_calls] == [
        '{"cmd":"true"}',
        '{"commands":["true"]}',
    ]


@pytest.mark.parametrize("body", [b"{}", b'{"error":{}}', b'{"output":"x"}'])
def test_what_is_no_response_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a response"):
        ResponsesAnswer(parse_answer(body))


def test_usage_counts_each_token_once() -> None:
    report = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
        "output_tokens": 5,
    }
    usage = usage_of({"usage": report})
    assert usage == Usage(input=10, cache_read=60, cache_write=30, output=5)
    assert usage is not None
    assert usage.total_input == 100
    assert usage_of({"usage": None}) is None


def test_how_it_was_served_is_the_responses_word() -> None:
    usage = usage_of({"usage": {"input_tokens": 1}, "service_tier": "flex"})
    assert usage is not None
    assert usage.detailed().served == {"service_tier": "flex"}


def test_web_searches_are_counted_and_pages_that_were_opened_are_not() -> None:
    actions = [{"type": "search"}, {"type": "open_page"}, None]
    output = [{"type": "web_search_call", "action": action} for action in actions]
    response = {"usage": {"input_tokens": 1}, "output": [*output, {"type": "message"}]}
    usage = usage_of(response)
    assert usage is not None
    assert usage.detailed().searches == 2
    told = usage_of({**response, "tool_usage": {"web_search": {"num_requests": 5}}})
    assert told is not None
    assert told.detailed().searches == 5


def test_why_a_response_ended() -> None:
    details = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    assert finish_of(details) == "max_output_tokens"
    assert finish_of({"status": "failed", "incomplete_details": None}) == "failed"


def test_own_items_are_the_apis() -> None:
    item = notice_item("resp_1", "No.")
    assert item["id"] == "msg_portcullis_1"
    assert not is_call_for_agent(item)
    assert is_call_for_agent(CALL)
    assert not is_call_for_agent(RAN)
    picture = {"type": "image_generation_call", "id": "i"}
    set_arguments(picture, "{}")
    assert picture == {"type": "image_generation_call", "id": "i"}
