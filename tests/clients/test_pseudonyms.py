"""Personal data from an agent to its tool and back: the provider sees stand-ins, nobody else does.

An agent on the real SDK asks a model to write to somebody. The fake model calls the agent's tool
with what it was given, then says whom it wrote to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from gateway.testing.answers import Say, Tool
from gateway.testing.gateway import RunningGateway
from gateway.testing.provider import FakeProvider, Seen

JANE, CARD = "jane.roe@example.com", "5555 5555 5555 4444"
ASK = f"Send the invoice for card {CARD} to {JANE}."
STAND_IN = re.compile(r"<EMAIL_ADDRESS_[0-9A-Z]{8}>")
MAIL = {"type": "object", "properties": {"to": {"type": "string"}, "text": {"type": "string"}}}


class Model:
    """First calls the tool with the stand-in that it was sent, then says a word about it, in pieces
    that cut it apart. It remembers, as a provider does that keeps the history."""

    def __init__(self) -> None:
        self.name = ""

    def __call__(self, seen: Seen) -> Say:
        sent = json.dumps(seen.json)
        if found := STAND_IN.search(sent):
            self.name = found[0]
        name = self.name
        if "invoice sent" in sent:
            return Say(pieces=("I wrote to ", name[:9], name[9:20], f"{name[20:]} in full."))
        arguments = json.dumps({"to": name, "text": f'Dear "{name}",\nplease pay.'})
        return Say(pieces=(), tools=[Tool("mail", arguments)])


class Stage:
    """A gateway whose policy pseudonymizes, and what stands behind it."""

    def __init__(self, gateway: RunningGateway, provider: FakeProvider) -> None:
        self.gateway = gateway
        self.provider = provider

    def check(self) -> None:
        """Neither the provider, nor the audit log, the log or the state saw a value."""
        sent = b"".join(seen.body for seen in self.provider.seen)
        kept = [path for path in self.gateway.folder.rglob("*") if path.is_file()]
        assert sent
        last = self.gateway.records()[-1]
        assert last["stand_ins"]["put_back"] >= 1
        for value in (JANE, CARD, CARD.replace(" ", "")):
            assert value.encode() not in sent
            for path in kept:
                assert value.encode() not in path.read_bytes(), path


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    rule = {
        "kind": "pii",
        "entities": ["EMAIL_ADDRESS", "CREDIT_CARD"],
        "action": "pseudonymize",
        "on_leak": "block",
    }
    with FakeProvider(Model()) as provider:
        policy: dict[str, Any] = {
            "version": 1,
            "upstreams": {
                name: {"provider": name, "url": provider.url} for name in ("openai", "anthropic")
            },
            "tenants": {"local": {"policies": ["private"]}},
            "default_tenant": "local",
            "policies": {"private": {"rules": [rule]}},
        }
        folder: Path = tmp_path_factory.mktemp("private")
        with RunningGateway(folder, policy) as gateway:
            yield Stage(gateway, provider)


def mail(arguments: str | dict[str, Any]) -> str:
    """The agent's tool: it must be called with the real address."""
    called = json.loads(arguments) if isinstance(arguments, str) else arguments
    assert called == {"to": JANE, "text": f'Dear "{JANE}",\nplease pay.'}
    return f"invoice sent to {JANE}"


SAID = f"I wrote to {JANE} in full."


@pytest.mark.parametrize("stream", [False, True])
def test_chat(stage: Stage, stream: bool) -> None:
    client = openai.OpenAI(base_url=f"{stage.gateway.base}/v1", api_key="sk-x")
    tool = {"type": "function", "function": {"name": "mail", "parameters": MAIL}}
    messages: list[Any] = [{"role": "user", "content": ASK}]

    def ask() -> Any:
        more: dict[str, Any] = {"model": "gpt-4o", "messages": messages, "tools": [tool]}
        if not stream:
            return client.chat.completions.create(**more).choices[0].message
        with client.chat.completions.stream(**more) as events:
            return events.get_final_completion().choices[0].message

    message = ask()
    (call,) = message.tool_calls
    messages += [message.model_dump(exclude_none=True, exclude={"parsed"})]
    messages += [
        {"role": "tool", "tool_call_id": call.id, "content": mail(call.function.arguments)}
    ]
    assert ask().content == SAID
    stage.check()


@pytest.mark.parametrize("stream", [False, True])
def test_messages(stage: Stage, stream: bool) -> None:
    client = anthropic.Anthropic(base_url=stage.gateway.base, api_key="sk-x")
    tool = {"name": "mail", "input_schema": MAIL}
    messages: list[Any] = [{"role": "user", "content": ASK}]

    def ask() -> Any:
        more: dict[str, Any] = {"model": "claude-sonnet-5", "max_tokens": 99}
        if not stream:
            return client.messages.create(messages=messages, tools=[tool], **more)
        with client.messages.stream(messages=messages, tools=[tool], **more) as events:
            return events.get_final_message()

    said = ask()
    call = said.content[-1]
    result = {"type": "tool_result", "tool_use_id": call.id, "content": mail(call.input)}
    messages += [
        {"role": "assistant", "content": [block.model_dump() for block in said.content]},
        {"role": "user", "content": [result]},
    ]
    assert ask().content[-1].text == SAID
    stage.check()


@pytest.mark.parametrize("stream", [False, True])
def test_responses_whose_history_the_provider_keeps(stage: Stage, stream: bool) -> None:
    """The second request holds neither the address nor its stand-in."""
    client = openai.OpenAI(base_url=f"{stage.gateway.base}/v1", api_key="sk-x")
    tool = {"type": "function", "name": "mail", "parameters": MAIL, "strict": False}

    def ask(given: Any, **more: Any) -> Any:
        asked: dict[str, Any] = {"model": "gpt-4o", "input": given, "tools": [tool], **more}
        if not stream:
            return client.responses.create(**asked)
        with client.responses.stream(**asked) as events:
            return events.get_final_response()

    first = ask(ASK)
    (call,) = [item for item in first.output if item.type == "function_call"]
    output = mail(call.arguments).replace(JANE, "her")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": output}
    again = ask([result], previous_response_id=first.id)
    assert again.output_text == SAID
    stage.check()
