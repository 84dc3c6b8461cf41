"""What is put away on the way to a model comes back on the way to the agent, and nowhere else."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.registry import DIALECTS
from gateway.dialects.sse import EventReader
from gateway.exchange import Exchange, Identity, Target
from gateway.message import Headers, Request
from gateway.policy.pipeline import Pipeline
from gateway.state.memory import MemoryStore
from gateway.verdict import Action
from tests.policy.test_cases import compiled

NOW = 1_700_000_000.0
JANE, JOE = "jane.roe@example.com", "joe@example.co.uk"
CARD = "5555 5555 5555 4444"
STAND_IN = re.compile(r"<[A-Z_]+_[0-9A-Z]{8}>")


def rule(**keys: Any) -> dict[str, Any]:
    entities = ["EMAIL_ADDRESS", "CREDIT_CARD"]
    return {"kind": "pii", "entities": entities, "action": "pseudonymize", **keys}


class Conversation:
    """Calls of one session to one provider."""

    def __init__(self, *rules: dict[str, Any], session: str = "s1", provider: str = "openai"):
        self.pipeline: Pipeline = compiled(list(rules))
        self.session = session
        self.provider = provider
        self.exchange: Exchange

    def ask(self, *messages: dict[str, Any], **more: Any) -> dict[str, Any]:
        """What the provider gets."""
        body = json.dumps({"model": "gpt-4o", "messages": messages, **more}).encode()
        request = Request("POST", "/v1/chat/completions", Headers(), body)
        self.exchange = exchange = Exchange("x1", request, NOW)
        exchange.identity = Identity(tenant="acme", agent="bot", session=self.session)
        exchange.target = Target("up", self.provider, "openai_chat", "/v1/chat/completions")
        exchange.dialect = DIALECTS["openai_chat"]
        exchange.call = exchange.dialect.decode(request, body)
        assert asyncio.run(self.pipeline.on_request(exchange, MemoryStore(lambda: NOW))) is None
        sent: dict[str, Any] = json.loads(exchange.call.encode())
        return sent

    def answer(self, **message: Any) -> dict[str, Any]:
        """What the agent gets."""
        assert self.exchange.dialect is not None
        assert self.exchange.call is not None
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
        raw = json.dumps({"id": "c1", "model": "gpt-4o", "choices": [choice]}).encode()
        answer = self.exchange.dialect.decode_answer(self.exchange.call, raw)
        assert self.pipeline.guard(self.exchange).on_answer(answer) is None
        got: dict[str, Any] = json.loads(answer.encode())["choices"][0]["message"]
        return got

    def stream(self, *pieces: str) -> str:
        """The text that the agent reads."""
        assert self.exchange.dialect is not None
        assert self.exchange.call is not None
        stream = self.exchange.dialect.open_stream(self.exchange.call)
        window = self.pipeline.window(self.exchange, stream)
        raw = b"".join(
            b"data: %s\n\n"
            % json.dumps({"choices": [{"index": 0, "delta": {"content": piece}}]}).encode()
            for piece in pieces
        )
        out = b"".join(map(window.feed, EventReader().feed(raw))) + window.end()
        window.finish()
        said = (json.loads(event.data) for event in EventReader().feed(out))
        return "".join(one["choices"][0]["delta"].get("content", "") for one in said)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def stand_in_of(sent: dict[str, Any]) -> str:
    (found,) = STAND_IN.findall(sent["messages"][-1]["content"])
    return str(found)


def test_the_provider_never_sees_the_value_and_the_agent_does() -> None:
    talk = Conversation(rule())
    sent = talk.ask(user(f"Write to {JANE}"))
    assert JANE not in json.dumps(sent)
    said = stand_in_of(sent)
    assert talk.answer(content=f"I wrote to {said}.")["content"] == f"I wrote to {JANE}."
    assert talk.exchange.action is Action.REWRITE
    assert talk.exchange.pseudonyms is not None
    assert talk.exchange.pseudonyms.restored == 1


@pytest.mark.parametrize("size", [1, 3, 7, 100])
@pytest.mark.parametrize("stand_ins", ["typed", "plausible"])
def test_a_stream_is_restored_however_it_is_cut(size: int, stand_ins: str) -> None:
    talk = Conversation(rule(stand_ins=stand_ins))
    sent = talk.ask(user(f"{JANE} / {CARD}"))["messages"][0]["content"]
    assert JANE not in sent
    assert CARD not in sent
    pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
    assert talk.stream(*pieces) == f"{JANE} / {CARD}"


def test_a_stream_that_ends_in_half_a_stand_in_loses_nothing() -> None:
    talk = Conversation(rule())
    said = stand_in_of(talk.ask(user(JANE)))
    assert talk.stream("It is ", said[:10]) == "It is " + said[:10]


def test_a_tool_is_called_with_the_real_value_as_json_escapes_it() -> None:
    talk = Conversation(rule(entities=["EMAIL_ADDRESS"]))
    said = stand_in_of(talk.ask(user(JANE)))
    arguments = json.dumps({"to": said, "text": f'"{said}"\nwrote \\{said}'})
    call = {"id": "t1", "type": "function", "function": {"name": "mail", "arguments": arguments}}
    got = talk.answer(content=None, tool_calls=[call])["tool_calls"][0]["function"]["arguments"]
    assert json.loads(got) == {"to": JANE, "text": f'"{JANE}"\nwrote \\{JANE}'}


def test_a_tool_that_is_excepted_gets_the_stand_in() -> None:
    talk = Conversation(rule(restore_except=["web_*"]))
    said = stand_in_of(talk.ask(user(JANE)))
    arguments = json.dumps({"q": said})
    for name, wanted in (("web_search", said), ("mail", JANE)):
        call = {"id": "t", "type": "function", "function": {"name": name, "arguments": arguments}}
        got = talk.answer(content=None, tool_calls=[call])["tool_calls"][0]["function"]
        assert json.loads(got["arguments"]) == {"q": wanted}


def test_text_stays_as_the_model_wrote_it_where_only_tools_are_restored() -> None:
    talk = Conversation(rule(restore=["tool_call"]))
    said = stand_in_of(talk.ask(user(JANE)))
    assert talk.answer(content=said)["content"] == said


def test_the_prompt_of_every_turn_begins_as_that_of_the_turn_before() -> None:
    """So the provider's prompt cache still hits."""
    talk = Conversation(rule())
    first = talk.ask(user(f"I am {JANE}"))
    answer = {"role": "assistant", "content": f"Hello {JANE}"}  # as the agent resends it
    second = talk.ask(user(f"I am {JANE}"), answer, user(f"and he is {JOE}"))
    assert second["messages"][0] == first["messages"][0]
    assert JANE not in json.dumps(second)
    assert STAND_IN.findall(second["messages"][1]["content"]) == [stand_in_of(first)]


def test_a_stand_in_that_comes_back_is_given_none_of_its_own() -> None:
    for form in ("typed", "plausible"):
        talk = Conversation(rule(stand_ins=form))
        sent = talk.ask(user(f"{JANE}, {CARD}"))["messages"][0]["content"]
        again = talk.ask(user(f"{JANE}, {CARD}"), user(sent))["messages"]
        assert again[1]["content"] == sent


def test_another_session_neither_makes_nor_restores_the_same_stand_in() -> None:
    ours, theirs = Conversation(rule()), Conversation(rule(), session="s2")
    said = stand_in_of(ours.ask(user(JANE)))
    foreign = stand_in_of(theirs.ask(user(JANE)))
    assert said != foreign
    assert ours.answer(content=foreign)["content"] == foreign


def test_a_tenant_scope_is_the_same_over_sessions() -> None:
    ours = Conversation(rule(scope="tenant"))
    theirs = Conversation(rule(scope="tenant"), session="s2")
    assert stand_in_of(ours.ask(user(JANE))) == stand_in_of(theirs.ask(user(JANE)))


@pytest.mark.parametrize(
    ("on_leak", "text"), [("flag", f"It is {JOE}"), ("redact", "It is <EMAIL_ADDRESS>")]
)
def test_what_was_never_given_is_a_leak(on_leak: str, text: str) -> None:
    talk = Conversation(rule(on_leak=on_leak))
    said = stand_in_of(talk.ask(user(JANE)))
    got = talk.answer(content=f"It is {JOE}, not {said}")["content"]
    assert got == f"{text}, not {JANE}"
    assert talk.stream("It is ", JOE[:5], JOE[5:], ", not ", said) == f"{text}, not {JANE}"


def test_a_plausible_stand_in_is_no_leak() -> None:
    talk = Conversation(rule(stand_ins="plausible", on_leak="block"))
    sent = talk.ask(user(CARD))["messages"][0]["content"]
    assert talk.answer(content=f"Card {sent}.")["content"] == f"Card {CARD}."
    assert talk.stream("Card ", sent, ".") == f"Card {CARD}."


@pytest.mark.parametrize("provider", ["mcp", "http"])
def test_a_tool_upstream_gets_the_real_value(provider: str) -> None:
    talk = Conversation(rule(), provider=provider)
    assert talk.ask(user(JANE))["messages"][0]["content"] == JANE
    assert talk.exchange.action is Action.FLAG


def test_each_rule_puts_back_what_is_its_own() -> None:
    """What one rule keeps from a tool another must not give it."""
    addresses = rule(entities=["EMAIL_ADDRESS"], restore_except=["web_*"])
    cards = rule(entities=["CREDIT_CARD"], id="cards", stand_ins="plausible")
    talk = Conversation(addresses, cards)
    sent = talk.ask(user(f"{JANE}, {CARD}"))["messages"][0]["content"]
    said, card = sent.split(", ")
    function = {"name": "web_search", "arguments": json.dumps({"q": f"{said} {card}"})}
    call = {"id": "t", "type": "function", "function": function}
    got = talk.answer(content=f"{said} {card}", tool_calls=[call])
    assert got["content"] == f"{JANE} {CARD}"
    assert json.loads(got["tool_calls"][0]["function"]["arguments"]) == {"q": f"{said} {CARD}"}
    assert talk.exchange.pseudonyms is not None
    assert talk.exchange.pseudonyms.restored == 3


@pytest.mark.parametrize("action", ["flag", "redact", "block"])
def test_another_rule_of_the_kind_stands_beside_it(action: str) -> None:
    other = {"kind": "pii", "id": "ssn", "entities": ["US_SSN"], "action": action}
    talk = Conversation(rule(entities=["EMAIL_ADDRESS"]), other)
    said = stand_in_of(talk.ask(user(JANE)))
    assert talk.answer(content=f"Ask {said}.")["content"] == f"Ask {JANE}."
    if action == "redact":
        assert "<US_SSN>" in talk.ask(user("536-22-8765"))["messages"][0]["content"]


def test_shadow_changes_nothing() -> None:
    talk = Conversation(rule(mode="shadow"))
    assert talk.ask(user(JANE))["messages"][0]["content"] == JANE
    assert talk.answer(content=JANE)["content"] == JANE


PEOPLE = st.lists(
    st.from_regex(r"[a-z]{2,8}(\.[a-z]{2,8})?@[a-z]{2,8}\.(com|org|co\.uk)", fullmatch=True),
    min_size=1,
    max_size=8,
    unique=True,
)


@given(PEOPLE, st.text(max_size=20), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_whoever_is_named_comes_back_in_text_and_in_arguments(
    people: list[str], between: str, size: int
) -> None:
    between = between.encode("utf-8", "ignore").decode() + " "
    talk = Conversation(rule(entities=["EMAIL_ADDRESS"]))
    sent = talk.ask(user(" ; ".join(people)))["messages"][0]["content"]
    assert not any(person in sent for person in people)
    said = sent.split(" ; ")
    assert len(set(said)) == len(people)
    text = between.join(said)
    wanted = between.join(people)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert talk.stream(*pieces) == wanted
    call = {"name": "mail", "arguments": json.dumps({"to": said, "text": text})}
    got = talk.answer(content=None, tool_calls=[{"id": "t", "type": "function", "function": call}])
    assert json.loads(got["tool_calls"][0]["function"]["arguments"]) == {
        "to": people,
        "text": wanted,
    }
