"""Recorded streams of both dialects inside the real window, and then read by the real SDKs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from gateway.dialects.anthropic_stream import AnthropicStream
from gateway.dialects.base import AnswerStream
from gateway.dialects.responses_stream import ResponsesStream
from gateway.policy.rule import Rule
from gateway.policy.stream_window import StreamWindow
from gateway.testing import make_exchange
from gateway.verdict import Action
from tests.dialects.driving import anthropic_message, events_of, openai_events
from tests.dialects.transcripts import streams
from tests.policy.fakes import DenyTools, FakeRule, Words, make_guard

BOTH: list[tuple[str, Callable[[], AnswerStream], Callable[[bytes], Any]]] = [
    ("anthropic_messages", AnthropicStream, anthropic_message),
    ("openai_responses", ResponsesStream, openai_events),
]
REFUSALS = (RuntimeError, ValueError, AttributeError, openai.APIError, anthropic.APIError)


def send(stream: AnswerStream, raw: bytes, *rules: Rule) -> tuple[bytes, list[str]]:
    """What leaves the window, and the names of the calls that it judged."""
    exchange = make_exchange()
    window = StreamWindow(stream, make_guard(rules, exchange), "x1")
    out = b"".join([window.feed(event) for event in events_of(raw)]) + window.end()
    return out, [call.name for call in exchange.tool_calls]


def taken(read: Callable[[bytes], Any], raw: bytes) -> bool:
    """Whether the SDK takes a recording as it is; it refuses a few."""
    try:
        read(raw)
    except REFUSALS:
        return False
    return raw.count(b"event: message_start") < 2


@pytest.mark.parametrize(("dialect", "make", "read"), BOTH)
def test_what_is_held_and_judged_leaves_as_it_came(
    dialect: str, make: Callable[[], AnswerStream], read: Callable[[bytes], Any]
) -> None:
    holding = FakeRule(Words("the " * 40), Action.REWRITE, "hold")
    for row in streams(dialect):
        raw = row["response"].encode()
        assert send(make(), raw, holding, DenyTools("nothing"))[0] == raw, row["id"]


@pytest.mark.parametrize(("dialect", "make", "read"), BOTH)
def test_the_sdks_read_what_a_rule_changed_cut_or_took_out(
    dialect: str, make: Callable[[], AnswerStream], read: Callable[[bytes], Any]
) -> None:
    rewrite = FakeRule(Words(" the ", " a "), Action.REWRITE, "rewrite")
    block = FakeRule(Words(" the "), Action.BLOCK, "block")
    for row in streams(dialect):
        raw = row["response"].encode()
        if not taken(read, raw):
            continue
        out, names = send(make(), raw, rewrite, DenyTools("nothing"))
        read(out)
        for name in dict.fromkeys(names):
            read(send(make(), raw, DenyTools(name))[0])
        cut, _ = send(make(), raw, block)
        if cut:  # else nothing had left, and the caller gets an error of its own
            read(cut)
