"""Google's JSON: a field under either of its names, a list or one message, a number as text."""

from __future__ import annotations

import pytest

from gateway.dialects.gemini_fields import camel, each, field, listed, snake, unique_fields, whole
from gateway.errors import CallerError
from gateway.verdict import Reason


@pytest.mark.parametrize(
    ("google", "proto"),
    [
        ("systemInstruction", "system_instruction"),
        ("inlineData", "inline_data"),
        ("text", "text"),
        ("topK", "top_k"),
        ("_responseJsonSchema", "_response_json_schema"),
    ],
)
def test_both_spellings_are_one_field(google: str, proto: str) -> None:
    assert camel(proto) == camel(google) == google
    assert snake(google) == proto
    assert field({google: 1}, google) == field({proto: 1}, google) == 1


def test_a_field_in_two_spellings_is_refused_without_its_value() -> None:
    assert unique_fields({"inline_data": 1, "text": 2}, "") == {
        "inlineData": "inline_data",
        "text": "text",
    }
    with pytest.raises(CallerError) as caught:
        unique_fields({"my_secret": 1, "mySecret": 2}, "contents[0]")
    assert caught.value.reason is Reason.DUPLICATE_KEY
    assert "contents[0]" in caught.value.message
    assert "ecret" not in caught.value.message


def test_a_repeated_field_may_be_a_list_or_one_message() -> None:
    many, one = {"parts": ["a", "b"]}, {"parts": "a"}
    assert [where for _, _, where in each(many, "parts", "p")] == ["p[0]", "p[1]"]
    assert list(each(one, "parts", "p")) == [(one, "parts", "p")]
    assert list(each({"parts": None}, "parts", "p")) == []
    assert (listed(many, "parts"), listed(one, "parts"), listed({}, "parts")) == (
        ["a", "b"],
        ["a"],
        [],
    )


NO_NUMBERS: tuple[object, ...] = (5.5, "x", None, True, "inf", "nan", "9" * 40, [])


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *((5, 5), ("5", 5), (5.0, 5), ("1e3", 1000), ("5.0", 5)),
        *((value, None) for value in NO_NUMBERS),
    ],
)
def test_a_whole_number_may_be_sent_as_text(value: object, number: int | None) -> None:
    assert whole(value) == number


@pytest.mark.parametrize("value", [None, "text", 5, []])
def test_what_is_no_message_has_no_fields(value: object) -> None:
    assert field(value, "text") is None
    assert listed(value, "text") == []
