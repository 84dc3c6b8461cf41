"""Readers are awaited before the rules judge: whole texts only, once each, and never in vain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gateway.config.ner import Ner
from gateway.detectors.scan_cache import ScanCache
from gateway.dialects.base import Surface
from gateway.dialects.registry import DIALECTS
from gateway.message import Headers, Request
from gateway.policy.content import ContentRules
from gateway.policy.kinds.pii import PiiOptions, PiiRule
from gateway.policy.pipeline import Pipeline
from gateway.policy.reading import Answer, NoReader, NotRead, Told, ask
from gateway.state.memory import MemoryStore
from gateway.testing import make_exchange, make_workshop
from gateway.verdict import Action, Finding, Mode, Reason, RuleRef

CHAT = DIALECTS["openai_chat"]
NER = {"engine": "spacy", "model": "/models/en"}


class Reads:
    """Knows one name."""

    version = "reads"

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self._error = error

    async def read(self, texts: Sequence[str]) -> Sequence[Answer]:
        self.asked += texts
        await asyncio.sleep(0)
        return [self._error or self._find(text) for text in texts]

    @staticmethod
    def _find(text: str) -> tuple[Finding, ...]:
        at = text.find("Ada")
        return (Finding("PERSON", at, at + 3, 0.85),) if at >= 0 else ()


def rule(reader: Reads, **keys: Any) -> PiiRule:
    def reader_of(ner: Ner) -> Reads:
        return reader

    options = PiiOptions.model_validate({"kind": "pii", "ner": NER, **keys})
    workshop = replace(make_workshop(), reader_of=reader_of)
    return PiiRule(options, RuleRef("p", "pii", "pii"), Mode.ENFORCE, workshop)


def pipeline(made: PiiRule) -> Pipeline:
    return Pipeline([made], ScanCache(b"k"))


def chat(content: str, **keys: Any) -> Any:
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **keys}
    raw = json.dumps(body).encode()
    return CHAT.decode(Request("POST", "/v1/chat/completions", Headers(), raw), raw)


def said(call: Any) -> str:
    text: str = json.loads(call.encode())["messages"][0]["content"]
    return text


async def test_names_are_redacted_with_what_the_patterns_find() -> None:
    call = chat("Ada <ada@example.com>")
    exchange = make_exchange(call)
    assert await pipeline(rule(Reads())).on_request(exchange, MemoryStore(lambda: 0.0)) is None
    assert said(call) == "<PERSON> <<EMAIL_ADDRESS>>"
    (verdict,) = exchange.verdicts
    assert verdict.what == "found an email address and a person in the user message"


async def test_a_text_is_read_once() -> None:
    reader = Reads()
    whole = pipeline(rule(reader))
    for _ in range(3):
        await whole.on_request(make_exchange(chat("Ada")), MemoryStore(lambda: 0.0))
    assert reader.asked == ["Ada"]


async def test_a_text_that_is_not_read_follows_on_error_and_patterns_still_count() -> None:
    blocked = await pipeline(rule(Reads(TimeoutError()))).on_request(
        make_exchange(chat("x")), MemoryStore(lambda: 0.0)
    )
    assert blocked is not None
    assert blocked.reason is Reason.RULE_FAILED
    call = chat("ada@example.com")
    exchange = make_exchange(call)
    allowed = pipeline(rule(Reads(TimeoutError()), on_error="allow"))
    assert await allowed.on_request(exchange, MemoryStore(lambda: 0.0)) is None
    assert said(call) == "<EMAIL_ADDRESS>"
    assert {v.reason for v in exchange.verdicts} == {Reason.PII_FOUND, Reason.RULE_FAILED}


async def test_what_was_not_read_is_asked_again() -> None:
    reader = Reads(TimeoutError())
    whole = pipeline(rule(reader))
    await whole.on_request(make_exchange(chat("Ada")), MemoryStore(lambda: 0.0))
    await whole.on_request(make_exchange(chat("Ada")), MemoryStore(lambda: 0.0))
    assert reader.asked == ["Ada", "Ada"]


async def test_a_reader_that_raises_is_a_failure_of_its_rule() -> None:
    class Broken(Reads):
        async def read(self, texts: Sequence[str]) -> Sequence[Answer]:
            raise RuntimeError

    stopped = await pipeline(rule(Broken())).on_request(
        make_exchange(chat("x")), MemoryStore(lambda: 0.0)
    )
    assert stopped is not None
    assert "RuntimeError" in stopped.what


async def test_only_the_surfaces_of_the_rule_are_read() -> None:
    reader = Reads()
    await pipeline(rule(reader, surfaces=["output"])).on_request(
        make_exchange(chat("Ada")), MemoryStore(lambda: 0.0)
    )
    assert reader.asked == []


async def test_the_least_score_holds_for_names_too() -> None:
    call = chat("Ada")
    made = rule(Reads(), threshold=0.9, entities=["EMAIL_ADDRESS"])
    await pipeline(made).on_request(make_exchange(call), MemoryStore(lambda: 0.0))
    assert said(call) == "Ada"


ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": "Ada it is",
                "tool_calls": [
                    {
                        "id": "1",
                        "type": "function",
                        "function": {"name": "call", "arguments": '{"who": "Ada"}'},
                    }
                ],
            },
        }
    ],
}


async def test_whole_answers_are_read_with_their_tool_calls() -> None:
    call = chat("hi")
    exchange = make_exchange(call)
    guard = pipeline(rule(Reads())).guard(exchange)
    answer = CHAT.decode_answer(call, json.dumps(ANSWER).encode())
    await guard.read(answer)
    assert guard.on_answer(answer) is None
    message = json.loads(answer.encode())["choices"][0]["message"]
    assert message["content"] == "<PERSON> it is"
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"who": "<PERSON>"}


async def test_a_name_gets_a_stand_in_and_is_put_back() -> None:
    call = chat("Ada, and Ada")
    exchange = make_exchange(call)
    reader = Reads()
    whole = pipeline(rule(reader, action="pseudonymize", entities=["US_SSN"]))
    assert await whole.on_request(exchange, MemoryStore(lambda: 0.0)) is None
    assert said(call).startswith("<PERSON_")
    stand_in = said(call)[: said(call).index(">") + 1]
    body = json.dumps(ANSWER).replace("Ada it is", f"{stand_in} it is").encode()
    answer = CHAT.decode_answer(call, body)
    guard = whole.guard(exchange)
    await guard.read(answer)
    guard.on_answer(answer)
    assert json.loads(answer.encode())["choices"][0]["message"]["content"] == "Ada it is"


async def test_a_model_that_takes_a_stand_in_for_a_name_finds_nothing() -> None:
    class Fooled(Reads):
        @staticmethod
        def _find(text: str) -> tuple[Finding, ...]:
            return (Finding("PERSON", 0, len(text), 0.85),)

    call = chat("<PERSON_7KQ2M9XB>")
    whole = pipeline(rule(Fooled(), action="pseudonymize", entities=["US_SSN"]))
    exchange = make_exchange(call)
    await whole.on_request(exchange, MemoryStore(lambda: 0.0))
    assert said(call) == "<PERSON_7KQ2M9XB>"
    assert not exchange.verdicts


def test_a_stream_cannot_be_read_and_that_is_told() -> None:
    expected = {"flag": [Action.FLAG], "block": [Action.BLOCK], "allow": []}
    for word, actions in expected.items():
        exchange = make_exchange(chat("hi", stream=True))
        stopped = pipeline(rule(Reads(), unscannable=word)).guard(exchange).on_stream()
        assert [v.action for v in exchange.verdicts] == actions
        assert (stopped is not None) == (word == "block")
    exchange = make_exchange(chat("hi", stream=True))
    assert pipeline(rule(Reads(), surfaces=["user"])).guard(exchange).on_stream() is None
    assert not exchange.verdicts


async def test_what_nobody_asked_is_an_error() -> None:
    reader = NoReader("r")
    (answer,) = await reader.read(["x"])
    assert isinstance(answer, NotRead)
    told = Told({("r", "y"): ()})
    assert told.of(reader, "y") == ()
    for text in ("x", ""):
        try:
            told.of(reader, text)
        except NotRead:
            continue
        raise AssertionError


async def test_rules_without_a_reader_ask_nobody() -> None:
    options = PiiOptions.model_validate({"kind": "pii"})
    plain = PiiRule(options, RuleRef("p", "pii", "pii"), Mode.ENFORCE, make_workshop())
    rules = ContentRules([plain])
    assert await ask(rules, chat("Ada").segments, ScanCache(b"k")) is None
    assert rules.on(Surface.USER) == (plain,)
