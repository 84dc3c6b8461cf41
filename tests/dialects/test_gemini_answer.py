"""Whole answers: texts, calls, what was found, what it cost; and what is left when calls go."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai import types

from gateway.dialects.base import Usage
from gateway.dialects.gemini_answer import GeminiAnswer, read_usage
from gateway.dialects.jsondoc import parse_answer

CODE = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
RAN = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}}


def call(name: str, **args: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": args}}


def body(*parts: Any, finish: str = "STOP", **more: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish}
    return {
        "candidates": [{**candidate, "index": 0, **more}],
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r1",
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 5, "totalTokenCount": 8},
    }


def answer(value: Any) -> GeminiAnswer:
    return GeminiAnswer(
        parse_answer(value if isinstance(value, bytes) else json.dumps(value).encode())
    )


def parts(made: GeminiAnswer, number: int = 0) -> Any:
    return json.loads(made.encode())["candidates"][number]["content"]["parts"]


def test_the_head_and_the_texts_are_read() -> None:
    made = answer(body({"text": "a", "thought": True}, {"text": "b"}))
    assert (made.id, made.model, made.finish) == ("r1", "gemini-2.5-flash", "STOP")
    assert made.usage == Usage(3, output=5)
    assert [(s.surface.value, s.text) for s in made.segments] == [
        ("reasoning", "a"),
        ("output", "b"),
    ]


def test_unchanged_answers_leave_byte_for_byte() -> None:
    raw = b'{ "candidates": [ {"content": {"parts": [{"text": "\\u00e9"}]}} ], "news": 1.0 }'
    assert answer(raw).encode() == raw


def test_a_rewritten_text_takes_what_repeats_it_along() -> None:
    made = answer(body({"text": "secret"}, logprobsResult={"chosenCandidates": [{"token": "sec"}]}))
    made.segments[0].replace("*")
    assert b"sec" not in made.encode()
    assert parts(made) == [{"text": "*"}]


def test_calls_are_found_with_their_arguments_and_who_runs_them() -> None:
    used = {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "args": {"q": "x"}, "id": "s"}}
    made = answer(body(call("f", a=1), CODE, RAN, used))
    assert [(c.name, json.loads(c.arguments), c.key, c.id, c.hosted) for c in made.tool_calls] == [
        ("f", {"a": 1}, "0/0", "", False),
        ("code_execution", {"language": "PYTHON", "code": "print(1)"}, "0/1", "", True),
        ("google_search_web", {"q": "x"}, "0/2", "s", True),
    ]
    assert [(s.surface.value, s.text) for s in made.segments] == [("tool_result", "1\n")]


def test_where_no_call_is_left_a_text_says_why() -> None:
    made = answer(body({"text": "Look."}, call("f")))
    made.remove_tool_calls(frozenset({"0/0"}), "It was removed.")
    assert parts(made) == [{"text": "Look."}, {"text": "It was removed."}]
    assert made.tool_calls == []
    read = types.GenerateContentResponse.model_validate_json(made.encode())
    assert (read.text, read.function_calls) == ("Look.It was removed.", None)
    assert read.candidates is not None
    assert read.candidates[0].finish_reason is types.FinishReason.STOP


def test_a_call_that_is_left_stays_without_a_notice() -> None:
    made = answer(body(call("f"), call("g")))
    made.remove_tool_calls(frozenset({"0/0"}), "It was removed.")
    assert parts(made) == [call("g")]
    assert [c.name for c in made.tool_calls] == ["g"]


@pytest.mark.parametrize("ids", [{}, {"id": "c1"}])
def test_what_a_removed_program_gave_goes_with_it(ids: dict[str, str]) -> None:
    code = {"executableCode": {**CODE["executableCode"], **ids}}
    ran = {"codeExecutionResult": {**RAN["codeExecutionResult"], **ids}}
    other = {"toolResponse": {"id": "other", "response": {}}}
    made = answer(body(code, ran, other, {"text": "1"}))
    made.remove_tool_calls(frozenset({"0/0"}), "No.")
    assert parts(made) == [other, {"text": "1"}, {"text": "No."}]


def test_each_candidate_has_its_own_calls_and_its_own_notice() -> None:
    value = body(call("f"))
    value["candidates"] += [body(call("g"))["candidates"][0], body({"text": "x"})["candidates"][0]]
    made = answer(value)
    made.remove_tool_calls(frozenset({"1/0"}), "No.")
    assert [parts(made, n) for n in range(3)] == [[call("f")], [{"text": "No."}], [{"text": "x"}]]


def test_arguments_can_be_replaced() -> None:
    made = answer(body(call("f", a=1), CODE))
    made.replace_arguments("0/0", '{"a":2}')
    made.replace_arguments("0/1", '{"language":"PYTHON","code":"print(2)"}')
    assert parts(made) == [
        call("f", a=2),
        {"executableCode": {"language": "PYTHON", "code": "print(2)"}},
    ]
    assert made.tool_calls[0].arguments == '{"a":2}'


def test_sources_feedback_and_unknown_fields_are_read() -> None:
    value = {
        **body(
            {"text": "a"},
            groundingMetadata={
                "webSearchQueries": ["q"],
                "groundingChunks": [{"web": {"title": "t"}}],
                "groundingSupports": [{"segment": {"text": "s"}}],
                "searchEntryPoint": {"renderedContent": "h", "sdkBlob": "AAAA"},
            },
            urlContextMetadata={"urlMetadata": [{"retrievedUrl": "u"}]},
            citationMetadata={"citations": [{"title": "c"}]},
            safetyRatings=[{"category": "HARM"}],
            finishMessage="f",
            continuationToken="AAAA",
            somethingNew={"x": "n"},
        ),
        "promptFeedback": {"blockReasonMessage": "b"},
        "modelStatus": {"message": "m"},
    }
    made = answer(value)
    found: dict[str, set[str]] = {}
    for segment in made.segments:
        found.setdefault(segment.surface.value, set()).add(segment.text)
    assert found == {
        "output": {"a", "s", "c", "f", "n", "b", "m"},
        "tool_result": {"q", "t", "h", "u"},
    }
    assert [(i.what, i.surface.value) for i in made.unscannable] == [
        ("encrypted", "tool_result"),
        ("encrypted", "output"),
    ]


@pytest.mark.parametrize("raw", [b"{}", b'{"object":"list"}', b"[]", b"oops"])
def test_what_is_no_answer_is_said_to_be_none(raw: bytes) -> None:
    with pytest.raises(ValueError):
        answer(raw)


@pytest.mark.parametrize("raw", [b'{"promptFeedback":{"blockReason":"SAFETY"}}', b'{"error":{}}'])
def test_an_answer_without_candidates_passes(raw: bytes) -> None:
    assert answer(raw).encode() == raw


@pytest.mark.parametrize(
    ("report", "usage"),
    [
        (None, None),
        ({"trafficType": "ON_DEMAND"}, None),
        (
            {"promptTokenCount": 10, "candidatesTokenCount": 4, "totalTokenCount": 14},
            Usage(10, output=4),
        ),
        (
            {
                "promptTokenCount": 100,
                "cachedContentTokenCount": 60,
                "candidatesTokenCount": 4,
                "thoughtsTokenCount": 30,
                "toolUsePromptTokenCount": 7,
                "totalTokenCount": 141,
            },
            Usage(47, cache_read=60, output=34, reasoning=30),
        ),
        ({"promptTokenCount": 10, "totalTokenCount": 25}, Usage(10, output=15)),
        ({"prompt_token_count": "10"}, Usage(10)),
    ],
)
def test_every_token_is_counted_once(report: Any, usage: Usage | None) -> None:
    assert read_usage(None, report) == usage


def test_a_report_without_counts_leaves_what_is_known() -> None:
    known = Usage(5)
    assert read_usage(known, {"trafficType": "ON_DEMAND"}) is known
