"""Streamed answers of Ollama: lines that pass, are rewritten, lose calls, or are stopped."""

from __future__ import annotations

import httpx
import ollama
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import AnswerStream, PartKind, Surface, Usage
from gateway.dialects.ndjson import LineReader
from gateway.dialects.ollama_stream import MAX_LANES, OllamaStream
from gateway.policy.stream_window import StreamWindow
from gateway.testing import make_exchange
from gateway.verdict import Action
from tests.dialects.driving import calls_of, cut, rearm, remove, texts_of
from tests.dialects.ollama_samples import (
    OLLAMA,
    call_of,
    chat,
    drive,
    events_of,
    generated,
    lines,
    payloads_of,
    said,
)
from tests.policy.fakes import FakeRule, Words, make_guard

TEXT = said({"content": "", "thinking": "Let me see."}, {"content": "It "}, {"content": "is 5."})
CALLS = said({"content": "Looking."}, {"content": "", "tool_calls": [call_of("a", n=1)]},
             {"content": "", "tool_calls": [call_of("b", to="ann")]})  # fmt: skip


def stream() -> AnswerStream:
    return OLLAMA.open_stream(chat())


def heard(raw: bytes) -> list[ollama.ChatResponse]:
    """What the real client makes of a stream."""
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, headers={"content-type": "application/x-ndjson"}, content=raw)
    )
    client = ollama.Client(host="http://gateway.test", transport=transport)
    return list(client.chat(model="m", messages=[], stream=True))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("raw", [TEXT, CALLS, generated({"response": "a"}), b"\n\nno json\n{"])
def test_however_it_is_cut_it_leaves_as_it_came(raw: bytes, seed: int) -> None:
    made, out = stream(), b""
    reader = chat().framings["application/x-ndjson"].reader()
    for piece in cut(raw, seed):
        for event in reader.feed(piece):
            out += made.write(made.read(event))
    out += b"".join(made.write(made.read(event)) for event in reader.end())
    assert out == raw


def test_text_and_thinking_are_lanes_that_end_with_the_last_line() -> None:
    made = stream()
    frames = [made.read(event) for event in events_of(TEXT)]
    assert texts_of(frames) == {"thinking": "Let me see.", "text": "It is 5."}
    surfaces = {part.lane: part.surface for frame in frames for part in frame.parts}
    assert surfaces == {"thinking": Surface.REASONING, "text": Surface.OUTPUT}
    assert [part.kind for part in frames[-1].parts] == [PartKind.END] * 2
    assert [frame.closing for frame in frames] == [False, False, False, True]
    assert (made.model, made.finish, made.finished) == ("qwen3", "stop", True)
    assert made.usage == Usage(11, output=18)


def test_nothing_keeps_the_line_alive_because_its_client_fails_on_an_empty_one() -> None:
    assert {framing.keep_alive for framing in chat().framings.values()} == {b""}
    with pytest.raises(ValueError, match="Expecting value"):
        heard(b"\n" + TEXT)


def test_a_text_is_rewritten_across_lines_and_nothing_repeats_it() -> None:
    raw = generated(
        {"response": "my sec", "logprobs": [{"token": "sec"}]},
        {"response": "ret is", "logprobs": [{"token": "ret"}]},
        context=[1, 2, 3],
    )
    out = payloads_of(drive(OllamaStream(), raw, edits={"secret": "[gone]"}))
    assert "".join(each["response"] for each in out) == "my [gone] is"
    assert all("logprobs" not in each and "context" not in each for each in out)


def test_a_stream_that_nobody_changed_keeps_its_context() -> None:
    raw = generated({"response": "hi"}, context=[1, 2, 3])
    assert drive(OllamaStream(), raw) == raw


def test_a_call_is_complete_in_its_line() -> None:
    frames = [OllamaStream().read(event) for event in events_of(CALLS)]
    called = list(calls_of(frames[1:2]).values())
    assert [(call.name, call.arguments) for call in called] == [("a", '{"n":1}')]


def test_of_calls_those_that_are_allowed_are_left() -> None:
    out = heard(drive(stream(), CALLS, decide=remove("b")))
    calls = [call for part in out for call in part.message.tool_calls or ()]
    assert [call.function.name for call in calls] == ["a"]
    assert "".join(part.message.content or "" for part in out) == "Looking."
    assert out[-1].done


@pytest.mark.parametrize("before", ["", "Looking."])
def test_where_no_call_is_left_a_line_says_why(before: str) -> None:
    raw = said({"content": before}, {"content": "", "tool_calls": [call_of("a")]})
    out = heard(drive(stream(), raw, decide=remove("a", notice="No a.")))
    text = "".join(part.message.content or "" for part in out)
    assert text == ("Looking.\n\nNo a." if before else "No a.")
    assert not any(part.message.tool_calls for part in out)
    assert (out[-1].done, out[-1].done_reason) == (True, "stop")


def test_a_call_in_the_last_line_is_judged_as_well() -> None:
    raw = said({"content": "Hm. "}, last={"content": "Wait. ", "tool_calls": [call_of("a")]})
    out = heard(drive(stream(), raw, decide=remove("a", notice="No a.")))
    assert "No a." in "".join(part.message.content or "" for part in out)
    assert not any(part.message.tool_calls for part in out)


def test_a_call_of_generate_is_taken_out_with_a_word_in_its_place() -> None:
    raw = generated({"tool_calls": [call_of("a")]}, context=[1])
    first, last = payloads_of(drive(stream(), raw, decide=remove("a", notice="No a.")))
    assert (first["response"], first["done"], last["done"]) == ("No a.", False, True)
    assert "context" not in last


def test_two_calls_in_one_line_are_judged_one_by_one() -> None:
    raw = said({"content": "", "tool_calls": [call_of("a"), call_of("b"), call_of("c")]})
    out = heard(drive(stream(), raw, decide=remove("b")))
    calls = [call.function.name for part in out for call in part.message.tool_calls or ()]
    assert calls == ["a", "c"]


def test_other_arguments_go_in_as_an_object() -> None:
    out = heard(drive(stream(), CALLS, decide=rearm("b", '{"to":"<name>"}')))
    calls = [call for part in out for call in part.message.tool_calls or ()]
    assert [dict(call.function.arguments) for call in calls] == [{"n": 1}, {"to": "<name>"}]


def test_the_clients_raise_what_ends_a_stream_with_its_text() -> None:
    made = stream()
    out = b"".join(made.write(made.read(event)) for event in events_of(TEXT)[:2])
    with pytest.raises(ollama.ResponseError, match="Portcullis blocked this answer"):
        heard(out + made.stop("pii_found", "Portcullis blocked this answer: no."))


@pytest.mark.parametrize("data", [b"no json\n", b"[1]\n", b'{"torn": \n'])
def test_a_line_that_is_no_answer_is_read_and_named(data: bytes) -> None:
    made = stream()
    frame = made.read(events_of(data)[0])
    assert [item.what for item in frame.unscannable] == ["body"]
    assert frame.parts[0].text == data.decode().strip()
    frame.parts[0].text, frame.changed = "[gone]", True
    assert made.write(frame) == b"[gone]\n"


def test_pictures_are_named() -> None:
    for raw in (generated({"image": "AAAA"}), said({"content": "", "images": ["AAAA"]})):
        frame = stream().read(events_of(raw)[0])
        assert [item.what for item in frame.unscannable] == ["image"]


def test_text_of_fields_that_nobody_knows_is_read_in_bounded_lanes() -> None:
    made = stream()
    raw = lines(*({"model": "m", f"x{number}": ["word"]} for number in range(MAX_LANES + 20)))
    frames = [made.read(event) for event in events_of(raw)]
    lanes = texts_of(frames)
    assert len(lanes) == MAX_LANES + 1
    assert sum(len(text) for text in lanes.values()) == 4 * (MAX_LANES + 20)


@pytest.mark.parametrize(
    "payload",
    [
        {"message": "hi"},
        {"message": {"content": ["hi"]}},
        {"message": {"tool_calls": "hi"}},
        {"message": {"tool_calls": ["hi"]}},
        {"message": {"note": "hi"}},
        {"message": {"tool_calls": [{"function": {"name": "a", "note": "hi"}}]}},
        {"note": {"deep": ["hi"]}},
    ],
)
def test_text_in_another_shape_is_read(payload: dict[str, object]) -> None:
    frame = stream().read(events_of(lines(payload))[0])
    assert "hi" in [part.text for part in frame.parts]


def test_an_error_line_passes() -> None:
    raw = lines({"error": "model runner has stopped"})
    assert drive(stream(), raw) == raw
    with pytest.raises(ollama.ResponseError, match="model runner"):
        heard(raw)


@given(
    st.lists(st.sampled_from(["sword", "fish", "swordfish", " ", "s", "word", "x"]), max_size=12),
    st.data(),
)
def test_in_the_window_a_stream_is_rewritten_as_the_whole_text_would_be(
    pieces: list[str], data: st.DataObject
) -> None:
    raw = said(*({"content": piece} for piece in pieces))
    ends = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    exchange = make_exchange()
    rule = FakeRule(Words("swordfish"), Action.REWRITE, "hide")
    window = StreamWindow(OllamaStream(), make_guard([rule], exchange), "x1")
    reader, out = LineReader(), b""
    for start, end in zip([0, *ends], [*ends, len(raw)], strict=True):
        for event in reader.feed(raw[start:end]):
            out += window.feed(event)
    out += b"".join(window.feed(event) for event in reader.end()) + window.end()
    text = "".join(part["message"]["content"] for part in payloads_of(out))
    assert "swordfish" not in text
    whole = "".join(pieces)
    assert text == whole.replace("swordfish", "[hide:SWORDFISH]")
    assert "swordfish" in whole or out == raw
