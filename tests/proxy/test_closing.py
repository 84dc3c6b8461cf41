"""However a call ends, it is settled, recorded and counted, once, before its caller's last byte."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import AsyncMock, Mock

import orjson
import pytest

from gateway.dialects.base import Call, Usage
from gateway.errors import OwnError
from gateway.exchange import Exchange, Extension
from gateway.policy.meter import BYTES_HELD
from gateway.proxy.closing import Closer, leases, used
from gateway.state.store import Admission, Level, StoreError
from gateway.testing import answers, make_call, make_exchange
from gateway.testing.answers import Say
from gateway.verdict import Reason
from gateway.worker import Parts
from tests.policy.test_meter import STEP, Stream, Watched
from tests.proxy.conftest import JSON, Bench, Start, chat, said
from tests.proxy.wire import SSE_HEAD, Connection, Script, answer, chunk, stream

STREAMED = chat(stream=True)
BUDGET = {"kind": "budget", "per": "tenant", "window": "total", "limit": "10k tokens"}


def spent(bench: Bench) -> Level:
    """How the tenant's budget stands."""

    async def look() -> Level:
        store: Any = bench.gateway.parts.store
        admission: Admission = await store.admit(
            [claim for claim in CLAIMS[-1] if claim.refill is None]
        )
        await store.settle(admission.lease, [0] * len(admission.levels))
        [level] = admission.levels
        return level

    return bench.gateway.do(look())


CLAIMS: list[Any] = []


@pytest.fixture
def budgeted(start: Start) -> Callable[..., Bench]:
    """A gateway with a token budget; what its calls claim is noted in `CLAIMS`."""

    def note(parts: Parts) -> None:
        admit = parts.store.admit

        async def noting(claims: Any) -> Admission:
            if claims:
                CLAIMS.append([_free(claim) for claim in claims])
            return await admit(claims)

        parts.store.admit = noting  # type: ignore[method-assign]

    def make(**more: Any) -> Bench:
        return start(BUDGET, arrange=note, **more)

    return make


def _free(claim: Any) -> Any:
    from dataclasses import replace

    return replace(claim, amount=0)


# --- before the last byte ---


def test_the_record_of_a_whole_answer_is_written_before_its_last_byte(start: Start) -> None:
    bench = start()
    for _ in range(20):
        reply = bench.post(chat())
        assert bench.record(reply)["outcome"] == "answered"  # read as soon as the reply is here


@pytest.mark.parametrize(
    "events",
    [
        answers.chat_stream(Say(), usage=False),
        answers.responses_stream(Say()),
        answers.messages_stream(Say()),
    ],
    ids=["chat", "responses", "messages"],
)
def test_the_record_of_a_stream_is_written_before_its_last_event(
    start: Start, events: list[bytes]
) -> None:
    """Upstream has said all, but has not ended its answer: the record must be there already."""
    never = threading.Event()
    bench = start(script=lambda got: Script([SSE_HEAD, *map(chunk, events), never]))
    target = {b"d": "/v1/chat/completions", b"r": "/v1/responses", b"m": "/v1/messages"}
    kind = events[-1][:1] if events[-1].startswith(b"d") else events[-1][7:8]
    with Connection(bench.base) as connection:
        body = chat(stream=True, input="hi", max_tokens=9)
        connection.send("POST", target[kind], body, [JSON])
        head = connection.head()
        seen = b""
        while not seen.endswith(events[-1]):
            seen += connection.reader.chunk()
        record = bench.record(head)
    assert (record["outcome"], record["usage"].get("estimated", False)) == (
        "answered",
        kind == b"d",
    )
    never.set()


def test_a_refusal_is_recorded_before_it_is_sent(start: Start) -> None:
    bench = start({"kind": "model", "allow": ["x"]})
    assert bench.record(bench.post(chat()))["outcome"] == "refused"


def test_the_opened_line_is_written_before_upstream_is_called(start: Start) -> None:
    opened: list[int] = []

    def script(got: object) -> Script:
        opened.append(len(bench.gateway.records("opened")))
        return answer(said())

    bench = start(script=script)
    bench.post(chat())
    bench.post(chat())
    assert opened == [1, 2]


def test_a_policy_that_wants_records_on_disk_waits_for_them(start: Start) -> None:
    flushed: list[int] = []

    def watch(parts: Parts) -> None:
        flush = parts.audit.flushed

        async def noting() -> None:
            await flush()
            flushed.append(len(bench.upstream.got))

        parts.audit.flushed = noting  # type: ignore[method-assign]

    bench = start(arrange=watch, audit={"durability": "sync"})
    bench.post(chat())
    assert flushed == [0, 1]  # before upstream is called, and before the reply


# --- who hangs up ---


def test_hanging_up_on_a_stream_ends_the_providers_work_and_is_counted(
    budgeted: Callable[..., Bench],
) -> None:
    events = answers.messages_stream(Say(pieces=("word " * 40, "more " * 40), usage=(30, 5)))[:4]
    bench = budgeted(script=lambda got: Script([SSE_HEAD, *map(chunk, events)], then="hang"))
    with Connection(bench.base) as connection:
        body = chat(stream=True, max_tokens=500)
        connection.send("POST", "/v1/messages", body, [JSON])
        head = connection.head()
        while b"word" not in connection.reader.chunk():
            pass
        connection.hang_up()
    assert bench.upstream.hung_up.wait(20)
    bench.gateway.idle()
    record = bench.record(head)
    assert (record["outcome"], record["reason"], record["status"]) == (
        "cancelled",
        "client_gone",
        200,
    )
    assert record["usage"]["input"] == 30  # the provider said so at the start
    assert record["usage"]["output"] >= 50  # what came, by its length
    assert record["usage"]["estimated"] is True
    level = spent(bench)
    assert level.used == record["usage"]["input"] + record["usage"]["output"]
    assert level.reserved == 0


def test_hanging_up_before_the_answer_ends_the_providers_work_and_is_counted(
    budgeted: Callable[..., Bench],
) -> None:
    arrived = threading.Event()

    def script(got: object) -> Script:
        arrived.set()
        return Script([], then="hang")

    bench = budgeted(script=script)
    with Connection(bench.base) as connection:
        connection.send("POST", "/v1/chat/completions", chat("Hello " * 40, max_tokens=50), [JSON])
        assert arrived.wait(20)
        connection.hang_up()
    assert bench.upstream.hung_up.wait(20)
    bench.gateway.idle()
    [record] = bench.gateway.records()
    assert (record["outcome"], record["status"]) == ("cancelled", 499)
    assert record["usage"]["estimated"] is True
    assert spent(bench).used == record["usage"]["input"] > 40
    assert spent(bench).reserved == 0


def test_hanging_up_in_the_middle_of_an_unread_answer_is_recorded(start: Start) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    bench = start(script=lambda got: Script([head, b"x" * 50], then="hang"))
    with Connection(bench.base) as connection:
        connection.send("GET", "/v1/files/f/content")
        connection.head()
        connection.reader.more()
        connection.hang_up()
    assert bench.upstream.hung_up.wait(20)
    bench.gateway.idle()
    assert [record["outcome"] for record in bench.gateway.records()] == ["cancelled"]


def test_who_hangs_up_after_the_last_event_has_been_answered(start: Start) -> None:
    events = answers.chat_stream(Say(), usage=False)
    bench = start(script=lambda got: Script([SSE_HEAD, *map(chunk, events)], then="hang"))
    with Connection(bench.base) as connection:
        connection.send("POST", "/v1/chat/completions", STREAMED, [JSON])
        connection.head()
        seen = b""
        while not seen.endswith(events[-1]):
            seen += connection.reader.chunk()
        connection.hang_up()
    assert bench.upstream.hung_up.wait(20)
    bench.gateway.idle()
    assert [record["outcome"] for record in bench.gateway.records()] == ["answered"]


def test_a_drain_cuts_calls_that_do_not_end_and_records_them(start: Start) -> None:
    events = answers.chat_stream(Say(), usage=False)[:2]
    bench = start(script=lambda got: Script([SSE_HEAD, *map(chunk, events)], then="hang"))
    with Connection(bench.base) as connection:
        connection.send("POST", "/v1/chat/completions", STREAMED, [JSON])
        head = connection.head()
        connection.reader.chunk()
        bench.gateway.do(bench.gateway.worker.drain(0.05))
        assert bench.upstream.hung_up.wait(20)
        record = bench.record(head)
    assert record["outcome"] == "cancelled"
    assert len(bench.gateway.records("stopped")) == 1


# --- settled ---


def test_a_budget_is_charged_what_was_used_and_nothing_stays_reserved(
    budgeted: Callable[..., Bench],
) -> None:
    bench = budgeted()
    reply = bench.post(chat(max_tokens=500))
    assert bench.record(reply)["usage"] == {"input": 12, "output": 5}
    level = spent(bench)
    assert (level.used, level.reserved) == (17, 0)


def test_what_never_reached_the_provider_costs_nothing(budgeted: Callable[..., Bench]) -> None:
    bench = budgeted()
    bench.upstream.go_away()
    assert bench.post(chat(max_tokens=500)).status == 502
    level = spent(bench)
    assert (level.used, level.reserved) == (0, 0)


def test_what_the_provider_refused_costs_nothing(budgeted: Callable[..., Bench]) -> None:
    bench = budgeted(script=lambda got: answer(b'{"error":{}}', "400 Bad Request"))
    assert bench.post(chat(max_tokens=500)).status == 400
    level = spent(bench)
    assert (level.used, level.reserved) == (0, 0)


def test_a_store_that_is_away_at_the_end_does_not_take_the_answer_away(start: Start) -> None:
    def break_settling(parts: Parts) -> None:
        async def fail(*_: object) -> None:
            raise StoreError("gone")

        parts.store.settle = fail  # type: ignore[assignment,method-assign]

    bench = start(BUDGET, arrange=break_settling)
    reply = bench.post(chat(max_tokens=500))
    assert reply.status == 200
    assert bench.record(reply)["outcome"] == "answered"


# --- records that cannot be written ---


@pytest.mark.parametrize(("on_error", "status"), [("block", 503), ("allow", 200)])
def test_what_a_log_that_cannot_be_written_means_is_the_policys_choice(
    start: Start, on_error: str, status: int
) -> None:
    def fill_disk(parts: Parts) -> None:
        def fail(exchange: Exchange) -> None:
            raise OwnError(Reason.AUDIT_UNAVAILABLE, "no space left")

        parts.audit.open = fail  # type: ignore[method-assign]
        parts.audit.close = fail  # type: ignore[method-assign]

    bench = start(arrange=fill_disk, audit={"on_error": on_error})
    reply = bench.post(chat())
    assert reply.status == status
    assert len(bench.upstream.got) == (1 if status == 200 else 0)
    if status == 503:
        assert orjson.loads(reply.body)["error"]["code"] == "audit_unavailable"
        assert reply.get("x-should-retry") == "false"
        assert b"no space left" not in reply.body


# --- counting ---


def test_every_end_is_observed_once(start: Start) -> None:
    seen: list[str] = []

    def watch(parts: Parts) -> None:
        observe = parts.closer._observe

        def noting(exchange: Exchange) -> None:
            seen.append(exchange.outcome)
            observe(exchange)

        parts.closer._observe = noting

    scripts = [
        answer(said()),
        stream(answers.chat_stream(Say(), usage=False)),
        answer(b"", "500 X"),
    ]
    bench = start(
        {"kind": "model", "allow": ["gpt-*"]}, arrange=watch, script=lambda got: scripts.pop(0)
    )
    bench.post(chat())
    bench.post(STREAMED)
    bench.post(chat())
    bench.post(chat(model="other"))
    bench.post(b"{")
    bench.upstream.go_away()
    bench.post(chat())
    bench.gateway.idle()
    assert seen == ["answered"] * 3 + ["refused"] * 2 + ["upstream_failed"]
    assert bench.gateway.parts.closer.running == {}


def _sent(call: Call | None = None, **fields: Any) -> Exchange:
    exchange = make_exchange(call or make_call([("user", "x" * 400)]))
    exchange.sent = True
    for name, value in fields.items():
        setattr(exchange, name, value)
    return exchange


def test_what_the_provider_reported_is_what_was_used() -> None:
    reported = Usage(input=3, output=4)
    assert used(_sent(usage=reported)) is reported


def test_without_a_report_what_was_used_is_estimated_by_length() -> None:
    found = used(_sent(text_out=401, upstream_status=200))
    assert found == Usage(input=100, output=101, estimated=True)


@pytest.mark.parametrize(
    "fields",
    [
        {"sent": False},
        {"upstream_status": 404},
        {"upstream_status": 0, "reason": Reason.UPSTREAM_UNREACHABLE},
    ],
)
def test_nothing_is_used_by_what_was_not_answered(fields: dict[str, Any]) -> None:
    assert used(_sent(**fields)) is None


def test_an_answer_that_comes_later_is_taken_to_use_all_that_it_may() -> None:
    call = make_call([("user", "x" * 400)])
    call.deferred, call.max_output, call.choices = True, 30, 2
    assert used(_sent(call, upstream_status=200)) == Usage(input=100, output=60, estimated=True)
    told = Usage(input=3, output=4)
    assert used(_sent(call, usage=told)) is told


def test_a_batch_is_taken_to_use_what_its_requests_may() -> None:
    call = make_call()
    member = make_call([("user", "x" * 400)])
    member.max_output = 30
    call.deferred, call.members = True, (member, member)
    assert used(_sent(call, upstream_status=200)) == Usage(input=200, output=60, estimated=True)


def test_what_an_earlier_answer_used_is_not_counted_again() -> None:
    call = make_call()
    call.billable = False
    assert used(_sent(call, usage=Usage(input=3, output=4))) is None


def test_a_provider_that_was_too_slow_may_have_been_at_work() -> None:
    found = used(_sent(upstream_status=0, reason=Reason.UPSTREAM_TIMEOUT))
    assert found == Usage(input=100, output=0, estimated=True)


async def test_who_is_cancelled_while_it_is_settled_leaves_no_lease_behind() -> None:
    class Slow(Watched):
        async def settle(self, lease: str, amounts: Sequence[int]) -> tuple[Level | None, ...]:
            levels = await super().settle(lease, amounts)
            settling.set()
            await asyncio.sleep(0)
            return levels

    settling = asyncio.Event()
    stream = Stream(5000, reserve_output=STEP)
    store = stream.store = Slow()
    exchange = await stream.begin()
    assert await stream.meter(exchange).extend(store, 800 * BYTES_HELD, None) is None
    assert len(exchange.extensions) > 1
    exchange.usage = Usage(output=10)
    anything: Any = Mock()
    exchange.snapshot, sessions = anything, Mock(leave=AsyncMock())
    closer = Closer(store, anything, sessions, anything, anything)
    closing = asyncio.create_task(closer.close(exchange))
    await settling.wait()
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    await closer.idle()
    assert await stream.level(exchange) == (10, 0)


def test_leases_are_those_of_running_calls_that_are_not_settled() -> None:
    running = [_sent() for _ in range(4)]
    running[1].admission = Admission("lease-1", (), 1)
    running[2].admission = Admission("", (), 2)
    running[3].admission = Admission("lease-3", (), 3)
    running[3].settled = True
    assert leases(running) == ["lease-1"]
    for exchange in running:
        exchange.extensions = [Extension(Admission("more", (), 4), {})]
    assert leases(running) == ["lease-1", "more"]


def test_waiting_for_running_calls_has_its_limit(start: Start) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def script(got: object) -> Script:
        arrived.set()
        return Script([go_on, *answer(said()).pieces])

    bench = start(script=script)
    closer = bench.gateway.parts.closer
    with Connection(bench.base) as connection:
        connection.send("POST", "/v1/chat/completions", chat(), [JSON])
        assert arrived.wait(20)
        assert bench.gateway.do(closer.drained(0.01)) is False
        go_on.set()
        assert connection.reply().status == 200
        assert bench.gateway.do(closer.drained(20)) is True
