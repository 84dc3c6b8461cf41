"""Whole messages: transparent unless something acts, valid if it does."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from anthropic.types import Message

from gateway.dialects.anthropic_answer import AnthropicAnswer, merge_usage
from gateway.dialects.base import Usage
from gateway.dialects.jsondoc import parse_answer

TEXT = {"type": "text", "text": "hello"}
CALL = {"type": "tool_use", "id": "a", "name": "shell", "input": {"cmd": "ls"}}
OTHER = {"type": "tool_use", "id": "b", "name": "read", "input": {}}
SEARCH = {"type": "server_tool_use", "id": "c", "name": "web_search", "input": {"query": "q"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "c", "content": []}


def answer(*content: Any, stop_reason: str = "tool_use") -> AnthropicAnswer:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 4},
    }
    return AnthropicAnswer(parse_answer(orjson.dumps(message, option=orjson.OPT_INDENT_2)))


def out(made: AnthropicAnswer) -> Message:
    return Message.model_validate_json(made.encode())


def test_unchanged_answers_are_the_same_bytes() -> None:
    made = answer(TEXT, CALL)
    assert made.encode() == made.document.raw
    assert b"\n" in made.encode()
    assert (made.id, made.model, made.finish) == ("msg_1", "claude-x", "tool_use")
    assert made.usage == Usage(input=3, output=4)


def test_texts_are_segments_and_calls_are_calls() -> None:
    made = answer(TEXT, CALL, SEARCH, FOUND)
    assert [segment.text for segment in made.segments] == ["hello"]
    assert [(c.key, c.name, c.arguments, c.hosted) for c in made.tool_calls] == [
        ("1", "shell", '{"cmd":"ls"}', False),
        ("2", "web_search", '{"query":"q"}', True),
    ]
    made.segments[0].replace("bye")
    assert out(made).content[0].text == "bye"  # type: ignore[union-attr]


def test_a_removed_call_leaves_the_others() -> None:
    made = answer(TEXT, CALL, OTHER)
    made.remove_tool_calls(frozenset({"1"}), "No.")
    assert [block.type for block in out(made).content] == ["text", "tool_use"]
    assert out(made).stop_reason == "tool_use"
    assert [call.name for call in made.tool_calls] == ["read"]


def test_without_a_call_left_the_notice_closes_the_turn() -> None:
    made = answer(CALL)
    made.remove_tool_calls(frozenset({"0"}), "No.")
    message = out(made)
    assert [block.text for block in message.content] == ["No."]  # type: ignore[union-attr]
    assert message.stop_reason == made.finish == "end_turn"


def test_a_removed_hosted_call_takes_its_result_along() -> None:
    made = answer(SEARCH, FOUND, TEXT, stop_reason="end_turn")
    made.remove_tool_calls(frozenset({"0"}), "No.")
    assert [block.type for block in out(made).content] == ["text", "text"]


def test_arguments_are_replaced() -> None:
    made = answer(CALL, OTHER)
    made.replace_arguments("0", '{"cmd":"true"}')
    assert out(made).content[0].input == {"cmd": "true"}  # type: ignore[union-attr]
    assert made.tool_calls[0].arguments == '{"cmd":"true"}'


@pytest.mark.parametrize("body", [b"{}", b'{"type":"error"}', b'{"type":"message","content":"x"}'])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a message"):
        AnthropicAnswer(parse_answer(body))


def test_usage_reports_are_laid_over_each_other() -> None:
    usage = merge_usage(None, {"input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 1})
    usage = merge_usage(usage, {"output_tokens": 40, "input_tokens": None})
    assert usage == Usage(input=5, cache_read=7, output=40)
    usage = merge_usage(
        usage,
        {
            "cache_creation_input_tokens": 30,
            "cache_creation": {"ephemeral_1h_input_tokens": 20},
            "output_tokens_details": {"thinking_tokens": 11},
        },
    )
    assert usage == Usage(
        input=5, cache_read=7, cache_write=10, cache_write_1h=20, output=40, reasoning=11
    )
    usage = merge_usage(usage, {"cache_creation_input_tokens": 50})
    assert usage is not None
    assert (usage.cache_write, usage.cache_write_1h) == (30, 20)
    assert merge_usage(usage, None) is usage


def test_usage_tells_how_it_was_served_and_what_was_searched() -> None:
    report = {
        "input_tokens": 1,
        "speed": "fast",
        "inference_geo": "us",
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
    }
    usage = merge_usage(None, report)
    assert usage is not None
    assert usage.detailed().served == {"speed": "fast", "inference_geo": "us"}
    assert usage.detailed().searches == 2


def test_every_inference_of_an_answer_counts_with_its_model() -> None:
    steps = [
        {"type": "compaction", "input_tokens": 100, "output_tokens": 5},
        {"type": "message", "input_tokens": 10, "output_tokens": 20, "iterations": None},
        {"type": "advisor_message", "model": "claude-opus-4-7", "input_tokens": 7},
    ]
    usage = merge_usage(None, {"input_tokens": 10, "output_tokens": 20, "iterations": steps})
    assert usage is not None
    assert (usage.input, usage.output) == (117, 25)
    assert usage.detailed().steps == (
        ("", Usage(100, output=5)),
        ("", Usage(10, output=20)),
        ("claude-opus-4-7", Usage(7)),
    )


def test_one_inference_alone_is_what_the_totals_say() -> None:
    usage = merge_usage(None, {"input_tokens": 10, "iterations": [{"input_tokens": 10}]})
    assert usage == Usage(10)
