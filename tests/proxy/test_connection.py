"""A caller's connection against a reader of our own: whatever is sent, and however it is cut, no
request is served that was not sent, and none with another body.

What the gateway makes of it over sockets is in test_framing.py; here the transport is ours."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.errors import CallerError
from gateway.message import Headers
from gateway.proxy.connection import (
    HIGH_WATER,
    MAX_AHEAD,
    MAX_HEAD,
    MAX_HEADERS,
    Connection,
    Inbound,
    Patience,
)
from gateway.proxy.headers import to_upstream
from gateway.upstream.client import _encode, _Origin
from tests.proxy.reference import Plain, requests

HOST = b"Host: localhost\r\n"
GET = b"GET /v1/models HTTP/1.1\r\n" + HOST
POST = b"POST /v1/x HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(autouse=True)
def _no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.proxy.connection.LINGER", 0.0)


class Transport:
    """Notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.written = b""

    def get_extra_info(self, name: str) -> Any:
        return None

    def is_closing(self) -> bool:
        return "close" in self.done or "abort" in self.done

    def can_write_eof(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")

    def pause_reading(self) -> None:
        self.done.append("pause")

    def resume_reading(self) -> None:
        self.done.append("resume")


class Served:
    """A connection on such a transport; `got` is what was served, `refused` what was not."""

    def __init__(self, patience: Patience | None = None) -> None:
        patience = patience or Patience()
        self.got: list[Plain] = []
        self.refused: list[int] = []
        self.was_refused = asyncio.Event()
        self.everyone: set[Connection] = set()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.transport = Transport()
        self.connection = Connection(self._serve, lambda: patience, self.everyone)
        made: Any = self.transport
        self.connection.connection_made(made)

    async def _serve(self, inbound: Inbound) -> bool:
        await self.go_on.wait()
        if inbound.refused:
            self._refuse(inbound.refused)
            return False
        body = b""
        try:
            while piece := await inbound.piece():
                body += piece
        except CallerError as error:
            self._refuse(error.status)
            return False
        self.got.append(Plain(inbound.method, inbound.target, tuple(inbound.headers), body))
        return inbound.keep_alive

    def _refuse(self, status: int) -> None:
        self.refused.append(status)
        self.was_refused.set()

    async def settle(self) -> None:
        """Let everything run that can."""
        for _ in range(2 * MAX_AHEAD):
            await asyncio.sleep(0)

    async def end(self) -> None:
        self.connection.connection_lost(None)
        if self.connection.task is not None:
            await asyncio.gather(self.connection.task, return_exceptions=True)


def serve(*pieces: bytes) -> Served:
    """What is made of bytes that come so cut, on a connection that is then closed."""

    async def run() -> Served:
        served = Served()
        for piece in pieces:
            served.connection.data_received(piece)
        await served.settle()
        await served.end()
        return served

    return asyncio.run(run())


WELL_FORMED = [
    GET + b"\r\n",
    POST + b"Content-Length: 5\r\n\r\nhello",
    POST + b"Content-Length: 27\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n!",
    CHUNKED + b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
    CHUNKED + b"1A\r\nGET /smuggled HTTP/1.1\r\n\r\n\r\n0\r\nX-Trailer: 1\r\nHost: evil\r\n\r\n",
    POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi",
    CHUNKED.replace(HOST, HOST + b"Upgrade: x\r\nConnection: upgrade\r\n")
    + b"2\r\nhi\r\n0\r\n\r\n",
    GET + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    GET + b"Expect: 100-continue\r\nContent-Length: 0\r\n\r\n",
    b"GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
]
BITS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\0",
    b"\x0b",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"0\r\n\r\n",
    b"0",
    b"+",
    b"0x",
    b"_",
    b"Content-Length: 3\r\n",
    b"content-length:0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"transfer-encoding:identity\r\n",
    b"chunked",
    b"Host: other\r\n",
    b"Connection: close\r\n",
    b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n",
]


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """Some requests one behind another, with a few bytes cut out, put in or doubled."""
    raw = b"".join(draw(st.lists(st.sampled_from(WELL_FORMED), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 3))):
        a = draw(st.integers(0, len(raw)))
        b = min(len(raw), a + draw(st.integers(0, 12)))
        between = draw(st.one_of(st.sampled_from(BITS), st.binary(max_size=3), st.just(raw[a:b])))
        keep = draw(st.booleans())
        raw = raw[:a] + between + raw[a if keep else b :]
    return raw


def cut(raw: bytes, places: set[int]) -> list[bytes]:
    inside = sorted(place for place in places if place < len(raw))
    return [raw[a:b] for a, b in itertools.pairwise([0, *inside, len(raw)])]


@settings(max_examples=400)
@given(mangled(), st.sets(st.integers(1, 400), max_size=6))
@example(CHUNKED.replace(HOST, HOST + b"Transfer-Encoding: identity\r\n") + b"0\r\n\r\n", set())
@example(CHUNKED + b"2\r\nhi\r\n0\r\nX-Evil: 1\r\nX-Worse: 2\r\n\r\n" + GET + b"\r\n", set())
def test_nothing_is_served_that_was_not_sent(raw: bytes, places: set[int]) -> None:
    served = serve(*cut(raw, places))
    sent = requests(raw)
    assert served.got == sent[: len(served.got)]
    assert len(served.refused) <= 1


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from(WELL_FORMED[:-2]), min_size=1, max_size=6),
    st.sets(st.integers(1, 900), max_size=8),
)
def test_every_well_formed_request_is_served_once_and_in_order(
    sent: list[bytes], places: set[int]
) -> None:
    raw = b"".join(sent)
    served = serve(*cut(raw, places))
    assert served.got == requests(raw)
    assert len(served.got) == len(sent)
    assert served.refused == []


@settings(max_examples=200)
@given(mangled())
def test_a_request_that_was_served_leaves_as_one_request_with_the_same_body(raw: bytes) -> None:
    origin = _Origin("upstream", 80, "upstream", "")
    for one in serve(raw).got:
        headers = to_upstream(Headers(one.headers), drop_credentials=None, credential=None)
        sent = requests(_encode(one.method, origin, one.target, headers, one.body))
        assert [(s.method, s.target, s.body) for s in sent] == [(one.method, one.target, one.body)]


def test_a_bad_request_does_not_take_the_good_one_before_it_along() -> None:
    served = serve(GET + b"\r\n" + GET + b"Bad Header: x\r\n\r\n" + GET + b"\r\n")
    assert len(served.got) == 1
    assert served.refused == [400]
    assert served.transport.done == ["close"]


@pytest.mark.parametrize("ahead", [MAX_AHEAD, MAX_AHEAD + 1])
def test_only_so_many_requests_may_be_sent_ahead(ahead: int) -> None:
    served = serve((GET + b"\r\n") * ahead)
    assert (len(served.got), served.refused) == (MAX_AHEAD, [429] * (ahead - MAX_AHEAD))


@pytest.mark.parametrize("size", [1, 1000, 10**6])
@pytest.mark.parametrize(
    "begin",
    [
        b"GET /",
        GET + b"X: ",
        GET + b"X",
        CHUNKED + b"2;x=",
        CHUNKED + b"0\r\nX: ",
        CHUNKED + b"0\r\nX",
    ],
    ids=["target", "value", "name", "extension", "trailer", "trailer name"],
)
def test_what_has_no_end_is_refused_before_it_is_large(begin: bytes, size: int) -> None:
    more = [b"a" * size] * min(2 * MAX_HEAD // size + 1, 3 * MAX_HEAD)
    served = serve(begin, *more)
    assert served.got == []
    assert served.refused in ([414], [431], [400])


def test_many_small_headers_are_refused() -> None:
    assert serve(GET + b"a:\r\n" * MAX_HEADERS + b"\r\n").refused == [431]
    assert len(serve(GET + b"a:\r\n" * (MAX_HEADERS - 1) + b"\r\n").got) == 1


async def test_a_body_that_nobody_reads_stops_the_socket_and_goes_on_when_it_is_read() -> None:
    served = Served()
    served.go_on.clear()
    served.connection.data_received(POST + b"Content-Length: 1000000\r\n\r\n" + b"x" * HIGH_WATER)
    assert served.transport.done == []
    served.connection.data_received(b"x")
    await served.settle()
    assert served.transport.done == ["pause"]
    served.go_on.set()
    await served.settle()
    assert served.transport.done == ["pause", "resume"]
    await served.end()


@pytest.mark.parametrize(
    ("begun", "status"),
    [(GET, 408), (POST + b"Content-Length: 5\r\n\r\nhe", 408), (CHUNKED + b"2\r\n", 408)],
    ids=["head", "body", "chunk"],
)
async def test_what_does_not_come_in_time_is_refused(begun: bytes, status: int) -> None:
    served = Served(Patience(head=0.01, body=0.01))
    served.connection.data_received(begun)
    await served.was_refused.wait()
    assert served.refused == [status]
    await served.settle()
    assert served.transport.done == ["close"]
    await served.end()


async def test_a_request_that_is_being_answered_has_all_the_time_it_needs() -> None:
    served = Served(Patience(head=0.001, body=0.001))
    served.go_on.clear()
    served.connection.data_received(POST + b"Content-Length: 2\r\n\r\nhi")
    await asyncio.sleep(0.02)  # several times the limit
    served.go_on.set()
    await served.settle()
    assert [one.body for one in served.got] == [b"hi"]
    await served.end()


async def test_who_hangs_up_ends_the_call_that_is_running() -> None:
    served = Served()
    served.go_on.clear()
    served.connection.data_received(GET + b"\r\n")
    await served.settle()
    assert served.everyone == {served.connection}
    await served.end()
    assert served.connection.task is not None
    assert served.connection.task.cancelled()
    assert served.everyone == set()
    with pytest.raises(ConnectionResetError):
        served.connection.write(b"x")


async def test_a_finished_connection_closes_behind_the_call_that_is_running() -> None:
    served = Served()
    served.go_on.clear()
    served.connection.data_received((GET + b"\r\n") * 2)
    await served.settle()
    served.connection.finish()
    assert served.transport.done == []
    served.go_on.set()
    await served.settle()
    assert (len(served.got), served.transport.done) == (1, ["close"])
    await served.end()


async def test_an_idle_connection_is_finished_at_once() -> None:
    served = Served()
    await served.settle()
    served.connection.finish()
    await served.settle()
    assert served.transport.done == ["close"]
    await served.end()


async def test_what_follows_a_request_for_another_protocol_is_the_duplexs() -> None:
    served = Served()
    connect = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"
    served.go_on.clear()
    served.connection.data_received(connect + b"GET / HTTP/1.1\r\n\r\n")
    served.connection.data_received(b"more")
    await served.settle()
    duplex = served.connection.switch()
    assert await duplex.read() == b"GET / HTTP/1.1\r\n\r\nmore"
    served.connection.data_received(b"and more")
    assert await duplex.read() == b"and more"
    served.go_on.set()  # who was given the duplex ends by itself
    await served.end()
    with pytest.raises(ConnectionError):
        await duplex.read()
