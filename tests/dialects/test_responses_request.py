"""Requests of the Responses API: surfaces, what is new, steps, and writing."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects.base import StepKind, Surface
from gateway.dialects.jsondoc import parse_object
from gateway.dialects.responses_request import PER_IMAGE, ResponsesCall


def call(**fields: Any) -> ResponsesCall:
    body = orjson.dumps({"model": "gpt-x", **fields}, option=orjson.OPT_INDENT_2)
    return ResponsesCall(parse_object(body), "chat")


def asked(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "input_text", "text": text}]}


def said(text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text}]
    return {"type": "message", "role": "assistant", "content": content}


def called(number: int, name: str = "f") -> dict[str, Any]:
    return {
        "type": "function_call",
        "call_id": f"c{number}",
        "name": name,
        "arguments": '{"k":"arg"}',
    }


def gave(number: int, output: Any = "out") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": f"c{number}", "output": output}


THOUGHT = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}


def sent(made: ResponsesCall) -> dict[str, Any]:
    root: dict[str, Any] = orjson.loads(made.encode())
    return root


def kinds(made: ResponsesCall) -> str:
    letters = {StepKind.HUMAN: "H", StepKind.MODEL: "M", StepKind.RESULT: "R"}
    return "".join(letters[step.kind] for step in made.steps)


def test_unchanged_requests_are_the_same_bytes() -> None:
    made = call(input="hi", unknown={"x": [1]})
    assert made.encode() == made.document.raw
    assert kinds(made) == "H"


def test_fields_of_the_request() -> None:
    made = call(
        input="hi",
        stream=True,
        max_output_tokens=7,
        user="u",
        prompt_cache_key="k",
        previous_response_id="resp_0",
    )
    assert (made.model, made.stream, made.max_output) == ("gpt-x", True, 7)
    assert (made.user_id, made.cache_key, made.previous_id) == ("u", "k", "resp_0")
    assert call(conversation={"id": "conv_1"}).previous_id == "conv_1"
    assert call(safety_identifier="s").user_id == "s"


def test_every_surface_is_there_and_replaceable() -> None:
    made = call(
        instructions="sys",
        input=[asked("ask"), THOUGHT, called(1), gave(1)],
        tools=[{"type": "function", "name": "f", "description": "does f", "parameters": {}}],
        text={"format": {"type": "json_schema", "name": "n", "schema": {"description": "shape"}}},
    )
    surfaces = {segment.text: segment.surface for segment in made.segments}
    assert surfaces["sys"] is Surface.SYSTEM
    assert surfaces["ask"] is Surface.USER
    assert surfaces["hm"] is Surface.REASONING
    assert surfaces["arg"] is Surface.TOOL_CALL
    assert surfaces["out"] is Surface.TOOL_RESULT
    assert surfaces["does f"] is surfaces["shape"] is Surface.TOOL_DEFINITION
    for segment in made.segments:
        if segment.text in ("sys", "ask", "arg", "out", "shape"):
            segment.replace("#")
    root = sent(made)
    assert root["instructions"] == root["input"][0]["content"][0]["text"] == "#"
    assert orjson.loads(root["input"][2]["arguments"]) == {"k": "#"}
    assert root["input"][3]["output"] == "#"
    assert root["text"]["format"]["schema"] == {"description": "#"}


def test_new_is_what_follows_the_last_answer() -> None:
    made = call(instructions="sys", input=[asked("one"), THOUGHT, called(1), gave(1)])
    assert [segment.text for segment in made.segments if segment.fresh] == ["out"]
    assert all(segment.fresh for segment in call(instructions="sys", input="hi").segments)


def test_a_beginning_of_the_next_answer_is_not_an_answer() -> None:
    made = call(input=[asked("one"), said("two"), asked("three"), said("The ")])
    assert [s.text for s in made.segments if s.fresh] == ["three", "The "]


def test_the_items_of_one_answer_are_one_step() -> None:
    made = call(
        input=[
            asked("do it"),
            THOUGHT,
            said("ok"),
            called(1),
            called(2),
            gave(1),
            gave(2),
            THOUGHT,
            called(3),
            gave(3),
            said("done"),
            asked("thanks"),
        ]
    )
    assert kinds(made) == "HMRRMRMH"
    assert [each.id for each in made.steps[1].calls] == ["c1", "c2"]
    assert made.steps[2].call_id == "c1"
    assert made.steps[2].text == "out"


def test_hosted_calls_bring_their_results_along() -> None:
    search = {"type": "file_search_call", "id": "fs", "queries": ["q"], "results": [{"text": "t"}]}
    made = call(input=[asked("find"), search, said("so")])
    assert kinds(made) == "HMR"
    assert made.steps[1].calls[0].hosted
    assert made.steps[2].text == "t"


@pytest.mark.parametrize(
    "field",
    [
        {"previous_response_id": "resp_0"},
        {"conversation": "conv_0"},
        {"input": [{"type": "item_reference", "id": "msg_0"}]},
    ],
)
def test_what_the_provider_keeps_is_named_and_unbounded(field: dict[str, Any]) -> None:
    made = call(**field)
    assert [each.what for each in made.unscannable] == ["history"]
    assert made.input_bound() == -1


def test_a_kept_prompt_is_named_for_it_may_hold_tools_too() -> None:
    made = call(prompt={"id": "pmpt_0"})
    assert [each.what for each in made.unscannable] == ["template"]
    assert made.input_bound() == -1


def test_variables_of_a_kept_prompt_are_read() -> None:
    variables = {"a": "words", "b": {"type": "input_text", "text": "more"}}
    made = call(prompt={"id": "p", "variables": variables})
    assert [segment.text for segment in made.segments] == ["words", "more"]
    made.segments[0].replace("#")
    assert sent(made)["prompt"]["variables"]["a"] == "#"


def test_what_an_answer_costs_that_is_fetched_later_is_told_later() -> None:
    made = call(input="hi", background=True)
    assert made.deferred
    assert not made.unscannable  # it is read where it is fetched: openai_stored
    assert not call(input="hi").deferred


def test_fields_nobody_knows_are_read() -> None:
    made = call(input="hi", new={"deep": "words"}, other="more", metadata={"note": "mine"})
    assert {"words", "more", "mine"} <= {segment.text for segment in made.segments}


@pytest.mark.parametrize("value", [{"x": "secret"}, ["secret"], [["secret"]]])
def test_input_of_an_unknown_shape_is_read_and_named(value: Any) -> None:
    made = call(input=value)
    assert "secret" in [segment.text for segment in made.segments]
    assert [each.what for each in made.unscannable] == ["body"]


def test_writing_a_cap_and_forcing_fields() -> None:
    made = call(input="hi", store=True)
    made.set_max_output(64)
    made.force_field("store", False)
    made.force_field("model", "gpt-x")
    assert sent(made) == {
        "model": "gpt-x",
        "input": "hi",
        "store": False,
        "max_output_tokens": 64,
    }
    assert (made.max_output, made.get_field("store")) == (64, False)


def test_the_bound_counts_bytes_and_pictures_but_not_their_data() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 100_000}
    made = call(input=[{"role": "user", "content": [image]}])
    assert PER_IMAGE < made.input_bound() < PER_IMAGE + 1000
    assert call(input="hi").input_bound() < 400
    assert call(input="hi", tools=[{"type": "web_search"}]).input_bound() == -1
    assert call(input="x" * 41).input_estimate() == 8


def test_the_name_of_a_websocket_message_is_no_text_and_its_answer_is_a_stream() -> None:
    message = call(type="response.create", input="hello")
    assert [segment.text for segment in message.segments] == ["hello"]
    assert message.stream
    assert b'"type": "response.create"' in message.encode()
    other = call(type="open sesame", input="hello")
    assert "open sesame" in [segment.text for segment in other.segments]
    assert not other.stream
