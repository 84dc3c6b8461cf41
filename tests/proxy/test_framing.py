"""Framing attacks over raw sockets: one request in is one request out with the same body, or a
refusal and none out. Never two, and never one that was hidden in another.

Each row says what is sent, what the caller gets and what upstream gets. The rows' sources are RFC
9112 (sections 2.2, 3, 5, 6, 7.1, 11.2) and the desync attacks that were published against it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest

from tests.proxy.conftest import Bench, Start
from tests.proxy.local import LocalGateway, policy
from tests.proxy.wire import Connection, Script, Upstream, answer

HOST = b"Host: localhost\r\n"
LINE = b"POST /openai/x HTTP/1.1\r\n"
POST = LINE + HOST
GET = b"GET /openai/x HTTP/1.1\r\n" + HOST
HIDDEN = b"GET /openai/hidden HTTP/1.1\r\n" + HOST + b"\r\n"
PLAIN = POST + b"Content-Length: 5\r\n\r\nhello"
FIVE = b"Content-Length: 5\r\n"
END = b"\r\nhello"


@dataclass(frozen=True)
class Case:
    """`replies`: the statuses that the caller gets; `out`: the bodies that upstream gets."""

    raw: bytes
    replies: list[int] = field(default_factory=lambda: [400])
    out: list[bytes] = field(default_factory=list)


def coded(value: bytes) -> bytes:
    return POST + b"Transfer-Encoding: " + value + b"\r\n\r\n"


def chunks(raw: bytes) -> bytes:
    return coded(b"chunked") + raw


def passes(raw: bytes, body: bytes = b"hello") -> Case:
    return Case(raw, [200], [body])


LENGTHS = {
    "two lengths that differ": Case(POST + b"Content-Length: 0\r\n" + FIVE + END),
    "two lengths that agree": Case(POST + FIVE + FIVE + END),
    "a list of lengths": Case(POST + b"Content-Length: 5, 5\r\n" + END),
    "a signed length": Case(POST + b"Content-Length: +5\r\n" + END),
    "a negative length": Case(POST + b"Content-Length: -5\r\n" + END),
    "a length in hex": Case(POST + b"Content-Length: 0x5\r\n" + END),
    "a length with an underscore": Case(POST + b"Content-Length: 0_5\r\n" + END),
    "a length of no digits": Case(POST + b"Content-Length: \r\n" + END),
    "a length in words": Case(POST + b"Content-Length: five\r\n" + END),
    "a length beyond 64 bits": Case(POST + b"Content-Length: 18446744073709551621\r\n" + END),
    "a length in other digits": Case(POST + b"Content-Length: \xb5\r\n" + END),
    "a length with a space inside": Case(POST + b"Content-Length: 5 5\r\n" + END),
    "a length with leading zeros": passes(POST + b"Content-Length: 005\r\n" + END),
    "a length with blanks around": passes(POST + b"Content-Length: \t 5 \t\r\n" + END),
    "a length in GET": passes(GET + FIVE + END),
    "a request in a body": passes(
        POST + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN, HIDDEN
    ),
}

CODINGS = {
    "length and chunked": Case(POST + FIVE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "chunked and length": Case(POST + b"Transfer-Encoding: chunked\r\n" + FIVE + END),
    "chunked, then identity": Case(coded(b"chunked, identity") + b"0\r\n\r\n"),
    "identity, then chunked": Case(coded(b"identity, chunked") + b"0\r\n\r\n"),
    "identity and chunked in two headers": Case(
        POST + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "chunked and identity in two headers": Case(
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"
    ),
    "chunked twice": Case(coded(b"chunked, chunked") + b"0\r\n\r\n"),
    "chunked in two headers": Case(
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "packed and chunked": Case(coded(b"gzip, chunked") + b"0\r\n\r\n"),
    "xchunked": Case(coded(b"xchunked") + b"0\r\n\r\n"),
    "identity": Case(coded(b"identity")),
    "no coding": Case(coded(b"")),
    "a comma behind": Case(coded(b"chunked,") + b"0\r\n\r\n"),
    "a parameter": Case(coded(b"chunked;q=1") + b"0\r\n\r\n"),
    "in quotes": Case(coded(b'"chunked"') + b"0\r\n\r\n"),
    "a vertical tab": Case(coded(b"\x0bchunked") + b"0\r\n\r\n"),
    "a form feed behind": Case(coded(b"chunked\x0c") + b"0\r\n\r\n"),
    "a NUL": Case(coded(b"chunked\0") + b"0\r\n\r\n"),
    "a folded value": Case(POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    "a space before the colon": Case(POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    "a bare CR before it": Case(POST + b"X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "in HTTP/1.0": Case(b"POST /openai/x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "an underscore for the hyphen": passes(
        POST + b"Transfer_Encoding: chunked\r\n" + FIVE + END, b"hello"
    ),
    "in capitals": passes(coded(b"CHUNKED") + b"5\r\nhello\r\n0\r\n\r\n"),
    "more blanks before it": passes(coded(b" \t chunked") + b"5\r\nhello\r\n0\r\n\r\n"),
}

CHUNKS = {
    "a signed size": Case(chunks(b"+5\r\nhello\r\n0\r\n\r\n")),
    "a negative size": Case(chunks(b"-5\r\nhello\r\n0\r\n\r\n")),
    "0x": Case(chunks(b"0x5\r\nhello\r\n0\r\n\r\n")),
    "an underscore": Case(chunks(b"0_5\r\nhello\r\n0\r\n\r\n")),
    "a space before": Case(chunks(b" 5\r\nhello\r\n0\r\n\r\n")),
    "a space behind": Case(chunks(b"5 \r\nhello\r\n0\r\n\r\n")),
    "no size": Case(chunks(b"\r\nhello\r\n0\r\n\r\n")),
    "no hex": Case(chunks(b"g\r\nhello\r\n0\r\n\r\n")),
    "beyond 64 bits": Case(chunks(b"10000000000000005\r\nhello\r\n0\r\n\r\n")),
    "size ends in LF": Case(chunks(b"5\nhello\r\n0\r\n\r\n")),
    "size ends in CR": Case(chunks(b"5\rhello\r\n0\r\n\r\n")),
    "data ends in LF": Case(chunks(b"5\r\nhello\n0\r\n\r\n")),
    "data ends in CR": Case(chunks(b"5\r\nhello\r0\r\n\r\n")),
    "data without an end": Case(chunks(b"5\r\nhello0\r\n\r\n")),
    "data longer than its size": Case(chunks(b"4\r\nhello\r\n0\r\n\r\n")),
    "the last line ends in LF": Case(chunks(b"5\r\nhello\r\n0\r\n\n")),
    "an LF in an extension": Case(chunks(b"5;x\nhello\r\n0\r\n\r\n")),
    "a CR in an extension": Case(chunks(b"5;x\rhello\r\n0\r\n\r\n")),
    "a line end in a quoted extension": Case(chunks(b'5;x="\r\n"\r\nhello\r\n0\r\n\r\n')),
    "a length as a trailer": Case(chunks(b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n")),
    "a trailer that is no header": Case(chunks(b"5\r\nhello\r\n0\r\nno header\r\n\r\n")),
    "an extension": passes(chunks(b'5;x=y;z="a;b"\r\nhello\r\n0;q\r\n\r\n')),
    "leading zeros": passes(chunks(b"0000005\r\nhello\r\n000\r\n\r\n")),
    "trailers": passes(chunks(b"5\r\nhello\r\n0\r\nX-A: 1\r\nHost: evil\r\n\r\n")),
    "a request in a chunk": passes(
        chunks(b"%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)), HIDDEN
    ),
}

HEADERS = {
    "a space before the colon": Case(GET + b"X-A : b\r\n\r\n"),
    "a tab before the colon": Case(GET + b"X-A\t: b\r\n\r\n"),
    "no colon": Case(GET + b"X-A\r\n\r\n"),
    "no name": Case(GET + b": b\r\n\r\n"),
    "a name in brackets": Case(GET + b"X(A): b\r\n\r\n"),
    "a name beyond ASCII": Case(GET + b"X\xe9: b\r\n\r\n"),
    "a NUL in a name": Case(GET + b"X\0A: b\r\n\r\n"),
    "a NUL in a value": Case(GET + b"X-A: b\0c\r\n\r\n"),
    "a control byte in a value": Case(GET + b"X-A: b\x01c\r\n\r\n"),
    "DEL in a value": Case(GET + b"X-A: b\x7fc\r\n\r\n"),
    "a bare CR in a value": Case(GET + b"X-A: b\rX-B: c\r\n\r\n"),
    "a bare LF in a value": Case(GET + b"X-A: b\nX-B: c\r\n\r\n"),
    "CR CR LF": Case(GET + b"X-A: b\r\r\n\r\n"),
    "a folded header": Case(GET + b"X-A: b\r\n c\r\n\r\n"),
    "a folded first header": Case(b"GET /openai/x HTTP/1.1\r\n Host: localhost\r\n\r\n"),
    "lines that end in LF": Case(b"GET /openai/x HTTP/1.1\nHost: localhost\n\n"),
    "lines that end in CR": Case(b"GET /openai/x HTTP/1.1\rHost: localhost\r\r"),
    "an end in LF": Case(GET + b"\n"),
    "no Host": Case(b"GET /openai/x HTTP/1.1\r\n\r\n"),
    "two Hosts": Case(GET + b"Host: localhost\r\n\r\n"),
    "two Hosts that differ": Case(GET + b"Host: evil.example\r\n\r\n"),
    "an empty Host": Case(LINE + b"Host:\r\nContent-Length: 0\r\n\r\n", [403]),
    "a Host with a list": Case(LINE + b"Host: localhost, evil\r\nContent-Length: 0\r\n\r\n", [403]),
    "a foreign Host": Case(LINE + b"Host: evil.example\r\nContent-Length: 0\r\n\r\n", [403]),
    "a huge header": Case(GET + b"X: " + b"a" * 100_000 + b"\r\n\r\n", [431]),
    "a huge name": Case(GET + b"X" * 100_000 + b": a\r\n\r\n", [431]),
    "many headers": Case(GET + b"X: a\r\n" * 1000 + b"\r\n", [431]),
    "much in all": Case(GET + (b"X: " + b"a" * 1000 + b"\r\n") * 100 + b"\r\n", [431]),
    "a lone CR behind the head": Case(GET + b"\rX"),
    "no blank behind the colon": Case(GET + b"X-A:b\r\n\r\n", [200], [b""]),
    "no value": Case(GET + b"X-A:\r\n\r\n", [200], [b""]),
    "bytes beyond ASCII in a value": Case(GET + b"X-A: \xc3\xa9\r\n\r\n", [200], [b""]),
}

LINES = {
    "nonsense": Case(b"nonsense\r\n\r\n"),
    "a lower-case method": Case(b"get /openai/x HTTP/1.1\r\n" + HOST + b"\r\n"),
    "an unknown method": Case(b"SMUGGLE /openai/x HTTP/1.1\r\n" + HOST + b"\r\n"),
    "HTTP/0.9": Case(b"GET /openai/x\r\n\r\n", [505]),
    "HTTP/0.9 with a body behind": Case(b"GET /openai/x\r\n\r\n" + HIDDEN, [505]),
    "HTTP/2.0": Case(b"GET /openai/x HTTP/2.0\r\n" + HOST + b"\r\n", [505]),
    "HTTP/1.2": Case(b"GET /openai/x HTTP/1.2\r\n" + HOST + b"\r\n"),
    "HTTP/9.9": Case(b"GET /openai/x HTTP/9.9\r\n" + HOST + b"\r\n"),
    "HTTP/01.1": Case(b"GET /openai/x HTTP/01.1\r\n" + HOST + b"\r\n"),
    "http/1.1": Case(b"GET /openai/x http/1.1\r\n" + HOST + b"\r\n"),
    "HTTP/2's preface": Case(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
    "a TLS hello": Case(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64),
    "a NUL first": Case(b"\0" + PLAIN),
    "a tab for the space": Case(b"GET\t/openai/x HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a space behind the version": Case(b"GET /openai/x HTTP/1.1 \r\n" + HOST + b"\r\n"),
    "two targets": Case(b"GET /openai/x /openai/y HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a bare CR in the target": Case(b"GET /openai/x\rX HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a bare LF in the target": Case(b"GET /openai/x\nX HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a NUL in the target": Case(b"GET /openai/x\0 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "DEL in the target": Case(b"GET /openai/x\x7f HTTP/1.1\r\n" + HOST + b"\r\n"),
    "bytes beyond ASCII in the target": Case(b"GET /openai/\xc3 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a fragment": Case(b"GET /openai/x#y HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a target without a slash": Case(b"GET openai/x HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a target that is a query": Case(b"GET ?x HTTP/1.1\r\n" + HOST + b"\r\n"),
    "no target": Case(b"GET HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a huge target": Case(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", [414]),
    "a huge method": Case(b"G" * 100_000 + b" / HTTP/1.1\r\n" + HOST + b"\r\n"),
    "an asterisk in GET": Case(b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", [404]),
    "CONNECT with a body": Case(b"CONNECT a.example:443 HTTP/1.1\r\n" + HOST + FIVE + END),
    "empty lines first": passes(b"\r\n\r\n" + PLAIN),
}

AHEAD = {
    "one behind another": Case(PLAIN + PLAIN, [200, 200], [b"hello", b"hello"]),
    "a bad one in the middle": Case(
        PLAIN + POST + b"Content-Length: x\r\n\r\n" + PLAIN, [200, 400], [b"hello"]
    ),
    "one without an upstream in the middle": Case(
        PLAIN + b"GET /v9/none HTTP/1.1\r\n" + HOST + b"\r\n" + PLAIN,
        [200, 404, 200],
        [b"hello", b"hello"],
    ),
    "too large a one in the middle": Case(
        PLAIN + POST + b"Content-Length: 100001\r\n\r\n" + b"x" * 100_001 + PLAIN,
        [200, 413, 200],
        [b"hello", b"hello"],
    ),
    "bytes behind a body": Case(PLAIN + b"!" + PLAIN, [200, 400], [b"hello"]),
    "behind `Connection: close`": Case(
        POST + b"Connection: close\r\n" + FIVE + END + PLAIN, [200], [b"hello"]
    ),
    "behind HTTP/1.0": Case(
        b"POST /openai/x HTTP/1.0\r\n" + HOST + FIVE + END + PLAIN, [200], [b"hello"]
    ),
    "behind an ignored offer": Case(
        POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + FIVE + END + PLAIN,
        [200, 200],
        [b"hello", b"hello"],
    ),
    "behind an ignored offer with chunks": Case(
        POST
        + b"Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"5\r\nhello\r\n0\r\n\r\n"
        + PLAIN,
        [200, 200],
        [b"hello", b"hello"],
    ),
    "behind a WebSocket with a body": Case(
        POST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + FIVE + END + PLAIN,
        [200, 200],
        [b"hello", b"hello"],
    ),
}

CASES = {
    f"{group}: {name}": case
    for group, cases in (
        ("length", LENGTHS),
        ("coding", CODINGS),
        ("chunk", CHUNKS),
        ("header", HEADERS),
        ("line", LINES),
        ("ahead", AHEAD),
    )
    for name, case in cases.items()
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One gateway and one upstream for all that is sent here."""
    folder: Path = tmp_path_factory.mktemp("gateway")
    with (
        Upstream(lambda got: answer(b"fine")) as upstream,
        LocalGateway(folder, policy(upstream.url, limits={"max_body": "100KB"})) as gateway,
    ):
        yield Bench(gateway, upstream)


def rest(connection: Connection) -> bytes:
    """All that still comes, until the gateway ends the connection."""
    out = b""
    try:
        while piece := connection.reader.more():
            out += piece
    except ConnectionResetError:
        pass
    return out


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_one_request_in_is_one_request_out_or_none(bench: Bench, case: Case) -> None:
    before = len(bench.upstream.got)
    with Connection(bench.base) as connection:
        connection.sock.sendall(case.raw)
        replies = [connection.reply() for _ in case.replies]
        assert [reply.status for reply in replies] == case.replies
        if replies[-1].get("connection") == "close":
            assert rest(connection) == b""
        else:  # it is still in step
            connection.send("GET", "/openai/last")
            assert connection.reply("GET").body == b"fine"
            assert bench.upstream.got.pop().target == "/last"
    bench.gateway.idle()
    got = bench.upstream.got[before:]
    assert [one.body for one in got] == case.out
    assert {one.target for one in got} <= {"/x"}
    assert not any("evil" in value for one in got for _, value in one.headers)


def test_a_refusal_says_what_it_is_and_repeats_nothing(bench: Bench) -> None:
    with Connection(bench.base) as connection:
        connection.sock.sendall(GET + b"X-Secret : hunter2\r\n\r\n")
        reply = connection.reply()
    error = orjson.loads(reply.body)["error"]
    assert (reply.status, error["code"]) == (400, "body_malformed")
    assert "hunter2" not in str(reply)


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding", "Host", "Upgrade"])
def test_framing_headers_cannot_be_taken_away_as_hop_by_hop(bench: Bench, name: str) -> None:
    before = len(bench.upstream.got)
    with Connection(bench.base) as connection:
        connection.sock.sendall(
            POST + f"Connection: keep-alive, {name}\r\n".encode() + FIVE + b"\r\n" + b"hello"
        )
        assert connection.reply().status == 200
    (got,) = bench.upstream.got[before:]
    assert (got.body, got.all("content-length")) == (b"hello", ["5"])
    assert len(got.all("host")) == 1


def test_a_request_that_comes_byte_by_byte_is_one_request(bench: Bench) -> None:
    before = len(bench.upstream.got)
    with Connection(bench.base) as connection:
        for byte in chunks(b"5;x\r\nhello\r\n0\r\nX: y\r\n\r\n"):
            connection.sock.sendall(bytes([byte]))
        assert connection.reply().status == 200
    assert [got.body for got in bench.upstream.got[before:]] == [b"hello"]


@pytest.mark.parametrize("raw", [PLAIN[:-1], chunks(b"5\r\nhello\r\n"), GET])
def test_a_request_that_ends_early_goes_nowhere(bench: Bench, raw: bytes) -> None:
    before = len(bench.upstream.got)
    with Connection(bench.base) as connection:
        connection.sock.sendall(raw)
        connection.sock.shutdown(socket.SHUT_WR)
        assert rest(connection) == b""
    bench.gateway.idle()
    assert bench.upstream.got[before:] == []


@pytest.mark.parametrize(
    ("raw", "replies"),
    [
        (GET, [408]),
        (POST + FIVE + b"\r\nhel", [408]),
        (chunks(b"5\r\nhello\r\n"), [408]),
        (POST + FIVE + b"Expect: 100-continue\r\n\r\n", [100, 408]),
        (PLAIN + b"GET /openai", [200, 408]),
    ],
    ids=["head", "body", "chunks", "a body that was asked for", "behind another"],
)
def test_who_does_not_finish_is_refused_in_the_end(
    start: Start, raw: bytes, replies: list[int]
) -> None:
    bench = start(limits={"head_timeout": "0.2s", "body_timeout": "0.2s"})
    with Connection(bench.base) as connection:
        connection.sock.sendall(raw)
        for status in replies:
            reply = connection.head() if status == 100 else connection.reply()
            assert reply.status == status
        assert orjson.loads(reply.body)["error"]["code"] == "request_timeout"
        assert rest(connection) == b""
    bench.gateway.idle()
    assert len(bench.upstream.got) == replies.count(200)


def test_who_sends_a_byte_now_and_then_is_refused_too(start: Start) -> None:
    bench = start(limits={"head_timeout": "0.2s"})
    with Connection(bench.base) as connection:
        over = threading.Event()

        def dribble() -> None:
            connection.sock.sendall(GET + b"X: ")
            while not over.wait(0.02):
                try:
                    connection.sock.sendall(b"a")
                except OSError:
                    return

        thread = threading.Thread(target=dribble)
        thread.start()
        try:
            assert connection.reply().status == 408
        finally:
            over.set()
            thread.join()
    assert bench.upstream.got == []


@pytest.mark.parametrize(
    "expect", [b"100-continue", b"100-Continue", b"200-ok, 100-continue", b"x"]
)
def test_an_expectation_brings_at_most_one_interim_answer(bench: Bench, expect: bytes) -> None:
    before = len(bench.upstream.got)
    with Connection(bench.base) as connection:
        raw = POST + FIVE + b"Expect: " + expect + b"\r\n" + END
        connection.sock.sendall(raw + raw)
        statuses = [connection.reply().status for _ in range(2)]
        assert statuses == [200, 200]  # the bodies were there: nobody waits for a 100
    assert [got.body for got in bench.upstream.got[before:]] == [b"hello", b"hello"]


def test_a_body_nobody_asked_for_is_not_taken_for_a_request(start: Start) -> None:
    bench = start(limits={"max_body": "1KB"})
    with Connection(bench.base) as connection:
        head = b"Content-Length: 2000\r\nExpect: 100-continue\r\n\r\n"
        connection.sock.sendall(POST + head)
        assert connection.reply().status == 413
        connection.sock.sendall(HIDDEN + b"x" * (2000 - len(HIDDEN)) + PLAIN)
        assert connection.reply().status == 200
    assert [got.body for got in bench.upstream.got] == [b"hello"]


# --- the same towards the caller ---

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
SECOND = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nSMUGGLED"
ANSWERS = {
    "length and chunked": (OK + FIVE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502, b""),
    "two lengths": (OK + FIVE + b"Content-Length: 0\r\n" + END, 502, b""),
    "a signed length": (OK + b"Content-Length: +5\r\n" + END, 502, b""),
    "packed and chunked": (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 502, b""),
    "chunked, then identity": (OK + b"Transfer-Encoding: chunked, identity\r\n\r\n", 502, b""),
    "identity and chunked in two headers": (
        OK + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        502,
        b"",
    ),
    "a bare CR in a header": (OK + b"X: a\rSet-Cookie: b\r\n" + FIVE + END, 502, b""),
    "a bare LF in a header": (OK + b"X: a\nSet-Cookie: b\r\n" + FIVE + END, 502, b""),
    "a folded header": (OK + b"X: a\r\n b\r\n" + FIVE + END, 502, b""),
    "a NUL in a header": (OK + b"X: a\0\r\n" + FIVE + END, 502, b""),
    "a space before the colon": (OK + b"X : a\r\n" + FIVE + END, 502, b""),
    "a bare CR in the status line": (b"HTTP/1.1 200 O\rX: y\r\n" + FIVE + END, 502, b""),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", 502, b""),
    "a version that is none": (OK.replace(b"1.1", b"3.7") + FIVE + END, 502, b""),
    "interim answers without end": (b"HTTP/1.1 103 Hints\r\nX: y\r\n\r\n" * 20_000, 502, b""),
    "headers without end": (OK + b"X: y\r\n" * 60_000, 502, b""),
    "a switch nobody asked for": (
        b"HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        502,
        b"",
    ),
    "some interim answers": (
        b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 H\r\n\r\n" + OK + FIVE + END,
        200,
        b"hello",
    ),
    "a second answer behind": (OK + FIVE + END + SECOND, 200, b"hello"),
    "a body behind 204": (b"HTTP/1.1 204 No\r\n\r\n" + SECOND, 204, b""),
    "a length behind 304": (b"HTTP/1.1 304 No\r\n" + FIVE + b"\r\n" + SECOND, 304, b""),
    "bytes behind the last chunk": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + SECOND,
        200,
        b"hello",
    ),
    "trailers": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nSet-Cookie: x\r\n\r\n",
        200,
        b"hello",
    ),
}


@pytest.mark.parametrize(("raw", "status", "body"), ANSWERS.values(), ids=ANSWERS.keys())
def test_a_hostile_answer_is_one_reply(start: Start, raw: bytes, status: int, body: bytes) -> None:
    scripts = {"/x": Script([raw], then="keep"), "/last": answer(b"fine")}
    bench = start(script=lambda got: scripts[got.target])
    with Connection(bench.base) as connection:
        connection.send("GET", "/openai/x")
        reply = connection.reply("GET")
        assert reply.status == status
        if status < 300:
            assert reply.body == body
        assert "set-cookie" not in reply
        connection.send("GET", "/openai/last")  # nothing was left over, here or upstream
        assert connection.reply("GET").body == b"fine"


@pytest.mark.parametrize(
    "raw",
    [
        OK + b"Content-Length: 9\r\n" + END,
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n+5\r\nhello\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: " + b"a" * 1_000_000,
    ],
    ids=["length", "chunks", "a chunk without an end", "a bad size", "a trailer without end"],
)
def test_an_answer_that_breaks_off_is_not_made_whole(start: Start, raw: bytes) -> None:
    bench = start(script=lambda got: Script([raw], then="close"))
    with Connection(bench.base) as connection:
        connection.send("GET", "/openai/x")
        with pytest.raises(ConnectionError):
            if connection.reply("GET").status == 502:
                raise ConnectionError
