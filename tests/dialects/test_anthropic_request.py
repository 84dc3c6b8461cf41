"""Requests of the Messages API: surfaces, what is new, steps, and writing."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects.anthropic_request import PER_IMAGE, AnthropicCall
from gateway.dialects.base import StepKind, Surface
from gateway.dialects.jsondoc import parse_object

REMINDER = "<system-reminder>\nBe careful.\n</system-reminder>"


def call(operation: str = "chat", **fields: Any) -> AnthropicCall:
    body = {"model": "claude-x", "max_tokens": 500, "messages": [], **fields}
    raw = orjson.dumps(body, option=orjson.OPT_INDENT_2)
    return AnthropicCall(parse_object(raw), operation)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def use(number: int, name: str = "f") -> dict[str, Any]:
    return {"type": "tool_use", "id": f"t{number}", "name": name, "input": {"n": "arg"}}


def gave(number: int, content: Any = "out") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": f"t{number}", "content": content}


def sent(made: AnthropicCall) -> dict[str, Any]:
    root: dict[str, Any] = orjson.loads(made.encode())
    return root


def kinds(made: AnthropicCall) -> str:
    letters = {StepKind.HUMAN: "H", StepKind.MODEL: "M", StepKind.RESULT: "R"}
    return "".join(letters[step.kind] for step in made.steps)


def test_unchanged_requests_are_the_same_bytes() -> None:
    made = call(messages=[user("hi")], unknown={"x": [1]})
    assert made.encode() == made.document.raw


def test_fields_of_the_request() -> None:
    made = call(stream=True, metadata={"user_id": "u1"})
    assert (made.model, made.stream, made.max_output, made.user_id) == ("claude-x", True, 500, "u1")


def test_every_surface_is_there_and_replaceable() -> None:
    made = call(
        system=[{"type": "text", "text": "sys"}],
        messages=[
            user("ask"),
            assistant([{"type": "thinking", "thinking": "hm", "signature": "s"}, use(1)]),
            user([gave(1), {"type": "text", "text": "and?"}]),
        ],
        tools=[{"name": "f", "description": "does f", "input_schema": {"type": "object"}}],
    )
    surfaces = {segment.text: segment.surface for segment in made.segments}
    assert surfaces["sys"] is Surface.SYSTEM
    assert surfaces["ask"] is surfaces["and?"] is Surface.USER
    assert surfaces["hm"] is Surface.REASONING
    assert surfaces["arg"] is Surface.TOOL_CALL
    assert surfaces["out"] is Surface.TOOL_RESULT
    assert surfaces["does f"] is Surface.TOOL_DEFINITION
    for segment in made.segments:
        if segment.text in ("sys", "ask", "arg", "out", "does f"):
            segment.replace("#")
    root = sent(made)
    assert root["system"][0]["text"] == root["messages"][0]["content"] == "#"
    assert root["messages"][1]["content"][1]["input"] == {"n": "#"}
    assert root["messages"][2]["content"][0]["content"] == "#"
    assert root["tools"][0]["description"] == "#"


def test_places_name_where_a_text_stands() -> None:
    made = call(messages=[user([{"type": "text", "text": "x"}])])
    assert made.segments[0].place == "messages[0].content[0].text"


def test_new_is_what_follows_the_last_answer() -> None:
    made = call(system="sys", messages=[user("one"), assistant("two"), user("three")])
    assert {s.text: s.fresh for s in made.segments} == {
        "sys": False,
        "one": False,
        "two": False,
        "three": True,
    }
    first = call(system="sys", messages=[user("one")])
    assert all(segment.fresh for segment in first.segments)


def test_a_prefill_is_not_an_answer() -> None:
    made = call(messages=[user("one"), assistant("two"), user("three"), assistant("The ")])
    fresh = [segment.text for segment in made.segments if segment.fresh]
    assert fresh == ["three", "The "]


def test_a_paused_turn_that_is_sent_back_is_an_answer() -> None:
    paused = assistant([{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}])
    made = call(messages=[user("one"), paused])
    assert not any(segment.fresh for segment in made.segments)


def test_steps_of_an_agents_history() -> None:
    made = call(
        messages=[
            user("do it"),
            assistant([{"type": "text", "text": "ok"}, use(1), use(2)]),
            user([gave(1), gave(2, [{"type": "text", "text": "b"}])]),
            assistant([use(3)]),
            user([{**gave(3), "is_error": True}]),
        ]
    )
    assert kinds(made) == "HMRRMR"
    assert [call.name for call in made.steps[1].calls] == ["f", "f"]
    assert made.steps[1].calls[0].arguments == '{"n":"arg"}'
    assert [(s.call_id, s.text, s.is_error) for s in made.steps if s.kind is StepKind.RESULT] == [
        ("t1", "out", None),
        ("t2", "b", None),
        ("t3", "out", True),
    ]


def test_reminders_of_the_agent_are_not_a_person() -> None:
    made = call(
        messages=[
            user([{"type": "text", "text": REMINDER}, {"type": "text", "text": "do it"}]),
            assistant([use(1)]),
            user([gave(1), {"type": "text", "text": REMINDER}]),
            assistant([use(2)]),
            user([gave(2), {"type": "text", "text": "stop that"}]),
        ]
    )
    assert kinds(made) == "HMRMRH"


def test_hosted_calls_and_their_results_belong_to_one_step() -> None:
    made = call(
        messages=[
            user("find"),
            assistant(
                [
                    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                    {
                        "type": "web_search_tool_result",
                        "tool_use_id": "s",
                        "content": [{"type": "web_search_result", "title": "T", "url": "u"}],
                    },
                    use(1),
                ]
            ),
            user([gave(1)]),
        ]
    )
    assert kinds(made) == "HMRR"
    assert [(c.name, c.hosted) for c in made.steps[1].calls] == [("web_search", True), ("f", False)]


def test_what_the_provider_keeps_is_named() -> None:
    made = call(thread={"type": "continue", "id": "x"}, container="c1", messages=[user("hi")])
    assert sorted(each.what for each in made.unscannable) == ["file", "history"]
    assert made.input_bound() == -1


def test_fields_nobody_knows_are_read() -> None:
    made = call(
        new_field={"deep": "words"}, prefill_text="more", output_config={"format": {"d": "s"}}
    )
    assert {"words", "more", "s"} <= {segment.text for segment in made.segments}


@pytest.mark.parametrize("messages", ["secret", {"role": "secret"}, ["secret"], [["secret"]]])
def test_messages_of_an_unknown_shape_are_read_and_named(messages: Any) -> None:
    made = call(messages=messages)
    assert "secret" in [segment.text for segment in made.segments]
    assert "body" in [each.what for each in made.unscannable]


def test_a_cap_keeps_thinking_below_it() -> None:
    made = call(max_tokens=9000, thinking={"type": "enabled", "budget_tokens": 8000})
    made.set_max_output(4000)
    assert sent(made)["max_tokens"] == made.max_output == 4000
    assert sent(made)["thinking"] == {"type": "enabled", "budget_tokens": 3999}
    made.set_max_output(1000)
    assert sent(made)["thinking"] == {"type": "disabled"}


def test_counting_tokens_takes_no_cap() -> None:
    made = call("count_tokens", messages=[user("hi")])
    made.set_max_output(5)
    assert made.encode() == made.document.raw
    assert not made.billable


def test_a_field_is_forced_only_where_it_differs() -> None:
    made = call(service_tier="auto")
    made.force_field("service_tier", "auto")
    assert not made.document.changed
    made.force_field("max_tokens", 7)
    assert sent(made)["max_tokens"] == made.max_output == made.get_field("max_tokens") == 7


def test_the_bound_counts_bytes_and_pictures_but_not_their_data() -> None:
    plain = call(messages=[user("hi")]).input_bound()
    image = {"type": "image", "source": {"type": "base64", "data": "A" * 100_000}}
    pictured = call(messages=[user([image])]).input_bound()
    assert plain < 2000
    assert PER_IMAGE < pictured < PER_IMAGE + 3000
    assert call(tools=[{"type": "web_search_20250305", "name": "web_search"}]).input_bound() == -1


def test_the_estimate_is_of_the_text_in_claudes_tokens() -> None:
    assert call(messages=[user("x" * 41)]).input_estimate() == 9
