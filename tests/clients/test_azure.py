"""The official Azure OpenAI client against a running gateway: deployments in the path, the version
in the query, the key in `api-key`; a tool round trip, a block, a rate limit, a content filter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import orjson
import pytest

from gateway.identity.gateway_key import hash_of, new_key
from gateway.testing import answers
from gateway.testing.answers import Say, Tool, sse
from gateway.testing.gateway import RunningGateway
from gateway.testing.provider import FakeProvider, Raw, Seen

VERSION = "2024-10-21"
SECRET = "AKIAIOSFODNN7EXAMPLE"
POLICIES: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "tools": [{"kind": "tools", "deny": ["delete_*"]}],
    "secrets": [{"kind": "secrets", "action": "block"}],
    "model": [{"kind": "model", "allow": ["cheap-one"]}],
    "one": [{"kind": "rate_limit", "per": "tenant", "requests": "1/hour"}],
    "tokens": [{"kind": "budget", "per": "tenant", "limit": "1M tokens", "window": "day"}],
}
SAYS = {
    "plain": Say(),
    "weather": Say(pieces=("Looking.",), tools=(Tool("weather", '{"city": "Bonn"}'),)),
    "delete": Say(pieces=("Looking.",), tools=(Tool("delete_table", '{"table": "t"}'),)),
}
FILTERED = {
    "error": {
        "message": "The response was filtered due to the prompt triggering the content policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation"},
    }
}
SAFE = {"hate": {"filtered": False, "severity": "safe"}}

both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def answer(seen: Seen) -> Say | Raw:
    """As Azure answers: with what its filters think, in places of their own."""
    said = seen.headers.get("x-say", "plain")
    if said == "filtered":
        return Raw(status=400, pieces=(orjson.dumps(FILTERED),))
    asked = seen.json if isinstance(seen.json, dict) else {}
    if "/chat/completions" not in seen.path or not asked.get("stream"):
        return SAYS[said]
    opening = {
        "choices": [],
        "created": 0,
        "id": "",
        "model": "",
        "object": "",
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": SAFE}],
    }
    wants = bool((asked.get("stream_options") or {}).get("include_usage"))
    told = answers.chat_stream(SAYS[said], usage=wants)
    return Raw(pieces=(*sse([opening], named=False), *told), content_type="text/event-stream")


class Gate:
    """A running gateway before a fake Azure, and a key for each policy and way to call."""

    def __init__(
        self, gateway: RunningGateway, provider: FakeProvider, keys: dict[tuple[str, bool], str]
    ) -> None:
        self.gateway = gateway
        self.provider = provider
        self.keys = keys

    def client(self, policy: str, say: str = "plain", *, stream: bool = False, **more: Any) -> Any:
        return openai.AzureOpenAI(
            azure_endpoint=more.pop("endpoint", self.gateway.base),
            api_key=self.keys[policy, stream],
            api_version=VERSION,
            default_headers={"x-say": say},
            max_retries=0,
            **more,
        )

    def chat(
        self,
        policy: str,
        say: str = "plain",
        text: str = "Hello",
        *,
        stream: bool,
        model: str = "my-gpt",
        **more: Any,
    ) -> tuple[str, list[str]]:
        """The text and the tools of an answer."""
        messages = more.pop("messages", None) or [{"role": "user", "content": text}]
        options = {"model": model, "messages": messages, **more}
        with self.client(policy, say, stream=stream) as client:
            if stream:
                with client.chat.completions.stream(**options) as events:
                    for _ in events:
                        pass
                    message = events.get_final_completion().choices[0].message
            else:
                message = client.chat.completions.create(**options).choices[0].message
        return message.content or "", [call.function.name for call in message.tool_calls or ()]


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    keys = {(policy, stream): new_key() for policy in POLICIES for stream in (False, True)}
    with FakeProvider(answer) as provider:
        policy = {
            "version": 1,
            "upstreams": {
                "openai": {"provider": "openai", "url": "http://127.0.0.1:9"},
                "azure": {"provider": "azure_openai", "url": provider.url, "credential": "az-own"},
            },
            "tenants": {
                f"{name}.{stream}": {
                    "keys": [{"name": "agent", "hash": hash_of(key)}],
                    "policies": [name],
                }
                for (name, stream), key in keys.items()
            },
            "policies": {name: {"rules": rules} for name, rules in POLICIES.items()},
        }
        with RunningGateway(tmp_path_factory.mktemp("azure"), policy) as gateway:
            yield Gate(gateway, provider, keys)


@both
def test_a_call_passes_with_its_version_and_the_operators_key(gate: Gate, stream: bool) -> None:
    assert gate.chat("none", stream=stream) == ("Hello there.", [])
    seen = gate.provider.seen[-1]
    assert seen.path == f"/openai/deployments/my-gpt/chat/completions?api-version={VERSION}"
    assert seen.headers["api-key"] == "az-own"
    assert "ptc_" not in str(seen.headers)


def test_a_named_upstream_is_reached_by_its_name(gate: Gate) -> None:
    with gate.client("none", endpoint=f"{gate.gateway.base}/azure") as client:
        assert client.embeddings.create(model="my-ada", input=["one", "two"]).data
    assert gate.provider.seen[-1].path.startswith("/openai/deployments/my-ada/embeddings?")


@both
def test_an_allowed_tool_makes_its_round(gate: Gate, stream: bool) -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    text, called = gate.chat("tools", "weather", stream=stream, tools=tools)
    assert (text, called) == ("Looking.", ["weather"])
    function = {"name": "weather", "arguments": '{"city": "Bonn"}'}
    call = {"id": "call_1", "type": "function", "function": function}
    messages = [
        {"role": "user", "content": "How warm is it?"},
        {"role": "assistant", "content": text, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "18 C"},
    ]
    assert gate.chat("tools", stream=stream, messages=messages) == ("Hello there.", [])


@both
def test_a_forbidden_tool_never_reaches_the_agent(gate: Gate, stream: bool) -> None:
    text, called = gate.chat("tools", "delete", stream=stream)
    assert called == []
    assert "Portcullis took out a call of the tool 'delete_table'" in text


@both
def test_a_block_is_a_bad_request(gate: Gate, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError, match="AWS access key") as caught:
        gate.chat("secrets", text=f"Why does {SECRET} not work?", stream=stream)
    assert caught.value.code == "secret_found"


@both
def test_a_rate_limit_is_a_rate_limit_error(gate: Gate, stream: bool) -> None:
    gate.chat("one", stream=stream)
    with pytest.raises(openai.RateLimitError) as caught:
        gate.chat("one", stream=stream)
    assert caught.value.code == "rate_limited"


@both
def test_azures_own_filter_reaches_the_caller_unchanged(gate: Gate, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        gate.chat("secrets", "filtered", stream=stream)
    assert caught.value.body == FILTERED["error"]


def test_the_deployment_is_what_a_model_rule_judges(gate: Gate) -> None:
    assert gate.chat("model", model="cheap-one", stream=False)[0] == "Hello there."
    with pytest.raises(openai.BadRequestError) as caught:
        gate.chat("model", model="dear-one", stream=False)
    assert caught.value.code == "model_denied"


def test_a_body_that_names_another_model_does_not_dodge_a_model_rule(gate: Gate) -> None:
    with (
        gate.client("model", azure_deployment="dear-one") as client,
        pytest.raises(openai.BadRequestError) as caught,
    ):
        client.chat.completions.create(model="cheap-one", messages=[])
    assert caught.value.code == "model_denied"
    with gate.client("model", azure_deployment="cheap-one") as client:
        client.chat.completions.create(model="dear-one", messages=[])


def test_usage_is_asked_for_and_kept_from_who_did_not_ask(gate: Gate) -> None:
    with gate.client("tokens", stream=True) as client:
        chunks = list(
            client.chat.completions.create(
                model="my-gpt", messages=[{"role": "user", "content": "Hello"}], stream=True
            )
        )
    assert gate.provider.seen[-1].json["stream_options"] == {"include_usage": True}
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[0].choices == []
    assert gate.gateway.records()[-1]["usage"]["output"] == 5


@both
def test_legacy_completions_of_a_deployment_pass_and_are_guarded(gate: Gate, stream: bool) -> None:
    with gate.client("secrets", stream=stream) as client:
        told = client.completions.create(model="old", prompt="Say hello", stream=stream)
        parts = list(told) if stream else [told]
        assert "".join(part.choices[0].text for part in parts) == "Hello there."
        with pytest.raises(openai.BadRequestError, match="AWS access key"):
            client.completions.create(model="old", prompt=["Hi", SECRET], stream=stream)
    assert "/deployments/old/completions" in gate.provider.seen[-1].path


def test_responses_go_by_version_and_by_the_newer_path(gate: Gate) -> None:
    with gate.client("secrets") as client:
        assert client.responses.create(model="my-gpt", input="Hello").output_text == "Hello there."
    assert gate.provider.seen[-1].path == f"/openai/responses?api-version={VERSION}"
    key = gate.keys["secrets", False]
    base = f"{gate.gateway.base}/azure/openai/v1"
    with openai.OpenAI(base_url=base, api_key=key, max_retries=0) as client:
        messages: list[Any] = [{"role": "user", "content": "Hello"}]
        made = client.chat.completions.create(model="my-gpt", messages=messages)
    assert made.choices[0].message.content == "Hello there."
    assert gate.provider.seen[-1].path == "/openai/v1/chat/completions"


def test_a_gateway_key_in_api_key_is_valid_or_refused(gate: Gate) -> None:
    client = openai.AzureOpenAI(
        azure_endpoint=gate.gateway.base,
        api_key="ptc_unknown1_" + "x" * 43,
        api_version=VERSION,
        max_retries=0,
    )
    with client, pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="my-gpt", messages=[])
