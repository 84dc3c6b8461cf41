"""The official Ollama client against a running gateway: chat, generate and embeddings, whole and
streamed; a tool round trip, a forbidden tool, a block, a rate limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest

from gateway.identity.gateway_key import hash_of, new_key
from gateway.testing.answers import Say, Tool
from gateway.testing.gateway import RunningGateway
from gateway.testing.provider import FakeProvider, Raw, Seen

SECRET = "AKIAIOSFODNN7EXAMPLE"
POLICIES: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "tools": [{"kind": "tools", "deny": ["delete_*"]}],
    "secrets": [{"kind": "secrets", "action": "block"}],
    "words": [
        {"kind": "patterns", "deny": ["swordfish"], "surfaces": ["output"], "action": "block"}
    ],
    "redact": [{"kind": "pii", "entities": ["CREDIT_CARD"], "action": "redact"}],
    "one": [{"kind": "rate_limit", "per": "tenant", "requests": "1/hour"}],
    "dollars": [{"kind": "budget", "per": "tenant", "limit": "$0.01", "window": "total"}],
    "thinking": [
        {"kind": "patterns", "deny": ["psst"], "surfaces": ["reasoning"], "action": "redact"}
    ],
}
SAYS = {
    "plain": Say(model="qwen3"),
    "weather": Say(pieces=(), tools=(Tool("weather", '{"city": "Bonn"}'),)),
    "delete": Say(pieces=("Let me see.",), tools=(Tool("delete_table", '{"table": "t"}'),)),
    "late": Say(pieces=("All is well. ", "The word is ", "swor", "dfish, so. ", "Bye.")),
    "early": Say(pieces=("swor", "dfish is the word.")),
    "card": Say(pieces=("Paid with 41", "11 1111 1", "111 1111 today", ".")),
    "thinks": Say(reasoning=("Well, ps", "st, no."), pieces=("Yes.",)),
}

both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def answer(seen: Seen) -> Say | Raw:
    said = seen.headers.get("x-say", "plain")
    if said == "unhappy":
        return Raw(status=404, pieces=(b'{"error":"model \'qwen9\' not found"}',))
    asked = seen.json if isinstance(seen.json, dict) else {}
    if any(message["role"] == "tool" for message in asked.get("messages", ())):
        return Say(pieces=("It is ", "18 C."))
    return SAYS[said]


class Gate:
    """A running gateway before a fake Ollama, and a key for each policy and way to call."""

    def __init__(
        self, gateway: RunningGateway, provider: FakeProvider, keys: dict[Any, str]
    ) -> None:
        self.gateway = gateway
        self.provider = provider
        self.keys = keys

    def client(self, policy: str, say: str = "plain", *, stream: bool = False) -> ollama.Client:
        key = self.keys[policy, stream]
        headers = {"authorization": f"Bearer {key}", "x-say": say}
        return ollama.Client(host=self.gateway.base, headers=headers)

    def chat(
        self, policy: str, say: str = "plain", text: str = "Hello", *, stream: bool, **more: Any
    ) -> tuple[str, list[Any]]:
        """The text and the tool calls of an answer."""
        client = self.client(policy, say, stream=stream)
        messages = more.pop("messages", None) or [{"role": "user", "content": text}]
        told = client.chat(model="qwen3", messages=messages, stream=stream, **more)
        parts = list(told) if stream else [told]
        text = "".join(part.message.content or "" for part in parts)
        assert parts[-1].done
        return text, [call for part in parts for call in part.message.tool_calls or ()]


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    keys = {(policy, stream): new_key() for policy in POLICIES for stream in (False, True)}
    with FakeProvider(answer) as provider:
        policy = {
            "version": 1,
            "upstreams": {"cellar": {"provider": "ollama", "url": provider.url}},
            "tenants": {
                f"{name}.{stream}": {
                    "keys": [{"name": "agent", "hash": hash_of(key)}],
                    "policies": [name],
                }
                for (name, stream), key in keys.items()
            },
            "policies": {name: {"rules": rules} for name, rules in POLICIES.items()},
        }
        with RunningGateway(tmp_path_factory.mktemp("ollama"), policy) as gateway:
            yield Gate(gateway, provider, keys)


@both
def test_a_chat_passes_and_its_tokens_are_counted(gate: Gate, stream: bool) -> None:
    assert gate.chat("none", stream=stream) == ("Hello there.", [])
    record = gate.gateway.records()[-1]
    assert record["usage"]["input"] == 12
    assert record["usage"]["output"] == 5


@both
def test_generate_passes_and_is_guarded(gate: Gate, stream: bool) -> None:
    client = gate.client("redact", "card", stream=stream)
    told = client.generate(model="qwen3", prompt="Pay 4111 1111 1111 1111.", stream=stream)
    parts = list(told) if stream else [told]
    assert "".join(part.response or "" for part in parts) == "Paid with <CREDIT_CARD> today."
    assert gate.provider.seen[-1].json["prompt"] == "Pay <CREDIT_CARD>."


def test_it_streams_where_the_request_does_not_say(gate: Gate) -> None:
    """What `curl` sends, as in Ollama's own documentation."""
    key = gate.keys["none", True]
    response = httpx.post(
        f"{gate.gateway.base}/api/generate",
        json={"model": "qwen3", "prompt": "Why?"},
        headers={"authorization": f"Bearer {key}"},
    )
    assert response.headers["content-type"] == "application/x-ndjson"
    assert len(response.text.splitlines()) == 3


def weather(city: str) -> str:
    """The weather of a city.

    Args:
      city: Where.
    """
    return f"18 C in {city}"


@both
def test_an_allowed_tool_makes_its_round(gate: Gate, stream: bool) -> None:
    asked = [{"role": "user", "content": "How warm is Bonn?"}]
    text, calls = gate.chat("tools", "weather", stream=stream, messages=asked, tools=[weather])
    assert text == ""
    called = calls[0].function
    assert (called.name, dict(called.arguments)) == ("weather", {"city": "Bonn"})
    asked += [
        {"role": "assistant", "content": "", "tool_calls": [calls[0].model_dump()]},
        {"role": "tool", "tool_name": called.name, "content": weather(**called.arguments)},
    ]
    text, calls = gate.chat("tools", stream=stream, messages=asked, tools=[weather])
    assert (text, calls) == ("It is 18 C.", [])


@both
def test_a_forbidden_tool_never_reaches_the_agent(gate: Gate, stream: bool) -> None:
    text, calls = gate.chat("tools", "delete", stream=stream)
    assert calls == []
    assert text.startswith("Let me see.\n\nPortcullis took out a call of the tool 'delete_table'")


@both
def test_a_block_is_an_error_with_its_text(gate: Gate, stream: bool) -> None:
    before = len(gate.provider.seen)
    with pytest.raises(ollama.ResponseError) as caught:
        gate.chat("secrets", text=f"Why does {SECRET} not work?", stream=stream)
    assert caught.value.status_code == 400
    assert caught.value.error.startswith("Portcullis blocked this request")
    assert "AWS access key" in caught.value.error
    assert len(gate.provider.seen) == before


@both
def test_an_answer_that_is_blocked_before_its_first_word_is_an_error(
    gate: Gate, stream: bool
) -> None:
    with pytest.raises(ollama.ResponseError) as caught:
        gate.chat("words", "early", stream=stream)
    assert caught.value.status_code == 400
    assert "Portcullis blocked this answer" in caught.value.error


def test_a_stream_that_is_blocked_ends_in_an_error_that_says_why(gate: Gate) -> None:
    heard = ""
    client = gate.client("words", "late", stream=True)
    with pytest.raises(ollama.ResponseError, match="Portcullis blocked this answer"):
        for part in client.chat(
            model="qwen3", messages=[{"role": "user", "content": "What?"}], stream=True
        ):
            heard += part.message.content or ""
    assert heard == "All is well. The word is "


@both
def test_thinking_is_guarded_as_reasoning(gate: Gate, stream: bool) -> None:
    client = gate.client("thinking", "thinks", stream=stream)
    messages = [{"role": "user", "content": "Hello"}]
    told = client.chat(model="qwen3", messages=messages, think=True, stream=stream)
    parts = list(told) if stream else [told]
    thoughts = "".join(part.message.thinking or "" for part in parts)
    assert "psst" not in thoughts
    assert thoughts.startswith("Well, ")
    assert "".join(part.message.content or "" for part in parts) == "Yes."


@both
def test_a_rate_limit_is_an_error_with_its_status(gate: Gate, stream: bool) -> None:
    gate.chat("one", stream=stream)
    with pytest.raises(ollama.ResponseError) as caught:
        gate.chat("one", stream=stream)
    assert caught.value.status_code == 429
    assert "Portcullis is holding back this request" in caught.value.error


@both
def test_a_model_on_ones_own_machine_costs_nothing(gate: Gate, stream: bool) -> None:
    for _ in range(2):
        assert gate.chat("dollars", stream=stream)[0] == "Hello there."
    record = gate.gateway.records()[-1]
    assert record["cost_nanodollars"] == 0
    assert record["action"] == "allow"


def test_embeddings_pass_and_are_scanned(gate: Gate) -> None:
    client = gate.client("secrets")
    assert len(client.embed(model="nomic-embed-text", input=["one", "two"]).embeddings) == 1
    with pytest.raises(ollama.ResponseError, match="AWS access key"):
        client.embed(model="nomic-embed-text", input=["one", SECRET])


def test_the_servers_own_error_reaches_the_client(gate: Gate) -> None:
    with pytest.raises(ollama.ResponseError, match="'qwen9' not found") as caught:
        gate.chat("secrets", "unhappy", stream=True)
    assert caught.value.status_code == 404


def test_its_list_of_models_passes(gate: Gate) -> None:
    client = gate.client("secrets")
    client._client.get("/").raise_for_status()  # how its command line tool asks whether it is there
    assert client._client.get("/api/tags").json()["object"] == "list"


def test_what_no_dialect_reads_is_an_error_of_its_own_shape(gate: Gate) -> None:
    headers = {"authorization": "Bearer ptc_unknown1_" + "x" * 43}
    response = httpx.post(f"{gate.gateway.base}/api/show", json={"model": "m"}, headers=headers)
    assert response.status_code == 401
    assert isinstance(response.json()["error"], str)


def test_its_compatible_paths_go_by_the_dialects_of_those_names(gate: Gate) -> None:
    key = gate.keys["secrets", False]
    messages: list[Any] = [{"role": "user", "content": "Hello"}]
    with openai.OpenAI(base_url=f"{gate.gateway.base}/v1", api_key=key, max_retries=0) as client:
        made = client.chat.completions.create(model="qwen3", messages=messages)
        assert made.choices[0].message.content == "Hello there."
        with pytest.raises(openai.BadRequestError, match="AWS access key"):
            client.completions.create(model="qwen3", prompt=SECRET)
    own = f"{gate.gateway.base}/cellar"
    with anthropic.Anthropic(base_url=own, api_key=key, max_retries=0) as other:
        told = other.messages.create(model="qwen3", max_tokens=50, messages=messages)
    assert gate.provider.seen[-1].path == "/v1/messages"
    assert told.content[0].type == "text"
    assert gate.gateway.records()[-1]["cost_nanodollars"] == 0
