"""Streamed answers in both framings: what is read, what leaves, what Google's SDK makes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai import errors

from gateway.dialects.base import AnswerStream, Event, Frame, PartKind, Usage
from gateway.dialects.gemini_stream import GeminiStream
from gateway.dialects.json_array import ArrayReader
from gateway.dialects.sse import EventReader
from tests.dialects.driving import calls_of, rearm, remove, replace_text, texts_of
from tests.dialects.gemini_reading import gemini_chunks, heard
from tests.dialects.test_gemini_calls import piece

USAGE = {"promptTokenCount": 3, "candidatesTokenCount": 5, "totalTokenCount": 8}
FRAMINGS = ("sse", "array")
both_framings = pytest.mark.parametrize("framing", FRAMINGS)
NOTICE = "The gateway removed a call."


def chunk(*parts: Any, finish: str = "", index: int = 0, **more: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": index, **more}
    if finish:
        candidate["finishReason"] = finish
    made = {"candidates": [candidate], "modelVersion": "gemini-2.5-flash", "responseId": "r1"}
    return {**made, "usageMetadata": USAGE} if finish else made


def call(name: str, **args: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": args}}


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"text": value, **more}


def framed(chunks: list[dict[str, Any]], framing: str) -> bytes:
    if framing == "sse":
        return b"".join(b"data: " + json.dumps(each).encode() + b"\r\n\r\n" for each in chunks)
    return ("[" + "\n,\r\n".join(json.dumps(each, indent=2) for each in chunks) + "\n]\n").encode()


def events(raw: bytes, framing: str) -> list[Event]:
    reader = EventReader() if framing == "sse" else ArrayReader()
    return [*reader.feed(raw), *reader.end()]


def payloads(raw: bytes, framing: str) -> list[Any]:
    if framing == "array":
        found: list[Any] = json.loads(raw)
        return found
    return [json.loads(event.data) for event in events(raw, framing) if event.data]


def drive(
    chunks: list[dict[str, Any]],
    framing: str,
    *,
    edits: dict[str, str] | None = None,
    decide: Any = None,
    choices: int = 1,
) -> tuple[list[Any], GeminiStream]:
    """Read it all, change it, write it all; the payloads that leave."""
    stream = GeminiStream(choices)
    frames = [stream.read(event) for event in events(framed(chunks, framing), framing)]
    for old, new in (edits or {}).items():
        assert replace_text(frames, old, new)
    if decide is not None:
        for lane, made in calls_of(frames).items():
            decide(stream, lane, made)
    out = b"".join(stream.write(frame) for frame in frames)
    return payloads(out, framing), stream


def read(chunks: list[dict[str, Any]], framing: str = "sse") -> tuple[list[Frame], GeminiStream]:
    stream = GeminiStream()
    return [stream.read(event) for event in events(framed(chunks, framing), framing)], stream


def said(out: list[Any], index: int = 0) -> str:
    return "".join(
        part.get("text", "")
        for each in out
        for candidate in each.get("candidates", ())
        if candidate.get("index", 0) == index
        for part in candidate.get("content", {}).get("parts", ())
        if not part.get("thought")
    )


def called(out: list[Any]) -> list[Any]:
    return [
        part["functionCall"]
        for each in out
        for candidate in each.get("candidates", ())
        for part in candidate.get("content", {}).get("parts", ())
        if "functionCall" in part
    ]


TALK = [
    chunk(text("Let me think.", thought=True)),
    chunk(text("The sum ")),
    chunk(text("is 42."), text(" Really.")),
    chunk(text("", thoughtSignature="c2ln"), finish="STOP"),
]
WORK = [
    chunk(text("Look. ")),
    chunk(call("f", a=1), call("g", b=2)),
    chunk(text(""), finish="STOP"),
]


@both_framings
@pytest.mark.parametrize("chunks", [TALK, WORK, [{"promptFeedback": {"blockReason": "SAFETY"}}]])
def test_what_nothing_touched_leaves_byte_for_byte(chunks: Any, framing: str) -> None:
    raw = framed(chunks, framing)
    stream = GeminiStream()
    assert b"".join(stream.write(stream.read(e)) for e in events(raw, framing)) == raw


@both_framings
def test_texts_thoughts_and_the_head_are_read(framing: str) -> None:
    frames, stream = read(TALK, framing)
    assert texts_of(frames) == {"c0/thought": "Let me think.", "c0": "The sum is 42. Really."}
    assert (stream.id, stream.model, stream.finish) == ("r1", "gemini-2.5-flash", "STOP")
    assert stream.usage == Usage(3, output=5)
    assert stream.finished
    closing = [frame.closing for frame in frames]
    assert closing.index(True) == 3


def test_a_stream_is_not_finished_before_all_candidates_are_and_usage_is_there() -> None:
    stream = GeminiStream(2)
    chunks = [
        chunk(text("a"), finish="STOP"),
        chunk(text("b"), index=1),
        chunk(text("c"), finish="STOP", index=1),
    ]
    found = []
    for event in events(framed(chunks, "sse"), "sse"):
        stream.read(event)
        found.append(stream.finished)
    assert found == [False, False, True]
    late = [{**chunk(text("a")), "usageMetadata": {}}, {"usageMetadata": USAGE}]
    late[0]["candidates"][0]["finishReason"] = "STOP"
    frames, _ = read(late)
    assert [frame.closing for frame in frames] == [False, True]


@both_framings
def test_a_rewrite_over_chunks_comes_out_once_without_signatures(framing: str) -> None:
    chunks = [chunk(text("my sec")), chunk(text("ret is", thoughtSignature="c2ln"), finish="STOP")]
    out, _ = drive(chunks, framing, edits={"secret": "*"})
    assert said(out) == "my * is"
    assert "c2ln" not in json.dumps(out)


@both_framings
def test_calls_are_assembled_and_judged(framing: str) -> None:
    frames, _ = read(WORK, framing)
    calls = calls_of(frames)
    assert [(c.name, json.loads(c.arguments)) for c in calls.values()] == [
        ("f", {"a": 1}),
        ("g", {"b": 2}),
    ]
    assert list(calls) == ["c0/tool/0", "c0/tool/1"]


@both_framings
def test_one_of_two_calls_goes_without_a_notice(framing: str) -> None:
    out, _ = drive(WORK, framing, decide=remove("f"))
    assert [each["name"] for each in called(out)] == ["g"]
    assert said(out) == "Look. "


@both_framings
def test_where_no_call_is_left_a_text_says_why_and_the_end_is_normal(framing: str) -> None:
    out, _ = drive(WORK, framing, decide=remove("f", "g"))
    assert called(out) == []
    assert said(out) == f"Look. \n\n{NOTICE}"
    assert out[-1]["candidates"][0]["finishReason"] == "STOP"
    assert out[-1]["usageMetadata"] == USAGE
    assert len(out) == 2


@both_framings
def test_a_first_chunk_that_goes_leaves_a_whole_stream(framing: str) -> None:
    out, _ = drive([chunk(call("f")), chunk(finish="STOP")], framing, decide=remove("f"))
    assert said(out) == NOTICE


def test_an_array_that_never_finished_says_why_before_its_end() -> None:
    out, _ = drive([chunk(call("f"))], "array", decide=remove("f"))
    assert (said(out), called(out)) == (NOTICE, [])
    assert out[0]["responseId"] == "r1"


PIECES = [
    chunk({"functionCall": {"name": "f", "willContinue": True}, "thoughtSignature": "c2ln"}),
    chunk({"functionCall": {"partialArgs": [piece("$.a", "b")], "willContinue": True}}),
    chunk({"functionCall": {}}, finish="STOP"),
]


@both_framings
def test_a_call_in_pieces_waits_for_all_of_them_and_goes_whole(framing: str) -> None:
    frames, _ = read(PIECES, framing)
    assert calls_of(frames)["c0/tool/0"].arguments == '{"a":"b"}'
    starts = [any(p.kind is PartKind.TOOL_ARGS for p in f.parts) for f in frames]
    assert starts[:3] == [True, True, True]  # so that each of them is held
    out, _ = drive(PIECES, framing, decide=remove("f"))
    assert (called(out), said(out), len(out)) == ([], NOTICE, 1)


@both_framings
def test_replaced_arguments_come_whole_with_the_signature_that_the_api_asks_for(
    framing: str,
) -> None:
    out, _ = drive(PIECES, framing, decide=rearm("f", '{"a":"c"}'))
    assert called(out) == [{"name": "f", "args": {"a": "c"}}]
    assert out[0]["candidates"][0]["content"]["parts"][0]["thoughtSignature"] == "c2ln"
    assert out[-1]["candidates"][0]["finishReason"] == "STOP"


@both_framings
def test_what_a_removed_program_gave_goes_with_it(framing: str) -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "rm()"}}
    ran = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "gone"}}
    out, _ = drive(
        [chunk(code), chunk(ran), chunk(text("ok"), finish="STOP")],
        framing,
        decide=remove("code_execution"),
    )
    assert said(out) == f"ok\n\n{NOTICE}"
    assert "gone" not in json.dumps(out)


@both_framings
def test_each_candidate_is_a_group_of_its_own(framing: str) -> None:
    chunks = [
        chunk(call("f")),
        chunk(text("b"), index=1),
        chunk(finish="STOP"),
        chunk(finish="STOP", index=1),
    ]
    frames, _ = read(chunks, framing)
    assert {part.group for frame in frames for part in frame.parts} == {"c0", "c1"}
    out, _ = drive(chunks, framing, decide=remove("f"), choices=2)
    assert [said(out, 0), said(out, 1)] == [NOTICE, "b"]


@both_framings
def test_what_is_unknown_is_read_or_named(framing: str) -> None:
    chunks = [
        chunk({"somethingNew": {"x": "y"}}, news={"a": "b"}),
        {"extra": "z", "candidates": ["odd"]},
        chunk({"inlineData": {"mimeType": "image/png", "data": "AA"}}, finish="STOP"),
    ]
    frames, _ = read(chunks, framing)
    assert {"x", "y", "b", "z", "odd"} <= set(texts_of(frames).values())
    assert {item.what for frame in frames for item in frame.unscannable} == {"body", "image"}
    out, _ = drive(chunks, framing, edits={"y": "1", "z": "2", "b": "3"})
    assert json.dumps(out).count('"2"') == 1
    assert '"y"' not in json.dumps(out)


@pytest.mark.parametrize("raw", [b"data: oops\n\n", b"data: [1]\n\n"])
def test_data_that_is_no_chunk_is_read_as_text(raw: bytes) -> None:
    stream = GeminiStream()
    (event,) = events(raw, "sse")
    frame = stream.read(event)
    assert [item.what for item in frame.unscannable] == ["body"]
    frame.parts[0].text = "changed"
    frame.changed = True
    assert stream.write(frame) == b"data: changed\n\n"


def test_an_array_that_breaks_is_read_as_text() -> None:
    raw = framed(TALK, "array")[:-10]
    stream = GeminiStream()
    frames = [stream.read(event) for event in events(raw, "array")]
    assert [item.what for item in frames[-1].unscannable] == ["body"]
    assert b"".join(stream.write(frame) for frame in frames) == raw


def test_one_answer_in_the_place_of_an_array_is_judged_too() -> None:
    raw = json.dumps(chunk(call("f"), finish="STOP")).encode()
    stream = GeminiStream()
    (event,) = events(raw, "array")
    frame = stream.read(event)
    assert [part.kind for part in frame.parts][:1] == [PartKind.TOOL_START]
    stream.remove_tool("c0/tool/0", NOTICE)
    assert said([json.loads(stream.write(frame))]) == NOTICE


# --- with google-genai ---------------------------------------------------------------------------


def written(stream: AnswerStream, raw: bytes, count: int) -> bytes:
    return b"".join(stream.write(stream.read(event)) for event in events(raw, "sse")[:count])


def test_the_sdk_hears_what_is_left() -> None:
    stream = GeminiStream()
    frames = [stream.read(event) for event in events(framed(WORK, "sse"), "sse")]
    stream.remove_tool("c0/tool/0", NOTICE)
    out = b"".join(stream.write(frame) for frame in frames)
    assert heard(gemini_chunks(out)) == ("Look. ", [("g", {"b": 2})])


def test_the_sdk_raises_a_stop_with_its_reason_and_asks_no_more() -> None:
    """`gemini_chunks` fails where the SDK asks twice."""
    stream = GeminiStream()
    out = written(stream, framed(TALK, "sse"), 2) + stream.stop(
        "pattern_found", "Portcullis says no."
    )
    with pytest.raises(errors.ClientError) as caught:
        gemini_chunks(out)
    assert (caught.value.code, caught.value.message) == (400, "Portcullis says no.")
    assert caught.value.status == "INVALID_ARGUMENT"
    assert caught.value.details["error"]["details"][0]["reason"] == "pattern_found"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_stopped_array_is_whole(count: int) -> None:
    stream = GeminiStream()
    came = events(framed(TALK, "array"), "array")
    stream.read(came[0])
    out = b"".join(stream.write(stream.read(event)) for event in came[:count])
    *before, last = json.loads(out + stream.stop("pattern_found", "No."))
    assert before == TALK[:count]
    assert last["error"]["message"] == "No."
