"""What is kept: what the request for it says, and the stream of a stored response."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects.base import DeclaredTool, PartKind, Surface, ToolCall
from gateway.dialects.openai_stored import OpenAIStored, StoredCall
from gateway.errors import CallerError
from gateway.message import Headers, Request
from tests.dialects.driving import (
    calls_of,
    drive,
    events_of,
    payloads_of,
    rearm,
    remove,
    sse,
    texts_of,
)
from tests.dialects.responses_samples import call as function_call
from tests.dialects.responses_samples import message
from tests.dialects.responses_samples import stream as stream_of

DIALECT = OpenAIStored()


def ask(target: str, body: Any = None, method: str = "GET") -> StoredCall:
    raw = orjson.dumps(body) if body is not None else b""
    call = DIALECT.decode(Request(method, target, Headers()), raw)
    assert isinstance(call, StoredCall)
    return call


def post(target: str, body: Any = None) -> StoredCall:
    return ask(target, body, "POST")


def test_asking_for_what_is_kept_costs_nothing_and_names_no_model() -> None:
    call = ask("/v1/responses/resp_1")
    assert (call.billable, call.names_model, call.knows_tools) == (False, False, False)
    assert (call.encode(), call.unscannable, call.segments) == (b"", [], [])


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("/v1/responses/resp_A?stream=true", "resp_A"),
        ("/v1/responses/resp_A/input_items", "resp_A"),
        ("/v1/conversations/conv_B/items", "conv_B"),
        ("/v1/chat/completions/c_1", ""),
    ],
)
def test_it_belongs_to_the_session_of_what_is_kept(target: str, kept: str) -> None:
    assert ask(target).previous_id == kept


def test_a_stream_and_sealed_reasoning_are_asked_for_in_the_query() -> None:
    plain = ask("/v1/responses/r?include[]=message.output_text.logprobs")
    assert (plain.stream, plain.sealed) == (False, False)
    call = ask("/v1/responses/r?stream=true&include%5B%5D=reasoning.encrypted_content")
    assert (call.stream, call.sealed) == (True, True)


def test_a_body_where_none_belongs_is_named() -> None:
    call = DIALECT.decode(Request("GET", "/v1/responses/r", Headers()), b"hidden")
    assert [item.what for item in call.unscannable] == ["body"]
    assert call.encode() == b"hidden"


def test_items_of_a_conversation_are_read_as_what_they_are() -> None:
    tool = {"type": "function", "name": "shell", "description": "runs"}
    call = post(
        "/v1/conversations/conv_1/items",
        {
            "items": [
                {"role": "user", "content": "one"},
                {"type": "function_call_output", "call_id": "c", "output": "two"},
                {"type": "additional_tools", "tools": [tool]},
            ]
        },
    )
    found = {segment.text: segment.surface for segment in call.segments}
    assert (found["one"], found["two"]) == (Surface.USER, Surface.TOOL_RESULT)
    assert [tool.name for tool in call.tools] == ["shell"]
    call.remove_tools(frozenset({"shell"}))
    assert b"shell" not in call.encode()
    assert "runs" not in {segment.text for segment in call.segments}


def test_metadata_is_the_users() -> None:
    for path in ("/v1/conversations", "/v1/conversations/conv_1", "/v1/chat/completions/c"):
        call = post(path, {"metadata": {"note": "mine"}})
        assert "mine" in {segment.text for segment in call.segments}


def test_a_body_that_two_parsers_could_read_differently_is_refused() -> None:
    with pytest.raises(CallerError):
        DIALECT.decode(Request("POST", "/v1/conversations", Headers()), b'{"a": 1, "a": 2}')


def test_a_cancel_has_no_body() -> None:
    call = post("/v1/responses/resp_1/cancel")
    assert (call.encode(), call.unscannable) == (b"", [])


def test_a_stored_response_tells_which_tools_were_declared() -> None:
    body = {"id": "r", "object": "response", "output": [], "tools": [{"type": "web_search"}]}
    call = ask("/v1/responses/r")
    DIALECT.decode_answer(call, orjson.dumps(body))
    assert call.knows_tools
    assert [tool.name for tool in call.tools] == ["web_search"]
    body.pop("tools")
    call = ask("/v1/responses/r")
    DIALECT.decode_answer(call, orjson.dumps(body))
    assert not call.knows_tools


def test_an_answer_that_is_not_there_yet_is_empty() -> None:
    call = ask("/v1/chat/deferred-completion/r_1")
    answer = DIALECT.decode_answer(call, b"")
    assert (answer.encode(), answer.segments, answer.unscannable) == (b"", [], [])


# --- streams ----------------------------------------------------------------------------------

CALL = '{"path": "/a"}'
WHOLE = stream_of(message(0, "Hello there"), function_call(1, "run", CALL))
EVENTS = events_of(WHOLE)


def resumed(after: int) -> bytes:
    return b"".join(event.raw for event in EVENTS[after:])


def opened() -> Any:
    return DIALECT.open_stream(ask("/v1/responses/r?stream=true"))


def test_a_stream_that_nothing_changes_passes_as_it_came_from_any_place() -> None:
    for after in range(len(EVENTS)):
        assert drive(opened(), resumed(after)) == resumed(after)


def test_from_any_place_the_call_is_judged_whole() -> None:
    """By its name and with all its arguments, however little of it was streamed."""
    for after in range(len(EVENTS)):
        stream = opened()
        frames = [stream.read(event) for event in events_of(resumed(after))]
        (made,) = calls_of(frames).values()
        assert (made.name, made.arguments) == ("run", CALL), after


def test_from_any_place_a_call_that_was_taken_out_is_nowhere() -> None:
    for after in range(len(EVENTS)):
        out = drive(opened(), resumed(after), decide=remove("run"))
        assert b"run" not in out.replace(b"gateway removed", b"")
        assert b'"/a' not in out
        last = payloads_of(out)[-1]
        assert last["type"] == "response.completed"
        assert last["response"]["output"][-1]["type"] == "message"


def test_from_any_place_other_arguments_are_the_only_ones() -> None:
    for after in range(len(EVENTS)):
        out = drive(opened(), resumed(after), decide=rearm("run", '{"path": "/b"}'))
        node = payloads_of(out)[-1]["response"]["output"][1]
        assert node["arguments"] == '{"path": "/b"}', after
        done = [each for each in payloads_of(out) if each["type"].endswith("arguments.done")]
        assert all(each["arguments"] == '{"path": "/b"}' for each in done)


def test_from_any_place_the_text_is_told_and_can_be_replaced() -> None:
    for after in range(len(EVENTS)):
        stream = opened()
        frames = [stream.read(event) for event in events_of(resumed(after))]
        assert any("there" in text for text in texts_of(frames).values()), after
        out = drive(opened(), resumed(after), edits={"Hello there": "#"})
        assert payloads_of(out)[-1]["response"]["output"][0]["content"][0]["text"] == "#", after


def test_the_numbers_of_a_stream_that_can_be_taken_up_again_stay() -> None:
    before = {each["sequence_number"] for each in payloads_of(WHOLE)}
    out = payloads_of(drive(opened(), WHOLE, decide=remove("run")))
    assert out[-1]["sequence_number"] == max(before)
    assert {each["sequence_number"] for each in out if "delta" in each["type"]}


def test_a_stored_stream_tells_which_tools_were_declared() -> None:
    call = ask("/v1/responses/r?stream=true")
    response = {"id": "r", "output": [], "instructions": "mine", "tools": [{"type": "mcp"}]}
    raw = sse([{"type": "response.created", "response": response}])
    frame = DIALECT.open_stream(call).read(events_of(raw)[0])
    assert ("mine", Surface.SYSTEM) in {
        (part.text, part.surface) for part in frame.parts if part.kind is PartKind.TEXT
    }
    assert call.knows_tools
    assert [type(tool) for tool in call.tools] == [DeclaredTool]


def test_a_call_that_an_opening_event_holds_is_judged_there() -> None:
    node = {"type": "function_call", "id": "f", "call_id": "c", "name": "run", "arguments": CALL}
    raw = sse([{"type": "response.in_progress", "response": {"id": "r", "output": [node]}}])
    seen: list[ToolCall] = []
    out = drive(opened(), raw, decide=lambda stream, lane, call: seen.append(call))
    assert out == raw
    assert [each.arguments for each in seen] == [CALL]
    (payload,) = payloads_of(drive(opened(), raw, decide=remove("run")))
    assert payload["response"]["output"] == []
