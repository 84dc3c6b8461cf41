"""Streams of the Responses API: snapshots agree with what was let through."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.responses_stream import ResponsesStream
from tests.dialects.driving import (
    cut,
    drive,
    events_of,
    openai_events,
    openai_response,
    pass_through,
    payloads_of,
    rearm,
    remove,
    sse,
    stopped_at,
)
from tests.dialects.responses_samples import call, message, reasoning, response, stream, whole
from tests.dialects.transcripts import streams

TWO_CALLS = stream(
    reasoning(0, "Let me ", "see."),
    message(1, "I will", " look."),
    call(2, "read_file", '{"path":', '"a.txt"}'),
    call(3, "shell", '{"cmd":"rm -rf /"}'),
    message(4, "Done."),
)
ONE_CALL = stream(reasoning(0, "Hm."), call(1, "shell", '{"cmd":', '"ls"}'))


def accepted(raw: bytes) -> bool:
    """Whether the SDK takes a stream; it refuses a recording or two (ids that rotate)."""
    try:
        openai_events(raw)
    except (RuntimeError, ValueError, AttributeError, openai.APIError):
        return False
    return True


def kinds(answer: Any) -> list[str]:
    return [item.type for item in answer.output]


def check_numbers(raw: bytes) -> None:
    """Sequence numbers without a gap, each item index used by one item only."""
    payloads = payloads_of(raw)
    assert [p["sequence_number"] for p in payloads] == list(range(len(payloads)))
    indexes = [p["output_index"] for p in payloads if p["type"] == "response.output_item.added"]
    assert indexes == list(range(len(indexes)))


def check_snapshots(raw: bytes) -> None:
    """What was streamed of each item is what its finished item and the response say."""
    payloads = payloads_of(raw)
    streamed: dict[int, str] = {}
    finished: dict[int, Any] = {}
    for each in payloads:
        if each["type"] in (
            "response.output_text.delta",
            "response.function_call_arguments.delta",
            "response.custom_tool_call_input.delta",
        ):
            at = each["output_index"]
            streamed[at] = streamed.get(at, "") + each["delta"]
        elif each["type"] == "response.output_item.done":
            finished[each["output_index"]] = each["item"]
    for index, text in streamed.items():
        item = finished[index]
        if item["type"] == "message":
            assert "".join(part["text"] for part in item["content"]) == text
        else:
            assert item.get("arguments", item.get("input")) == text
    assert payloads[-1]["response"]["output"] == [finished[index] for index in sorted(finished)]


def test_recorded_streams_pass_byte_for_byte_however_they_are_cut() -> None:
    for row in streams("openai_responses"):
        raw = row["response"].encode()
        for seed in range(5):
            assert pass_through(ResponsesStream(), cut(raw, seed)) == raw, row["id"]


def test_sdk_reads_a_recorded_stream_with_a_replaced_word() -> None:
    seen = 0
    for row in streams("openai_responses"):
        raw = row["response"].encode()
        if raw.count(b'"type":"response.created"') != 1 or "output_text.delta" not in str(raw):
            continue
        if "sequence_number" not in row["response"]:
            continue
        out = drive(ResponsesStream(), raw, edits={" the ": " [gone] "})
        if not accepted(raw):
            continue
        before, after = openai_response(raw), openai_response(out)
        assert after.output_text == before.output_text.replace(" the ", " [gone] "), row["id"]
        seen += " the " in before.output_text
    assert seen >= 3


def test_recorded_calls_can_be_removed_one_by_one() -> None:
    for row in streams("openai_responses"):
        raw = row["response"].encode()
        if raw.count(b'"type":"response.created"') != 1 or not accepted(raw):
            continue
        names: list[str] = []
        drive(ResponsesStream(), raw, decide=lambda _s, _l, c, n=names: n.append(c.name))
        for name in dict.fromkeys(names):
            out = drive(ResponsesStream(), raw, decide=remove(name, notice="Portcullis: no."))
            left: list[str] = []
            drive(ResponsesStream(), out, decide=lambda _s, _l, c, n=left: n.append(c.name))
            assert name not in left, (row["id"], name)
            assert accepted(out), (row["id"], name)


def test_usage_model_and_id_come_from_the_stream() -> None:
    reader = ResponsesStream()
    frames = [reader.read(event) for event in events_of(TWO_CALLS)]
    assert reader.usage is not None
    assert (reader.usage.input, reader.usage.cache_read) == (40, 60)
    assert (reader.usage.output, reader.usage.reasoning) == (30, 10)
    assert (reader.model, reader.id, reader.finish) == ("gpt-x", "resp_1", "completed")
    assert reader.finished
    assert [frame.closing for frame in frames] == [False] * (len(frames) - 1) + [True]


def test_a_text_across_events_is_replaced_everywhere() -> None:
    raw = stream(message(0, "my card is 41", "11 11", "11 ok"))
    out = drive(ResponsesStream(), raw, edits={"4111 1111": "[gone]"})
    assert b"11 11" not in out
    assert openai_response(out).output_text == "my card is [gone] ok"
    check_snapshots(out)
    check_numbers(out)


def test_pointers_into_a_changed_text_are_dropped() -> None:
    events, item = message(0, "see example.com now")
    where = {"item_id": "msg_0", "output_index": 0, "content_index": 0}
    note = {"type": "url_citation", "title": "T", "url": "u", "start_index": 4, "end_index": 15}
    item["content"][0]["annotations"] = [note]
    item["content"][0]["logprobs"] = [{"token": "see", "logprob": -1.0}]
    added = {
        "type": "response.output_text.annotation.added",
        **where,
        "annotation_index": 0,
        "annotation": note,
    }
    raw = stream(([*events[:3], added, *events[3:]], item))
    assert pass_through(ResponsesStream(), [raw]) == raw
    part = openai_response(drive(ResponsesStream(), raw, edits={"example.com": "#"})).output[0]
    assert part.content[0].text == "see # now"
    assert part.content[0].annotations == []
    assert part.content[0].logprobs == []


def test_a_replaced_citation_stays_replaced_in_snapshots() -> None:
    events, item = message(0, "see it")
    note = {"type": "url_citation", "title": "secret title", "url": "u"}
    item["content"][0]["annotations"] = [note]
    added = {
        "type": "response.output_text.annotation.added",
        "output_index": 0,
        "content_index": 0,
        "item_id": "msg_0",
        "annotation": note,
    }
    raw = stream(([*events[:3], added, *events[3:]], item))
    out = drive(ResponsesStream(), raw, edits={"secret": "------"})
    assert b"secret" not in out


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=5), st.data())
def test_any_edit_leaves_snapshots_that_agree(pieces: list[str], data: Any) -> None:
    text = "".join(pieces)
    at = data.draw(st.integers(0, len(text) - 1))
    old = text[at : at + data.draw(st.integers(1, 8))]
    raw = stream(message(0, *pieces), call(1, "f", "{}"), message(2, *reversed(pieces)))
    out = drive(ResponsesStream(), raw, edits={old: "#"})
    check_snapshots(out)
    check_numbers(out)
    first = payloads_of(out)[-1]["response"]["output"][0]["content"][0]["text"]
    assert first == text.replace(old, "#")


@pytest.mark.parametrize("name", ["read_file", "shell"])
def test_a_removed_call_leaves_the_rest_valid(name: str) -> None:
    out = drive(ResponsesStream(), TWO_CALLS, decide=remove(name))
    assert name.encode() not in out
    check_numbers(out)
    check_snapshots(out)
    answer = openai_response(out)
    assert kinds(answer) == ["reasoning", "message", "function_call", "message"]
    assert answer.output_text == "I will look.Done."


def test_without_a_call_left_the_notice_is_the_last_message() -> None:
    out = drive(ResponsesStream(), ONE_CALL, decide=remove("shell", notice="Not allowed."))
    check_numbers(out)
    check_snapshots(out)
    answer = openai_response(out)
    assert kinds(answer) == ["reasoning", "message"]
    assert answer.output_text == "Not allowed."
    assert answer.status == "completed"


def test_the_notice_comes_though_the_model_wrote_something_else() -> None:
    out = drive(
        ResponsesStream(), TWO_CALLS, decide=remove("shell", "read_file", notice=" Not allowed.")
    )
    check_numbers(out)
    assert openai_response(out).output_text == "I will look.Done. Not allowed."


def test_replaced_arguments_stand_in_every_event() -> None:
    out = drive(ResponsesStream(), TWO_CALLS, decide=rearm("read_file", '{"path":"b"}'))
    assert b"a.txt" not in out
    check_numbers(out)
    check_snapshots(out)
    assert openai_response(out).output[2].arguments == '{"path":"b"}'


def test_replaced_action_of_a_shell_call_stands_in_every_event() -> None:
    item = {
        "id": "sh_0",
        "type": "shell_call",
        "status": "completed",
        "call_id": "call_0",
        "action": {"commands": ["rm -rf /tmp"], "timeout_ms": None},
    }
    start = {"action": {"commands": [], "timeout_ms": None}}
    events, _ = whole(0, item, **start)
    piece = {"output_index": 0, "command_index": 0}
    events[1:1] = [
        {"type": "response.shell_call_command.added", **piece, "command": ""},
        {"type": "response.shell_call_command.delta", **piece, "delta": "rm -rf /tmp"},
        {"type": "response.shell_call_command.done", **piece, "command": "rm -rf /tmp"},
    ]
    raw = stream((events, item))
    assert pass_through(ResponsesStream(), [raw]) == raw
    out = drive(ResponsesStream(), raw, decide=rearm("shell", '{"commands":["true"]}'))
    assert b"rm -rf" not in out
    check_numbers(out)
    assert openai_response(out).output[0].action.commands == ["true"]
    gone = drive(ResponsesStream(), raw, decide=remove("shell", notice="No shell."))
    assert b"rm -rf" not in gone
    assert openai_response(gone).output_text == "No shell."


def test_a_removed_hosted_call_takes_its_output_along() -> None:
    ran = {
        "id": "sh_0",
        "type": "shell_call",
        "status": "completed",
        "call_id": "call_0",
        "action": {"commands": ["ls"]},
        "environment": {"type": "container_reference", "container_id": "c"},
    }
    gave = {
        "id": "sho_1",
        "type": "shell_call_output",
        "status": "completed",
        "call_id": "call_0",
        "output": [{"stdout": "a.txt", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
    }
    raw = stream(whole(0, ran), whole(1, gave, output=[]), message(2, "So."))
    out = drive(ResponsesStream(), raw, decide=remove("shell", notice=" No."))
    assert b"a.txt" not in out
    check_numbers(out)
    assert openai_response(out).output_text == "So. No."


def test_a_snapshot_that_says_something_else_is_brought_in_line() -> None:
    events, item = call(0, "shell", '{"cmd":"ls"}')
    events[-1] = {**events[-1], "item": {**item, "arguments": '{"cmd":"rm -rf /"}'}}
    raw = stream((events, {**item, "arguments": '{"cmd":"rm -rf /"}'}))
    out = drive(ResponsesStream(), raw, decide=lambda *_: None)
    assert b"rm -rf" not in out
    check_snapshots(out)


@pytest.mark.parametrize("raw", [TWO_CALLS, ONE_CALL])
def test_a_stop_anywhere_fails_the_response_with_the_message(raw: bytes) -> None:
    for count in range(len(events_of(raw))):
        out = stopped_at(ResponsesStream(), raw, count, "Blocked by rule x.")
        events = openai_events(out)
        assert events[-1].type == "response.failed"
        assert events[-1].response.error.code == "invalid_prompt"
        assert events[-1].response.error.message == "Blocked by rule x."
        assert events[-1].response.id == ("resp_1" if count else "resp_portcullis")
        check_numbers(out)


def test_nothing_follows_the_end() -> None:
    writer = ResponsesStream()
    assert pass_through(writer, [ONE_CALL]) == ONE_CALL
    assert writer.stop("x", "y") == b""


def test_streams_without_numbers_stay_without() -> None:
    raw = sse(
        {k: v for k, v in each.items() if k != "sequence_number"} for each in payloads_of(ONE_CALL)
    )
    out = drive(ResponsesStream(), raw, decide=remove("shell", notice="No."))
    assert b"sequence_number" not in out
    assert payloads_of(out)[-1]["response"]["output"][-1]["content"][0]["text"] == "No."


def test_two_responses_in_one_stream_are_kept_apart() -> None:
    second = stream(call(0, "shell", "{}")).replace(b"resp_1", b"resp_2")
    out = drive(ResponsesStream(), ONE_CALL + second, decide=remove("shell", notice="No."))
    assert b"shell" not in out
    payloads = payloads_of(out)
    half = next(n for n, each in enumerate(payloads) if n and each["sequence_number"] == 0)
    check_numbers(sse(payloads[:half]))
    check_numbers(sse(payloads[half:]))


def test_an_incomplete_response_gets_the_notice_too() -> None:
    raw = stream(
        call(0, "shell", "{}"),
        status="incomplete",
        incomplete_details={"reason": "max_output_tokens"},
    )
    reader = ResponsesStream()
    out = drive(reader, raw, decide=remove("shell", notice="No."))
    assert reader.finish == "max_output_tokens"
    assert openai_response(out).output_text == "No."


def test_done_marker_and_comments_pass() -> None:
    raw = b": hi\n\n" + sse([{"type": "response.created", "response": response("queued", [])}])
    raw += b"data: [DONE]\n\n"
    assert pass_through(ResponsesStream(), [raw]) == raw
