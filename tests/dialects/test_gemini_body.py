"""One request's body: what is new, whose it is, and the steps of its history."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.base import Step, StepKind
from gateway.dialects.gemini_body import GenerateBody
from gateway.dialects.gemini_parts import PartReader
from gateway.dialects.jsondoc import JsonDocument
from gateway.errors import CallerError

HUMAN, MODEL, RESULT = StepKind.HUMAN, StepKind.MODEL, StepKind.RESULT


def user(*texts: str, role: str | None = "user") -> dict[str, Any]:
    made: dict[str, Any] = {"parts": [{"text": text} for text in texts]}
    return made if role is None else {"role": role, **made}


def model(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def call(name: str, **more: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": {"n": 1}, **more}}


def result(name: str, **more: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": {"output": "done"}, **more}}


def read(root: dict[str, Any]) -> tuple[GenerateBody, PartReader, list[Step]]:
    reader = PartReader(JsonDocument(root, b""), asked=True)
    steps: list[Step] = []
    return GenerateBody(root, "", reader, steps), reader, steps


def fresh(reader: PartReader) -> list[tuple[str, str, bool]]:
    return [(s.surface.value, s.text, s.fresh) for s in reader.segments]


def test_what_stands_after_the_last_answer_is_new() -> None:
    root = {
        "contents": [user("old"), model({"text": "answer"}), user("new")],
        "systemInstruction": user("be good", role=None),
        "labels": {"k": "v"},
    }
    assert fresh(read(root)[1]) == [
        ("system", "be good", False),
        ("user", "old", False),
        ("assistant", "answer", False),
        ("user", "new", True),
        ("user", "v", False),
        ("user", "k", False),
    ]


def test_without_an_answer_all_is_new_and_a_beginning_of_the_next_one_too() -> None:
    root = {"contents": [user("a"), model({"text": "Sure, "})], "system_instruction": user("s")}
    assert {is_new for _, _, is_new in fresh(read(root)[1])} == {True}


@pytest.mark.parametrize("role", [None, "user", "USER", "", "function", "somebody"])
def test_whoever_is_not_the_model_is_the_user(role: str | None) -> None:
    assert fresh(read({"contents": [user("a", role=role)]})[1]) == [("user", "a", True)]


@pytest.mark.parametrize("role", ["model", "MODEL"])
def test_the_model_is_known_in_any_case(role: str) -> None:
    root = {"contents": [{"role": role, "parts": {"text": "a"}}, user("b")]}
    assert fresh(read(root)[1]) == [("assistant", "a", False), ("user", "b", True)]


def test_steps_join_calls_and_results_and_tell_people_from_tools() -> None:
    _, _, steps = read(
        {
            "contents": [
                user("do it"),
                model({"text": "thinking", "thought": True}, call("f"), call("f")),
                {"role": "user", "parts": [result("f"), result("f")]},
                model(call("g", id="x")),
                {"role": "function", "parts": [result("g", id="x")]},
                model({"executableCode": {"code": "1"}}, {"codeExecutionResult": {"output": "1"}}),
                model({"text": "done"}),
                {"role": "user", "parts": [result("f"), {"text": "and now?"}]},
            ]
        }
    )
    kinds = [step.kind for step in steps]
    assert kinds == [
        *(HUMAN, MODEL, RESULT, RESULT, MODEL, RESULT, MODEL, RESULT, RESULT, HUMAN),
    ]
    first, second = steps[1].calls
    assert [step.call_id for step in steps[2:4]] == [first.id, second.id]
    assert first.id != second.id
    assert (steps[4].calls[0].id, steps[5].call_id) == ("x", "x")
    assert steps[7].call_id == steps[6].calls[0].id


@pytest.mark.parametrize(
    ("settings", "most", "choices"),
    [
        ({}, None, 1),
        ({"maxOutputTokens": 5, "candidateCount": 3}, 5, 3),
        ({"max_output_tokens": "5", "candidate_count": "3"}, 5, 3),
        ({"maxOutputTokens": 5.0}, 5, 1),
        ({"maxOutputTokens": "lots", "candidateCount": 0}, None, 1),
    ],
)
@pytest.mark.parametrize("name", ["generationConfig", "generation_config"])
def test_limits_are_read_in_any_spelling(
    name: str, settings: Any, most: int | None, choices: int
) -> None:
    body, _, _ = read({"contents": [], name: settings})
    assert (body.max_output, body.choices) == (most, choices)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"generationConfig": {"maxOutputTokens": 7}}),
        ({"generationConfig": None}, {"generationConfig": {"maxOutputTokens": 7}}),
        (
            {"generation_config": {"max_output_tokens": 9, "top_k": 1}},
            {"generation_config": {"max_output_tokens": 7, "top_k": 1}},
        ),
        (
            {"generationConfig": {"temperature": 1}},
            {"generationConfig": {"temperature": 1, "maxOutputTokens": 7}},
        ),
    ],
)
def test_a_setting_is_written_where_it_is_in_the_spelling_that_is_there(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    body, reader, _ = read(before)
    body.set("maxOutputTokens", 7)
    assert before == after
    assert body.max_output == body.setting("maxOutputTokens") == 7
    assert reader.document.changed


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"cachedContent": "cachedContents/1"}, ["history"]),
        ({"cached_content": "cachedContents/1"}, ["history"]),
        ({"continuationToken": "abc"}, ["history"]),
        ({"contents": "hello"}, []),
        ({"contents": [5]}, ["body"]),
        ({"contents": [{"role": "user", "news": "x"}]}, ["body"]),
    ],
)
def test_what_cannot_be_read_is_named(more: dict[str, Any], what: list[str]) -> None:
    _, reader, _ = read(more)
    assert [item.what for item in reader.unscannable] == what


@pytest.mark.parametrize(
    "root",
    [
        {"systemInstruction": {}, "system_instruction": {}},
        {"contents": [{"parts": [{"inlineData": {}, "inline_data": {}}]}]},
        {"contents": [{"parts": [{"functionCall": {"partialArgs": [], "partial_args": []}}]}]},
        {"tools": [{"functionDeclarations": [], "function_declarations": []}]},
        {"generationConfig": {"stopSequences": [], "stop_sequences": []}},
    ],
)
def test_a_field_in_two_spellings_is_refused(root: dict[str, Any]) -> None:
    with pytest.raises(CallerError, match="two spellings"):
        read(root)


def test_settings_that_hold_words_are_no_text_and_all_others_are() -> None:
    root = {
        "generationConfig": {
            "responseMimeType": "application/json",
            "responseModalities": ["TEXT"],
            "stopSequences": ["END"],
            "speechConfig": {"voice": "Kore"},
            "somethingNew": "x",
            "responseSchema": {"type": "OBJECT", "description": "the answer"},
        },
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT"}],
        "toolConfig": {
            "functionCallingConfig": {"mode": "AUTO"},
            "retrievalConfig": {"languageCode": "en"},
        },
    }
    found = {(surface, text) for surface, text, _ in fresh(read(root)[1])}
    assert found == {
        ("user", "END"),
        ("user", "Kore"),
        ("user", "voice"),
        ("user", "x"),
        ("tool_definition", "the answer"),
        ("user", "en"),
        ("user", "languageCode"),
    }
