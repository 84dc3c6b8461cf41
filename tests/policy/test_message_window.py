"""A stream of messages: each is judged by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from gateway.dialects.base import Answer, Document, Event, MessageStream, Segment, Surface
from gateway.dialects.jsondoc import JsonDocument, parse_answer
from gateway.policy.answer_guard import AnswerGuard, AnswerRules
from gateway.policy.content import ContentRules
from gateway.policy.content_rule import ContentRule
from gateway.policy.message_window import MessageWindow, merged
from gateway.testing import make_call, make_exchange
from gateway.verdict import Action
from tests.policy.fakes import DictCache, FakeRule, Words


class Said(Answer):
    def __init__(self, document: JsonDocument) -> None:
        super().__init__(document)
        root: Any = document.root
        self.segments = [Segment(document, root, "said", root["said"], Surface.TOOL_RESULT, "said")]

    def encode(self) -> bytes:
        assert isinstance(self.document, JsonDocument)
        return self.document.encode()


class Messages(MessageStream):
    def read(self, event: Event) -> Answer | None:
        return Said(parse_answer(event.data.encode())) if event.data else None

    def write(self, event: Event, answer: Answer) -> bytes:
        return answer.encode() + b"\n" if answer.document.changed else event.raw

    def refuse(self, event: Event, code: str, message: str) -> bytes:
        return b"refused: " + code.encode() + b"\n"


def bad(action: Action, surface: str = "tool_result") -> FakeRule:
    return FakeRule(Words("bad"), action, "r", surfaces=[surface])


def message(text: str) -> Event:
    data = orjson.dumps({"said": text}).decode()
    return Event(data.encode() + b" \n", "", data)


def window(*rules: ContentRule) -> MessageWindow:
    exchange = make_exchange(make_call())
    guard = AnswerGuard(exchange, AnswerRules(rules, ContentRules(rules)), DictCache(), str)
    return MessageWindow(Messages(), guard)


def test_what_no_rule_touches_passes_byte_for_byte() -> None:
    event = message("fine")
    assert window(bad(Action.BLOCK)).feed(event) == event.raw


def test_a_message_is_rewritten_alone() -> None:
    made = window(bad(Action.REWRITE))
    assert b"bad" not in made.feed(message("this is bad"))
    event = message("and on")
    assert made.feed(event) == event.raw


def test_a_blocked_message_does_not_end_the_stream() -> None:
    made = window(bad(Action.BLOCK))
    assert made.feed(message("this is bad")).startswith(b"refused: ")
    assert made.blocked is None
    event = message("and on")
    assert made.feed(event) == event.raw


def test_an_event_that_holds_nothing_passes() -> None:
    assert window().feed(Event(b": ping\n\n", "", "")) == b": ping\n\n"


def test_what_cannot_be_read_follows_unscannable() -> None:
    torn = Event(b"{torn\n", "", "{torn")
    assert window(bad(Action.FLAG, "output")).feed(torn) == torn.raw
    assert Document(None, b"").changed is False


def test_a_stream_that_goes_on_for_ever_keeps_no_more_of_what_rules_said() -> None:
    made = window(bad(Action.REWRITE), FakeRule(Words("odd"), Action.FLAG, "q"))
    for number in range(50):
        made.feed(message(f"this is bad and odd {number}"))
    verdicts = made._guard.exchange.verdicts
    assert [(v.rule.id, v.entities) for v in verdicts] == [("r", {"BAD": 50}), ("q", {"ODD": 50})]


def test_what_was_said_of_the_request_stays_apart() -> None:
    made = window(bad(Action.FLAG))
    before = made._guard.exchange
    made.feed(message("bad"))
    first = list(before.verdicts)
    again = MessageWindow(Messages(), made._guard)
    again.feed(message("bad"))
    again.feed(message("bad"))
    assert before.verdicts[:1] == first
    assert [v.entities for v in before.verdicts] == [{"BAD": 1}, {"BAD": 2}]


def test_verdicts_that_differ_stay_apart() -> None:
    made = window(bad(Action.FLAG))
    made.feed(message("bad"))
    (one,) = made._guard.exchange.verdicts
    others = [replace(one, surface="output"), replace(one, shadow=True), replace(one, of_call=True)]
    assert merged([one, *others]) == [one, *others]
