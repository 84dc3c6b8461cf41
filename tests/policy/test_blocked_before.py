"""A message that was blocked does not block the conversation for good."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.policy.blocked_before import MOST
from gateway.policy.pipeline import Pipeline
from gateway.state.memory import MemoryStore
from gateway.state.store import StoreError
from gateway.testing import make_call, make_exchange
from gateway.verdict import Action
from tests.policy.fakes import DictCache, FakeRule, Words

STRUCK = "[removed by Portcullis: pattern_found]"


class Conversation:
    """Requests of one session to a pipeline that blocks `bad`."""

    def __init__(self, session: str = "s1", store: Any = None) -> None:
        self.store = store or MemoryStore(lambda: 1_700_000_000.0)
        self.session = session
        self.operation = "chat"
        rule = FakeRule(Words("bad"), Action.BLOCK, "r")
        self.pipeline = Pipeline([rule], DictCache(), lambda text: f"d{hash(text)}")

    async def send(self, *texts: str | tuple[str, str]) -> list[str] | None:
        """What goes upstream; None where the request is blocked."""
        call = make_call([("user", text) if isinstance(text, str) else text for text in texts])
        call.operation = self.operation
        exchange = make_exchange(call, session=self.session)
        stopped = await self.pipeline.on_request(exchange, self.store)
        return None if stopped is not None else [segment.text for segment in call.segments]


async def test_a_blocked_message_is_struck_out_once_the_conversation_goes_on() -> None:
    talk = Conversation()
    assert await talk.send("a bad thing") is None
    assert await talk.send("a bad thing", "sorry") == [f"a {STRUCK} thing", "sorry"]
    assert await talk.send("a bad thing", "sorry", "more") == [
        f"a {STRUCK} thing",
        "sorry",
        "more",
    ]


async def test_a_line_end_that_an_agent_puts_behind_it_does_not_make_it_another() -> None:
    talk = Conversation()
    assert await talk.send("a bad thing") is None
    assert await talk.send("a bad thing\n") is None
    assert await talk.send("a bad thing\n", "sorry") == [f"a {STRUCK} thing\n", "sorry"]


async def test_the_same_request_again_is_blocked_again() -> None:
    talk = Conversation()
    for _ in range(3):
        assert await talk.send("hello", "a bad thing", "thanks") is None


async def test_a_new_forbidden_message_is_blocked_beside_an_old_one() -> None:
    talk = Conversation()
    assert await talk.send("bad one") is None
    assert await talk.send("bad one", "bad two") is None
    assert await talk.send("bad one", "bad two", "ok") == [f"{STRUCK} one", f"{STRUCK} two", "ok"]


async def test_what_comes_for_the_first_time_is_blocked_whatever_follows_it() -> None:
    assert await Conversation().send("a bad thing", "and more") is None


async def test_sessions_do_not_mix_and_without_one_nothing_is_remembered() -> None:
    one = Conversation()
    assert await one.send("bad") is None
    assert await Conversation("s2", one.store).send("bad", "more") is None
    nobody = Conversation("", one.store)
    assert await nobody.send("bad") is None
    assert await nobody.send("bad", "more") is None


@pytest.mark.parametrize("surface", ["system", "tool_definition"])
async def test_what_is_no_message_is_blocked_every_time(surface: str) -> None:
    talk = Conversation()
    assert await talk.send((surface, "bad"), "hi") is None
    assert await talk.send((surface, "bad"), "hi", "again") is None


async def test_no_more_is_remembered_than_its_bound() -> None:
    talk = Conversation()
    many = [f"bad {number}" for number in range(MOST + 1)]
    assert await talk.send(*many) is None
    assert await talk.send(*many, "more") is None
    assert await talk.send(*many[:MOST], "more") is not None


async def test_a_store_that_does_not_answer_changes_nothing() -> None:
    class Down(MemoryStore):
        async def get(self, key: str) -> bytes | None:
            raise StoreError("down")

        async def put(self, key: str, value: bytes, ttl: float) -> None:
            raise StoreError("down")

    talk = Conversation(store=Down(lambda: 0.0))
    assert await talk.send("bad") is None
    assert await talk.send("bad", "more") is None


async def test_the_store_gets_digests_and_no_text() -> None:
    talk = Conversation()
    await talk.send("a bad thing")
    kept = repr(talk.store._values)
    assert "blocked:s1:d" in kept
    assert "bad thing" not in kept


async def test_a_tool_is_sent_no_history_so_insisting_does_not_help() -> None:
    talk = Conversation()
    talk.operation = "tool"
    assert await talk.send("a bad thing") is None
    assert await talk.send("a bad thing", "and something else") is None
