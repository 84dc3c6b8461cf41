"""What agents on the real SDKs see of a budget's end: a stream that is cut, an answer of a cheaper
model, a last answer without tools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from gateway.testing.answers import Say, Tool
from gateway.testing.gateway import RunningGateway
from gateway.testing.provider import FakeProvider, Seen

CUT = ["gpt-4o-mini", "claude-haiku-4-5"]
DEAR = ["gpt-4o", "claude-opus-4-1"]
CHEAP = ["gpt-4.1-nano", "claude-sonnet-4-5"]
LAST = ["gpt-4.1", "claude-opus-4-5"]
RULES = [
    {"kind": "budget", "id": "cut", "limit": "1500 tokens", "reserve_output": 256, "models": CUT},
    {
        "kind": "budget",
        "id": "dear",
        "limit": "$0.03",
        "on_exhausted": "downgrade",
        "downgrade_to": CHEAP,
        "models": [*DEAR, *CHEAP],
    },
    {
        "kind": "budget",
        "id": "last",
        "limit": "30000 tokens",
        "on_exhausted": "wrap_up",
        "keep_back": "20%",
        "models": LAST,
    },
]
SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
MESSAGES: Any = [{"role": "user", "content": "find it"}]
WORDS = tuple("word " * 40 for _ in range(600))


def script(seen: Seen) -> Say:
    """Writes for ever, spends much with the first call of a run, and calls a tool where it may."""
    model = seen.json["model"]
    if model in CUT:
        return Say(pieces=WORDS, model=model)
    if model not in LAST:
        return Say(usage=(10, 10), model=model)
    if seen.json.get("tool_choice") in ("none", {"type": "none"}):
        return Say(pieces=("Nothing was found.",), model=model)
    return Say(pieces=(), tools=[Tool("find", "{}")], usage=(10, 22_000), model=model)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    rules = []
    for rule in RULES:
        kept = {key: value for key, value in rule.items() if key != "models"}
        rules.append({**kept, "per": ["session", "upstream"], "when": {"model": rule["models"]}})
    with FakeProvider(script) as provider:
        policy: dict[str, Any] = {
            "version": 1,
            "upstreams": {
                name: {"provider": name, "url": provider.url} for name in ("openai", "anthropic")
            },
            "tenants": {"local": {"policies": ["p"]}},
            "default_tenant": "local",
            "policies": {"p": {"rules": rules}},
        }
        with RunningGateway(tmp_path_factory.mktemp("budgets"), policy) as gateway:
            yield gateway.base


@pytest.fixture
def gpt(base: str, request: pytest.FixtureRequest) -> openai.OpenAI:
    headers = {"x-session-id": request.node.name}
    return openai.OpenAI(base_url=f"{base}/v1", api_key="k", default_headers=headers)


@pytest.fixture
def claude(base: str, request: pytest.FixtureRequest) -> anthropic.Anthropic:
    headers = {"x-session-id": request.node.name}
    return anthropic.Anthropic(base_url=base, api_key="k", default_headers=headers)


def test_openai_raises_what_cut_its_stream(gpt: openai.OpenAI) -> None:
    text = ""
    with pytest.raises(openai.APIError) as caught:
        for chunk in gpt.chat.completions.create(
            model=CUT[0], messages=MESSAGES, max_tokens=4000, stream=True
        ):
            text += chunk.choices[0].delta.content or "" if chunk.choices else ""
    assert caught.value.code == "budget_exceeded"
    assert "has a budget of 1500 tokens per session" in caught.value.message
    assert text.startswith("word word")


def test_openai_s_responses_end_as_failed(gpt: openai.OpenAI) -> None:
    stream = gpt.responses.create(
        model=CUT[0], input="find it", max_output_tokens=4000, stream=True
    )
    last = list(stream)[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert "this answer reached it" in last.response.error.message


def test_anthropic_ends_with_a_text_that_says_why(claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(model=CUT[1], messages=MESSAGES, max_tokens=4000) as stream:
        message = stream.get_final_message()
    assert message.stop_reason == "end_turn"
    first, last = message.content[0], message.content[-1]
    assert first.type == last.type == "text"
    assert first.text.startswith("word word")
    assert "and this answer reached it" in last.text


def test_both_go_on_with_the_cheaper_model(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    raw = gpt.chat.completions.with_raw_response.create(
        model=DEAR[0], messages=MESSAGES, max_tokens=4000
    )
    assert raw.parse().model == CHEAP[0]
    assert raw.headers["x-portcullis-budget"] == "downgraded"
    with claude.messages.stream(model=DEAR[1], messages=MESSAGES, max_tokens=1000) as stream:
        assert stream.get_final_message().model == CHEAP[1]


def test_openai_s_run_ends_with_a_last_answer(gpt: openai.OpenAI) -> None:
    tools: Any = [{"type": "function", "function": {"name": "find", "parameters": SCHEMA}}]

    def ask() -> Any:
        return gpt.chat.completions.create(
            model=LAST[0], messages=MESSAGES, tools=tools, max_tokens=4000
        )

    assert ask().choices[0].message.tool_calls
    last = ask().choices[0]
    assert (last.message.content, last.finish_reason) == ("Nothing was found.", "stop")
    with pytest.raises(openai.BadRequestError) as caught:
        ask()
    assert caught.value.code == "budget_exceeded"


def test_anthropic_s_run_ends_with_a_last_answer(claude: anthropic.Anthropic) -> None:
    tools: Any = [{"name": "find", "input_schema": SCHEMA}]

    def ask() -> anthropic.types.Message:
        with claude.messages.stream(
            model=LAST[1], messages=MESSAGES, tools=tools, max_tokens=4000
        ) as stream:
            return stream.get_final_message()

    assert ask().stop_reason == "tool_use"
    last = ask()
    assert last.stop_reason == "end_turn"
    assert last.content[0].type == "text"
    assert last.content[0].text == "Nothing was found."
    with pytest.raises(anthropic.BadRequestError, match="its last answer was given"):
        ask()
