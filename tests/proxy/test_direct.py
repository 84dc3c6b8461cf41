"""Pieces of a stream go straight to the caller while nothing is held back, and not beyond that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import orjson
import pytest

from gateway.dialects.sse import EventReader
from gateway.errors import UpstreamError
from gateway.message import Headers, Request
from gateway.policy.meter import Meter
from gateway.policy.rule import Held, Rule
from gateway.policy.stream_window import StreamWindow
from gateway.proxy.body import StreamUnpacker
from gateway.proxy.direct import Chain, Direct
from gateway.testing import make_exchange
from gateway.verdict import Action
from tests.policy.fakes import FakeRule, Words, make_guard
from tests.policy.test_cases import DIALECTS
from tests.proxy.conftest import chat


def said(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}}
    return b"data: " + orjson.dumps({"choices": [choice]}) + b"\n\n"


class Way:
    """A stream of chat on its way, and what the caller has got."""

    def __init__(self, *rules: Rule, room: bool = True, encoding: str = "") -> None:
        body = chat(stream=True)
        call = DIALECTS["openai_chat"].decode(
            Request("POST", "/v1/chat/completions", Headers(), body), body
        )
        self.exchange = make_exchange(call)
        stream = DIALECTS["openai_chat"].open_stream(call)
        window = StreamWindow(stream, make_guard(rules, self.exchange), "x1")
        self.direct = Direct(EventReader(), StreamUnpacker(encoding), window, self.exchange)
        self.direct.write = self._write
        self.got: list[bytes] = []
        self._room = room

    def _write(self, piece: bytes) -> bool:
        self.got.append(piece)
        return self._room


def test_what_nobody_holds_goes_straight_on() -> None:
    way = Way()
    assert way.direct(said("Hello"))
    assert way.got == [said("Hello")]
    assert way.exchange.bytes_out == len(said("Hello"))


def test_half_an_event_waits_and_asks_for_more() -> None:
    way = Way()
    event = said("Hello")
    assert way.direct(event[:9])
    assert way.got == []
    assert way.direct(event[9:])
    assert way.got == [event]


def test_the_task_takes_over_where_something_is_held_back() -> None:
    way = Way(FakeRule(Words("badger"), Action.REWRITE, "r", unscannable="allow"))
    way.direct(said("A"))
    assert not way.direct(said(" bad"))
    assert way.direct.halted
    assert way.direct.error is None


def test_the_task_sends_the_end_for_it_closes_the_record_first() -> None:
    way = Way()
    assert not way.direct(b"data: [DONE]\n\n")
    assert (way.got, way.direct.out) == ([], b"data: [DONE]\n\n")


def test_a_caller_that_reads_slowly_is_waited_for() -> None:
    assert not Way(room=False).direct(said("Hello"))


def test_where_more_must_be_reserved_the_task_looks_after_it_before_the_piece_leaves() -> None:
    way = Way()
    way.exchange.claim_rules = [None]
    way.direct.meter = Meter(way.exchange, {0: Held(tokens=4, most=100, step=2)})
    assert way.direct(said("a" * 9))
    assert not way.direct(said("b"))
    assert way.direct.due
    assert (way.got, way.direct.out) == ([said("a" * 9)], said("b"))


def test_an_error_is_kept_for_the_task_to_raise() -> None:
    way = Way(encoding="gzip")
    assert not way.direct(b"this is no gzip at all")
    assert isinstance(way.direct.error, UpstreamError)


def test_the_first_piece_comes_before_the_rest_and_the_end_is_passed_on() -> None:
    closed = []

    async def rest() -> AsyncGenerator[bytes, None]:
        try:
            yield b"two"
            yield b"three"
        finally:
            closed.append(True)

    async def read() -> list[bytes]:
        chain = Chain(b"one", rest(), None)
        chain.write_by(lambda piece: True)  # nothing goes by it
        got = [await anext(chain), await anext(chain)]
        await chain.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(chain)
        return got

    assert asyncio.run(read()) == [b"one", b"two"]
    assert closed == [True]
