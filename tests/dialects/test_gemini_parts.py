"""Parts: nothing hides beside a text, in another spelling, or in a field that nobody knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Surface
from gateway.dialects.gemini_fields import snake
from gateway.dialects.gemini_parts import PartReader
from gateway.dialects.jsondoc import JsonDocument


def read(part: Any, surface: Surface = Surface.USER, *, asked: bool = True) -> PartReader:
    reader = PartReader(JsonDocument(None, b""), asked=asked)
    reader.part([part], 0, surface, "parts[0]")
    return reader


def texts(reader: PartReader) -> list[tuple[str, str]]:
    return [(segment.surface.value, segment.text) for segment in reader.segments]


def unread(reader: PartReader) -> list[tuple[str, str]]:
    return [(item.what, item.surface.value) for item in reader.unscannable]


def in_snake(node: Any) -> Any:
    if isinstance(node, dict):
        return {snake(key): in_snake(value) for key, value in node.items()}
    return [in_snake(each) for each in node] if isinstance(node, list) else node


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ({"text": "a"}, [("user", "a")]),
        ({"text": "a", "thought": True}, [("user", "a")]),  # only the model thinks
        (
            {"inlineData": {"mimeType": "image/png", "data": "aGk=", "displayName": "n"}},
            [("user", "n")],
        ),
        ({"fileData": {"mimeType": "video/mp4", "fileUri": "gs://u"}}, [("user", "gs://u")]),
        (
            {"functionCall": {"name": "f", "args": {"k": "a"}}},
            [("tool_call", "a"), ("tool_call", "k")],
        ),
        (
            {"functionCall": {"partialArgs": [{"jsonPath": "$.k", "stringValue": "a"}]}},
            [("tool_call", v) for v in ("$.k", "jsonPath", "a", "stringValue", "")][:4],
        ),
        ({"executableCode": {"language": "PYTHON", "code": "a"}}, [("tool_call", "a")]),
        (
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "a"}},
            [("tool_result", "a")],
        ),
        (
            {"toolCall": {"toolType": "URL_CONTEXT", "args": {"k": "a"}}},
            [("tool_call", "a"), ("tool_call", "k")],
        ),
        ({"toolResponse": {"response": {"k": "a"}}}, [("tool_result", "a"), ("tool_result", "k")]),
        ({"audioTranscription": {"text": "a"}}, [("user", "a")]),
        ({"partMetadata": {"k": "a"}}, [("user", "a"), ("user", "k")]),
        ("a", [("user", "a")]),
    ],
)
def test_every_sort_of_part_is_read_in_both_spellings(
    part: Any, found: list[tuple[str, str]]
) -> None:
    assert sorted(texts(read(part))) == sorted(found)
    if "partialArgs" not in str(part):
        assert sorted(texts(read(in_snake(part)))) == sorted(found)


@pytest.mark.parametrize(
    ("mime", "what"),
    [
        ("image/png", "image"),
        ("IMAGE/PNG", "image"),
        ("audio/wav", "audio"),
        ("video/mp4", "video"),
        ("application/pdf", "file"),
        ("text/plain", "file"),
        (None, "file"),
    ],
)
@pytest.mark.parametrize("field", ["inlineData", "inline_data", "fileData", "file_data"])
def test_media_are_unscannable_by_what_they_are(field: str, mime: Any, what: str) -> None:
    reader = read({field: {} if mime is None else {"mime_type": mime}})
    assert unread(reader) == [(what, "user")]
    assert reader.unbounded == (what != "image")


def test_the_models_thoughts_are_reasoning_and_signed_ones_are_never_rewritten() -> None:
    for surface in (Surface.ASSISTANT, Surface.OUTPUT):
        plain = read({"text": "a", "thought": True}, surface)
        signed = read({"text": "a", "thought": True, "thoughtSignature": "c2ln"}, surface)
        assert texts(plain) == texts(signed) == [("reasoning", "a")]
        assert [plain.segments[0].readonly, signed.segments[0].readonly] == [False, True]
        assert unread(signed) == []  # a seal is no text of anybody's


@pytest.mark.parametrize("name", ["thoughtSignature", "thought_signature"])
def test_a_rewritten_text_goes_without_its_signature(name: str) -> None:
    part = {"text": "a", name: "c2ln"}
    (segment,) = read(part, Surface.OUTPUT).segments
    assert not segment.readonly
    segment.replace("b")
    assert part == {"text": "b"}


def test_nothing_hides_beside_a_text() -> None:
    part = {"text": "a", "functionCall": {"name": "f", "args": {"k": "b"}}, "news": {"x": "c"}}
    reader = read(part, Surface.ASSISTANT)
    assert {text for _, text in texts(reader)} == {"a", "b", "k", "c", "x"}
    assert unread(reader) == [("body", "assistant")]
    assert [call.name for call in reader.calls] == ["f"]


def test_null_says_nothing() -> None:
    reader = read({"text": "a", "inlineData": None, "functionCall": None, "somethingNew": None})
    assert texts(reader) == [("user", "a")]
    assert unread(reader) == []


def test_of_two_spellings_in_an_answer_both_are_read() -> None:
    part = {"inlineData": {"mimeType": "image/png"}, "inline_data": {"displayName": "a"}}
    reader = read(part, Surface.OUTPUT, asked=False)
    assert ("output", "a") in texts(reader)
    assert ("body", "output") in unread(reader)


def test_calls_without_an_id_are_joined_to_their_results_by_name_and_order() -> None:
    reader = PartReader(JsonDocument(None, b""), asked=True)
    calls = [{"functionCall": {"name": n, "args": {"n": i}}} for i, n in enumerate("ffg")]
    results = [
        {"functionResponse": {"name": "g", "response": {"output": "G"}}},
        {"functionResponse": {"name": "f", "response": {"output": "1"}}},
        {"functionResponse": {"name": "f", "response": {"error": "2"}}},
        {"functionResponse": {"name": "h", "response": {}}},
    ]
    for number in range(3):
        reader.part(calls, number, Surface.ASSISTANT, "c")
    for number in range(4):
        reader.part(results, number, Surface.USER, "r")
    ids = [call.id for call in reader.calls]
    assert len(set(ids)) == 3
    assert [step.call_id for step in reader.results] == [ids[2], ids[0], ids[1], "h"]
    assert [step.is_error for step in reader.results] == [None, None, True, None]


def test_a_result_with_an_id_belongs_to_its_call_whatever_the_order() -> None:
    reader = PartReader(JsonDocument(None, b""), asked=True)
    parts = [
        {"functionCall": {"id": "a", "name": "f"}},
        {"functionCall": {"id": "b", "name": "f"}},
        {"functionResponse": {"id": "b", "name": "f", "response": {"output": "x"}}},
        {"functionResponse": {"id": "a", "name": "f", "response": {"output": "y"}}},
    ]
    for number in range(4):
        reader.part(parts, number, Surface.USER, "p")
    assert [step.call_id for step in reader.results] == ["b", "a"]


def test_two_pictures_as_results_differ_though_no_text_does() -> None:
    def result(data: str) -> str:
        blob = {"inlineData": {"mimeType": "image/png", "data": data}}
        reader = read({"functionResponse": {"name": "f", "response": {}, "parts": [blob]}})
        assert unread(reader) == [("image", "tool_result")]
        return reader.results[0].text

    assert result("AAAA") != result("AAAB")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                "text inlineData file_data functionCall function_response executableCode args "
                "response parts code output thought thoughtSignature toolCall news id name".split()
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


WORDS = frozenset({"id", "name", "language", "thought", "thoughtSignature"})


def values_of(node: Any) -> Iterator[str]:
    """Every string under a part but those of fields that hold ids, names and switches."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for each in node:
            yield from values_of(each)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key not in WORDS or not isinstance(value, str):
                yield from values_of(value)


@given(ANY, st.sampled_from([Surface.USER, Surface.ASSISTANT, Surface.OUTPUT]), st.booleans())
def test_no_text_of_any_part_is_left_out(part: Any, surface: Surface, asked: bool) -> None:
    reader = read(part, surface, asked=asked)
    said = {segment.text for segment in reader.segments}
    said |= {call.arguments for call in reader.calls}
    for text in values_of(part):
        assert not text or any(text in each for each in said) or json.dumps(text)[1:-1] in str(said)
