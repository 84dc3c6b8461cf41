"""When sessions begin and end, how workers agree on it, and how long a run has worked."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.policy_file import Sessions
from gateway.config.rule_options import RuleOptions
from gateway.dialects.base import Step, StepKind
from gateway.dialects.registry import DIALECTS
from gateway.exchange import Exchange
from gateway.identity.session_book import PAUSE, SessionBook, counts_sessions, times_runs
from gateway.identity.task_outcomes import Facts
from gateway.message import Headers, Request
from gateway.state.store import Store, StoreError
from gateway.testing import make_call, make_exchange

KEY = b"k" * 32
SETTINGS = Sessions.model_validate({"idle": "30m", "max": "24h"})
T0 = 1_700_000_000.0


class Values:
    """The part of a store that the book uses; `down` makes it fail, `asked` counts."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.down = False
        self.asked = 0

    async def _ask(self) -> None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise StoreError("down")

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        await self._ask()
        assert ttl > 0
        self.kept[key] = value

    async def get(self, key: str) -> bytes | None:
        await self._ask()
        return self.kept.get(key)

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        await self._ask()
        assert ttl > 0
        return self.kept.setdefault(key, value) is value


def book(values: Values, capacity: int = 100) -> SessionBook:
    return SessionBook(cast("Store", values), KEY, capacity)


def exchange(now: float, name: str = "s", **kwargs: Any) -> Exchange:
    made = make_exchange(now=now, **kwargs)
    if name:
        made.request.headers.add("x-session-id", name)
    return made


async def visit(
    sessions: SessionBook, now: float, name: str = "s", *, shared: bool = True, lasts: float = 0.0
) -> str:
    """One whole call; returns the session's key."""
    made = exchange(now, name)
    seen = await sessions.enter(made, SETTINGS, shared=shared)
    await sessions.leave(made, seen, now + lasts)
    return made.identity.session


@pytest.mark.parametrize("shared", [True, False])
async def test_a_session_lives_while_it_is_used(shared: bool) -> None:
    sessions = book(Values())
    keys = {await visit(sessions, T0 + 1500 * n, shared=shared) for n in range(50)}
    assert len(keys) == 1


@pytest.mark.parametrize("shared", [True, False])
async def test_what_was_seen_of_a_session_is_told_by_its_key(shared: bool) -> None:
    sessions = book(Values())
    for moment in (T0, T0 + 100):
        made = exchange(moment)
        made.cost = 5
        seen = await sessions.enter(made, SETTINGS, shared=shared)
        await sessions.leave(made, seen, moment + 20)
    assert sessions.facts(made.identity.session) == Facts(2, 10, T0, T0 + 120)
    assert sessions.facts("s_" + "0" * 32) is None
    await visit(sessions, T0 + 9000, shared=shared)
    assert sessions.begun == 2


async def test_session_that_two_workers_meet_began_once_where_they_agree() -> None:
    values = Values()
    one, two = book(values), book(values)
    await visit(one, T0)
    await visit(two, T0 + 1)
    assert (one.begun, two.begun) == (1, 0)


@pytest.mark.parametrize("shared", [True, False])
async def test_a_silent_session_ends(shared: bool) -> None:
    sessions = book(Values())
    first = await visit(sessions, T0, shared=shared)
    assert await visit(sessions, T0 + 1800, shared=shared) == first
    assert await visit(sessions, T0 + 1800 + 1861, shared=shared) != first


@pytest.mark.parametrize("shared", [True, False])
async def test_a_busy_session_ends_at_its_greatest_age(shared: bool) -> None:
    sessions = book(Values())
    keys = [await visit(sessions, T0 + 600 * n, shared=shared) for n in range(150)]
    assert len(set(keys[:145])) == 1
    assert keys[144] != keys[145]
    assert len(set(keys[145:])) == 1


async def test_a_long_answer_is_no_silence() -> None:
    sessions = book(Values())
    first = await visit(sessions, T0, lasts=3000)
    assert await visit(sessions, T0 + 4000) == first


async def test_workers_agree_and_a_restart_changes_nothing() -> None:
    values = Values()
    one, two = book(values), book(values)
    first = await visit(one, T0)
    assert await visit(two, T0 + 10) == first
    assert await visit(book(values), T0 + 20) == first


async def test_a_session_that_another_worker_keeps_alive_does_not_end() -> None:
    values = Values()
    one, two = book(values), book(values)
    first = await visit(one, T0)
    for n in range(1, 6):
        assert await visit(two, T0 + 1000 * n) == first
    assert await visit(one, T0 + 5500) == first


async def test_workers_agree_on_the_session_after_the_end() -> None:
    values = Values()
    workers = [book(values) for _ in range(4)]
    first = [await visit(worker, T0) for worker in workers]
    later = await asyncio.gather(*(visit(worker, T0 + 9000) for worker in workers))
    assert len(set(first)) == 1
    assert len(set(later)) == 1
    assert later[0] != first[0]
    assert {await visit(worker, T0 + 20_000) for worker in workers}.isdisjoint({*first, *later})


async def test_parallel_first_calls_are_one_session() -> None:
    sessions = book(Values())
    assert len(set(await asyncio.gather(*(visit(sessions, T0 + n) for n in range(8))))) == 1
    assert len(sessions) == 1


async def test_a_known_session_does_not_ask_the_store() -> None:
    values = Values()
    sessions = book(values)
    await visit(sessions, T0)
    asked = values.asked
    for n in range(50):
        await visit(sessions, T0 + n)
    assert values.asked == asked
    await visit(sessions, T0 + 100)
    assert values.asked == asked + 1


async def test_where_nothing_is_counted_per_session_no_call_waits_for_the_store() -> None:
    values = Values()
    await visit(book(values), T0, shared=False)
    assert values.asked == 0


async def test_a_policy_that_begins_to_count_takes_the_session_to_the_store() -> None:
    values = Values()
    sessions = book(values)
    await visit(sessions, T0, shared=False)
    key = await visit(sessions, T0 + 1, shared=True)
    assert await visit(book(values), T0 + 2) == key


async def test_a_store_that_is_down_is_counted_and_stops_nobody() -> None:
    values = Values()
    values.down = True
    one, two = book(values), book(values)
    begun = await visit(one, T0)
    await visit(two, T0 + 5)
    assert one.failures
    values.down = False
    assert await visit(one, T0 + 10) == await visit(two, T0 + 11) == begun


async def test_a_session_that_begins_while_the_store_is_away_stays_the_same() -> None:
    values = Values()
    values.down = True
    sessions = book(values)
    begun = await visit(sessions, T0)
    assert await visit(sessions, T0 + 600) == begun
    values.down = False
    assert await visit(sessions, T0 + 1200) == begun
    asked = values.asked
    assert await visit(sessions, T0 + 1201) == begun
    assert values.asked == asked  # it was told once
    assert await visit(book(values), T0 + 1300) == begun


async def test_a_session_that_ended_while_the_store_was_away_begins_anew() -> None:
    values = Values()
    values.down = True
    sessions = book(values)
    begun = await visit(sessions, T0)
    values.down = False
    later = await visit(sessions, T0 + 3600)
    assert later != begun
    assert await visit(book(values), T0 + 3700) == later


async def test_a_session_that_the_store_knows_is_taken_up_again_when_it_is_back() -> None:
    values = Values()
    begun = await visit(book(values), T0)
    values.down = True
    sessions = book(values)
    assert await visit(sessions, T0 + 10) != begun
    values.down = False
    assert await visit(sessions, T0 + 20) == begun


async def test_the_book_is_bounded_and_finds_again_what_it_forgot() -> None:
    values = Values()
    sessions = book(values, capacity=4)
    first = await visit(sessions, T0, "s0")
    for n in range(1, 20):
        await visit(sessions, T0 + n, f"s{n}")
    assert len(sessions) == 4
    assert await visit(sessions, T0 + 30, "s0") == first


async def test_a_late_answer_does_not_revive_an_ended_session() -> None:
    values = Values()
    sessions = book(values)
    slow = exchange(T0)
    seen = await sessions.enter(slow, SETTINGS, shared=True)
    second = await visit(sessions, T0 + 5000)
    await sessions.leave(slow, seen, T0 + 5001)
    assert second != slow.identity.session
    assert await visit(book(values), T0 + 5002) == second


@given(st.lists(st.floats(min_value=0.001, max_value=5000), min_size=1, max_size=30))
def test_no_session_ends_early_nor_more_than_a_minute_late(gaps: list[float]) -> None:
    async def run() -> None:
        sessions = book(Values())
        now = start = T0
        key = await visit(sessions, now)
        for gap in gaps:
            now += gap
            after = await visit(sessions, now)
            if gap <= 1800 and now - start <= 86400:
                assert after == key
            if gap > 1860:
                assert after != key
            if after != key:
                key, start = after, now

    asyncio.run(run())


# --- answers that are continued ---


def response(now: float, *, previous: str = "", answer: str = "", store: Any = None) -> Exchange:
    call = make_call([("user", f"turn at {now}")])
    call.dialect = "openai_responses"
    call.previous_id = previous
    call.document.root["store"] = store
    made = exchange(now, "", call=call)
    made.answer_id = answer
    return made


async def turn(sessions: SessionBook, made: Exchange, **identity: str) -> str:
    for name, value in identity.items():
        setattr(made.identity, name, value)
    seen = await sessions.enter(made, SETTINGS, shared=True)
    await sessions.leave(made, seen, made.started + 1)
    return made.identity.session


async def test_a_chain_of_answers_is_one_session() -> None:
    values = Values()
    one, two = book(values), book(values)
    first = await turn(one, response(T0, answer="resp_1"))
    second = response(T0 + 10, previous="resp_1", answer="resp_2")
    assert await turn(two, second) == first
    assert second.identity.session_source == "previous_response_id"
    assert await turn(one, response(T0 + 20, previous="resp_2", answer="resp_3")) == first
    assert await turn(one, response(T0 + 30, previous="resp_1", answer="resp_4")) == first


async def test_what_is_fetched_belongs_to_the_session_that_made_it() -> None:
    sessions = book(Values())
    first = await turn(sessions, response(T0, answer="resp_1"))
    stored = DIALECTS["openai_stored"]
    for target in ("/v1/responses/resp_1?stream=true", "/v1/responses/resp_1/input_items"):
        made = make_exchange(stored.decode(Request("GET", target, Headers()), b""), now=T0 + 5)
        assert await turn(sessions, made) == first


async def test_a_conversation_of_the_providers_is_one_session() -> None:
    sessions = book(Values())
    stored, live = DIALECTS["openai_stored"], DIALECTS["openai_responses"]
    body = b'{"model": "gpt-5", "input": "Hello", "conversation": {"id": "conv_1"}}'
    target = "/v1/conversations/conv_1/items"
    calls = [
        stored.decode(Request("POST", target, Headers()), b'{"items": []}'),
        live.decode(Request("POST", "/v1/responses", Headers()), body),
        live.decode(
            Request("POST", "/v1/responses", Headers()),
            body.replace(b"Hello", b"Go on").replace(b'{"id": "conv_1"}', b'"conv_1"'),
        ),
        stored.decode(Request("GET", target, Headers()), b""),
    ]
    keys = {await turn(sessions, make_exchange(call, now=T0 + n)) for n, call in enumerate(calls)}
    assert len(keys) == 1


async def test_a_chain_that_nobody_remembers_begins_at_its_first_seen_answer() -> None:
    sessions = book(Values())
    first = await turn(sessions, response(T0, previous="resp_1", answer="resp_2"))
    assert await turn(sessions, response(T0 + 5, previous="resp_2")) == first
    assert await turn(sessions, response(T0 + 6, previous="resp_1")) == first


async def test_anothers_answer_leads_to_no_session_of_theirs() -> None:
    sessions = book(Values())
    theirs = await turn(sessions, response(T0, answer="resp_1"), credential="a")
    mine = await turn(sessions, response(T0 + 1, previous="resp_1"), credential="b")
    assert mine != theirs


async def test_only_answers_that_can_be_continued_are_remembered() -> None:
    values = Values()
    sessions = book(values)
    await turn(sessions, response(T0, answer="resp_1", store=False))
    named = response(T0, answer="resp_2")
    named.request.headers.add("session-id", "s")
    await turn(sessions, named)
    assert not [key for key in values.kept if key.startswith("answer:")]


# --- active time ---

HUMAN, MODEL = Step(StepKind.HUMAN), Step(StepKind.MODEL)


async def work(
    sessions: SessionBook, now: float, lasts: float, *steps: Step, held: float = 0.0
) -> float:
    """One timed call; returns the active seconds at its start."""
    made = exchange(now, call=make_call([("user", "go")], steps=steps))
    seen = await sessions.enter(made, SETTINGS, shared=True, timed=True)
    await sessions.leave(made, seen, now + lasts, held=held)
    return made.active_seconds


async def test_active_time_is_calls_and_short_gaps() -> None:
    sessions = book(Values())
    assert await work(sessions, T0, 10, HUMAN) == 0
    assert await work(sessions, T0 + 15, 10, HUMAN, MODEL) == pytest.approx(15)
    assert await work(sessions, T0 + 25, 10, HUMAN, MODEL, MODEL) == pytest.approx(25)


async def test_pauses_and_holds_are_no_work() -> None:
    sessions = book(Values())
    await work(sessions, T0, 40, HUMAN, held=30)
    later = T0 + 40 + PAUSE + 1
    assert await work(sessions, later, 5, HUMAN, MODEL) == pytest.approx(10)


async def test_a_human_message_begins_the_count_anew() -> None:
    sessions = book(Values())
    await work(sessions, T0, 60, HUMAN)
    assert await work(sessions, T0 + 70, 5, HUMAN, MODEL, HUMAN) == 0


async def test_parallel_calls_work_once() -> None:
    sessions = book(Values())
    calls = []
    for n in range(3):
        made = exchange(T0 + n, call=make_call([("user", "go")], steps=[HUMAN]))
        calls.append((made, await sessions.enter(made, SETTINGS, shared=True, timed=True)))
    for made, seen in calls:
        await sessions.leave(made, seen, T0 + 20)
    assert await work(sessions, T0 + 20, 1, HUMAN, MODEL) == pytest.approx(20)


async def test_a_history_that_the_provider_keeps_goes_on_without_a_human() -> None:
    sessions = book(Values())

    async def step(now: float, previous: str, *steps: Step) -> float:
        call = make_call([], steps=steps)
        call.previous_id = previous
        made = exchange(now, call=call)
        seen = await sessions.enter(made, SETTINGS, shared=True, timed=True)
        await sessions.leave(made, seen, now + 10)
        return made.active_seconds

    assert await step(T0, "", HUMAN) == 0
    assert await step(T0 + 10, "r1") == pytest.approx(10)
    assert await step(T0 + 20, "r2") == pytest.approx(20)
    assert await step(T0 + 30, "r3", HUMAN) == 0


async def test_active_time_survives_a_restart() -> None:
    values = Values()
    sessions = book(values)
    await work(sessions, T0, 100, HUMAN)
    assert await work(book(values), T0 + 100, 1, HUMAN, MODEL) == pytest.approx(100)


def test_which_rules_count_sessions() -> None:
    def options(**fields: Any) -> RuleOptions:
        return cast("RuleOptions", SimpleNamespace(**fields))

    assert not counts_sessions([options(), options(per="tenant", window="day")])
    assert not counts_sessions([options(per=["tenant", "user"])])
    assert counts_sessions([options(), options(per="session")])
    assert counts_sessions([options(per=["tenant", "session"])])
    assert counts_sessions([options(per="tenant", window="session")])
    assert counts_sessions([options(max_active=60.0)])
    assert times_runs([options(max_active=60.0)])
    assert not times_runs([options(max_active=None), options(per="session")])
