"""Google's official SDK against a running gateway: whole and streamed, waiting and not, with tools
that it runs by itself; what is stopped, what it raises then, and how often it asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors, types

from gateway.identity.gateway_key import hash_of, new_key
from gateway.testing.answers import Say, Tool
from gateway.testing.gateway import RunningGateway
from gateway.testing.provider import FakeProvider, Raw, Seen
from tests.proxy.wire import Message, call

SECRET = "AKIAIOSFODNN7EXAMPLE"
MODEL = "gemini-2.5-flash"
METHODS = f"/v1beta/models/{MODEL}"
OWN = "AIza-of-the-gateway"
POLICIES: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "tools": [{"kind": "tools", "deny": ["delete_*"]}],
    "secrets": [{"kind": "secrets", "action": "block"}],
    "arguments": [
        {"kind": "patterns", "deny": ["rm -rf"], "surfaces": ["tool_call"], "action": "block"}
    ],
    "words": [
        {"kind": "patterns", "deny": ["swordfish"], "surfaces": ["output"], "action": "block"}
    ],
    "redact": [{"kind": "pii", "entities": ["CREDIT_CARD"], "action": "redact"}],
    "one": [{"kind": "rate_limit", "per": "tenant", "requests": "1/hour"}],
    "dollars": [{"kind": "budget", "per": "tenant", "limit": "$1", "window": "total"}],
    "model": [{"kind": "model", "allow": ["gemini-2.5-*"], "max_output": 100}],
}
WAYS = ("whole", "stream", "async", "async stream")
SAYS = {
    "plain": Say(model=MODEL),
    "find": Say(pieces=("Look", "ing."), tools=(Tool("get_order", '{"number": 17}'),), model=MODEL),
    "delete": Say(pieces=("Let me see.",), tools=(Tool("delete_order", '{"number": 17}'),)),
    "shell": Say(pieces=(), tools=(Tool("get_order", '{"number": "rm -rf /"}'),)),
    "late": Say(pieces=("All is well. ", "The word is ", "swor", "dfish, so. ", "Bye.")),
    "early": Say(pieces=("swor", "dfish is the word.")),
    "card": Say(pieces=("Paid with 41", "11 1111 1", "111 1111 today", ".")),
}

every_way = pytest.mark.parametrize("way", WAYS)


def answer(seen: Seen) -> Say | Raw:
    said = seen.headers.get("x-say", "plain")
    if said == "unhappy":
        error = {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}
        return Raw(status=503, pieces=(json.dumps({"error": error}).encode(),))
    if seen.method == "GET":
        return Raw(pieces=(b'{"models":[{"name":"models/gemini-2.5-flash"}]}',))
    asked = seen.json if isinstance(seen.json, dict) else {}
    if any(
        "functionResponse" in part for turn in asked.get("contents", ()) for part in turn["parts"]
    ):
        return Say(pieces=("Order 17 ", "is on its way."), model=MODEL)
    return SAYS[said]


@dataclass
class Heard:
    """What an agent got. `done` are the tools that the SDK ran, `attempts` what went over the
    wire, `headers` those of the last reply."""

    text: str = ""
    calls: list[str] = field(default_factory=list)
    done: list[Any] = field(default_factory=list)
    error: errors.APIError | None = None
    attempts: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    def note(self, response: httpx.Response) -> None:
        self.attempts += 1
        self.headers = dict(response.headers)

    async def note_async(self, response: httpx.Response) -> None:
        self.note(response)

    def add(self, told: types.GenerateContentResponse) -> None:
        for candidate in told.candidates or ():
            for part in (candidate.content and candidate.content.parts) or ():
                self.text += part.text or ""
                if part.function_call is not None:
                    self.calls.append(str(part.function_call.name))

    @property
    def reason(self) -> str:
        """Why the gateway stopped the call, as the exception tells it."""
        assert self.error is not None
        (info,) = self.error.details["error"]["details"]
        assert info["domain"] == "portcullis"
        return str(info["reason"])


@dataclass
class Gate:
    """A running gateway before a fake Google, and a key for each policy and way to call."""

    gateway: RunningGateway
    provider: FakeProvider
    keys: dict[tuple[str, str], str]

    def client(self, heard: Heard, policy: str, way: str, say: str) -> genai.Client:
        options = types.HttpOptions(
            base_url=self.gateway.base,
            headers={"x-say": say},
            httpx_client=httpx.Client(event_hooks={"response": [heard.note]}),
            httpx_async_client=httpx.AsyncClient(event_hooks={"response": [heard.note_async]}),
        )
        return genai.Client(api_key=self.keys[policy, way], http_options=options)

    def ask(
        self, policy: str, way: str, say: str = "plain", text: str = "Hello", **more: Any
    ) -> Heard:
        """One message in a chat, by one of the SDK's four ways. Tools are run by the SDK."""
        heard = Heard()

        def get_order(number: int) -> str:
            """Where an order is."""
            heard.done.append(("get_order", number))
            return "between two warehouses"

        def delete_order(number: int) -> str:
            """Delete an order."""
            heard.done.append(("delete_order", number))
            return "gone"

        tools: list[Callable[..., str]] = [get_order, delete_order]
        config = types.GenerateContentConfig(tools=tools, **more)
        client = self.client(heard, policy, way, say)
        try:
            if way.startswith("async"):
                asyncio.run(_chat(client, config, heard, text, stream=way.endswith("stream")))
            else:
                chat = client.chats.create(model=MODEL, config=config)
                told = (
                    chat.send_message_stream(text) if way == "stream" else [chat.send_message(text)]
                )
                for part in told:
                    heard.add(part)
        except errors.APIError as error:
            heard.error = error
        return heard

    def post(self, policy: str, method: str, say: str = "plain", text: str = "Hello") -> Message:
        """A call without the SDK, its key in the query."""
        mark = "&" if "?" in method else "?"
        target = f"{METHODS}:{method}{mark}key={self.keys[policy, 'whole']}"
        body = json.dumps({"contents": [{"parts": [{"text": text}]}]}).encode()
        return call(self.gateway.base, target, body, [("x-say", say)])


async def _chat(
    client: genai.Client, config: Any, heard: Heard, text: str, *, stream: bool
) -> None:
    chat = client.aio.chats.create(model=MODEL, config=config)
    if stream:
        async for part in await chat.send_message_stream(text):
            heard.add(part)
    else:
        heard.add(await chat.send_message(text))


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    keys = {(policy, way): new_key() for policy in POLICIES for way in WAYS}
    with FakeProvider(answer) as provider:
        upstream = {"provider": "gemini", "url": provider.url, "credential": OWN}
        policy = {
            "version": 1,
            "upstreams": {"google": upstream},
            "tenants": {
                f"{name}.{way.replace(' ', '-')}": {
                    "keys": [{"name": "agent", "hash": hash_of(key)}],
                    "policies": [name],
                }
                for (name, way), key in keys.items()
            },
            "policies": {name: {"rules": rules} for name, rules in POLICIES.items()},
        }
        with RunningGateway(tmp_path_factory.mktemp("gemini"), policy) as gateway:
            yield Gate(gateway, provider, keys)


@every_way
def test_a_tool_round_trip_passes(gate: Gate, way: str) -> None:
    before = len(gate.provider.seen)
    heard = gate.ask("tools", way, "find", "Where is order 17?")
    assert heard.error is None
    assert heard.done == [("get_order", 17)]
    assert heard.text.endswith("Order 17 is on its way.")
    assert heard.attempts == 2
    first, second = gate.provider.seen[before:]
    assert first.headers["x-goog-api-key"] == OWN
    names = [t["name"] for t in first.json["tools"][0]["functionDeclarations"]]
    assert names == ["get_order"]  # the other one is forbidden
    assert "between two warehouses" in second.body.decode()


@every_way
def test_a_forbidden_call_is_taken_out_and_the_agent_reads_why(gate: Gate, way: str) -> None:
    heard = gate.ask("tools", way, "delete", "Tidy up.")
    assert (heard.error, heard.calls, heard.done, heard.attempts) == (None, [], [], 1)
    assert heard.text.startswith("Let me see.")
    assert "Portcullis took out a call of the tool 'delete_order'" in heard.text
    assert heard.headers["x-portcullis-reason" if way == "whole" else "x-portcullis-id"]


@every_way
def test_arguments_that_a_rule_forbids_never_reach_the_tool(gate: Gate, way: str) -> None:
    heard = gate.ask("arguments", way, "shell")
    assert (heard.calls, heard.done) == ([], [])
    assert "Portcullis took out a call of the tool 'get_order'" in heard.text


@every_way
def test_a_secret_is_a_client_error_that_says_why_and_is_not_asked_again(
    gate: Gate, way: str
) -> None:
    before = len(gate.provider.seen)
    heard = gate.ask("secrets", way, text=f"Why does {SECRET} not work?")
    assert isinstance(heard.error, errors.ClientError)
    assert (heard.error.code, heard.error.status) == (400, "INVALID_ARGUMENT")
    assert "AWS access key" in str(heard.error.message)
    assert SECRET not in str(heard.error)
    assert (heard.reason, heard.attempts) == ("secret_found", 1)
    assert len(gate.provider.seen) == before


@every_way
def test_a_rate_limit_is_a_429_that_is_not_asked_again(gate: Gate, way: str) -> None:
    assert gate.ask("one", way).error is None
    heard = gate.ask("one", way)
    assert isinstance(heard.error, errors.ClientError)
    assert (heard.error.code, heard.error.status) == (429, "RESOURCE_EXHAUSTED")
    assert (heard.reason, heard.attempts) == ("rate_limited", 1)
    assert int(heard.headers["retry-after"]) > 60
    assert heard.headers["x-ratelimit-limit-requests"] == "1"


@every_way
def test_a_block_in_the_answer_is_a_client_error_after_what_was_delivered(
    gate: Gate, way: str
) -> None:
    heard = gate.ask("words", way, "late")
    assert isinstance(heard.error, errors.ClientError)
    assert (heard.error.code, heard.reason, heard.attempts) == (400, "pattern_found", 1)
    assert "Portcullis blocked this answer" in str(heard.error.message)
    assert heard.text == ("All is well. The word is " if "stream" in way else "")


@pytest.mark.parametrize("way", ["stream", "async stream"])
def test_a_block_before_the_first_text_is_a_bad_request(gate: Gate, way: str) -> None:
    heard = gate.ask("words", way, "early")
    assert heard.error is not None
    assert heard.headers["x-portcullis-reason"] == heard.reason == "pattern_found"


@every_way
def test_texts_are_rewritten_on_both_ways(gate: Gate, way: str) -> None:
    heard = gate.ask("redact", way, "card", "Pay 4111 1111 1111 1111.")
    assert heard.text == "Paid with <CREDIT_CARD> today."
    assert "Pay <CREDIT_CARD>." in gate.provider.seen[-1].body.decode()


@every_way
def test_what_passes_is_the_same_on_both_sides_and_is_counted(gate: Gate, way: str) -> None:
    heard = gate.ask("dollars", way)
    assert heard.text == "Hello there."
    assert heard.headers["x-portcullis-verdict"] == "allow"
    record = gate.gateway.record(heard.headers["x-portcullis-id"])
    assert (record["model"], record["dialect"], record["outcome"]) == (MODEL, "gemini", "answered")
    assert (record["usage"]["input"], record["usage"]["output"]) == (12, 5)
    assert not record["usage"].get("estimated")
    assert record["cost_nanodollars"] == 12 * 300 + 5 * 2500


@every_way
def test_an_unknown_gateway_key_is_a_401(gate: Gate, way: str) -> None:
    gate.keys["unknown", way] = "ptc_unknown1_" + "x" * 43
    heard = gate.ask("unknown", way)
    assert heard.error is not None
    assert (heard.error.code, heard.error.status) == (401, "UNAUTHENTICATED")
    assert (heard.reason, heard.attempts) == ("key_invalid", 1)


@every_way
def test_the_providers_own_error_reaches_the_agent(gate: Gate, way: str) -> None:
    heard = gate.ask("none", way, "unhappy")
    assert isinstance(heard.error, errors.ServerError)
    assert heard.error.message == "The model is overloaded."


@pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_transport_that_the_sdk_prefers_where_it_need_not_wait_hears_the_same(
    gate: Gate, stream: bool
) -> None:
    """Its own is aiohttp, which it finds installed."""

    def ask(policy: str, say: str, text: str = "Hello") -> Heard:
        heard = Heard()
        options = types.HttpOptions(base_url=gate.gateway.base, headers={"x-say": say})
        key = gate.keys[policy, "async"]
        client = genai.Client(api_key=key, http_options=options)
        try:
            asyncio.run(_chat(client, None, heard, text, stream=stream))
        except errors.APIError as error:
            heard.error = error
        return heard

    assert ask("none", "plain").text == "Hello there."
    assert "Portcullis took out" in ask("arguments", "shell").text
    before = len(gate.provider.seen)
    refused = ask("secrets", "plain", SECRET)
    assert isinstance(refused.error, errors.ClientError)
    assert (refused.error.code, refused.reason) == (400, "secret_found")
    assert len(gate.provider.seen) == before
    cut = ask("words", "late")
    assert isinstance(cut.error, errors.ClientError)
    assert (cut.error.code, cut.reason) == (400, "pattern_found")
    assert len(gate.provider.seen) == before + 1
    assert cut.text == ("All is well. The word is " if stream else "")


def test_models_are_allowed_denied_and_capped_by_the_path(gate: Gate) -> None:
    assert gate.ask("model", "whole", max_output_tokens=5000).error is None
    sent = gate.provider.seen[-1].json
    assert sent["generationConfig"]["maxOutputTokens"] == 100
    heard = Heard()
    client = gate.client(heard, "model", "whole", "plain")
    with pytest.raises(errors.ClientError, match=r"gemini-2.5-\*"):
        client.models.generate_content(model="gemini-3-pro-preview", contents="Hello")


def test_embeddings_counts_and_lists_pass_and_are_scanned(gate: Gate) -> None:
    client = gate.client(Heard(), "secrets", "whole", "plain")
    made = client.models.embed_content(model="gemini-embedding-001", contents=["one", "two"])
    assert len(made.embeddings or ()) == 2
    assert client.models.count_tokens(model=MODEL, contents="Hello").total_tokens == 12
    assert [model.name for model in client.models.list()] == ["models/gemini-2.5-flash"]
    for asked in (client.models.embed_content, client.models.count_tokens):
        with pytest.raises(errors.ClientError, match="AWS access key"):
            asked(model=MODEL, contents=SECRET)


def test_a_key_in_the_query_says_who_calls_and_goes_no_further(gate: Gate) -> None:
    reply = gate.post("secrets", "generateContent?alt=json")
    assert reply.status == 200
    seen = gate.provider.seen[-1]
    assert seen.path == f"{METHODS}:generateContent?alt=json"
    assert seen.headers["x-goog-api-key"] == OWN
    record = gate.gateway.record(reply.get("x-portcullis-id"))
    assert record["who"]["tenant"] == "secrets.whole"
    assert gate.keys["secrets", "whole"] not in json.dumps(record)
    assert gate.post("secrets", "generateContent", text=SECRET).status == 400


def test_a_streamed_array_is_guarded_and_stays_one(gate: Gate) -> None:
    def said(reply: Message) -> str:
        chunks = json.loads(reply.body)
        parts = [p for c in chunks for p in c["candidates"][0]["content"]["parts"]]
        assert not any("functionCall" in part for part in parts)
        return "".join(part["text"] for part in parts)

    plain = gate.post("none", "streamGenerateContent")
    assert plain.get("content-type") == "application/json"
    assert said(plain) == "Hello there."
    assert said(gate.post("redact", "streamGenerateContent", "card")) == (
        "Paid with <CREDIT_CARD> today."
    )
    assert "Portcullis took out" in said(gate.post("tools", "streamGenerateContent", "delete"))
    *before, last = json.loads(gate.post("words", "streamGenerateContent", "late").body)
    assert len(before) == 2
    assert last["error"]["details"][0]["reason"] == "pattern_found"
