"""What files give back: results of a batch, texts, bytes."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.dialects.base import Surface
from gateway.dialects.file_content import FileContent


def result(body: Any, **more: Any) -> bytes:
    response = {"status_code": 200, "request_id": "r", "body": body}
    line = {"id": "b", "custom_id": "1", "response": response, "error": None, **more}
    return orjson.dumps(line) + b"\n"


def chat(content: str | None, *calls: str) -> dict[str, Any]:
    tools = [
        {"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}}
        for name in calls
    ]
    message = {"role": "assistant", "content": content, **({"tool_calls": tools} if tools else {})}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if tools else "stop"}
    return {"id": "c", "object": "chat.completion", "choices": [choice]}


def test_answers_are_told_by_what_they_call_themselves() -> None:
    part = {"type": "output_text", "text": "two"}
    message = {"type": "message", "role": "assistant", "content": [part]}
    response = {"id": "r", "object": "response", "output": [message]}
    made = FileContent(
        result(chat("one")) + result(response) + result({"object": "list", "x": "3"})
    )
    assert len(made.inside) == 2
    assert {"one", "two", "3"} <= {segment.text for segment in made.segments}
    assert {segment.surface for segment in made.segments} == {Surface.OUTPUT}


def test_text_of_a_results_file_is_rewritten_and_never_blocked() -> None:
    made = FileContent(result(chat("one")) + result(chat("two")))
    assert not any(segment.fresh for segment in made.segments)
    made.segments[1].replace("#")
    assert made.encode() == result(chat("one")) + result(chat("#"))


def test_calls_are_taken_out_of_their_own_answer() -> None:
    made = FileContent(result(chat(None, "a")) + result(chat(None, "b")))
    assert made.tool_calls == []
    second = made.inside[1]
    second.remove_tool_calls(frozenset({second.tool_calls[0].key}), "Gone.")
    first, last = map(orjson.loads, made.encode().splitlines())
    assert first["response"]["body"] == chat(None, "a")
    choice = last["response"]["body"]["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Gone.", "stop")


def test_what_calls_itself_an_answer_and_is_none_is_read_string_by_string() -> None:
    made = FileContent(result({"object": "chat.completion", "odd": "words"}))
    assert "words" in {segment.text for segment in made.segments}
    assert not made.inside


def test_an_error_of_a_line_is_read() -> None:
    made = FileContent(result(None, error={"code": "x", "message": "words"}))
    assert "words" in {segment.text for segment in made.segments}


def test_of_any_other_line_every_key_and_number_is_content() -> None:
    made = FileContent(b'{"ann@example.com": 4111111111111111}\n{"response": {"body": "words"}}')
    assert {"ann@example.com", "4111111111111111", "words"} <= {s.text for s in made.segments}


def test_one_object_over_several_lines_is_read_like_a_line() -> None:
    raw = b'{\n  "note": "\\u0073ecret"\n}\n'
    made = FileContent(raw)
    assert made.encode() == raw
    assert not made.unscannable
    next(s for s in made.segments if s.text == "secret").replace("#")
    assert made.document.changed
    assert made.encode() == b'{"note":"#"}'


def test_a_text_is_read_and_named_all_the_same() -> None:
    made = FileContent(b"All is well.\n")
    assert [segment.text for segment in made.segments] == ["All is well.\n"]
    assert [(item.what, item.surface) for item in made.unscannable] == [("file", Surface.OUTPUT)]
    assert made.encode() == b"All is well.\n"
    made.segments[0].replace("#")
    assert made.encode() == b"#"


def test_bytes_are_named_and_pass() -> None:
    for raw in (b"\x89PNG", b"a\x00b"):
        made = FileContent(raw)
        assert not made.segments
        assert [item.what for item in made.unscannable] == ["file"]
        assert made.encode() == raw
