"""A call can be made to ask another model, or to be the last one, in every dialect's own words."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects.base import Call, Surface
from gateway.dialects.registry import DIALECTS
from gateway.message import Headers, Request

NOTE = "This is the last answer."
TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
USER = {"role": "user", "content": "find it"}


def call(dialect: str, path: str, **body: Any) -> Call:
    raw = orjson.dumps(body)
    headers = Headers([("content-type", "application/json")])
    return DIALECTS[dialect].decode(Request("POST", path, headers, raw), raw)


def sent(made: Call) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(made.encode())
    return body


def chat(path: str = "/v1/chat/completions", **more: Any) -> Call:
    return call("openai_chat", path, **{"model": "gpt-4o", "messages": [USER], **more})


# --- the last answer ---


def test_a_note_stands_behind_the_last_text_and_what_rules_rewrite_there_keeps_it() -> None:
    made = chat()
    assert made.conclude(NOTE)
    (segment,) = made.segments
    assert segment.text == f"find it\n\n{NOTE}"
    segment.replace(segment.text.replace("find", "[removed]"))
    assert sent(made)["messages"][0]["content"] == f"[removed] it\n\n{NOTE}"


@pytest.mark.parametrize("role", ["user", "tool"])
def test_parts_get_one_more(role: str) -> None:
    parts = [{"type": "text", "text": "found"}]
    made = chat(messages=[USER, {"role": role, "tool_call_id": "c", "content": parts}])
    made.conclude(NOTE)
    assert sent(made)["messages"][-1]["content"] == [*parts, {"type": "text", "text": NOTE}]


@pytest.mark.parametrize(
    "messages",
    [[], [USER, {"role": "assistant", "content": "I"}], [{"role": "user", "content": None}]],
)
def test_where_no_place_is_safe_there_is_no_note(messages: list[Any]) -> None:
    made = chat(messages=messages)
    assert made.conclude(NOTE)
    assert sent(made)["messages"] == messages


def test_chat_calls_no_tools_and_runs_none_either() -> None:
    made = chat(tools=[TOOL], tool_choice="required", web_search_options={}, functions=[])
    made.conclude(NOTE)
    body = sent(made)
    assert (body["tool_choice"], body["tools"]) == ("none", [TOOL])
    assert "web_search_options" not in body
    assert "function_call" not in body
    old = chat(functions=[{"name": "find"}])
    old.conclude(NOTE)
    assert sent(old)["function_call"] == "none"
    assert "tool_choice" not in sent(old)


def test_without_tools_nothing_is_said_of_them() -> None:
    for made in (
        chat(),
        call("openai_responses", "/v1/responses", model="m", input="hi"),
        call("anthropic_messages", "/v1/messages", model="m", messages=[USER], max_tokens=9),
    ):
        made.conclude(NOTE)
        assert "tool_choice" not in sent(made)


def test_anthropic_keeps_its_tools_and_may_not_use_them() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": "found"}
    made = call(
        "anthropic_messages",
        "/v1/messages",
        model="m",
        max_tokens=9,
        tools=[{"name": "find", "input_schema": {}}],
        messages=[USER, {"role": "user", "content": [result]}],
    )
    assert made.conclude(NOTE)
    body = sent(made)
    assert body["tool_choice"] == {"type": "none"}
    assert body["messages"][-1]["content"] == [result, {"type": "text", "text": NOTE}]


def test_responses_take_a_message_of_the_developer() -> None:
    made = call("openai_responses", "/v1/responses", model="m", input=[USER], tools=[TOOL])
    assert made.conclude(NOTE)
    body = sent(made)
    assert body["tool_choice"] == "none"
    assert body["input"][-1] == {"type": "message", "role": "developer", "content": NOTE}
    plain = call("openai_responses", "/v1/responses", model="m", input="find it")
    plain.conclude(NOTE)
    assert sent(plain)["input"] == f"find it\n\n{NOTE}"


def test_a_compaction_is_no_answer() -> None:
    made = call("openai_responses", "/v1/responses/compact", model="m", input=[USER])
    assert not made.conclude(NOTE)


GENERATE = "/v1beta/models/gemini-2.5-pro:generateContent"
CONTENTS = [{"role": "user", "parts": [{"text": "find it"}]}]


def test_gemini_switches_functions_off_and_drops_what_google_runs() -> None:
    made = call(
        "gemini",
        GENERATE,
        contents=CONTENTS,
        tools=[{"functionDeclarations": [{"name": "find"}]}, {"googleSearch": {}}],
        toolConfig={"functionCallingConfig": {"mode": "ANY"}, "retrievalConfig": {}},
        systemInstruction={"parts": [{"text": "be kind"}]},
    )
    assert made.conclude(NOTE)
    body = sent(made)
    assert body["toolConfig"] == {
        "functionCallingConfig": {"mode": "NONE"},
        "retrievalConfig": {},
    }
    assert "googleSearch" not in orjson.dumps(body).decode()
    assert body["systemInstruction"]["parts"] == [{"text": "be kind"}, {"text": NOTE}]
    bare = call("gemini", GENERATE, contents=CONTENTS)
    bare.conclude(NOTE)
    assert sent(bare)["systemInstruction"] == {"parts": [{"text": NOTE}]}
    assert "toolConfig" not in sent(bare)


def test_a_cached_gemini_conversation_cannot_be_changed() -> None:
    made = call("gemini", GENERATE, contents=CONTENTS, cachedContent="cachedContents/1")
    assert not made.conclude(NOTE)
    assert not made.rename_model("gemini-2.5-flash")


def test_ollama_loses_its_tools() -> None:
    made = call("ollama", "/api/chat", model="m", messages=[USER], tools=[TOOL])
    assert made.conclude(NOTE)
    assert not sent(made).get("tools")
    assert sent(made)["messages"][0]["content"].endswith(NOTE)
    prompt = call("ollama", "/api/generate", model="m", prompt="find it")
    assert prompt.conclude(NOTE)
    assert sent(prompt)["prompt"] == f"find it\n\n{NOTE}"


def test_completions_go_on_as_they_are() -> None:
    made = call("openai_completions", "/v1/completions", model="m", prompt="find")
    assert made.conclude(NOTE)
    assert sent(made)["prompt"] == "find"


# --- another model ---


@pytest.mark.parametrize(
    ("dialect", "path", "body"),
    [
        ("openai_chat", "/v1/chat/completions", {"messages": [USER]}),
        ("openai_responses", "/v1/responses", {"input": "hi"}),
        ("openai_completions", "/v1/completions", {"prompt": "hi"}),
        ("anthropic_messages", "/v1/messages", {"messages": [USER], "max_tokens": 9}),
        ("ollama", "/api/chat", {"messages": [USER]}),
    ],
)
def test_the_model_is_asked_and_no_further_one(
    dialect: str, path: str, body: dict[str, Any]
) -> None:
    made = call(dialect, path, model="large", models=["large", "other"], fallbacks=["x"], **body)
    assert made.rename_model("small")
    assert made.model == "small"
    assert {"model", *body} == sent(made).keys()
    assert sent(made)["model"] == "small"


def test_a_cap_goes_where_the_new_model_takes_it() -> None:
    made = chat(max_tokens=100)
    made.rename_model("gpt-5-mini")
    assert sent(made)["max_completion_tokens"] == 100
    assert "max_tokens" not in sent(made)
    assert made.max_output == 100
    made = chat(max_tokens=100)
    made.rename_model("gpt-4o-mini")
    assert sent(made)["max_tokens"] == 100


def test_a_deployment_in_the_path_stays() -> None:
    path = "/openai/deployments/large/chat/completions"
    assert not chat(path).rename_model("small")
    made = call("openai_completions", "/openai/deployments/large/completions", prompt="hi")
    assert not made.rename_model("small")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (GENERATE, "/v1beta/models/small:generateContent"),
        (
            "/v1/projects/p/locations/l/publishers/google/models/large:streamGenerateContent?alt=sse",
            "/v1/projects/p/locations/l/publishers/google/models/small:streamGenerateContent?alt=sse",
        ),
        ("/v1/projects/p/locations/l/publishers/other/models/large:generateContent", None),
        ("/v1beta/tunedModels/mine:generateContent", None),
        ("/v1beta/models%2Flarge:generateContent", None),
    ],
)
def test_gemini_s_model_stands_in_the_path(path: str, expected: str | None) -> None:
    made = call("gemini", path, contents=CONTENTS)
    assert made.rename_model("small") is (expected is not None)
    assert made.target(path) == (expected or path)
    if expected is not None:
        assert made.model == "small"


def test_gemini_s_body_names_it_too_where_it_did() -> None:
    made = call("gemini", GENERATE, contents=CONTENTS, model="models/gemini-2.5-pro")
    made.rename_model("small")
    assert sent(made)["model"] == "models/small"


# --- what shows ---


@pytest.mark.parametrize(
    ("made", "shows"),
    [
        (chat(), True),
        (chat(model="gpt-5-mini"), False),
        (chat(model="openai/o3"), False),
        (call("openai_responses", "/v1/responses", model="gpt-4o", input="hi"), True),
        (
            call(
                "openai_responses",
                "/v1/responses",
                model="m",
                input="hi",
                reasoning={"effort": "low"},
            ),
            False,
        ),
        (call("anthropic_messages", "/v1/messages", model="m", messages=[], max_tokens=9), True),
        (
            call(
                "anthropic_messages",
                "/v1/messages",
                model="m",
                messages=[],
                max_tokens=9,
                thinking={"type": "enabled", "budget_tokens": 1024},
            ),
            False,
        ),
        (call("gemini", GENERATE, contents=CONTENTS), True),
    ],
)
def test_reasoning_that_is_charged_and_not_shown_is_known(made: Call, shows: bool) -> None:
    assert made.shows_output() is shows


def test_the_note_is_on_the_surface_where_it_stands() -> None:
    made = chat(messages=[USER, {"role": "tool", "tool_call_id": "c", "content": "found"}])
    made.conclude(NOTE)
    last = made.segments[-1]
    assert (last.surface, last.text) == (Surface.TOOL_RESULT, f"found\n\n{NOTE}")
