"""Streamed chat answers: the same bytes where nothing acts, well-formed chunks where it does."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk, ParsedChatCompletion

from gateway.dialects.base import Frame, PartKind
from gateway.dialects.openai_chat_stream import MAX_LANES, ChatStream
from gateway.dialects.sse import EventReader, encode
from gateway.errors import UpstreamError
from tests.dialects.transcripts import exchanges, streams

DONE = b"data: [DONE]\n\n"


def chunk(*choices: dict[str, Any], **fields: Any) -> bytes:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-1"}
    return encode(orjson.dumps({**head, "choices": list(choices), **fields}))


def delta(index: int = 0, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"index": index, "delta": fields, "logprobs": None, "finish_reason": finish}


def tool(index: int, name: str = "", text: str = "", ident: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"index": index, "function": {"arguments": text}}
    if name:
        made |= {"id": ident or f"id_{name}", "type": "function"}
        made["function"]["name"] = name
    return made


def calls(*entries: dict[str, Any], index: int = 0) -> bytes:
    return chunk(delta(index, tool_calls=list(entries)))


def read(stream: ChatStream, data: bytes) -> list[Frame]:
    reader = EventReader()
    return [stream.read(event) for event in reader.feed(data) + reader.end()]


def run(
    data: bytes,
    act: Callable[[ChatStream, Frame], None] = lambda stream, frame: None,
    *,
    hide_usage: bool = False,
) -> bytes:
    """All frames are read first, so that calls are judged before they are written."""
    stream = ChatStream(hide_usage=hide_usage)
    frames = read(stream, data)
    for frame in frames:
        act(stream, frame)
    return b"".join(stream.write(frame) for frame in frames)


def payloads(data: bytes) -> list[dict[str, Any]]:
    events = EventReader().feed(data)
    return [orjson.loads(e.data) for e in events if e.data and e.data != "[DONE]"]


def accumulate(data: bytes) -> ParsedChatCompletion[None]:
    """What the official SDK makes of a stream."""
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for payload in payloads(data):
        state.handle_chunk(ChatCompletionChunk.model_validate(payload))
    return state.get_final_completion()


def removing(*names: str) -> Callable[[ChatStream, Frame], None]:
    def act(stream: ChatStream, frame: Frame) -> None:
        for part in frame.parts:
            if part.tool is not None and part.tool.name in names:
                stream.remove_tool(part.lane, f"removed {part.tool.name}")

    return act


def lanes(frames: list[Frame]) -> dict[str, str]:
    found: dict[str, str] = {}
    for frame in frames:
        for part in frame.parts:
            found[part.lane] = found.get(part.lane, "") + part.text
    return found


def order(frame: Frame) -> list[tuple[str, str]]:
    return [(part.kind.value, part.lane) for part in frame.parts]


TOOLS = b"".join(
    [
        chunk(delta(role="assistant", content=None)),
        calls(tool(0, "alpha")),
        calls(tool(0, text='{"a":')),
        calls(tool(0, text="1}")),
        calls(tool(1, "beta", "{}")),
        calls(tool(2, "gamma", '{"g":2}')),
        chunk(delta(finish="tool_calls")),
        chunk(usage={"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}),
        DONE,
    ]
)
TEXT = b"".join(
    [
        chunk(delta(role="assistant", content="")),
        chunk(delta(content="my name ")),
        chunk(delta(content="is Ann")),
        chunk(delta(finish="stop")),
        DONE,
    ]
)


def test_recorded_streams_leave_as_they_came_however_cut() -> None:
    chance = random.Random(7)
    recorded = [row["response"] for row in streams("openai_chat")]
    recorded += [row["response"] for row in exchanges("openai_chat") if row["stream"]]
    for text in recorded:
        data = text.encode()
        marks = sorted(chance.randrange(len(data)) for _ in range(50))
        stream, reader, out = ChatStream(), EventReader(), b""
        whole = ChatStream()
        expected = lanes(read(whole, data))
        frames: list[Frame] = []
        for start, stop in zip([0, *marks], [*marks, len(data)], strict=True):
            for event in reader.feed(data[start:stop]):
                frames.append(stream.read(event))
                out += stream.write(frames[-1])
        out += b"".join(stream.write(stream.read(event)) for event in reader.end())
        assert out == data
        assert lanes(frames) == expected
        assert stream.finished
        assert (stream.usage, stream.finish) == (whole.usage, whole.finish)


def test_text_tools_and_the_rest_lie_in_their_lanes() -> None:
    stream = ChatStream()
    frames = read(stream, TOOLS)
    assert lanes(frames) == {
        "c0/tool/0": '{"a":1}',
        "c0/tool/1": "{}",
        "c0/tool/2": '{"g":2}',
    }
    assert stream.usage is not None
    assert (stream.usage.input, stream.usage.output) == (5, 7)
    assert (stream.id, stream.model, stream.finish) == ("chatcmpl-1", "m-1", "tool_calls")
    assert [frame.closing for frame in frames] == [False] * 8 + [True]


def test_a_call_ends_before_the_next_begins_and_before_the_choice_finishes() -> None:
    frames = read(ChatStream(), TOOLS)
    assert order(frames[4]) == [
        ("tool_end", "c0/tool/0"),
        ("tool_start", "c0/tool/1"),
        ("tool_args", "c0/tool/1"),
    ]
    assert order(frames[6]) == [("tool_end", "c0/tool/2")]


def test_a_call_that_comes_whole_with_its_finish_ends_after_its_arguments() -> None:
    entries = [tool(0, "a", "{}"), tool(1, "b", "{}")]
    data = chunk(delta(finish="tool_calls", content="hi", tool_calls=entries))
    assert order(read(ChatStream(), data)[0]) == [
        ("text", "c0"),
        ("tool_start", "c0/tool/0"),
        ("tool_args", "c0/tool/0"),
        ("tool_end", "c0/tool/0"),
        ("tool_start", "c0/tool/1"),
        ("tool_args", "c0/tool/1"),
        ("tool_end", "c0/tool/1"),
        ("end", "c0"),
    ]


@pytest.mark.parametrize("last", [DONE, chunk(usage={"prompt_tokens": 1})])
def test_the_end_of_the_stream_ends_what_is_open(last: bytes) -> None:
    frames = read(ChatStream(), chunk(delta(content="x")) + calls(tool(0, "a", "{")) + last)
    assert order(frames[-1]) == [("tool_end", "c0/tool/0"), ("end", "c0")]


def test_a_call_that_goes_on_after_its_end_is_refused() -> None:
    data = calls(tool(0, "a", "{}")) + calls(tool(1, "b", "{}")) + calls(tool(0, text="more"))
    with pytest.raises(UpstreamError):
        read(ChatStream(), data)


def test_choices_are_groups_of_their_own() -> None:
    data = chunk(delta(0, content="a"), delta(1, content="b")) + chunk(delta(1, content="c"))
    frames = read(ChatStream(), data)
    assert lanes(frames) == {"c0": "a", "c1": "bc"}
    assert [part.group for part in frames[0].parts] == ["c0", "c1"]


def test_everything_that_could_be_shown_is_a_lane() -> None:
    fields = {
        "content": "text",
        "refusal": "refused",
        "reasoning_content": "thought",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "deep", "signature": "sig"},
            {"type": "reasoning.encrypted", "data": "xxxx"},
        ],
        "audio": {"id": "a", "data": "AAAA", "transcript": "spoken"},
        "annotations": [{"url_citation": {"title": "page"}}],
        "future": "words",
    }
    data = chunk({**delta(**fields), "novel": "side"}, citations=["https://example.org"])
    frame = read(ChatStream(), data)[0]
    texts = {part.text: part for part in frame.parts if part.kind is PartKind.TEXT}
    for text in ("text", "refused", "thought", "deep", "spoken", "page", "words", "side"):
        assert text in texts
    assert "https://example.org" in texts
    assert "xxxx" not in texts
    assert texts["thought"].surface.value == texts["deep"].surface.value == "reasoning"
    assert texts["deep"].readonly
    assert not texts["thought"].readonly
    assert sorted(u.what for u in frame.unscannable) == ["audio", "encrypted"]


def test_two_names_for_one_thought_are_two_lanes() -> None:
    data = chunk(delta(reasoning="ab", reasoning_content="ab")) * 2
    assert lanes(read(ChatStream(), data)) == {
        "c0/reasoning": "abab",
        "c0/reasoning_content": "abab",
    }


def test_lanes_are_bounded() -> None:
    data = b"".join(chunk(**{f"k{n}": "x"}) for n in range(MAX_LANES + 50))
    assert len(lanes(read(ChatStream(), data))) == MAX_LANES + 1


@pytest.mark.parametrize(
    "data", [b"data: {broken\n\n", b"data: [1]\n\n", b"data: plain words\n\n", b"data: torn {"]
)
def test_data_that_is_no_chunk_is_read_as_text(data: bytes) -> None:
    stream = ChatStream()
    frame = read(stream, data)[0]
    assert frame.parts[0].text == data.decode()[6:].rstrip("\n")
    assert [u.what for u in frame.unscannable] == ["body"]
    assert stream.write(frame) == data
    frame.parts[0].text, frame.changed = "gone", True
    assert stream.write(frame) == b"data: gone\n\n"


@pytest.mark.parametrize(
    "choices",
    [
        ["x"],
        [{"delta": "x"}],
        [{"delta": {"tool_calls": ["x"]}}],
        [{"delta": {"tool_calls": [{"function": {"more": "x"}, "a": 1, "b": 1, "c": 1}]}}],
        [{"text": "x"}],
        [{"message": {"content": "x"}}],
        [{"delta": {"content": ["x"]}}],
        "x",
        {"a": "x"},
    ],
)
def test_chunks_of_a_strange_shape_do_not_break_it(choices: Any) -> None:
    data = encode(orjson.dumps({"choices": choices}))
    assert run(data) == data
    assert "x" in lanes(read(ChatStream(), data)).values()


def test_frames_without_text_pass() -> None:
    data = (
        chunk(prompt_filter_results=[{"prompt_index": 0}])
        + b": OPENROUTER PROCESSING\n\n"
        + b'event: error\ndata: {"error":{"message":"overloaded","code":502}}\n\n'
    )
    frames = read(ChatStream(), data)
    assert not any(frame.parts for frame in frames)
    assert run(data) == data


def test_replaced_text_comes_out_as_a_chunk() -> None:
    def act(stream: ChatStream, frame: Frame) -> None:
        for part in frame.parts:
            if "Ann" in part.text:
                part.text, frame.changed = part.text.replace("Ann", "[x]"), True

    out = run(TEXT, act)
    assert accumulate(out).choices[0].message.content == "my name is [x]"
    assert out.startswith(TEXT[: TEXT.index(b"is Ann") - 200])


def test_token_probabilities_go_with_the_text_that_they_repeat() -> None:
    probable = {**delta(content="Ann"), "logprobs": {"content": [{"token": "Ann"}]}}
    data = chunk(probable) + chunk({**delta(content="!"), "logprobs": {"content": []}})

    def act(stream: ChatStream, frame: Frame) -> None:
        if frame.parts[0].text == "Ann":
            frame.parts[0].text, frame.changed = "[x]", True

    first, second = payloads(run(data, act))
    assert first["choices"][0]["logprobs"] is None
    assert second["choices"][0]["logprobs"] == {"content": []}


def test_the_event_name_is_kept_in_a_rewrite() -> None:
    def act(stream: ChatStream, frame: Frame) -> None:
        frame.parts[0].text, frame.changed = "y", True

    data = b"event: message\n" + chunk(delta(content="x"))
    assert run(data, act).startswith(b"event: message\ndata: ")


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        (["alpha"], ["beta", "gamma"]),
        (["beta"], ["alpha", "gamma"]),
        (["gamma"], ["alpha", "beta"]),
        (["alpha", "beta"], ["gamma"]),
    ],
)
def test_a_removed_call_leaves_the_others_whole(gone: list[str], left: list[str]) -> None:
    out = run(TOOLS, removing(*gone))
    choice = accumulate(out).choices[0]
    found = choice.message.tool_calls or []
    assert [call.function.name for call in found] == left
    assert all(orjson.loads(call.function.arguments) is not None for call in found)
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    indexes = [e["index"] for p in payloads(out) for c in p["choices"]
               for e in c["delta"].get("tool_calls", ())]  # fmt: skip
    assert sorted(set(indexes)) == list(range(len(left)))
    assert not any(name.encode() in out for name in gone)
    assert out.endswith(DONE)


def test_without_any_call_left_the_answer_closes_with_the_notice() -> None:
    out = run(TOOLS, removing("alpha", "beta", "gamma"))
    choice = accumulate(out).choices[0]
    assert choice.message.content == "removed alpha removed beta removed gamma"
    assert not choice.message.tool_calls
    assert choice.finish_reason == "stop"
    assert b"tool_calls" not in out
    assert out.endswith(DONE)


def test_the_notice_stands_apart_from_text_before_it() -> None:
    data = chunk(delta(content="I will.")) + TOOLS
    content = accumulate(run(data, removing("alpha", "beta", "gamma"))).choices[0].message.content
    assert content is not None
    assert content.startswith("I will.\n\nremoved alpha")


def test_a_choice_that_keeps_its_calls_is_not_touched() -> None:
    data = (
        calls(tool(0, "alpha", "{}"))
        + calls(tool(0, "beta", "{}"), index=1)
        + chunk(delta(0, "tool_calls"), delta(1, "tool_calls"))
        + DONE
    )
    first, second = accumulate(run(data, removing("alpha"))).choices
    assert (first.message.content, first.finish_reason) == ("removed alpha", "stop")
    assert [c.function.name for c in second.message.tool_calls or ()] == ["beta"]
    assert second.finish_reason == "tool_calls"


def test_a_stream_that_never_says_why_it_ends_gives_the_notice_at_the_end() -> None:
    out = run(calls(tool(0, "alpha", "{}")) + DONE, removing("alpha"))
    assert payloads(out)[-1]["choices"][0]["delta"] == {"content": "removed alpha"}
    assert out.endswith(DONE)


def test_the_older_function_call_is_taken_out() -> None:
    data = (
        chunk(delta(role="assistant", content=None, function_call={"name": "f", "arguments": ""}))
        + chunk(delta(function_call={"arguments": "{}"}))
        + chunk(delta(finish="function_call"))
        + DONE
    )
    stream = ChatStream()
    assert lanes(read(stream, data)) == {"c0/tool/-1": "{}"}
    choice = accumulate(run(data, removing("f"))).choices[0]
    assert choice.message.function_call is None
    assert (choice.message.content, choice.finish_reason) == ("removed f", "stop")


def test_other_arguments_replace_the_pieces() -> None:
    def act(stream: ChatStream, frame: Frame) -> None:
        for part in frame.parts:
            if part.kind is PartKind.TOOL_START and part.lane == "c0/tool/0":
                stream.replace_arguments(part.lane, '{"safe":true}')

    found = accumulate(run(TOOLS, act)).choices[0].message.tool_calls or []
    assert [call.function.arguments for call in found] == ['{"safe":true}', "{}", '{"g":2}']


def test_a_custom_tool_has_free_input() -> None:
    def entry(text: str, **more: Any) -> dict[str, Any]:
        return {"index": 0, "custom": {"input": text, **more}}

    data = calls(entry("rm ", name="shell") | {"id": "c", "type": "custom"}) + calls(entry("-rf"))

    def act(stream: ChatStream, frame: Frame) -> None:
        stream.replace_arguments("c0/tool/0", "ls")

    assert lanes(read(ChatStream(), data)) == {"c0/tool/0": "rm -rf"}
    first, second = (p["choices"][0]["delta"]["tool_calls"][0] for p in payloads(run(data, act)))
    assert (first["custom"]["input"], second["custom"]["input"]) == ("ls", "")


USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


def test_usage_that_the_caller_did_not_ask_for_is_hidden() -> None:
    plain = chunk(delta(content="x")) + chunk(delta(finish="stop"))
    asked = plain.replace(b"}\n\n", b',"usage":null}\n\n') + chunk(usage=USAGE)
    stream = ChatStream(hide_usage=True)
    out = b"".join(stream.write(frame) for frame in read(stream, asked + DONE))
    assert out == plain + DONE
    assert stream.usage is not None
    assert stream.usage.total == 3
    assert run(asked + DONE) == asked + DONE


@pytest.mark.parametrize(
    "raw",
    [
        b'data: {"usage":null,"choices":[{"delta":{"content":"a"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"a"}}], "usage" : null}\n\n',
        b'data: {"choices":[{"delta":{"content":"a"},"usage":null}],"usage":null}\n\n',
        b'data: {"choices":[{"delta":{"content":"\\"usage\\":null,"}}],"usage":null}\n\n',
    ],
)
def test_a_null_usage_is_hidden_wherever_it_stands(raw: bytes) -> None:
    before, after = payloads(raw)[0], payloads(run(raw, hide_usage=True))[0]
    del before["usage"]
    assert after == before


def test_usage_beside_text_stays() -> None:
    data = chunk(delta(content="x"), usage=USAGE)
    assert run(data, hide_usage=True) == data


def test_hiding_and_removing_go_together() -> None:
    asked = TOOLS.replace(b"}\n\n", b',"usage":null}\n\n', 6)
    out = run(asked, removing("alpha"), hide_usage=True)
    assert b"usage" not in out
    found = accumulate(out).choices[0].message.tool_calls or []
    assert [call.function.name for call in found] == ["beta", "gamma"]


def test_a_block_ends_with_an_error_chunk_and_no_done() -> None:
    out = ChatStream().stop("pii_found", "Stopped.")
    assert payloads(out) == [
        {
            "error": {
                "message": "Stopped.",
                "type": "invalid_request_error",
                "param": None,
                "code": "pii_found",
            }
        }
    ]
    assert b"[DONE]" not in out


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "content": st.sampled_from(["", "a", "bc"]),
                "reasoning_content": st.sampled_from(["x", "yz"]),
                "tool_calls": st.lists(
                    st.builds(tool, st.integers(0, 2), st.sampled_from(["", "f"]), st.just("")),
                    max_size=2,
                ),
            },
        ),
        max_size=8,
    ),
    st.lists(st.integers(0, 2000), max_size=5),
)
def test_any_cut_reads_and_writes_the_same(deltas: list[dict[str, Any]], at: list[int]) -> None:
    data = b"".join(chunk(delta(**fields)) for fields in deltas) + DONE
    marks = [0, *sorted(mark % (len(data) + 1) for mark in at), len(data)]
    reader, stream, out = EventReader(), ChatStream(), b""
    frames: list[Frame] = []
    for start, stop in itertools.pairwise(marks):
        for event in reader.feed(data[start:stop]):
            frames.append(stream.read(event))
            out += stream.write(frames[-1])
    assert out == data
    assert lanes(frames) == lanes(read(ChatStream(), data))
