"""What a session came to: the first word counts, whoever hears it."""

from __future__ import annotations

import pytest

from gateway.identity.task_outcomes import SESSION, Facts, TaskOutcome, TaskOutcomes
from gateway.state.memory import MemoryStore
from gateway.state.store import StoreError
from gateway.testing import make_exchange

KEY = "s_" + "0f" * 16
FACTS = Facts(3, 2_000_000_000, 100.0, 160.0)


class Book:
    def facts(self, session: str) -> Facts | None:
        return FACTS if session == KEY else None


class Away(MemoryStore):
    async def add(self, *_: object) -> bool:
        raise StoreError("away")


class Desk:
    def __init__(self, store: MemoryStore) -> None:
        self.counted: list[tuple[str, Facts | None]] = []
        self.failed: list[str] = []
        self.outcomes = TaskOutcomes(
            store, Book(), lambda *what: self.counted.append(what), self.failed.append
        )


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(lambda: 1000.0)


async def test_first_outcome_of_a_session_is_counted_with_what_is_known_of_it(
    store: MemoryStore,
) -> None:
    desk = Desk(store)
    facts = desk.outcomes.facts(KEY)
    assert await desk.outcomes.report(KEY, TaskOutcome.SUCCESS, facts) is None
    assert desk.counted == [("success", FACTS)]


async def test_second_worker_hears_what_the_first_has_counted(store: MemoryStore) -> None:
    first, second = Desk(store), Desk(store)
    await first.outcomes.report(KEY, TaskOutcome.FAILURE, None)
    assert await second.outcomes.report(KEY, TaskOutcome.SUCCESS, None) is TaskOutcome.FAILURE
    assert await second.outcomes.report(KEY, TaskOutcome.FAILURE, None) is TaskOutcome.FAILURE
    assert second.counted == []


async def test_call_tells_of_its_own_session(store: MemoryStore) -> None:
    desk = Desk(store)
    exchange = make_exchange()
    exchange.identity.session, exchange.identity.outcome = KEY, "escalated"
    await desk.outcomes.of_call(exchange)
    assert desk.counted == [("escalated", FACTS)]


async def test_call_that_was_refused_before_it_had_a_session_tells_nothing(
    store: MemoryStore,
) -> None:
    desk = Desk(store)
    exchange = make_exchange()
    exchange.identity.session, exchange.identity.outcome = "", "success"
    await desk.outcomes.of_call(exchange)
    assert desk.counted == []


async def test_without_the_store_nothing_is_counted_twice_and_it_shows() -> None:
    desk = Desk(Away(lambda: 0.0))
    with pytest.raises(StoreError):
        await desk.outcomes.report(KEY, TaskOutcome.SUCCESS, None)
    exchange = make_exchange()
    exchange.identity.session, exchange.identity.outcome = KEY, "success"
    await desk.outcomes.of_call(exchange)
    assert (desk.counted, desk.failed) == ([], ["outcome", "outcome"])


def test_session_keys_are_told_from_other_words() -> None:
    assert SESSION.fullmatch(KEY)
    assert not SESSION.fullmatch(KEY + "0")
    assert not SESSION.fullmatch("ptx_0193")
