"""What is given back: answers are answers, what was sent is history."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects.base import Surface
from gateway.dialects.jsondoc import parse_answer
from gateway.dialects.stored_answer import StoredAnswer


def read(body: Any) -> StoredAnswer:
    return StoredAnswer(parse_answer(orjson.dumps(body)))


def found(answer: StoredAnswer) -> dict[str, tuple[Surface, bool]]:
    return {segment.text: (segment.surface, segment.fresh) for segment in answer.segments}


PART = {"type": "output_text", "text": "said"}
MESSAGE = {"type": "message", "role": "assistant", "content": [PART]}
CALL = {"type": "function_call", "call_id": "c", "name": "run", "arguments": '{"a": "args"}'}
RESPONSE = {"id": "r", "object": "response", "model": "gpt-x", "output": [MESSAGE, CALL]}
CHAT = {
    "id": "c",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "said"}}],
}


def test_an_answer_is_as_new_as_it_was() -> None:
    for body in (RESPONSE, CHAT):
        answer = read(body)
        assert found(answer)["said"] == (Surface.OUTPUT, True)
        assert answer.encode() == orjson.dumps(body)


def test_its_calls_are_judged_as_calls() -> None:
    answer = read(RESPONSE)
    assert "args" not in found(answer)
    (inner,) = answer.inside
    assert [call.name for call in inner.tool_calls] == ["run"]
    inner.remove_tool_calls(frozenset({inner.tool_calls[0].key}), "Gone.")
    assert b'"run"' not in answer.encode()
    assert b"Gone." in answer.encode()


def test_what_a_response_repeats_of_its_request_is_history() -> None:
    answer = read(
        {
            **RESPONSE,
            "instructions": "one",
            "metadata": {"note": "two"},
            "prompt": {"id": "p", "variables": {"v": "three"}},
            "tools": [{"type": "mcp", "server_label": "s", "headers": {"x": "key"}}],
        }
    )
    texts = found(answer)
    assert texts["one"] == (Surface.SYSTEM, False)
    assert texts["two"] == texts["three"] == (Surface.USER, False)
    assert texts["s"] == (Surface.TOOL_DEFINITION, False)
    assert "key" not in texts
    assert answer.declared is not None


def test_instructions_may_be_items() -> None:
    answer = read({**RESPONSE, "instructions": [{"role": "developer", "content": "one"}]})
    assert found(answer)["one"] == (Surface.SYSTEM, False)


def test_a_list_of_answers_is_rewritten_and_never_blocked() -> None:
    answer = read({"object": "list", "data": [CHAT, CHAT], "has_more": False})
    assert len(answer.inside) == 2
    assert found(answer)["said"] == (Surface.OUTPUT, False)
    assert answer.declared is None


def test_items_are_history_and_their_calls_are_text() -> None:
    items = [
        {"id": "1", "type": "message", "role": "user", "content": "asked"},
        {"id": "2", **MESSAGE},
        {"id": "3", **CALL},
    ]
    texts = found(read({"object": "list", "data": items}))
    assert texts["asked"] == (Surface.USER, False)
    assert texts["said"] == (Surface.ASSISTANT, False)
    assert texts["args"] == (Surface.TOOL_CALL, False)
    assert found(read(items[2])) == {key: texts[key] for key in ("args", "a")}


def test_text_inside_arguments_is_written_back() -> None:
    for body in ({"object": "list", "data": [{"id": "3", **CALL}]}, _chat_call()):
        answer = read(body)
        next(s for s in answer.segments if s.text == "args").replace("#")
        assert b"args" not in answer.encode()


def _chat_call() -> dict[str, Any]:
    function = {"name": "run", "arguments": '{"a": "args"}'}
    message = {"role": "assistant", "content": None, "tool_calls": [{"function": function}]}
    return {"object": "list", "data": [message]}


def test_messages_of_a_chat_completion_are_read_as_that_dialect_does() -> None:
    message = {"id": "m", "role": "tool", "content": "result", "tool_call_id": "c"}
    answer = read({"object": "list", "data": [message]})
    assert found(answer)["result"] == (Surface.TOOL_RESULT, False)
    assert [segment.place for segment in answer.segments] == ["data[0].content"]


def test_a_conversation_has_metadata() -> None:
    answer = read({"id": "conv_1", "object": "conversation", "metadata": {"note": "mine"}})
    assert found(answer)["mine"] == (Surface.USER, False)


@pytest.mark.parametrize(
    "body",
    [
        {"id": "x", "object": "new", "deep": {"er": "words"}},
        {"id": "x", "object": "response", "odd": "words"},
        {"id": "x", "object": "chat.completion", "odd": "words"},
        {"id": "x", "odd": "words"},
        {"object": "list", "data": [{"id": "x", "odd": "words"}]},
        {"object": "list", "data": [["words"]]},
    ],
)
def test_what_nobody_knows_is_read_string_by_string_and_named(body: Any) -> None:
    answer = read(body)
    assert found(answer)["words"][0] is Surface.OUTPUT
    assert [item.what for item in answer.unscannable] == ["body"]


def test_a_compaction_is_a_response() -> None:
    answer = read({"id": "c", "object": "response.compaction", "output": [MESSAGE]})
    assert found(answer)["said"] == (Surface.OUTPUT, True)


def test_the_apis_own_errors_pass() -> None:
    answer = read({"error": {"message": "No such response."}})
    assert (answer.segments, answer.unscannable) == ([], [])
