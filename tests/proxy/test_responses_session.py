"""Responses over WebSocket through a gateway: every response is a call of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from socket import SHUT_RDWR
from typing import Any

import orjson
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.sync.connection import Connection

from gateway.proxy import responses_session
from gateway.testing.answers import Say, Tool
from tests.proxy.local import LocalGateway, policy
from tests.proxy.socket_provider import Close, SocketProvider, Step, Wait, events
from tests.proxy.wire import WAIT

LAST = ("response.completed", "response.failed", "response.incomplete", "error")
SECRET = {"kind": "patterns", "deny": ["open sesame"], "action": "block"}
ANSWERS = {**SECRET, "surfaces": ["user", "output", "tool_call"]}


class Bench:
    """A gateway in front of a provider, and one caller's connection."""

    def __init__(self, gateway: LocalGateway, provider: SocketProvider) -> None:
        self.gateway = gateway
        self.provider = provider

    def connect(self, path: str = "/v1/responses", **headers: str) -> ClientConnection:
        url = self.gateway.base.replace("http", "ws", 1) + path
        return connect(
            url,
            additional_headers={"Authorization": "Bearer sk-1", **headers},
            proxy=None,
            compression="deflate",
            max_size=None,
            close_timeout=WAIT,
        )

    def records(self) -> list[dict[str, Any]]:
        """What was recorded of responses."""
        self.gateway.idle()
        found = self.gateway.records()
        return [each for each in found if each["dialect"] == "openai_responses"]


Start = Callable[..., Bench]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def make(
            *rules: Mapping[str, Any],
            script: Callable[[dict[str, Any], int], list[Step]] | None = None,
            refuse: tuple[int, bytes] | None = None,
            **more: Any,
        ) -> Bench:
            provider = SocketProvider(refuse=refuse)
            if script is not None:
                provider.script = script
            stack.enter_context(provider)
            file = policy(provider.url, *rules, **more)
            return Bench(stack.enter_context(LocalGateway(tmp_path, file)), provider)

        yield make


def create(text: str = "Hello", **more: Any) -> str:
    asked = {"type": "response.create", "model": "gpt-4o-mini", "input": text, **more}
    return orjson.dumps(asked).decode()


def turn(socket: Connection) -> list[dict[str, Any]]:
    """The events of one response."""
    found: list[dict[str, Any]] = []
    while not found or found[-1]["type"] not in LAST:
        found.append(orjson.loads(socket.recv(WAIT)))
    return found


def said(told: list[dict[str, Any]]) -> str:
    return "".join(event.get("delta", "") for event in told if "output_text" in event["type"])


# --- what passes ---


def test_messages_pass_byte_for_byte_where_no_rule_acts(start: Start) -> None:
    asked = '{"type": "response.create",\n "model":"gpt-4o-mini", "input":"Hi", "new_field":[1.0]}'
    told = '{"type":"response.completed",  "response":{"id":"resp_1","usage":null}, "x":"\\u00e9"}'
    bench = start(script=lambda got, number: [told])
    with bench.connect() as socket:
        socket.send(asked)
        assert socket.recv(WAIT) == told
    assert bench.provider.raw == [asked]


def test_each_response_is_a_call_with_its_own_record(start: Start) -> None:
    bench = start({"kind": "budget", "per": "tenant", "limit": "$1"}, SECRET)
    with bench.connect() as socket:
        for text in ("one", "two"):
            socket.send(create(text))
            assert said(turn(socket)) == "Hello there."
    first, second = bench.records()
    for record in (first, second):
        assert (record["outcome"], record["stream"], record["status"]) == ("answered", True, 200)
        assert record["usage"] == {"input": 12, "output": 5}
        assert record["cost_nanodollars"] > 0
    assert first["id"] != second["id"]
    assert len(bench.provider.open) == 1  # one connection of its own for this caller
    handshakes = [each for each in bench.gateway.records() if each["status"] == 101]
    assert [each["outcome"] for each in handshakes] == ["answered"]


def test_the_handshake_carries_the_callers_headers_but_not_its_extensions(start: Start) -> None:
    bench = start()
    with bench.connect(
        "/v1/responses?x=1", **{"OpenAI-Beta": "x", "X-Portcullis-X": "y"}
    ) as socket:
        assert socket.protocol.extensions == []
        socket.send(create())
        turn(socket)
    (asked,) = bench.provider.asked
    assert asked.path == "/v1/responses?x=1"
    assert asked.headers["authorization"] == "Bearer sk-1"
    assert asked.headers["openai-beta"] == "x"
    assert "sec-websocket-extensions" not in asked.headers
    assert "x-portcullis-x" not in asked.headers


def test_an_operators_credential_takes_the_place_of_the_callers(start: Start) -> None:
    upstream = {"provider": "openai", "url": "http://127.0.0.1:9", "credential": "sk-own"}
    with SocketProvider() as provider:
        upstreams = {"openai": {**upstream, "url": provider.url}}
        bench = start(upstreams=upstreams)
        with bench.connect() as socket:
            socket.send(create())
            turn(socket)
        assert provider.asked[0].headers.get_all("authorization") == ["Bearer sk-own"]


def test_responses_that_are_asked_for_at_once_come_one_after_the_other(start: Start) -> None:
    bench = start(script=lambda got, number: events(Say((got["input"],))))
    with bench.connect() as socket:
        for text in ("one", "two", "three", "four"):
            socket.send(create(text))
        assert [said(turn(socket)) for _ in range(4)] == ["one", "two", "three", "four"]


def test_pings_are_answered_while_a_response_runs(start: Start) -> None:
    more = threading.Event()
    bench = start(script=lambda got, number: [Wait(more), *events(Say())])
    with bench.connect() as socket:
        socket.send(create())
        assert socket.ping().wait(WAIT)
        more.set()
        assert turn(socket)[-1]["type"] == "response.completed"


# --- rules ---


def test_a_blocked_request_never_reaches_the_provider_and_the_connection_stays(
    start: Start,
) -> None:
    bench = start(SECRET)
    with bench.connect() as socket:
        socket.send(create("say open sesame"))
        (told,) = turn(socket)
        assert (told["type"], told["status"]) == ("error", 400)
        assert told["error"]["code"] == "pattern_found"
        assert told["headers"]["x-portcullis-rule"] == "p/patterns"
        socket.send(create("hello"))
        assert said(turn(socket)) == "Hello there."
    assert [got["input"] for got in bench.provider.got] == ["hello"]
    refused, answered = bench.records()
    assert (refused["outcome"], refused["reason"]) == ("refused", "pattern_found")
    assert answered["outcome"] == "answered"


def test_a_rewritten_request_goes_on_as_a_message(start: Start) -> None:
    bench = start({"kind": "pii", "entities": ["EMAIL_ADDRESS"], "action": "redact"})
    with bench.connect() as socket:
        socket.send(create("mail ann@example.com"))
        turn(socket)
    (got,) = bench.provider.got
    assert got["type"] == "response.create"
    assert "ann@example.com" not in got["input"]


def test_an_answer_is_stopped_before_the_match_and_the_next_one_works(start: Start) -> None:
    def script(got: dict[str, Any], number: int) -> list[Step]:
        pieces = ("Well, ", "open ", "sesame", " it is") if number == 0 else ("Fine.",)
        return events(Say(pieces))

    bench = start(ANSWERS, script=script)
    with bench.connect() as socket:
        socket.send(create())
        told = turn(socket)
        assert told[-1]["type"] == "response.failed"
        assert told[-1]["response"]["error"]["code"] == "invalid_prompt"
        assert "sesame" not in orjson.dumps(told).decode()
        socket.send(create("again"))
        assert said(turn(socket)) == "Fine."
    assert len(bench.provider.open) == 2  # there is no message that stops a response
    stopped, answered = bench.records()
    assert (stopped["outcome"], stopped["reason"]) == ("blocked", "pattern_found")
    assert answered["outcome"] == "answered"


def test_a_forbidden_tool_call_is_taken_out(start: Start) -> None:
    calls = Say((), tools=[Tool("delete_database", '{"name":"all"}')])
    bench = start({"kind": "tools", "deny": ["delete_*"]}, script=lambda got, n: events(calls))
    with bench.connect() as socket:
        socket.send(create(tools=[{"type": "function", "name": "get", "parameters": {}}]))
        told = turn(socket)
    assert told[-1]["type"] == "response.completed"
    assert all(item["type"] == "message" for item in told[-1]["response"]["output"])
    assert "Portcullis took out" in said(told)
    (record,) = bench.records()
    assert record["tool_calls"][0]["passed"] is None


def test_a_budget_counts_and_ends(start: Start) -> None:
    limit = {"kind": "budget", "per": "tenant", "limit": "800 tokens"}
    bench = start(limit, script=lambda got, number: events(Say(usage=(300, 40))))
    with bench.connect() as socket:
        codes = []
        for _ in range(4):
            socket.send(create("Hi", max_output_tokens=5))
            codes.append(turn(socket)[-1].get("error", {}).get("code"))
    assert codes[0] is None
    assert codes[-1] == "budget_exceeded"


def test_a_response_that_reaches_its_budget_is_cut_and_the_connection_stays(start: Start) -> None:
    long = Say(tuple("word " * 40 for _ in range(40)))
    limit = {"kind": "budget", "per": "tenant", "limit": "1300 tokens", "reserve_output": 256}
    bench = start(limit, script=lambda got, number: events(long)[:-3])
    with bench.connect() as socket:
        socket.send(create(max_output_tokens=4000))
        told = turn(socket)
        assert told[-1]["type"] == "response.failed"
        assert "and this answer reached it" in told[-1]["response"]["error"]["message"]
        assert 200 < len(said(told)) < 40 * 200
        socket.send(create(max_output_tokens=4000))
        assert "type" in turn(socket)[-1]  # an answer, shorter still, or a refusal
    cut, _ = bench.records()
    assert (cut["outcome"], cut["reason"]) == ("blocked", "budget_exceeded")
    assert cut["limits"]["claims"][0]["settled"] > 256


def test_a_rate_limit_says_how_long_to_wait(start: Start) -> None:
    # The handshake is none of them: it sends nothing, and Codex would sit its refusal out.
    bench = start({"kind": "rate_limit", "per": "tenant", "requests": "1/h"})
    with bench.connect() as socket:
        socket.send(create())
        turn(socket)
        socket.send(create())
        (told,) = turn(socket)
    assert (told["status"], told["error"]["code"]) == (429, "rate_limited")
    assert int(told["headers"]["retry-after"]) > 60
    assert told["error"]["type"] == "usage_limit_reached"
    assert told["error"]["message"].startswith(told["headers"]["x-codex-promo-message"])


# --- what is no response.create ---


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("no json", "body_malformed"),
        ("[1]", "body_malformed"),
        ('{"type":"response.create","model":"a","model":"b"}', "duplicate_key"),
        ('{"type":"session.update"}', "message_unexpected"),
        (b"\x00\x01", "message_unexpected"),
    ],
)
def test_what_cannot_be_used_is_refused_and_the_connection_stays(
    start: Start, message: str | bytes, code: str
) -> None:
    bench = start(SECRET)
    with bench.connect() as socket:
        socket.send(message)
        (told,) = turn(socket)
        assert (told["type"], told["status"], told["error"]["code"]) == ("error", 400, code)
        socket.send(create())
        assert said(turn(socket)) == "Hello there."


def test_a_message_of_another_type_follows_unscannable_also_while_a_response_runs(
    start: Start,
) -> None:
    begun, more = threading.Event(), threading.Event()

    def script(got: dict[str, Any], number: int) -> list[Step]:
        begun.set()
        return [Wait(more), *events(Say())]

    bench = start({**SECRET, "unscannable": "block"}, script=script)
    with bench.connect() as socket:
        socket.send(create())
        assert begun.wait(WAIT)
        socket.send('{"type":"response.steer","input":"and say open sesame"}')
        (told,) = turn(socket)
        assert told["error"]["code"] == "unscannable_content"
        more.set()
        assert said(turn(socket)) == "Hello there."
    assert [got["type"] for got in bench.provider.got] == ["response.create"]


def test_a_message_of_another_type_passes_flagged_where_that_is_the_rule(start: Start) -> None:
    heard = threading.Event()

    def script(got: dict[str, Any], number: int) -> list[Step]:
        if got["type"] == "response.steer":
            heard.set()
            return []
        return events(Say())

    bench = start(SECRET, script=script)
    with bench.connect() as socket:
        socket.send(create())
        turn(socket)
        socket.send('{"type":"response.steer","input":"x"}')
        assert heard.wait(WAIT)
    bench.gateway.idle()
    (record,) = [
        r for r in bench.gateway.records() if r["dialect"] == "opaque" and r["bytes"]["in"]
    ]
    assert (record["action"], record["outcome"]) == ("flag", "answered")


def test_a_message_over_the_limit_closes_the_connection(start: Start) -> None:
    bench = start(limits={"max_body": "1KB"})
    with bench.connect() as socket:
        socket.send(create("x" * 2000))
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(WAIT)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009
    assert bench.provider.got == []


# --- the provider fails ---


def test_the_providers_own_error_passes_as_it_came(start: Start) -> None:
    error = {"code": "previous_response_not_found", "message": "No.", "param": "x"}
    told = {"type": "error", "status": 404, "error": error}
    bench = start(script=lambda got, number: [told])
    with bench.connect() as socket:
        for _ in range(2):
            socket.send(create())
            assert turn(socket) == [told]
    assert len(bench.provider.open) == 1
    assert [record["upstream_status"] for record in bench.records()] == [404, 404]


def test_a_refused_handshake_shows_as_the_providers_error(start: Start) -> None:
    body = b'{"error":{"message":"Incorrect API key","type":"x","code":"invalid_api_key"}}'
    bench = start(refuse=(401, body))
    with bench.connect() as socket:
        socket.send(create())
        (told,) = turn(socket)
    assert (told["status"], told["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("code", [1006, 1011])
def test_a_provider_that_breaks_off_shows_as_an_error_and_the_next_response_works(
    start: Start, code: int
) -> None:
    def script(got: dict[str, Any], number: int) -> list[Step]:
        return [*events(Say())[:6], Close(code)] if number == 0 else events(Say())

    bench = start(SECRET, script=script)
    with bench.connect() as socket:
        socket.send(create())
        told = turn(socket)
        assert (told[-1]["type"], told[-1]["error"]["code"]) == ("error", "upstream_unreachable")
        socket.send(create())
        assert said(turn(socket)) == "Hello there."
    broken, answered = bench.records()
    assert (broken["outcome"], answered["outcome"]) == ("upstream_failed", "answered")
    assert broken["usage"]["estimated"]


def test_a_provider_that_closes_between_two_responses_closes_the_caller(start: Start) -> None:
    limit = {"type": "error", "error": {"code": "websocket_connection_limit_reached"}}

    def script(got: dict[str, Any], number: int) -> list[Step]:
        return [*events(Say()), Wait(more), limit, Close(1000)]

    more = threading.Event()
    bench = start(script=script)
    with bench.connect() as socket:
        socket.send(create())
        turn(socket)
        more.set()
        assert orjson.loads(socket.recv(WAIT)) == limit
        with pytest.raises(ConnectionClosed):
            socket.recv(WAIT)


def test_what_nobody_asked_for_does_not_pass(start: Start) -> None:
    extra = {"type": "response.output_text.delta", "delta": "open sesame"}
    bench = start(ANSWERS, script=lambda got, number: [*events(Say()), extra])
    with bench.connect() as socket:
        socket.send(create())
        turn(socket)
        with pytest.raises(ConnectionClosed):
            socket.recv(WAIT)


# --- ends ---


@pytest.mark.parametrize("polite", [True, False])
def test_a_caller_that_goes_ends_the_response_and_the_providers_connection(
    start: Start, polite: bool
) -> None:
    never = threading.Event()
    bench = start(script=lambda got, number: [*events(Say())[:6], Wait(never)])
    socket = bench.connect()
    socket.send(create())
    for _ in range(5):
        socket.recv(WAIT)
    if polite:
        socket.close()
    else:
        socket.socket.shutdown(SHUT_RDWR)
    (record,) = bench.records()
    never.set()
    assert bench.provider.left.wait(WAIT)
    assert (record["outcome"], record["reason"]) == ("cancelled", "client_gone")


async def stop(gateway: LocalGateway) -> None:
    gateway.worker.stop(WAIT)


def test_a_drain_lets_a_response_end_and_then_goes_away(start: Start) -> None:
    more = threading.Event()
    bench = start(script=lambda got, number: [*events(Say())[:3], Wait(more), *events(Say())[3:]])
    with bench.connect() as busy, bench.connect() as idle:
        busy.send(create())
        busy.recv(WAIT)
        bench.gateway.do(stop(bench.gateway))
        while not bench.gateway.parts.handler.draining:
            time.sleep(0.01)
        more.set()
        assert turn(busy)[-1]["type"] == "response.completed"
        for socket in (busy, idle):
            with pytest.raises(ConnectionClosed) as caught:
                socket.recv(WAIT)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001
    assert [record["outcome"] for record in bench.records()] == ["answered"]


def test_a_connection_on_which_nothing_is_asked_is_closed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses_session, "IDLE", 0.1)
    bench = start()
    with bench.connect() as socket, pytest.raises(ConnectionClosed) as caught:
        socket.recv(WAIT)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1000


def test_a_policy_that_is_loaded_meanwhile_holds_for_the_next_response(start: Start) -> None:
    bench = start()

    async def reload() -> None:
        text = orjson.dumps(policy(bench.provider.url, SECRET)).decode()
        worker = bench.gateway.worker
        assert await worker.answer({"do": "prepare", "texts": {"p.yaml": text}}) == {
            "prepared": True
        }
        assert await worker.answer({"do": "commit"}) == {"committed": True}

    with bench.connect() as socket:
        socket.send(create("open sesame"))
        assert turn(socket)[-1]["type"] == "response.completed"
        bench.gateway.do(reload())
        socket.send(create("open sesame"))
        assert turn(socket)[-1]["error"]["code"] == "pattern_found"
