"""Streams of the Messages API: transparent unless something acts, well-formed if it does."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from anthropic import APIStatusError
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.anthropic_stream import AnthropicStream
from gateway.dialects.base import PartKind, Surface
from tests.dialects.anthropic_samples import end, result, start, stream, text, thinking, tool
from tests.dialects.driving import (
    anthropic_message,
    calls_of,
    cut,
    drive,
    events_of,
    pass_through,
    payloads_of,
    rearm,
    remove,
    sse,
    stopped_at,
    texts_of,
)
from tests.dialects.transcripts import streams

TWO_CALLS = stream(
    start(),
    thinking(0, "Let me ", "see."),
    text(1, "I will", " look."),
    tool(2, "read_file", '{"path":', '"a.txt"}'),
    tool(3, "shell", '{"cmd":"rm -rf /"}'),
    text(4, "Done."),
    end("tool_use"),
)
ONE_CALL = stream(start(), text(0, "Hm."), tool(1, "shell", '{"cmd":"ls"}'), end("tool_use"))


def frames(raw: bytes) -> tuple[AnthropicStream, list[Any]]:
    reader = AnthropicStream()
    return reader, [reader.read(event) for event in events_of(raw)]


def kinds(message: Any) -> list[str]:
    return [block.type for block in message.content]


def test_recorded_streams_pass_byte_for_byte_however_they_are_cut() -> None:
    for row in streams("anthropic_messages"):
        raw = row["response"].encode()
        for seed in range(5):
            assert pass_through(AnthropicStream(), cut(raw, seed)) == raw, row["id"]


def test_sdk_reads_recorded_streams_that_were_written_anew() -> None:
    for row in streams("anthropic_messages"):
        raw = row["response"].encode()
        if raw.count(b"event: message_start") != 1:
            continue
        reader, read = frames(raw)
        for frame in read:
            frame.changed = True
        again = b"".join(reader.write(frame) for frame in read)
        assert anthropic_message(again) == anthropic_message(raw), row["id"]


def test_usage_model_and_id_come_from_the_stream() -> None:
    raw = stream(
        start(
            usage={
                "input_tokens": 7,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 30,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 10,
                    "ephemeral_1h_input_tokens": 20,
                },
                "output_tokens": 1,
            }
        ),
        text(0, "hi"),
        end("end_turn", 42),
    )
    reader, read = frames(raw)
    assert reader.usage is not None
    usage = reader.usage
    assert (usage.input, usage.cache_read, usage.cache_write, usage.cache_write_1h) == (
        7,
        100,
        10,
        20,
    )
    assert (usage.output, reader.model, reader.id, reader.finish) == (
        42,
        "claude-x",
        "msg_1",
        "end_turn",
    )
    assert reader.finished
    assert [frame.closing for frame in read] == [False] * (len(read) - 1) + [True]


def test_each_block_is_a_lane_and_thinking_is_readonly() -> None:
    _, read = frames(TWO_CALLS)
    assert texts_of(read) == {"b0": "Let me see.", "b1": "I will look.", "b4": "Done."}
    signed = [p for f in read for p in f.parts if p.kind is PartKind.TEXT and p.lane == "b0"]
    assert all(part.readonly and part.surface is Surface.REASONING for part in signed)
    calls = calls_of(read)
    assert {lane: (c.name, c.arguments, c.hosted) for lane, c in calls.items()} == {
        "b2": ("read_file", '{"path":"a.txt"}', False),
        "b3": ("shell", '{"cmd":"rm -rf /"}', False),
    }
    assert {part.group for frame in read for part in frame.parts} == {"message"}


def test_a_text_across_events_is_replaced_in_place() -> None:
    raw = stream(start(), text(0, "my card is 41", "11 11", "11 ok"), end("end_turn"))
    out = drive(AnthropicStream(), raw, edits={"4111 1111": "[gone]"})
    assert anthropic_message(out).content[0].text == "my card is [gone] ok"
    assert len(payloads_of(out)) == len(payloads_of(raw)) - 1  # the delta left empty is dropped


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=6), st.data())
def test_any_edit_leaves_a_stream_that_the_sdk_reads(pieces: list[str], data: Any) -> None:
    whole = "".join(pieces)
    at = data.draw(st.integers(0, len(whole) - 1))
    old = whole[at : at + data.draw(st.integers(1, 8))]
    raw = stream(start(), text(0, *pieces), end("end_turn"))
    out = drive(AnthropicStream(), raw, edits={old: "#"})
    text_out = "".join(
        p["delta"]["text"] for p in payloads_of(out) if p["type"] == "content_block_delta"
    )
    assert text_out == whole.replace(old, "#")


@pytest.mark.parametrize("name", ["read_file", "shell"])
def test_a_removed_call_leaves_the_rest_valid(name: str) -> None:
    message = anthropic_message(drive(AnthropicStream(), TWO_CALLS, decide=remove(name)))
    assert kinds(message) == ["thinking", "text", "tool_use", "text"]
    assert message.content[2].name != name
    assert message.stop_reason == "tool_use"
    assert message.content[3].text == "Done."


def test_blocks_after_a_removed_one_move_up() -> None:
    out = drive(AnthropicStream(), TWO_CALLS, decide=remove("read_file"))
    starts = [p["index"] for p in payloads_of(out) if p["type"] == "content_block_start"]
    assert starts == [0, 1, 2, 3]


def test_without_a_call_left_the_notice_closes_the_turn() -> None:
    out = drive(AnthropicStream(), ONE_CALL, decide=remove("shell", notice="Not allowed."))
    message = anthropic_message(out)
    assert kinds(message) == ["text", "text"]
    assert message.content[1].text == "Not allowed."
    assert message.stop_reason == "end_turn"


def test_both_calls_removed_says_each_notice_once() -> None:
    out = drive(AnthropicStream(), TWO_CALLS, decide=remove("shell", "read_file", notice="No."))
    message = anthropic_message(out)
    assert message.content[-1].text == "No."
    assert message.stop_reason == "end_turn"


def test_a_removed_hosted_call_takes_its_result_along() -> None:
    raw = stream(
        start(),
        tool(0, "web_search", '{"query":"x"}', kind="server_tool_use"),
        result(1, 0, [{"type": "web_search_result", "title": "T"}], "web_search_tool_result"),
        text(2, "So."),
        end("end_turn"),
    )
    _, read = frames(raw)
    assert calls_of(read)["b0"].hosted
    message = anthropic_message(drive(AnthropicStream(), raw, decide=remove("web_search")))
    assert kinds(message) == ["text", "text"]
    assert message.stop_reason == "end_turn"


def test_replaced_arguments_reach_the_agent_whole() -> None:
    out = drive(AnthropicStream(), TWO_CALLS, decide=rearm("shell", '{"cmd":"ls","n":[1]}'))
    message = anthropic_message(out)
    assert message.content[3].input == {"cmd": "ls", "n": [1]}
    assert message.content[2].input == {"path": "a.txt"}


def test_arguments_in_the_start_event_are_judged_and_replaced() -> None:
    block = {"type": "tool_use", "id": "toolu_0", "name": "roll", "input": {"who": "me"}}
    raw = stream(
        start(),
        [
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_stop", "index": 0},
        ],
        end("tool_use"),
    )
    _, read = frames(raw)
    assert calls_of(read)["b0"].arguments == '{"who":"me"}'
    out = drive(AnthropicStream(), raw, decide=rearm("roll", '{"who":"you"}'))
    assert anthropic_message(out).content[0].input == {"who": "you"}


def test_calls_inside_message_start_are_judged() -> None:
    content = [
        {"type": "text", "text": "secret"},
        {"type": "tool_use", "id": "toolu_a", "name": "shell", "input": {"cmd": "ls"}},
    ]
    raw = stream(start(content=content, stop_reason="tool_use"), [{"type": "message_stop"}])
    _, read = frames(raw)
    assert calls_of(read)["c1"].arguments == '{"cmd":"ls"}'
    out = drive(
        AnthropicStream(), raw, edits={"secret": "---"}, decide=remove("shell", notice="No.")
    )
    message = anthropic_message(out)
    assert [block.text for block in message.content] == ["---", "No."]
    assert message.stop_reason == "end_turn"


def test_a_call_that_the_provider_never_ended_is_judged_before_the_end() -> None:
    raw = stream(start(), tool(0, "shell", '{"cmd":"r')[:-1], end("max_tokens"))
    _, read = frames(raw)
    assert calls_of(read)["b0"].arguments == '{"cmd":"r'
    message = anthropic_message(drive(AnthropicStream(), raw, decide=remove("shell", notice="No.")))
    assert kinds(message) == ["text"]
    assert message.stop_reason == "max_tokens"


def test_a_second_message_in_the_stream_has_lanes_of_its_own() -> None:
    raw = ONE_CALL + stream(start(id="msg_2"), tool(0, "shell", "{}"), end("tool_use"))
    _, read = frames(raw)
    assert list(calls_of(read)) == ["b1", "m1/b0"]
    out = drive(AnthropicStream(), raw, decide=remove("shell", notice="No."))
    assert out.count(b'"No."') == 2
    assert b"shell" not in out


def test_hosted_results_and_citations_are_read_and_replaceable() -> None:
    raw = stream(
        start(),
        tool(0, "web_fetch", '{"url":"u"}', kind="server_tool_use"),
        result(
            1,
            0,
            {
                "type": "web_fetch_result",
                "url": "https://x.test",
                "content": {
                    "type": "document",
                    "source": {"type": "text", "media_type": "text/plain", "data": "the page"},
                },
            },
            "web_fetch_tool_result",
        ),
        [
            {
                "type": "content_block_start",
                "index": 2,
                "content_block": {"type": "text", "text": ""},
            },
            {
                "type": "content_block_delta",
                "index": 2,
                "delta": {
                    "type": "citations_delta",
                    "citation": {"type": "char_location", "cited_text": "the page", "file_id": "f"},
                },
            },
            {"type": "content_block_stop", "index": 2},
        ],
        end("end_turn"),
    )
    _, read = frames(raw)
    assert sorted(texts_of(read).values()) == ["https://x.test", "the page", "the page"]
    out = drive(AnthropicStream(), raw, edits={"page": "####"})
    assert b"the page" not in out
    assert out.count(b"the ####") == 2


def test_what_cannot_be_read_is_named() -> None:
    raw = stream(
        start(),
        result(
            0,
            0,
            [{"type": "web_search_result", "title": "T", "encrypted_content": "abc"}],
            "web_search_tool_result",
        ),
        result(1, 0, {}, "hologram"),
        [{"type": "content_block_delta", "index": 9, "delta": {"type": "smell_delta", "x": "y"}}],
        end("end_turn"),
    )
    raw += b"data: {not json}\n\n"
    _, read = frames(raw)
    named = [each.what for frame in read for each in frame.unscannable]
    assert named == ["encrypted", "body", "body", "body"]
    assert "y" in texts_of(read).values()


def test_a_signed_compaction_is_readonly() -> None:
    raw = stream(
        start(),
        [
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "compaction", "content": None},
            },
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {
                    "type": "compaction_delta",
                    "content": "summary",
                    "encrypted_content": "e",
                },
            },
            {"type": "content_block_stop", "index": 0},
        ],
        end("compaction"),
    )
    _, read = frames(raw)
    assert texts_of(read) == {"b0": "summary"}
    assert read[2].parts[0].readonly
    assert [each.what for each in read[2].unscannable] == ["encrypted"]


@pytest.mark.parametrize("raw", [TWO_CALLS, ONE_CALL])
def test_a_stop_anywhere_ends_a_turn_normally(raw: bytes) -> None:
    for count in range(len(events_of(raw))):
        out = stopped_at(AnthropicStream(), raw, count, "Blocked by rule x.")
        last = payloads_of(out)[-1]
        if last["type"] == "error":
            assert last["error"]["message"] == "Blocked by rule x."
            with pytest.raises(APIStatusError, match="Blocked by rule x"):
                anthropic_message(out)
            continue
        message = anthropic_message(out)
        if count < len(events_of(raw)) - 1:
            assert message.content[-1].text == "Blocked by rule x."
        calls = [block for block in message.content if block.type == "tool_use"]
        assert message.stop_reason == ("tool_use" if calls else "end_turn")


def test_a_stop_inside_a_half_sent_call_is_an_error_because_it_must_not_run() -> None:
    events = events_of(ONE_CALL)
    inside = next(n for n, e in enumerate(events) if "input_json_delta" in e.data) + 1
    out = stopped_at(AnthropicStream(), ONE_CALL, inside, "Stop.")
    assert payloads_of(out)[-1]["type"] == "error"
    assert b"message_stop" not in out


def test_nothing_follows_the_end() -> None:
    stream_ = AnthropicStream()
    assert pass_through(stream_, [ONE_CALL]) == ONE_CALL
    assert stream_.stop("x", "y") == b""


def test_pings_errors_and_comments_pass_untouched() -> None:
    raw = (
        b": hello\n\n"
        + sse([start(), {"type": "ping"}])
        + b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error"}}\n\n'
    )
    assert pass_through(AnthropicStream(), [raw]) == raw


def test_unknown_events_pass_and_their_text_is_read() -> None:
    raw = sse([start(), {"type": "message_mood", "mood": "my secret mood"}])
    _, read = frames(raw)
    assert "my secret mood" in texts_of(read).values()
    out = drive(AnthropicStream(), raw, edits={"secret": "------"})
    assert orjson.loads(events_of(out)[1].data)["mood"] == "my ------ mood"
