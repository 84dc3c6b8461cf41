"""MCP on the wire: what reaches a server, what comes back, and how long streams live."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.local import LocalGateway
from tests.proxy.wire import (
    Connection,
    Message,
    Script,
    Upstream,
    answer,
    call,
    stream,
)

JSON = ("Content-Type", "application/json")
DENY = {"kind": "tools", "deny": ["delete_*"]}
REDACT = {"kind": "pii", "entities": ["EMAIL_ADDRESS"], "action": "redact"}
HEARD = b"id: 1\r\nevent: message\r\ndata: {}\r\n\r\n"


def request(method: str, params: Any = None, number: Any = 1) -> dict[str, Any]:
    made = {"jsonrpc": "2.0", "id": number, "method": method}
    return made if params is None else {**made, "params": params}


def tool(name: str, **arguments: Any) -> dict[str, Any]:
    return request("tools/call", {"name": name, "arguments": arguments})


class Place:
    """A gateway before one MCP server, `github`."""

    def __init__(self, upstream: Upstream, gateway: LocalGateway) -> None:
        self.upstream = upstream
        self.gateway = gateway

    def post(
        self, message: Any, target: str = "/github", headers: Iterable[tuple[str, str]] = ()
    ) -> Message:
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        return call(self.gateway.base, target, body, [JSON, *headers])

    def listen(self, target: str = "/github") -> Connection:
        """A stream that was asked for."""
        connection = Connection(self.gateway.base)
        connection.send("GET", target, None, [("Accept", "text/event-stream")])
        return connection

    def record(self, reply: Message) -> dict[str, Any]:
        return self.gateway.record(reply.get("x-portcullis-id"))


Begin = Callable[..., Place]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    with ExitStack() as stack:

        def make(
            *rules: dict[str, Any],
            script: Callable[[Message], Script] = lambda got: answer(),
            path: str = "/mcp",
            **options: Any,
        ) -> Place:
            upstream = stack.enter_context(Upstream(script))
            own = {"provider": "mcp", "url": f"{upstream.url}{path}", **options}
            file = {
                "version": 1,
                "upstreams": {"github": own},
                "tenants": {"local": {"policies": ["p"]}},
                "default_tenant": "local",
                "policies": {"p": {"rules": list(rules)}},
            }
            gateway = stack.enter_context(LocalGateway(tmp_path, file))
            return Place(upstream, gateway)

        yield make


# --- what reaches the server --------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/v1/mcp", "/api/v1/mcp/"])
def test_every_way_to_call_reaches_the_configured_url(begin: Begin, path: str) -> None:
    place = begin(path=path)
    for target in ("/github", "/github/", "/github/mcp", "/github/api/v1/mcp", "/github?a=b"):
        assert place.post(request("ping"), target).status == 200
    query = ["", "", "", "", "?a=b"]
    assert [got.target for got in place.upstream.got] == [path + mark for mark in query]
    host = place.upstream.url.removeprefix("http://")
    assert {got.get("host") for got in place.upstream.got} == {host}


def test_nothing_else_of_the_server_is_reached(begin: Begin) -> None:
    place = begin(path="/api/mcp")
    for target in ("/github/admin", "/github/api/../admin", "/github/api/%2e%2e/admin"):
        reply = place.post(request("ping"), target)
        assert (reply.status, reply.get("x-portcullis-reason")) == (404, "upstream_unknown")
    assert place.upstream.got == []


def test_bodies_and_the_protocols_headers_pass_untouched(begin: Begin) -> None:
    body = (
        b' {"jsonrpc":"2.0", "id":1,"method":"tools/list","params":{"_meta":{"traceparent":"x"}}}'
    )
    told = b'{"jsonrpc":"2.0","id":1,"result":{"tools":[ ]}}\n'
    session = ("Mcp-Session-Id", "s-1")
    place = begin(DENY, REDACT, script=lambda got: answer(told, headers=[JSON, session]))
    sent = [session, ("mcp-protocol-version", "2025-11-25"), ("Last-Event-ID", "7")]
    reply = place.post(body, headers=sent)
    (got,) = place.upstream.got
    assert got.body == body
    assert [(name, got.get(name.lower())) for name, _ in sent] == sent
    assert (reply.body, reply.get("mcp-session-id")) == (told, "s-1")
    assert place.record(reply)["who"]["session_source"] == "mcp-session-id"


def test_a_session_is_ended_through_the_gateway(begin: Begin) -> None:
    place = begin(DENY, script=lambda got: answer(b"", "204 No Content", []))
    reply = call(place.gateway.base, "/github", None, [("mcp-session-id", "s")], method="DELETE")
    assert (reply.status, place.upstream.got[0].line) == (204, "DELETE /mcp HTTP/1.1")


def test_a_server_that_wants_a_login_is_answered_to_the_client_as_it_is(begin: Begin) -> None:
    asks = ("WWW-Authenticate", 'Bearer resource_metadata="https://x/.well-known/y"')
    body = b'{"error":"invalid_token"}'
    place = begin(DENY, REDACT, script=lambda got: answer(body, "401 Unauthorized", [JSON, asks]))
    reply = place.post(request("initialize", {}))
    assert (reply.status, reply.body, reply.get("www-authenticate")) == (401, body, asks[1])


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (
            "/.well-known/oauth-protected-resource/github",
            "/.well-known/oauth-protected-resource/mcp",
        ),
        (
            "/.well-known/oauth-protected-resource/github/mcp",
            "/.well-known/oauth-protected-resource/mcp",
        ),
        ("/github/.well-known/openid-configuration", "/.well-known/openid-configuration"),
    ],
)
def test_documents_about_the_login_are_found(begin: Begin, target: str, path: str) -> None:
    place = begin(DENY)
    assert call(place.gateway.base, target, method="GET").status == 200
    assert place.upstream.got[0].target == path


def test_arguments_are_rewritten_in_body_and_headers(begin: Begin) -> None:
    place = begin(REDACT)
    mail = "ann@example.com"
    place.post(tool("find", who=mail), headers=[("Mcp-Param-Who", mail), ("Mcp-Name", "find")])
    (got,) = place.upstream.got
    assert json.loads(got.body)["params"]["arguments"] == {"who": "<EMAIL_ADDRESS>"}
    assert (got.get("mcp-param-who"), got.get("mcp-name")) == ("<EMAIL_ADDRESS>", "find")


# --- what goes no further -------------------------------------------------------------------------


def test_a_forbidden_tool_is_a_result_and_the_server_never_sees_the_call(begin: Begin) -> None:
    place = begin(DENY)
    reply = place.post(tool("delete_repo"))
    told = json.loads(reply.body)["result"]
    assert (reply.status, told["isError"], place.upstream.got) == (200, True, [])
    assert "Nothing was sent to the tool." in told["content"][0]["text"]
    assert reply.get("x-portcullis-verdict") == "block"
    assert reply.get("x-portcullis-reason") == "tool_denied"
    record = place.record(reply)
    assert (record["outcome"], record["reason"]) == ("refused", "tool_denied")


def test_a_tool_that_only_a_header_names_is_forbidden_too(begin: Begin) -> None:
    place = begin(DENY)
    reply = place.post(tool("read"), headers=[("Mcp-Name", "delete_repo")])
    assert (json.loads(reply.body)["result"]["isError"], place.upstream.got) == (True, [])


def test_who_calls_too_often_reads_how_long_to_wait(begin: Begin) -> None:
    place = begin({"kind": "rate_limit", "per": "tool", "requests": "1/min", "missing": "shared"})
    assert json.loads(place.post(tool("read")).body) == {}
    assert json.loads(place.post(tool("write")).body) == {}
    reply = place.post(tool("Read"))
    told = json.loads(reply.body)["result"]
    assert (reply.status, told["isError"]) == (200, True)
    assert "Send the same request again in" in told["content"][0]["text"]
    assert int(reply.get("retry-after")) > 0


def test_a_message_that_nobody_waits_for_is_dropped(begin: Begin) -> None:
    place = begin({"kind": "secrets", "action": "block"})
    reason = "AKIAIOSFODNN7EXAMPLE"
    params = {"requestId": 1, "reason": reason}
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
    reply = place.post(note)
    assert (reply.status, reply.body, place.upstream.got) == (202, b"", [])
    assert place.record(reply)["reason"] == "secret_found"


@pytest.mark.parametrize("body", [b"{}", b"[]", b"no", b'{"jsonrpc":"2.0","id":1,"id":2}'])
def test_what_is_no_json_rpc_is_refused_in_its_words(begin: Begin, body: bytes) -> None:
    place = begin(DENY)
    reply = place.post(body)
    told = json.loads(reply.body)
    assert (reply.status, told["id"], told["error"]["code"]) == (400, None, -32600)
    assert place.upstream.got == []


def test_a_server_that_is_away_is_an_error_that_answers_the_request(begin: Begin) -> None:
    place = begin(DENY)
    place.upstream.go_away()
    reply = place.post(request("tools/list", None, "a"))
    told = json.loads(reply.body)
    assert (reply.status, told["id"]) == (502, "a")
    assert told["error"]["data"] == {"reason": "upstream_unreachable"}
    assert place.record(reply)["outcome"] == "upstream_failed"


def test_a_redirect_is_not_passed_on(begin: Begin) -> None:
    where = ("Location", "http://127.0.0.1:1/mcp/")
    place = begin(script=lambda got: answer(b"", "307 Temporary Redirect", [where]))
    reply = place.post(request("ping"))
    assert (reply.status, reply.get("location")) == (502, "")
    assert "url" in json.loads(reply.body)["error"]["message"]
    assert place.record(reply)["rpc"] == ["ping"]


@pytest.mark.parametrize("error", [b"Gone. Ask ann@example.com", b'{"detail":"ann@example.com"}'])
def test_a_servers_error_passes_through_the_rules(begin: Begin, error: bytes) -> None:
    place = begin(REDACT, script=lambda got: answer(error, "500 Oops", [JSON]))
    reply = place.post(request("tools/list"))
    assert reply.status == 500
    assert reply.body == error.replace(b"ann@example.com", b"<EMAIL_ADDRESS>")


def test_a_tool_has_a_time_limit_of_its_own(begin: Begin) -> None:
    tools = [{"name": "slow", "timeout": "50ms"}]
    place = begin(DENY, script=lambda got: Script([], "hang"), tools=tools)
    reply = place.post(tool("slow"))
    assert (reply.status, reply.get("x-portcullis-reason")) == (504, "upstream_timeout")


# --- streams --------------------------------------------------------------------------------------


def test_a_silent_streams_head_does_not_wait_for_an_event(begin: Begin) -> None:
    go = threading.Event()
    place = begin(DENY, REDACT, script=lambda got: stream([go, HEARD, b": bye\n\n"]))
    with place.listen() as connection:
        head = connection.head()
        assert (head.status, head.get("content-type").partition(";")[0]) == (
            200,
            "text/event-stream",
        )
        go.set()
        assert connection.reader.body(head, reply=True) == HEARD + b": bye\n\n"
    assert place.upstream.got[0].line == "GET /mcp HTTP/1.1"


def test_an_answers_events_come_as_they_were_sent(begin: Begin) -> None:
    events = (
        b"id: 0\ndata: \n\n"
        b'event: message\r\ndata: {"jsonrpc":"2.0", "method":"notifications/progress"}\r\n\r\n'
        b'id: 2\nretry: 9\ndata: {"jsonrpc":"2.0","id":1,\ndata:  "result":{"content":[]}}\n\n'
    )
    place = begin(DENY, REDACT, script=lambda got: stream([bytes([each]) for each in events]))
    assert place.post(tool("read")).body == events


def test_a_stopped_result_in_a_stream_is_a_blocked_call_in_the_record(begin: Begin) -> None:
    said = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "swordfish"}}
    gave = {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "x"}]}}
    events = [json.dumps(said)]
    place = begin(
        {"kind": "patterns", "deny": ["swordfish"], "action": "block"},
        script=lambda got: stream([f"data: {each}\n\n".encode() for each in events]),
    )
    events.append(json.dumps(gave))
    fine = place.record(place.post(tool("read")))  # a notification was dropped, the answer came
    assert (fine["outcome"], fine["action"]) == ("answered", "block")
    events[1] = json.dumps(gave).replace('"x"', '"swordfish"')
    reply = place.post(tool("read"))
    stopped = place.record(reply)
    assert (stopped["outcome"], stopped["reason"]) == ("blocked", "pattern_found")
    assert b"The tool was run, but what it gave was not delivered." in reply.body


def test_a_tool_with_a_price_is_paid_for(begin: Begin) -> None:
    place = begin(
        {"kind": "budget", "per": "tenant", "window": "day", "limit": "$1"},
        tools=[{"name": "search", "price": "$0.6"}],
    )
    assert place.post(tool("read")).body == b"{}"
    assert place.record(place.post(tool("search")))["cost_nanodollars"] == 600_000_000
    reply = place.post(tool("Search"))
    assert json.loads(reply.body)["result"]["isError"]
    assert reply.get("x-portcullis-reason") == "budget_exceeded"
    assert place.post(request("tools/list")).body == b"{}"


def test_no_silence_is_too_long_for_a_stream_that_listens(begin: Begin) -> None:
    """The server says nothing for twice the limit of its upstream, then goes on."""
    go = threading.Event()
    place = begin(script=lambda got: stream([go, HEARD]), timeout="700ms")
    with place.listen() as connection:
        head = connection.head()
        threading.Timer(1.5, go.set).start()
        assert connection.reader.body(head, reply=True) == HEARD


def test_a_client_that_hangs_up_ends_the_servers_stream(begin: Begin) -> None:
    place = begin(DENY, script=lambda got: stream([HEARD], then="hang"))
    with place.listen() as connection:
        head = connection.head()
        assert connection.reader.chunk() == HEARD
        connection.hang_up()
    assert place.upstream.hung_up.wait(20)
    place.gateway.idle()
    record = place.record(head)
    assert (record["outcome"], record["reason"]) == ("cancelled", "client_gone")


def test_a_drain_ends_streams_that_have_no_end(begin: Begin) -> None:
    place = begin(DENY, script=lambda got: stream([HEARD], then="hang"))
    with place.listen() as connection:
        head = connection.head()
        assert connection.reader.chunk() == HEARD
        place.gateway.do(_drain(place))
        assert connection.reader.chunk() == b""  # a proper end: the client comes back elsewhere
    place.gateway.idle()
    record = place.record(head)
    assert (record["outcome"], record["reason"]) == ("cancelled", "draining")
    assert place.upstream.hung_up.wait(20)


async def _drain(place: Place) -> None:
    place.gateway.parts.handler.drain()


def test_what_a_long_stream_said_is_recorded_once(begin: Begin) -> None:
    said = (
        b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"data":"a@b.com"}}\n\n'
    )
    place = begin(REDACT, script=lambda got: stream([said] * 40))
    with place.listen() as connection:
        head = connection.head()
        assert connection.reader.body(head, reply=True).count(b"<EMAIL_ADDRESS>") == 40
    place.gateway.idle()
    (verdict,) = place.record(head)["verdicts"]
    assert verdict["entities"] == {"EMAIL_ADDRESS": 40}


# --- the older transport --------------------------------------------------------------------------

ENDPOINT = b"event: endpoint\r\ndata: /messages/?session_id=1\r\n\r\n"


def older(got: Message) -> Script:
    if got.line.startswith("GET"):
        return stream([ENDPOINT])
    return answer(b"Accepted", "202 Accepted", [])


@pytest.mark.parametrize("rules", [[], [DENY]], ids=["no rules", "rules"])
def test_the_client_is_told_to_post_through_the_gateway(
    begin: Begin, rules: list[dict[str, Any]]
) -> None:
    place = begin(*rules, script=older, path="/sse")
    with place.listen("/github/sse") as connection:
        told = connection.reader.body(connection.head(), reply=True)
    assert told == b"event: endpoint\r\ndata: /github/@sse/messages/?session_id=1\r\n\r\n"
    reply = place.post(tool("read"), "/github/@sse/messages/?session_id=1")
    assert (reply.status, reply.body) == (202, b"Accepted")
    assert [got.target for got in place.upstream.got] == ["/sse", "/messages/?session_id=1"]


def test_a_stopped_call_is_told_of_on_the_stream_that_listens(begin: Begin) -> None:
    place = begin(DENY, script=older, path="/sse")
    reply = place.post(tool("delete_repo"), "/github/@sse/messages/?session_id=1")
    assert (reply.status, reply.body) == (202, b"")
    assert reply.get("x-portcullis-reason") == "tool_denied"
    (got,) = place.upstream.got
    sent = json.loads(got.body)
    assert (got.target, sent["method"]) == ("/messages/?session_id=1", "ping")
    assert b"delete_repo" not in got.body
    assert place.record(reply)["outcome"] == "refused"
    # What the server says to that comes down the other stream.
    said = json.dumps({"jsonrpc": "2.0", "id": sent["id"], "result": {}}).encode()
    place.upstream.script = lambda got: stream([b"event: message\ndata: " + said + b"\n\n"])
    with place.listen() as connection:
        heard = connection.reader.body(connection.head(), reply=True)
    told = json.loads(heard.partition(b"data: ")[2])
    assert (told["id"], told["result"]["isError"]) == (1, True)


def test_where_the_server_takes_no_ping_the_reply_tells(begin: Begin) -> None:
    place = begin(DENY, script=lambda got: answer(b"no", "404 Not Found", []), path="/sse")
    reply = place.post(tool("delete_repo"), "/github/@sse/messages/?session_id=1")
    assert (reply.status, json.loads(reply.body)["result"]["isError"]) == (200, True)
    place.upstream.go_away()
    reply = place.post(tool("delete_repo"), "/github/@sse/messages/?session_id=1")
    assert (reply.status, json.loads(reply.body)["result"]["isError"]) == (200, True)


def test_an_address_is_told_rightly_even_where_the_stream_was_to_be_packed(begin: Begin) -> None:
    place = begin(script=older, path="/sse")
    with Connection(place.gateway.base) as connection:
        connection.send("GET", "/github", None, [("Accept-Encoding", "gzip, br")])
        told = connection.reader.body(connection.head(), reply=True)
    assert b"/github/@sse/messages/" in told
    assert place.upstream.got[0].get("accept-encoding") == "identity"


def test_an_event_that_is_cut_is_handed_on_when_it_is_whole(begin: Begin) -> None:
    place = begin(DENY, script=lambda got: stream([HEARD[:9], HEARD[9:]]))
    with place.listen() as connection:
        connection.head()
        assert connection.reader.chunk() == HEARD
