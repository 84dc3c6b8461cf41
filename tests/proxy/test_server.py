"""The data listener at the level of bytes: what HTTP allows arrives whole, what it forbids is
answered and goes nowhere."""

from __future__ import annotations

import gzip
import threading
from typing import Any

import orjson
import pytest

from tests.proxy.conftest import JSON, Start, chat, said
from tests.proxy.wire import SSE_HEAD, Connection, Script, answer, call, chunk, stream

CHUNKED = ("Transfer-Encoding", "chunked")


def test_a_compressed_body_arrives_as_it_was_sent(start: Start) -> None:
    bench = start({"kind": "size", "max_tools": 3})
    body = gzip.compress(chat("Hello"))
    reply = bench.post(body, [("Content-Encoding", "gzip")])
    assert reply.status == 200
    assert bench.upstream.got[0].body == body
    assert bench.upstream.got[0].get("content-encoding") == "gzip"


def test_a_compressed_answer_reaches_the_caller_as_it_was_sent(start: Start) -> None:
    packed = gzip.compress(said())
    bench = start(script=lambda got: answer(packed, headers=[JSON, ("Content-Encoding", "gzip")]))
    reply = bench.post(chat(), [("Accept-Encoding", "gzip")])
    assert reply.body == packed
    assert reply.get("content-encoding") == "gzip"
    assert bench.record(reply)["usage"]["output"] == 5


def test_a_chunked_body_is_taken_and_sent_on_with_its_length(start: Start) -> None:
    bench = start()
    body = chat("Hello " * 100)
    with Connection(bench.base) as connection:
        connection.send(
            "POST", "/v1/chat/completions", b"", [JSON, ("Transfer-Encoding", "chunked")]
        )
        for at in range(0, len(body), 97):
            connection.sock.sendall(chunk(body[at : at + 97]))
        connection.sock.sendall(b"0\r\n\r\n")
        assert connection.reply().status == 200
    got = bench.upstream.got[0]
    assert got.body == body
    assert got.get("content-length") == str(len(body))
    assert "transfer-encoding" not in got


def test_who_expects_100_continue_is_told_to_go_on(start: Start) -> None:
    bench = start()
    body = chat()
    with Connection(bench.base) as connection:
        head = [JSON, ("Content-Length", str(len(body))), ("Expect", "100-continue")]
        connection.send("POST", "/v1/chat/completions", None, head)
        assert connection.head().status == 100
        connection.sock.sendall(body)
        assert connection.reply().status == 200
    assert bench.upstream.got[0].body == body
    assert "expect" not in bench.upstream.got[0]


def test_who_expects_100_continue_for_too_much_is_refused_before_sending_it(start: Start) -> None:
    bench = start(limits={"max_body": "1KB"})
    with Connection(bench.base) as connection:
        head = [JSON, ("Content-Length", "5000"), ("Expect", "100-continue")]
        connection.send("POST", "/v1/chat/completions", None, head)
        assert connection.reply().status == 413
    assert bench.upstream.got == []


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused_and_not_kept(start: Start, chunked: bool) -> None:
    bench = start(limits={"max_body": "10KB"})
    body = chat("x" * 20_000)
    with Connection(bench.base) as connection:
        if chunked:
            connection.send("POST", "/v1/chat/completions", b"", [JSON, CHUNKED])
            connection.sock.sendall(chunk(body) + b"0\r\n\r\n")
        else:
            connection.send("POST", "/v1/chat/completions", body, [JSON])
        reply = connection.reply()
    assert reply.status == 413
    assert reply.get("x-portcullis-reason") == "body_too_large"
    assert b"10,000 bytes" in reply.body
    assert bench.upstream.got == []


def test_one_connection_carries_call_after_call(start: Start) -> None:
    bench = start()
    with Connection(bench.base) as connection:
        for number in range(5):
            connection.send("POST", "/v1/chat/completions", chat(f"Question {number}"), [JSON])
            assert connection.reply().status == 200
    assert len(bench.upstream.got) == 5


def test_calls_sent_at_once_on_one_connection_are_answered_in_order(start: Start) -> None:
    bench = start(script=lambda got: answer(got.target.encode()))
    with Connection(bench.base) as connection:
        for number in range(3):
            connection.send("GET", f"/v1/models/{number}")
        bodies = [connection.reply("GET").body for _ in range(3)]
    assert bodies == [b"/v1/models/0", b"/v1/models/1", b"/v1/models/2"]


def test_the_target_reaches_upstream_byte_for_byte(start: Start) -> None:
    bench = start()
    for target in (
        "/v1/models?",
        "/v1/models/a%2Fb%20c?x=%2F&x=1&y=a+b&z",
        "/openai/any/path;p=1//x?q='()*!~",
        "/v1/files/%C3%A9?after=%E2%82%AC",
    ):
        assert call(bench.base, target, method="GET").status == 200
    assert [got.target for got in bench.upstream.got] == [
        "/v1/models?",
        "/v1/models/a%2Fb%20c?x=%2F&x=1&y=a+b&z",
        "/any/path;p=1//x?q='()*!~",
        "/v1/files/%C3%A9?after=%E2%82%AC",
    ]


def test_head_passes_with_its_headers_and_without_a_body(start: Start) -> None:
    bench = start(script=lambda got: answer(b"", headers=[("X-Kind", "list")]))
    with Connection(bench.base) as connection:
        connection.send("HEAD", "/v1/models")
        reply = connection.reply("HEAD")
        assert (reply.status, reply.get("x-kind")) == (200, "list")
        connection.send("HEAD", "/v1/models")  # the connection is still in step
        assert connection.reply("HEAD").status == 200
    assert [got.line for got in bench.upstream.got] == ["HEAD /v1/models HTTP/1.1"] * 2


def test_the_answers_status_and_headers_pass_with_their_spelling_and_repeats(start: Start) -> None:
    sent = [
        JSON,
        ("X-Odd-CASE", "a"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("Server", "u"),
    ]
    bench = start(script=lambda got: answer(b"{}", "418 teapot", sent))
    reply = call(bench.base, "/v1/models", method="GET")
    assert reply.status == 418
    assert [pair for pair in reply.headers if pair in sent] == sent
    own = {name.lower() for name, value in reply.headers if (name, value) not in sent}
    assert own <= {"content-length", "transfer-encoding", "date", "x-portcullis-id"} | {
        "x-portcullis-verdict"
    }


def test_replies_do_not_say_what_they_are_served_with(start: Start) -> None:
    bench = start()
    assert "aiohttp" not in str(bench.post(chat()).headers).lower()
    assert "aiohttp" not in str(call(bench.base, "/v1/nowhere/x", b"{").headers).lower()


def test_pieces_of_a_stream_arrive_while_upstream_is_still_answering(start: Start) -> None:
    go_on = threading.Event()
    pieces = [b'data: {"n":1}\n\n', go_on, b"data: [DONE]\n\n"]
    bench = start(script=lambda got: stream(pieces))
    with Connection(bench.base) as connection:
        connection.send("POST", "/v1/chat/completions", chat(stream=True), [JSON])
        connection.head()
        assert connection.reader.chunk() == pieces[0]  # upstream waits for `go_on`
        go_on.set()
        assert b"".join(iter(connection.reader.chunk, b"")) == pieces[2]


POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
GET = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n"

NOT_HTTP = {
    "version": b"GET / HTTP/9.9\r\n\r\n",
    "start line": b"nonsense\r\n\r\n",
    "length": POST + b"Content-Length: x\r\n\r\n",
    "length and chunked": POST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "space in a name": GET + b"X-A : b\r\n\r\n",
    "long header": GET + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("junk", NOT_HTTP.values(), ids=NOT_HTTP.keys())
def test_what_is_not_http_is_refused_and_goes_nowhere(start: Start, junk: bytes) -> None:
    bench = start()
    with Connection(bench.base) as connection:
        connection.sock.sendall(junk)
        reply = connection.reply()
        assert 400 <= reply.status < 500
        assert orjson.loads(reply.body)["error"]["code"] == "body_malformed"  # and no echo
    assert bench.upstream.got == []
    assert bench.post(chat()).status == 200  # and the gateway goes on


def test_a_body_that_breaks_off_goes_nowhere(start: Start) -> None:
    bench = start()
    with Connection(bench.base) as connection:
        connection.send("POST", "/v1/chat/completions", b'{"mod', [JSON, ("Content-Length", "100")])
        connection.hang_up()
    assert bench.post(chat()).status == 200
    bench.gateway.idle()
    assert len(bench.upstream.got) == 1
    assert sorted(r["outcome"] for r in bench.gateway.records()) == ["answered", "cancelled"]


def test_closing_waits_for_the_call_that_is_running(start: Start) -> None:
    go_on = threading.Event()
    bench = start(script=lambda got: stream([b"data: 1\n\n", go_on, b"data: [DONE]\n\n"]))
    with Connection(bench.base) as connection:
        connection.send("POST", "/v1/chat/completions", chat(stream=True), [JSON])
        connection.head()
        connection.reader.chunk()
        bench.gateway.parts.handler.draining = True
        bench.gateway.do(_stop_accepting(bench.gateway.parts.server))
        with pytest.raises(OSError):
            Connection(bench.base)
        go_on.set()
        assert b"".join(iter(connection.reader.chunk, b"")) == b"data: [DONE]\n\n"


async def _stop_accepting(server: Any) -> None:
    server.stop_accepting()


def test_an_answer_that_ends_with_its_connection_is_delivered(start: Start) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    bench = start(script=lambda got: Script([head + said()], then="close"))
    reply = bench.post(chat())
    assert (reply.status, reply.body) == (200, said())
    assert "close" not in reply.get("connection")


def test_an_opaque_answer_keeps_its_length(start: Start) -> None:
    bench = start(script=lambda got: answer(b"x" * 100_000))
    reply = call(bench.base, "/v1/files/f/content", method="GET")
    assert reply.body == b"x" * 100_000
    assert reply.get("content-length") == "100000"


def test_a_stream_head_is_answered_before_its_first_piece_where_no_rule_may_stop_it(
    start: Start,
) -> None:
    go_on = threading.Event()
    bench = start(script=lambda got: Script([SSE_HEAD, chunk(b": hi\n\n"), go_on, b"0\r\n\r\n"]))
    with Connection(bench.base) as connection:
        connection.send("POST", "/v1/chat/completions", chat(stream=True), [JSON])
        assert connection.head().status == 200
        assert connection.reader.chunk() == b": hi\n\n"
        go_on.set()
        assert connection.reader.chunk() == b""


@pytest.mark.parametrize("raw", [b"/v1/models/caf\xc3\xa9?q=\xe2\x82\xac", b"/v1/models/\xff"])
def test_bytes_in_a_target_that_are_no_ascii_pass_or_are_refused(start: Start, raw: bytes) -> None:
    bench = start()
    with Connection(bench.base) as connection:
        connection.sock.sendall(b"GET " + raw + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status = connection.reply("GET").status
    if status == 200:
        assert bench.upstream.got[0].target == raw.decode("latin-1")
    else:
        assert status == 400


def test_who_would_change_the_protocol_is_answered_and_let_go(start: Start) -> None:
    bench = start()
    headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
    headers.append(("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="))
    with Connection(bench.base) as connection:
        connection.send("GET", "/v1/models", None, headers)
        reply = connection.reply("GET")
        assert (reply.status, reply.get("connection")) == (200, "close")
        with pytest.raises(OSError):
            connection.send("GET", "/v1/models/never")
            connection.reply("GET")
    assert [got.target for got in bench.upstream.got] == ["/v1/models"]


def test_a_refused_offer_of_http_2_loses_no_body(start: Start) -> None:
    bench = start()
    headers = [
        JSON,
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABk"),
    ]
    with Connection(bench.base) as connection:
        connection.send("POST", "/v1/chat/completions", chat(), headers)
        assert connection.reply().status == 200
    assert bench.upstream.got[0].body == chat()


def test_a_fault_of_ours_ends_one_connection_only(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = start()
    server = bench.gateway.parts.server
    handle = server._handle

    async def fail(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(server, "_handle", fail)
    with Connection(bench.base) as connection:
        connection.send("POST", "/v1/chat/completions", chat(), [JSON])
        with pytest.raises(ConnectionError):
            connection.reply()
    monkeypatch.setattr(server, "_handle", handle)
    assert bench.post(chat()).status == 200
