"""What providers keep, asked for with the official SDKs: what passes, and what is stopped."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from gateway.identity.gateway_key import hash_of, new_key
from gateway.testing.gateway import RunningGateway
from gateway.testing.provider import FakeProvider
from tests.clients.kept import WORD, Keeper

POLICIES: dict[str, list[dict[str, Any]]] = {
    "guarded": [
        {"kind": "patterns", "deny": [WORD], "surfaces": ["user", "output"], "action": "block"},
        {"kind": "tools", "deny": ["delete_*"]},
        {"kind": "model", "allow": ["gpt-4o*", "claude-*"]},
    ],
    "tight": [
        {"kind": "budget", "per": "tenant", "window": "total", "limit": "2000 tokens"},
    ],
    "open": [],
}


NODE = Path(__file__).parent / "node"


class Gate:
    """A gateway before a provider that keeps things, and an SDK of each make for each tenant."""

    def __init__(
        self, gateway: RunningGateway, provider: FakeProvider, keys: dict[str, str]
    ) -> None:
        self.base, self.keys = gateway.base, keys
        self.provider = provider
        self.openai = {
            name: openai.OpenAI(base_url=f"{gateway.base}/v1", api_key=key, max_retries=0)
            for name, key in keys.items()
        }
        self.anthropic = {
            name: anthropic.Anthropic(base_url=gateway.base, api_key=key, max_retries=0)
            for name, key in keys.items()
        }


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    keys = {name: new_key() for name in POLICIES}
    keeper = Keeper()
    with FakeProvider(keeper) as provider:
        keeper.url = provider.url
        own = {"url": provider.url, "credential": "sk-own"}
        policy = {
            "version": 1,
            "upstreams": {
                "openai": {"provider": "openai", **own},
                "anthropic": {"provider": "anthropic", **own},
            },
            "tenants": {
                name: {"keys": [{"name": "agent", "hash": hash_of(key)}], "policies": [name]}
                for name, key in keys.items()
            },
            "policies": {name: {"rules": rules} for name, rules in POLICIES.items()},
        }
        with RunningGateway(tmp_path_factory.mktemp("kept"), policy) as gateway:
            yield Gate(gateway, provider, keys)


# --- responses --------------------------------------------------------------------------------


def test_a_response_is_fetched_as_it_was_made(gate: Gate) -> None:
    for tenant in ("guarded", "open"):
        found = gate.openai[tenant].responses.retrieve("resp_clean")
        assert found.output_text == "All is well."
        assert found.usage is not None


def test_a_response_that_a_rule_would_have_blocked_is_blocked_when_it_is_fetched(
    gate: Gate,
) -> None:
    assert WORD in gate.openai["open"].responses.retrieve("resp_word").output_text
    with pytest.raises(openai.BadRequestError) as caught:
        gate.openai["guarded"].responses.retrieve("resp_word")
    assert caught.value.code == "pattern_found"


def test_a_call_is_taken_out_of_a_response_that_is_fetched(gate: Gate) -> None:
    found = gate.openai["guarded"].responses.retrieve("resp_call")
    assert [item.type for item in found.output] == ["message"]
    assert "delete_table" in found.output_text


def test_a_response_made_in_the_background_is_asked_for_until_it_is_there(gate: Gate) -> None:
    client = gate.openai["guarded"]
    made = client.responses.create(model="gpt-4o-mini", input="Hello", background=True)
    assert made.status == "queued"
    assert client.responses.retrieve(made.id).output_text == "All is well."
    assert client.responses.cancel(made.id).status == "cancelled"


def test_a_background_response_is_charged_in_full_when_it_is_asked_for(gate: Gate) -> None:
    client = gate.openai["tight"]
    ask: dict[str, Any] = {"model": "gpt-4o-mini", "input": "Hello", "background": True}
    client.responses.create(**ask, max_output_tokens=1_000)
    client.responses.retrieve("resp_clean")  # tells of 15 tokens: they are not counted again
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**ask, max_output_tokens=1_000)
    assert caught.value.code == "budget_exceeded"


def test_the_stream_of_a_stored_response_is_guarded(gate: Gate) -> None:
    heard = [
        event.type for event in gate.openai["guarded"].responses.retrieve("resp_clean", stream=True)
    ]
    assert heard[-1] == "response.completed"
    events = list(gate.openai["guarded"].responses.retrieve("resp_word", stream=True))
    assert events[-1].type == "response.failed"
    assert WORD not in "".join(event.to_json() for event in events)


def test_a_stream_that_is_taken_up_again_goes_on_with_its_own_numbers(gate: Gate) -> None:
    client = gate.openai["guarded"]
    whole = list(client.responses.retrieve("resp_clean", stream=True))
    for after in range(len(whole) - 1):
        rest = list(client.responses.retrieve("resp_clean", stream=True, starting_after=after))
        assert [event.sequence_number for event in rest] == list(range(after + 1, len(whole)))
        assert rest[-1].to_dict() == whole[-1].to_dict()


@pytest.mark.parametrize("after", range(5))
def test_no_place_to_go_on_from_leads_around_a_rule(gate: Gate, after: int) -> None:
    client = gate.openai["guarded"]
    events = list(client.responses.retrieve("resp_call", stream=True, starting_after=after))
    told = "".join(event.to_json() for event in events)
    assert "call_1" not in told
    assert '"t"' not in told


def test_what_a_response_was_asked_is_rewritten_when_it_is_listed(gate: Gate) -> None:
    for tenant, there in (("open", True), ("guarded", False)):
        (item,) = gate.openai[tenant].responses.input_items.list("resp_word").data
        assert (WORD in item.to_json()) is there
        assert ("removed by Portcullis" in item.to_json()) is not there


# --- conversations and chat completions -------------------------------------------------------


def test_items_of_a_conversation_are_what_a_user_says(gate: Gate) -> None:
    client = gate.openai["guarded"]
    assert client.conversations.create(metadata={"topic": "rows"}).id == "conv_1"
    clean: Any = [{"type": "message", "role": "user", "content": "Hello"}]
    assert client.conversations.items.create("conv_1", items=clean).data
    word: Any = [{"type": "message", "role": "user", "content": f"It is {WORD}"}]
    before = len(gate.provider.seen)
    with pytest.raises(openai.BadRequestError, match="Portcullis blocked"):
        client.conversations.items.create("conv_1", items=word)
    with pytest.raises(openai.BadRequestError):
        client.conversations.create(items=word)
    assert len(gate.provider.seen) == before
    assert WORD not in client.conversations.items.list("conv_word").to_json()


def test_a_stored_chat_completion_is_an_answer_and_its_messages_are_history(gate: Gate) -> None:
    client = gate.openai["guarded"]
    found = client.chat.completions.retrieve("chatcmpl_clean")
    assert found.choices[0].message.content == "All is well."
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.retrieve("chatcmpl_word")
    assert WORD not in client.chat.completions.messages.list("chatcmpl_word").to_json()


# --- files and batches ------------------------------------------------------------------------


def batch_line(text: str, **more: Any) -> dict[str, Any]:
    request = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **more}
    return {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": request}


def upload(client: openai.OpenAI, *lines: dict[str, Any]) -> Any:
    content = "\n".join(json.dumps(line) for line in lines).encode()
    return client.files.create(file=("in.jsonl", io.BytesIO(content)), purpose="batch")


def test_a_batch_of_openais_from_its_file_to_its_results(gate: Gate) -> None:
    client = gate.openai["guarded"]
    kept = upload(client, batch_line("Hello"), batch_line("Bye"))
    batch = client.batches.create(
        input_file_id=kept.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert batch.output_file_id is not None
    results = client.files.content(batch.output_file_id).text.splitlines()
    first, second = map(json.loads, results)
    assert first["response"]["body"]["choices"][0]["message"]["content"] == (
        "The word is [removed by Portcullis: pattern_found]."
    )
    assert second["response"]["body"]["choices"][0]["message"]["content"] == "All is well."
    assert WORD in gate.openai["open"].files.content(batch.output_file_id).text


def test_every_line_of_a_batch_is_judged(gate: Gate) -> None:
    client = gate.openai["guarded"]
    with pytest.raises(openai.BadRequestError) as caught:
        upload(client, batch_line("Hello"), batch_line(f"Say {WORD}"))
    assert caught.value.code == "pattern_found"
    with pytest.raises(openai.BadRequestError) as caught:
        upload(client, batch_line("Hello"), batch_line("Hello", model="o3"))
    assert caught.value.code == "model_denied"
    tool = {"type": "function", "function": {"name": "delete_table", "parameters": {}}}
    upload(client, batch_line("Hello"), batch_line("Hello", tools=[tool]))
    assert b"delete_table" not in gate.provider.seen[-1].body
    assert b"Hello" in gate.provider.seen[-1].body


def test_a_text_file_is_text_and_leaves_as_it_came(gate: Gate) -> None:
    client = gate.openai["guarded"]
    client.files.create(file=("notes.md", b"# Notes\r\nAll is well."), purpose="user_data")
    assert b"# Notes\r\nAll is well.\r\n--" in gate.provider.seen[-1].body
    with pytest.raises(openai.BadRequestError):
        client.files.create(file=("notes.md", f"It is {WORD}".encode()), purpose="user_data")


def requests(*texts: str) -> Any:
    return [
        {
            "custom_id": str(number),
            "params": {
                "model": "claude-sonnet-4-5",
                "max_tokens": 50,
                "messages": [{"role": "user", "content": text}],
            },
        }
        for number, text in enumerate(texts)
    ]


def test_a_batch_of_anthropics_from_its_requests_to_its_results(gate: Gate) -> None:
    client = gate.anthropic["guarded"]
    batch = client.messages.batches.create(requests=requests("Hello", "Bye"))
    assert client.messages.batches.retrieve(batch.id).processing_status == "ended"
    results = {each.custom_id: each.result for each in client.messages.batches.results(batch.id)}
    assert WORD not in str(results["word"])
    assert "removed by Portcullis" in str(results["word"])
    assert "All is well." in str(results["clean"])
    with pytest.raises(anthropic.BadRequestError, match="Portcullis blocked"):
        client.messages.batches.create(requests=requests("Hello", f"Say {WORD}"))


def test_results_are_fetched_through_the_gateway_where_no_rule_reads_them_too(gate: Gate) -> None:
    """The provider's address in the batch object would take the gateway's key to the provider."""
    client = gate.anthropic["open"]
    before = len(gate.provider.seen)
    results = list(client.messages.batches.results("msgbatch_1"))
    assert WORD in str(results)
    assert [seen.headers["x-api-key"] for seen in gate.provider.seen[before:]] == ["sk-own"] * 2


def test_a_batch_reserves_what_all_its_requests_may_use(gate: Gate) -> None:
    client = gate.anthropic["tight"]
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.batches.create(requests=requests(*["Hello"] * 20))
    assert "budget" in str(caught.value)


def test_the_node_sdks_hear_the_same(gate: Gate) -> None:
    """Their forms, streams and lines of JSON are not written and read by the same code."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not here: the Node SDKs are not tested")
    if not (NODE / "node_modules" / "openai").exists():
        pytest.skip("tests/clients/node/node_modules is not here: `make test` installs it")
    order = json.dumps({"base": gate.base, "key": gate.keys["guarded"]})
    done = subprocess.run(
        [node, "kept.mjs"],
        cwd=NODE,
        input=order,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    heard = json.loads(done.stdout)
    assert (heard["clean"], heard["word"]) == ("All is well.", "pattern_found")
    assert (heard["stream"], heard["stream_word"]) == ("response.completed", "response.failed")
    assert (heard["upload"], heard["upload_word"]) == ("file-1", "pattern_found")
    for name in ("results", "message_results"):
        assert WORD not in heard[name]
        assert "removed by Portcullis" in heard[name]
        assert "All is well." in heard[name]
