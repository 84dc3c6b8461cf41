"""One connection to an upstream: when it is kept, when it is ended, and at what pace it reads.

What an upstream really sends is in test_client.py; here the transport is ours."""

from __future__ import annotations

import asyncio
import itertools
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.connection import HIGH_WATER, MAX_HEAD, BrokenError, Connection, Incoming

ANSWER = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX: t\r\n\r\n"
)


class Transport:
    """Notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        self.done.append("abort")

    def pause_reading(self) -> None:
        self.done.append("pause")

    def resume_reading(self) -> None:
        self.done.append("resume")


class Wire:
    """A connection on such a transport. `kept` says of each time it was let go, whether it can be
    used again."""

    def __init__(self) -> None:
        self.kept: list[bool] = []
        self.transport = Transport()
        self.connection = Connection(lambda connection, reusable: self.kept.append(reusable))
        made: Any = self.transport
        self.connection.connection_made(made)

    def ask(self, *, no_body: bool = False, timeout: float = 20.0) -> Incoming:
        return self.connection.request(b"GET /", no_body=no_body, timeout=timeout)


async def body_of(answer: Incoming) -> bytes:
    found = b""
    while piece := await answer.piece():
        found += piece
    return found


@pytest.mark.parametrize("raw", [ANSWER, CHUNKED], ids=["length", "chunked"])
async def test_an_answer_that_was_read_to_its_end_gives_the_connection_back(raw: bytes) -> None:
    wire = Wire()
    answer = wire.ask()
    wire.connection.data_received(raw)
    await answer.head()
    assert wire.kept == []
    assert await body_of(answer) == b"hello"
    assert (wire.kept, wire.transport.done) == ([True], [])
    assert wire.transport.written == b"GET /"


@given(st.sets(st.integers(1, len(CHUNKED) - 1)), st.sampled_from([ANSWER, CHUNKED]))
def test_how_an_answer_is_cut_does_not_matter(places: set[int], raw: bytes) -> None:
    async def run() -> None:
        wire = Wire()
        answer = wire.ask()
        cuts = [0, *sorted(place for place in places if place < len(raw)), len(raw)]
        for a, b in itertools.pairwise(cuts):
            wire.connection.data_received(raw[a:b])
        await answer.head()
        assert answer.status == 200
        assert await body_of(answer) == b"hello"
        assert wire.kept == [True]

    asyncio.run(run())


async def test_an_answer_that_was_not_read_to_its_end_ends_the_connection() -> None:
    wire = Wire()
    answer = wire.ask()
    wire.connection.data_received(ANSWER[:-2])
    await answer.head()
    answer.close()
    answer.close()
    assert (wire.kept, wire.transport.done) == ([False], ["abort"])


async def test_a_complete_answer_may_be_left_unread() -> None:
    wire = Wire()
    answer = wire.ask()
    wire.connection.data_received(ANSWER)
    answer.close()
    assert wire.kept == [True]


@pytest.mark.parametrize(
    "raw", [ANSWER.replace(b"X-A: 1", b"Connection: close"), ANSWER.replace(b"1.1", b"1.0", 1)]
)
async def test_a_connection_that_is_not_to_be_kept_is_ended(raw: bytes) -> None:
    wire = Wire()
    answer = wire.ask()
    wire.connection.data_received(raw)
    assert await body_of(answer) == b"hello"
    assert (wire.kept, wire.transport.done) == ([False], ["abort"])


async def test_the_answer_to_head_has_no_body_and_its_connection_is_not_kept() -> None:
    wire = Wire()
    answer = wire.ask(no_body=True)
    wire.connection.data_received(ANSWER.removesuffix(b"hello"))
    await answer.head()
    assert await body_of(answer) == b""
    assert wire.kept == [False]


async def test_bytes_between_answers_end_the_connection() -> None:
    wire = Wire()
    answer = wire.ask()
    wire.connection.data_received(ANSWER)
    assert await body_of(answer) == b"hello"
    wire.connection.data_received(ANSWER)
    assert wire.kept == [True, False]
    assert await body_of(answer) == b""


async def test_a_second_answer_in_one_packet_is_dropped_with_its_connection() -> None:
    wire = Wire()
    answer = wire.ask()
    wire.connection.data_received(ANSWER + ANSWER)
    assert await body_of(answer) == b"hello"
    assert True not in wire.kept
    assert wire.transport.done == ["abort"]


async def test_who_holds_an_old_answer_sees_nothing_of_a_new_one() -> None:
    wire = Wire()
    old = wire.ask()
    wire.connection.data_received(ANSWER)
    assert await body_of(old) == b"hello"
    new = wire.ask()
    wire.connection.data_received(ANSWER.replace(b"hello", b"other"))
    old.close()  # and it cannot end what is no longer its own
    assert await body_of(new) == b"other"
    assert await body_of(old) == b""
    assert wire.kept == [True, True]


async def test_reading_stops_while_too_much_is_waiting_and_goes_on_when_it_was_taken() -> None:
    wire = Wire()
    answer = wire.ask()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    wire.connection.data_received(head + b"x" * HIGH_WATER)
    assert wire.transport.done == []
    wire.connection.data_received(b"x")
    wire.connection.data_received(b"x")  # what was on its way
    assert wire.transport.done == ["pause"]
    assert len(await answer.piece()) == HIGH_WATER + 2
    assert wire.transport.done == ["pause", "resume"]


@pytest.mark.parametrize("begun", [False, True])
async def test_an_end_too_early_says_whether_something_had_come(begun: bool) -> None:
    wire = Wire()
    answer = wire.ask()
    if begun:
        wire.connection.data_received(ANSWER[:-2])
    wire.connection.connection_lost(None)
    with pytest.raises(BrokenError) as caught:
        if not begun:
            await answer.head()
        await body_of(answer)
    assert caught.value.begun is begun


async def test_what_came_before_a_break_is_still_given() -> None:
    wire = Wire()
    answer = wire.ask()
    wire.connection.data_received(ANSWER[:-2])
    assert await answer.piece() == b"hel"
    wire.connection.connection_lost(OSError())
    with pytest.raises(BrokenError, match="OSError"):
        await answer.piece()


async def test_silence_is_given_up_and_ends_the_connection() -> None:
    wire = Wire()
    answer = wire.ask(timeout=0.01)
    with pytest.raises(TimeoutError):
        await answer.head()
    assert (wire.kept, wire.transport.done) == ([False], ["abort"])


async def test_a_kept_connection_may_be_silent() -> None:
    wire = Wire()
    answer = wire.ask(timeout=0.001)
    wire.connection.data_received(ANSWER)
    assert await body_of(answer) == b"hello"
    await asyncio.sleep(0.02)  # several times the limit
    assert wire.transport.done == []
    wire.connection.abort()


@pytest.mark.parametrize("piece", [b"x", b"x" * 1000], ids=["small", "large"])
@pytest.mark.parametrize(
    "begun", [CHUNKED[:-9] + b"3;", CHUNKED[:-4]], ids=["extension", "trailer"]
)
async def test_what_has_no_end_around_a_body_breaks_the_connection(
    begun: bytes, piece: bytes
) -> None:
    wire = Wire()
    answer = wire.ask()
    wire.connection.data_received(begun)
    for _ in range(MAX_HEAD // len(piece) + 1):
        wire.connection.data_received(piece)
    with pytest.raises(BrokenError):
        await body_of(answer)
    assert wire.transport.done == ["abort"]


async def test_chunks_whose_sizes_come_alone_may_be_many() -> None:
    wire = Wire()
    answer = wire.ask()
    wire.connection.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(MAX_HEAD // 4):
        wire.connection.data_received(b"1;x=y\r\n")
        wire.connection.data_received(b"a\r\n")
        answer.take()
    wire.connection.data_received(b"0\r\n\r\n")
    assert await body_of(answer) == b""
    assert wire.kept == [True]


class Socket:
    """Notes which options are set."""

    def __init__(self) -> None:
        self.options: dict[int, int] = {}

    def setsockopt(self, level: int, name: int, value: int) -> None:
        self.options[name] = value


async def test_a_patient_answer_outlives_any_silence_and_is_the_last_of_its_connection() -> None:
    wire, sock = Wire(), Socket()
    made: Any = wire.transport
    made.get_extra_info = {"socket": sock}.get
    patient = wire.ask(timeout=0.02)
    wire.connection.data_received(CHUNKED[:50])
    await patient.head()
    patient.be_patient()
    assert sock.options[socket.SO_KEEPALIVE] == 1
    await asyncio.sleep(0.1)
    wire.connection.data_received(CHUNKED[50:])
    assert await body_of(patient) == b"hello"
    assert wire.kept == [False]


async def test_patience_with_an_answer_that_is_over_is_nothing() -> None:
    wire = Wire()
    answer = wire.ask()
    answer.close()
    answer.be_patient()
    assert wire.kept == [False]


async def test_pieces_are_handed_on_without_waking_anybody_until_they_are_no_longer_taken() -> None:
    wire = Wire()
    answer = wire.ask()
    wire.connection.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    got: list[bytes] = []

    def take(piece: bytes) -> bool:
        got.append(piece)
        return len(got) < 3

    flow = asyncio.ensure_future(answer.pass_on(take))
    await asyncio.sleep(0)
    for text in (b"a", b"b", b"c", b"d"):
        assert not flow.done()
        wire.connection.data_received(b"1\r\n" + text + b"\r\n")
    await flow
    assert got == [b"a", b"b", b"c"]
    assert await answer.piece() == b"d"
    wire.connection.data_received(b"0\r\n\r\n")
    await answer.pass_on(take)  # there is nothing more to pass on
    assert await answer.piece() == b""
    assert wire.kept == [True]


async def test_an_answer_that_breaks_while_it_is_handed_on_says_so() -> None:
    wire = Wire()
    answer = wire.ask()
    wire.connection.data_received(ANSWER[:-2])
    assert await answer.piece() == b"hel"
    flow = asyncio.ensure_future(answer.pass_on(lambda piece: True))
    await asyncio.sleep(0)
    wire.connection.connection_lost(None)
    await flow
    with pytest.raises(BrokenError):
        await answer.piece()
