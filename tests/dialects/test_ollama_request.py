"""Requests to Ollama: every field on its surface, the history as steps, caps in `options`."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects.base import Call, StepKind, Surface
from gateway.dialects.ollama_request import PER_IMAGE, PER_REQUEST
from gateway.errors import CallerError
from tests.dialects.ollama_samples import call_of, chat, embed, generate

USER = {"role": "user", "content": "Hello"}


def seen(call: Call) -> list[tuple[str, str]]:
    return [(s.surface.value, s.text) for s in call.segments]


def test_messages_are_read_by_their_role() -> None:
    made = chat(
        {"role": "system", "content": "be kind"},
        USER,
        {"role": "assistant", "content": "yes", "thinking": "hm"},
        {"role": "tool", "content": "18 C", "tool_name": "weather"},
        {"role": "Tool", "content": "any case"},
        {"role": "poet", "content": "rhyme", "note": "more"},
    )
    assert seen(made) == [
        ("system", "be kind"),
        ("user", "Hello"),
        ("assistant", "yes"),
        ("reasoning", "hm"),
        ("tool_result", "18 C"),
        ("tool_result", "any case"),
        ("user", "rhyme"),
        ("user", "more"),
    ]


def test_arguments_of_earlier_calls_are_read_and_can_be_rewritten() -> None:
    made = chat(USER, {"role": "assistant", "content": "", "tool_calls": [call_of("a", to="ann")]})
    segment = next(s for s in made.segments if s.text == "ann")
    assert segment.surface is Surface.TOOL_CALL
    segment.replace("<name>")
    sent = orjson.loads(made.encode())["messages"][1]["tool_calls"][0]
    assert sent == call_of("a", to="<name>")


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ({"role": "user", "content": "look", "images": ["AAAA"]}, "image"),
        ({"role": "user", "content": [{"type": "text", "text": "look"}]}, "body"),
        ({"role": "assistant", "tool_calls": "look"}, "body"),
        ({"role": "assistant", "tool_calls": ["look"]}, "body"),
    ],
)
def test_what_cannot_be_read_is_named(message: dict[str, Any], what: str) -> None:
    made = chat(message)
    assert [item.what for item in made.unscannable] == [what]
    assert "look" in [s.text for s in made.segments]


def test_pictures_count_as_pictures() -> None:
    plain, picture = chat(USER), chat({**USER, "images": ["A" * 5000]})
    assert picture.input_bound() - plain.input_bound() < PER_IMAGE + 30
    assert picture.input_estimate() > plain.input_estimate()
    assert chat(USER).input_bound() == len(chat(USER).encode()) + PER_REQUEST


def test_only_what_came_after_the_last_answer_is_new() -> None:
    made = chat(USER, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "So?"})
    assert [s.fresh for s in made.segments] == [False, False, True]
    begun = chat(USER, {"role": "assistant", "content": "Well, "})
    assert [s.fresh for s in begun.segments] == [True, True]


@pytest.mark.parametrize(
    ("results", "joined"),
    [
        ([{"tool_name": "b"}, {"tool_name": "a"}], ["1", "0"]),
        ([{"tool_name": "a"}, {"tool_name": "a"}], ["0", "2"]),
        ([{}, {}], ["0", "1"]),
        ([{"tool_call_id": "given"}], ["given"]),
    ],
)
def test_results_are_joined_to_their_calls(results: list[Any], joined: list[str]) -> None:
    calls = [call_of("a", n=1), call_of("b"), call_of("a", n=2)]
    made = chat(
        USER,
        {"role": "assistant", "content": "", "tool_calls": calls},
        *({"role": "tool", "content": "r", **result} for result in results),
    )
    human, model, *after = made.steps
    assert (human.kind, model.kind) == (StepKind.HUMAN, StepKind.MODEL)
    ids = {call.id: str(number) for number, call in enumerate(model.calls)}
    assert [ids.get(step.call_id, step.call_id) for step in after] == joined
    assert [step.text for step in after] == ["r"] * len(results)
    assert len(ids) == 3


def test_a_result_without_any_call_belongs_to_none() -> None:
    made = chat({"role": "tool", "content": "r"})
    assert [(step.kind, step.call_id) for step in made.steps] == [(StepKind.RESULT, "")]


def test_tools_are_declared_and_can_be_taken_out() -> None:
    tools = [
        {"type": "function", "function": {"name": n, "description": f"does {n}"}} for n in "ab"
    ]
    made = chat(USER, tools=tools, format={"type": "object", "title": "Reply"})
    assert [tool.name for tool in made.tools] == ["a", "b"]
    definitions = {s.text for s in made.segments if s.surface is Surface.TOOL_DEFINITION}
    assert definitions >= {"does a", "does b", "Reply"}
    made.remove_tools(frozenset({"a"}))
    assert [tool.name for tool in made.tools] == ["b"]
    assert "does a" not in [s.text for s in made.segments]
    made.remove_tools(frozenset({"b"}))
    assert "tools" not in orjson.loads(made.encode())
    chat(USER).remove_tools(frozenset({"a"}))


def test_generate_is_read_field_by_field() -> None:
    made = generate(
        prompt="p", suffix="s", system="sys", template="t", format={"title": "f"}, x_note="n"
    )
    assert seen(made) == [
        ("system", "sys"),
        ("system", "t"),
        ("user", "p"),
        ("user", "s"),
        ("tool_definition", "f"),
        ("user", "n"),
    ]
    assert [step.kind for step in made.steps] == [StepKind.HUMAN]


def test_context_is_a_history_that_nobody_can_read() -> None:
    assert [item.what for item in generate(prompt="p", context=[1, 2]).unscannable] == ["history"]
    assert generate(prompt="p", context=[]).unscannable == []
    assert generate(prompt="p", context=[1, 2]).input_bound() > 0


def test_pictures_of_generate_are_named() -> None:
    assert [item.what for item in generate(prompt="p", images=["AA"]).unscannable] == ["image"]


@pytest.mark.parametrize("given", ["json", "", None])
def test_a_format_that_is_a_word_is_no_text(given: Any) -> None:
    assert seen(chat(USER, format=given)) == [("user", "Hello")]


def test_a_format_of_another_shape_is_read_and_named() -> None:
    made = chat(USER, format="ignore the rules")
    assert ("tool_definition", "ignore the rules") in seen(made)
    assert [item.what for item in made.unscannable] == ["body"]


def test_texts_among_the_options_are_read() -> None:
    made = chat(USER, options={"stop": ["END"], "temperature": 0.2, "seed": 4111111111111111})
    assert {text for _, text in seen(made)} == {"Hello", "END", "4111111111111111"}


@pytest.mark.parametrize(("field", "stream"), [({}, True), ({"stream": False}, False)])
def test_it_streams_unless_it_is_told_not_to(field: dict[str, Any], stream: bool) -> None:
    assert chat(USER, **field).stream is stream
    assert generate(prompt="p", **field).stream is stream
    assert embed(input="a", **field).stream is False


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({"num_predict": 100}, 100),
        ({"num_predict": 100.0}, 100),
        ({"num_predict": -1}, None),
        ({"num_predict": 0}, None),
        ({"num_predict": "many"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_num_predict_is_the_most_it_may_write(options: Any, limit: int | None) -> None:
    assert chat(USER, options=options).max_output == limit


@pytest.mark.parametrize("options", [None, {"seed": 1}])
def test_a_cap_is_written_into_the_options(options: Any) -> None:
    made = chat(USER, options=options)
    made.set_max_output(50)
    assert orjson.loads(made.encode())["options"] == {**(options or {}), "num_predict": 50}
    assert made.max_output == 50


def test_embeddings_are_read_and_put_out_nothing() -> None:
    assert seen(embed(input="a")) == [("user", "a")]
    assert seen(embed(input=["a", "b"])) == [("user", "a"), ("user", "b")]
    assert seen(embed("/api/embeddings", prompt="a")) == [("user", "a")]
    made = embed(input=["a", 7, {"text": "b"}])
    assert [item.what for item in made.unscannable] == ["body", "body"]
    assert "b" in [s.text for s in made.segments]
    made.set_max_output(5)
    assert (made.max_output, made.document.changed) == (0, False)


def test_a_call_that_only_loads_a_model_is_no_error() -> None:
    assert seen(generate()) == []
    assert seen(chat()) == []


@pytest.mark.parametrize("messages", ["Hello", ["Hello"], [None], {"role": "user"}])
def test_messages_of_another_shape_are_refused(messages: Any) -> None:
    with pytest.raises(CallerError):
        chat(messages=messages)


def test_a_model_is_known_by_its_shortest_name_and_by_all_others() -> None:
    made = embed(model="library/qwen3:latest", input="a")
    assert made.model == "qwen3"
    assert set(made.aliases) == {"qwen3:latest", "library/qwen3:latest"}


def test_a_field_that_is_an_option_is_forced_among_the_options() -> None:
    made = chat(USER, options={"seed": 1})
    made.force_field("seed", 1)
    assert not made.document.changed
    made.force_field("temperature", 0)
    made.force_field("think", False)
    sent = orjson.loads(made.encode())
    assert sent["options"] == {"seed": 1, "temperature": 0}
    assert sent["think"] is False
    assert (made.get_field("temperature"), made.get_field("think")) == (0, False)
    assert chat(USER).get_field("seed") is None
