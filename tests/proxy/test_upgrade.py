"""Requests for a WebSocket: granted where it can be guarded, refused where a rule would have to
see what nobody can read, passed where no rule minds."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.proxy.socket_provider import Close, SocketProvider, Step
from tests.proxy.test_responses_session import SECRET, Start, start
from tests.proxy.wire import WAIT, Connection

__all__ = ["start"]

REALTIME = "/v1/realtime?model=gpt-realtime"


def echo(got: dict[str, Any], number: int) -> list[Step]:
    return [{"echo": got}] if got.get("type") != "bye" else [Close(4000)]


def test_a_socket_that_nobody_reads_passes_where_no_rule_minds(start: Start) -> None:
    bench = start({"kind": "rate_limit", "per": "tenant", "requests": "9/h"}, script=echo)
    with bench.connect(REALTIME, **{"OpenAI-Beta": "realtime=v1"}) as socket:
        socket.send('{"type":"session.update"}')
        assert orjson.loads(socket.recv(WAIT)) == {"echo": {"type": "session.update"}}
        socket.send('{"type":"bye"}')
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(WAIT)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 4000
    (asked,) = bench.provider.asked
    assert (asked.path, asked.headers["openai-beta"]) == (REALTIME, "realtime=v1")
    bench.gateway.idle()
    (record,) = bench.gateway.records()
    assert (record["status"], record["outcome"], record["dialect"]) == (101, "answered", "opaque")
    assert record["bytes"]["in"] > 0
    assert record["bytes"]["out"] > 0
    assert record["unscannable"] == {"tunnel": 1}


@pytest.mark.parametrize(
    "rule",
    [
        SECRET,
        {**SECRET, "unscannable": "block"},
        {"kind": "budget", "per": "tenant", "limit": "$5.00"},
        {"kind": "tools", "deny": ["x"]},
    ],
)
def test_where_a_rule_would_have_to_see_it_is_refused(start: Start, rule: dict[str, Any]) -> None:
    bench = start(rule)
    with pytest.raises(InvalidStatus) as caught:
        bench.connect(REALTIME)
    response = caught.value.response
    error = orjson.loads(response.body or b"")["error"]
    assert (response.status_code, error["code"]) == (400, "unscannable_content")
    assert "WebSocket" in error["message"]
    assert response.headers["x-portcullis-rule"].startswith(f"p/{rule['kind']}")
    assert bench.provider.asked == []
    (record,) = bench.gateway.records()
    assert (record["outcome"], record["reason"]) == ("refused", "unscannable_content")


@pytest.mark.parametrize(
    "change",
    [{"unscannable": "allow"}, {"mode": "shadow"}, {"when": {"upstream": ["anthropic"]}}],
)
def test_a_rule_that_need_not_see_it_does_not_refuse(start: Start, change: dict[str, Any]) -> None:
    bench = start({**SECRET, **change}, script=echo)
    with bench.connect(REALTIME) as socket:
        socket.send('{"type":"x"}')
        assert orjson.loads(socket.recv(WAIT)) == {"echo": {"type": "x"}}


def test_responses_of_another_provider_are_not_taken_for_readable(start: Start) -> None:
    with SocketProvider(echo) as provider:
        upstreams = {"local": {"provider": "ollama", "url": provider.url}}
        bench = start(SECRET, upstreams=upstreams)
        with pytest.raises(InvalidStatus) as caught:
            bench.connect("/local/v1/responses")
        assert caught.value.response.status_code == 400
        assert provider.asked == []


def test_what_upstream_refuses_is_passed_on(start: Start) -> None:
    bench = start(refuse=(403, b'{"error":"no realtime for you"}'))
    with pytest.raises(InvalidStatus) as caught:
        bench.connect(REALTIME)
    response = caught.value.response
    assert (response.status_code, response.body) == (403, b'{"error":"no realtime for you"}')


ASKED = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
]


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/realtime"])
def test_a_handshake_that_is_none_is_refused(start: Start, path: str) -> None:
    bench = start()
    with Connection(bench.gateway.base) as connection:
        headers = [pair for pair in ASKED if pair[0] != "Sec-WebSocket-Key"]
        connection.send("GET", path, headers=headers)
        reply = connection.reply()
    assert reply.status == 400
    assert orjson.loads(reply.body)["error"]["code"] == "upgrade_refused"
    assert bench.provider.asked == []


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([("Origin", "https://evil.example")], "origin_denied"),
        ([("Host", "evil.example")], "host_denied"),
        ([("Authorization", "Bearer ptc_wrong")], "key_invalid"),
    ],
)
def test_a_handshake_is_checked_like_any_request(
    start: Start, headers: list[tuple[str, str]], code: str
) -> None:
    bench = start()
    with Connection(bench.gateway.base) as connection:
        connection.send("GET", "/v1/responses", headers=[*ASKED, *headers])
        reply = connection.reply()
    assert orjson.loads(reply.body)["error"]["code"] == code
    assert bench.provider.asked == []


def test_an_offer_of_another_protocol_is_a_plain_request(start: Start) -> None:
    with SocketProvider() as provider:
        bench = start(upstreams={"openai": {"provider": "openai", "url": provider.url}})
        with Connection(bench.gateway.base) as connection:
            asked = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c")]
            connection.send("GET", "/v1/models", headers=asked)
            assert connection.reply().status != 101
