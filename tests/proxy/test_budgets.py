"""Budgets on the wire: answers that are cut, downgraded or the last ones; nothing stays reserved
and nothing unpaid, however a call ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from gateway.exchange import Exchange
from gateway.state.store import Claim, Level
from gateway.testing import answers, gemini_answers
from gateway.testing.answers import Say
from gateway.worker import Parts
from tests.proxy.conftest import JSON, Bench, Start, chat, said
from tests.proxy.wire import SSE_HEAD, Connection, Message, Script, answer, chunk, stream

WORDS = 40 * 5  # bytes of one piece: 50 tokens as they are estimated
PIECES = tuple("word " * 40 for _ in range(60))
LONG = Say(pieces=PIECES, usage=(30, 3000))
STEP = 256

MESSAGES = [{"role": "user", "content": "go on"}]
ASKED: dict[str, tuple[str, dict[str, Any], Callable[[Say], list[bytes]]]] = {
    "openai_chat": (
        "/v1/chat/completions",
        {"model": "gpt-4o-mini", "messages": MESSAGES, "stream": True, "max_tokens": 4000},
        lambda say: answers.chat_stream(say, usage=True),
    ),
    "openai_responses": (
        "/v1/responses",
        {"model": "gpt-4o-mini", "input": "go on", "stream": True, "max_output_tokens": 4000},
        answers.responses_stream,
    ),
    "anthropic_messages": (
        "/v1/messages",
        {"model": "claude-haiku-4-5", "messages": MESSAGES, "stream": True, "max_tokens": 4000},
        answers.messages_stream,
    ),
    "gemini": (
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        {
            "contents": [{"role": "user", "parts": [{"text": "go on"}]}],
            "generationConfig": {"maxOutputTokens": 4000},
        },
        lambda say: list(gemini_answers.as_events(gemini_answers.generate_stream(say))),
    ),
}
ENDINGS = {
    "openai_chat": b'"code":"budget_exceeded"',
    "openai_responses": b"response.failed",
    "anthropic_messages": b"message_stop",
    "gemini": b'"error"',
}


class Books:
    """What the gateway took from its store."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []
        self.settled: list[str] = []

    def watch(self, parts: Parts) -> None:
        self.store = parts.store
        admit, settle = parts.store.admit, parts.store.settle

        async def admitting(claims: Any) -> Any:
            self.claims += claims
            return await admit(claims)

        async def settling(lease: str, amounts: Any) -> Any:
            self.settled.append(lease)
            return await settle(lease, amounts)

        parts.store.admit = admitting  # type: ignore[method-assign]
        parts.store.settle = settling  # type: ignore[method-assign]

    def level(self, bench: Bench) -> Level:
        bench.gateway.idle()
        level = bench.gateway.do(self.store.peek(self.claims[0].key))
        assert level is not None
        return level


def budget(limit: str, **keys: Any) -> dict[str, Any]:
    return {"kind": "budget", "id": "b", "per": "tenant", "limit": limit, **keys}


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.mark.parametrize("dialect", ASKED)
def test_a_stream_that_reaches_its_budget_is_cut_in_the_dialect_s_own_way(
    start: Start, books: Books, dialect: str
) -> None:
    path, asked, made = ASKED[dialect]
    bench = start(
        budget("4000 tokens", reserve_output=STEP),
        arrange=books.watch,
        script=lambda got: Script([SSE_HEAD, *map(chunk, made(LONG)[:-3])], then="hang"),
    )
    reply = bench.post(orjson.dumps({**asked, **_tight(asked)}), target=path)
    assert reply.status == 200
    assert ENDINGS[dialect] in reply.body
    assert b"reached it" in reply.body
    assert b"word word" in reply.body
    assert len(reply.body) < len(b"".join(made(LONG)))
    assert bench.upstream.hung_up.wait(20)  # the provider writes no more of it
    record = bench.record(reply)
    assert (record["outcome"], record["reason"]) == ("blocked", "budget_exceeded")
    tried, extended = record["limits"]["tried"], record["limits"]["extended"]
    assert all(each["refused"] for each in tried)
    assert len({each["serial"] for each in (*tried, *extended)}) == len(tried) + len(extended) > 1
    level = books.level(bench)
    assert level.reserved == 0
    assert STEP <= level.used <= 4000
    assert len(books.settled) == len(set(books.settled)) > 1


def _pieces(seen: bytes) -> int:
    """Whole pieces that have come."""
    return seen.count(b"word ") // 40


def _tight(asked: dict[str, Any]) -> dict[str, Any]:
    """Text that takes so much of the budget that the whole answer does not fit."""
    text = "x " * 1100
    if "contents" in asked:
        return {"contents": [{"role": "user", "parts": [{"text": text}]}]}
    if "input" in asked:
        return {"input": text}
    return {"messages": [{"role": "user", "content": text}]}


def test_a_stream_for_which_there_is_enough_passes_as_it_came_and_pays_what_it_used(
    start: Start, books: Books
) -> None:
    path, asked, made = ASKED["anthropic_messages"]
    events = made(LONG)
    bench = start(
        budget("9000 tokens", reserve_output=STEP),
        arrange=books.watch,
        script=lambda got: stream(events),
    )
    reply = bench.post(orjson.dumps(asked), target=path)
    assert reply.body == b"".join(events)
    level = books.level(bench)
    assert (level.used, level.reserved) == (3030, 0)
    assert len(books.claims) > 5


def test_a_provider_that_writes_more_than_it_was_asked_for_is_cut_at_the_budget(
    start: Start, books: Books
) -> None:
    events = answers.chat_stream(LONG, usage=False)
    bench = start(
        budget("600 tokens"),
        arrange=books.watch,
        script=lambda got: Script([SSE_HEAD, *map(chunk, events)], then="hang"),
    )
    reply = bench.post(chat(stream=True, max_tokens=100))
    assert b'"code":"budget_exceeded"' in reply.body
    assert bench.upstream.hung_up.wait(20)
    assert books.level(bench).reserved == 0


def test_a_cut_before_anything_left_is_an_error_of_its_own(start: Start, books: Books) -> None:
    """A content rule held the opening back, and the first piece is too much."""
    events = answers.chat_stream(Say(pieces=("x" * 400,)), usage=False)
    bench = start(
        budget("600 tokens"),
        {"kind": "patterns", "deny": ["x{500}"], "surfaces": ["output"], "action": "block"},
        arrange=books.watch,
        script=lambda got: Script([SSE_HEAD, *map(chunk, events[:2])], then="hang"),
    )
    reply = bench.post(chat(stream=True, max_tokens=10))
    assert reply.status == 400
    assert b"budget_exceeded" in reply.body
    assert b"xxx" not in reply.body


def test_hanging_up_in_a_stream_settles_all_that_it_took(start: Start, books: Books) -> None:
    path, asked, made = ASKED["openai_chat"]
    events = made(LONG)
    half = len(events) // 2
    bench = start(
        budget("9000 tokens", reserve_output=STEP),
        arrange=books.watch,
        script=lambda got: Script([SSE_HEAD, *map(chunk, events[:half])], then="hang"),
    )
    with Connection(bench.base) as connection:
        connection.send("POST", path, orjson.dumps(asked), [JSON])
        connection.head()
        seen = b""
        while _pieces(seen) < half - 4:
            seen += connection.reader.chunk()
        connection.hang_up()
    assert bench.upstream.hung_up.wait(20)
    level = books.level(bench)
    assert level.reserved == 0
    assert level.used >= (half - 4) * WORDS // 4
    assert len(books.settled) == len(books.claims) > 2


def test_an_upstream_that_breaks_off_in_a_stream_is_paid_for_what_came(
    start: Start, books: Books
) -> None:
    path, asked, made = ASKED["openai_chat"]
    bench = start(
        budget("9000 tokens", reserve_output=STEP),
        arrange=books.watch,
        script=lambda got: Script([SSE_HEAD, *map(chunk, made(LONG)[:30])], then="reset"),
    )
    with Connection(bench.base) as connection:
        connection.send("POST", path, orjson.dumps(asked), [JSON])
        connection.head()
        seen = b""
        while more := connection.reader.more():
            seen += more
    level = books.level(bench)
    assert level.reserved == 0
    assert level.used >= _pieces(seen) * WORDS // 4 > 1000


def test_a_call_that_hangs_up_before_it_is_sent_costs_nothing(start: Start, books: Books) -> None:
    """Cancelled between its admission and the provider: in the record's opening line."""
    reached, go_on = threading.Event(), threading.Event()

    def arrange(parts: Parts) -> None:
        books.watch(parts)
        opened = parts.closer.open

        async def slow(exchange: Exchange) -> None:
            await opened(exchange)
            reached.set()
            await asyncio.to_thread(go_on.wait, 20)

        parts.closer.open = slow  # type: ignore[method-assign]

    bench = start(budget("9000 tokens"), arrange=arrange)
    with Connection(bench.base) as connection:
        connection.send("POST", "/v1/chat/completions", chat(max_tokens=50), [JSON])
        assert reached.wait(20)
        connection.hang_up()
    while bench.gateway.do(_running(bench)):
        pass
    go_on.set()
    assert bench.upstream.got == []
    level = books.level(bench)
    assert (level.used, level.reserved) == (0, 0)


async def _running(bench: Bench) -> int:
    return len(bench.gateway.parts.closer.running)


# --- announced once ---


def test_each_step_is_announced_by_one_call_and_one_that_a_settlement_passes_at_once(
    start: Start, books: Books
) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 150, "total_tokens": 250}
    body = orjson.dumps({**orjson.loads(said()), "usage": usage})
    bench = start(
        budget("1000 tokens", warn_at=["20%", "25%", "50%"]),
        arrange=books.watch,
        script=lambda got: answer(body),
    )
    told = []
    for _ in range(3):
        record = bench.record(bench.post(chat(max_tokens=10)))
        told.append([v["what"] for v in record["verdicts"]] if "verdicts" in record else [])
    assert [len(each) for each in told] == [2, 1, 0]


# --- spent ---


SPENT = orjson.dumps(
    {
        **orjson.loads(said()),
        "usage": {"prompt_tokens": 4000, "completion_tokens": 4000, "total_tokens": 8000},
    }
)


def test_one_last_answer_and_then_none(start: Start, books: Books) -> None:
    bodies = [SPENT, said(), said()]
    bench = start(
        budget("10000 tokens", on_exhausted="wrap_up", keep_back="15%"),
        arrange=books.watch,
        script=lambda got: answer(bodies.pop(0)),
    )
    assert bench.post(chat(max_tokens=1000)).get("x-portcullis-budget") == ""
    last = bench.post(chat(max_tokens=1000))
    assert (last.status, last.get("x-portcullis-verdict")) == (200, "rewrite")
    assert last.get("x-portcullis-budget") == "last answer"
    third = bench.post(chat(max_tokens=1000))
    assert (third.status, third.get("x-portcullis-reason")) == (400, "budget_exceeded")
    assert b"its last answer was given" in third.body
    level = books.level(bench)
    assert (level.used, level.reserved) == (8017, 0)


def test_a_last_answer_that_the_provider_failed_to_give_may_still_be_given(
    start: Start, books: Books
) -> None:
    scripts = [answer(SPENT), answer(b'{"error":{}}', "500 X"), answer(said()), answer(said())]
    bench = start(
        budget("10000 tokens", on_exhausted="wrap_up", keep_back="15%"),
        arrange=books.watch,
        script=lambda got: scripts.pop(0),
    )
    got = [bench.post(chat(max_tokens=1000)).status for _ in range(4)]
    assert got == [200, 500, 200, 400]


def test_a_call_goes_to_the_cheaper_model_and_pays_its_price(start: Start, books: Books) -> None:
    def script(got: Message) -> Script:
        model = orjson.loads(got.body)["model"]
        return answer(orjson.dumps({**orjson.loads(said()), "model": model}))

    bench = start(
        budget("$0.005", on_exhausted="downgrade", downgrade_to="gpt-4o-mini"),
        arrange=books.watch,
        script=script,
    )
    body = orjson.dumps({"model": "gpt-4o", "messages": MESSAGES, "max_tokens": 1000})
    reply = bench.post(body)
    assert orjson.loads(reply.body)["model"] == "gpt-4o-mini"
    assert reply.get("x-portcullis-verdict") == "rewrite"
    assert reply.get("x-portcullis-budget") == "downgraded"
    assert books.level(bench).used == 12 * 150 + 5 * 600
    assert bench.record(reply)["model"] == "gpt-4o-mini"
