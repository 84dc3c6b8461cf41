"""The forward proxy over sockets: who may go where, what passes, and what is left of it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import requests

from gateway.identity.gateway_key import hash_of, new_key
from gateway.proxy.pipe import ShutError
from gateway.proxy.tunnel import ACCESS_DENIED, SniGate
from gateway.worker import Parts
from tests.proxy.conftest import Bench, Start
from tests.proxy.far import Far, echo, https, make_certificate
from tests.proxy.hellos import client_hello
from tests.proxy.wire import WAIT, Connection, Message, call

OPEN = {"allow_addresses": ["127.0.0.0/8"]}
ANY = {"kind": "egress", "allow": ["*:*"]}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), ["far.example", "front.example"])


@pytest.fixture
def far() -> Iterator[Far]:
    with Far(echo) as made:
        yield made


def resolving(*addresses: str, asked: list[str] | None = None) -> Callable[[Parts], None]:
    """Give every name these addresses, one list after the other where there are several calls."""

    async def resolve(host: str, port: int) -> list[str]:
        if asked is not None:
            asked.append(host)
        return list(addresses)

    def arrange(parts: Parts) -> None:
        parts.connector.resolve = resolve

    return arrange


def connect(bench: Bench, target: str, *headers: tuple[str, str]) -> tuple[Connection, Message]:
    connection = Connection(bench.base)
    connection.send("CONNECT", target, headers=[("Host", target), *headers])
    reply = connection.head()
    if reply.status != 200:
        reply.body = connection.reader.body(reply, reply=True)
    return connection, reply


def refused(bench: Bench, target: str, *headers: tuple[str, str]) -> Message:
    connection, reply = connect(bench, target, *headers)
    connection.sock.close()
    assert reply.status != 200
    return reply


def reason(reply: Message) -> str:
    code = str(orjson.loads(reply.body)["error"]["code"])
    assert reply.get("x-portcullis-reason") == code
    assert code in reply.line  # most clients show nothing but this line
    return code


# --- what passes ---


def test_bytes_pass_both_ways_and_are_recorded(start: Start, far: Far) -> None:
    bench = start(ANY, forward_proxy=OPEN)
    connection, reply = connect(bench, f"0x7f.1:{far.port}")
    with connection:
        connection.sock.sendall(b"hello")
        assert connection.reader.more() == b"hello"
        metrics = bench.gateway.parts.metrics
        metrics.snapshot()
        assert metrics.tunnels.series == {(): 1}
        connection.sock.shutdown(socket.SHUT_WR)
        assert connection.reader.more() == b""
    bench.gateway.idle()
    record = bench.record(reply)
    assert (record["method"], record["path"]) == ("CONNECT", f"127.0.0.1:{far.port}")
    assert (record["outcome"], record["peer"]) == ("answered", "127.0.0.1")
    assert record["bytes"] == {"in": 5, "out": 5}
    metrics.snapshot()
    assert metrics.tunnels.series == {(): 0}
    assert metrics.tunnel_bytes.series == {("in",): 5, ("out",): 5}
    assert [v["reason"] for v in record["verdicts"]] == ["egress_allowed"]
    opened = bench.gateway.records("opened")
    assert [each["id"] for each in opened] == [record["id"]]


def test_what_the_caller_sends_at_once_is_not_lost(start: Start, far: Far) -> None:
    bench = start(ANY, forward_proxy=OPEN)
    with Connection(bench.base) as connection:
        target = f"127.0.0.1:{far.port}"
        head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"
        connection.sock.sendall(head.encode() + b"early")
        assert connection.head().status == 200
        assert connection.reader.more() == b"early"


def test_a_far_end_that_says_no_more_is_still_listened_to(start: Start) -> None:
    got: list[bytes] = []

    def play(sock: socket.socket) -> None:
        sock.sendall(b"all I have")
        sock.shutdown(socket.SHUT_WR)
        while piece := sock.recv(65536):
            got.append(piece)

    with Far(play) as far:
        bench = start(ANY, forward_proxy=OPEN)
        connection, reply = connect(bench, f"127.0.0.1:{far.port}")
        with connection:
            assert connection.reader.more() == b"all I have"
            assert connection.reader.more() == b""
            connection.sock.sendall(b"and I have more")
            connection.sock.shutdown(socket.SHUT_WR)
            assert far.done.wait(WAIT)
    bench.gateway.idle()
    assert b"".join(got) == b"and I have more"
    assert bench.record(reply)["outcome"] == "answered"


def test_much_passes_whole_at_the_pace_of_who_reads_it(start: Start) -> None:
    size = 24 * 1024 * 1024
    block = bytes(range(256)) * 256
    told = hashlib.sha256()

    def play(sock: socket.socket) -> None:
        for _ in range(size // len(block)):
            sock.sendall(block)
        sock.shutdown(socket.SHUT_WR)
        while piece := sock.recv(1 << 20):
            told.update(piece)

    with Far(play) as far:
        bench = start(ANY, forward_proxy=OPEN)
        connection, reply = connect(bench, f"127.0.0.1:{far.port}")
        seen = hashlib.sha256()
        with connection:

            def send() -> None:
                for _ in range(size // len(block)):
                    connection.sock.sendall(block)
                connection.sock.shutdown(socket.SHUT_WR)

            sending = threading.Thread(target=send)
            sending.start()
            while piece := connection.reader.more():
                seen.update(piece)
            sending.join(WAIT)
            assert far.done.wait(WAIT)
        bench.gateway.idle()
    wanted = hashlib.sha256(block * (size // len(block))).hexdigest()
    assert (seen.hexdigest(), told.hexdigest()) == (wanted, wanted)
    assert bench.record(reply)["bytes"] == {"in": size, "out": size}


def test_who_does_not_read_holds_the_far_end_back(start: Start) -> None:
    sent = 0
    stuck = threading.Event()

    def play(sock: socket.socket) -> None:
        nonlocal sent
        sock.settimeout(0.3)
        try:
            while sent < 256 * 1024 * 1024:
                sent += sock.send(b"x" * 65536)
        except TimeoutError:
            stuck.set()

    with Far(play) as far:
        bench = start(ANY, forward_proxy=OPEN)
        connection, _ = connect(bench, f"127.0.0.1:{far.port}")
        with connection:
            assert stuck.wait(WAIT)
            assert sent < 64 * 1024 * 1024  # sockets' own buffers, and a bounded one of ours


# --- how it ends ---


def test_a_caller_that_breaks_off_breaks_the_far_end(start: Start, far: Far) -> None:
    bench = start(ANY, forward_proxy=OPEN)
    connection, reply = connect(bench, f"127.0.0.1:{far.port}")
    connection.sock.sendall(b"hello")
    assert connection.reader.more() == b"hello"
    connection.hang_up()
    assert far.done.wait(WAIT)
    bench.gateway.idle()
    record = bench.record(reply)
    assert (record["outcome"], record["reason"]) == ("cancelled", "client_gone")
    assert record["bytes"] == {"in": 5, "out": 5}


def test_a_far_end_that_breaks_off_breaks_the_caller(start: Start) -> None:
    def play(sock: socket.socket) -> None:
        sock.recv(1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with Far(play) as far:
        bench = start(ANY, forward_proxy=OPEN)
        connection, reply = connect(bench, f"127.0.0.1:{far.port}")
        with connection:
            connection.sock.sendall(b"x")
            with pytest.raises(ConnectionResetError):
                connection.sock.recv(1)
    bench.gateway.idle()
    record = bench.record(reply)
    assert (record["outcome"], record["reason"]) == ("upstream_failed", "upstream_unreachable")


def test_a_tunnel_in_which_nothing_moves_is_closed(start: Start, far: Far) -> None:
    bench = start(ANY, forward_proxy={**OPEN, "idle_timeout": "100ms"})
    connection, reply = connect(bench, f"127.0.0.1:{far.port}")
    with connection, contextlib.suppress(ConnectionResetError):
        assert connection.sock.recv(1) == b""
    assert far.done.wait(WAIT)
    bench.gateway.idle()
    record = bench.record(reply)
    assert (record["outcome"], record["reason"]) == ("blocked", "tunnel_idle")


def test_a_drain_cuts_tunnels_when_its_time_is_over(start: Start, far: Far) -> None:
    bench = start(ANY, forward_proxy=OPEN)
    connection, reply = connect(bench, f"127.0.0.1:{far.port}")
    with connection, contextlib.suppress(ConnectionResetError):
        bench.gateway.do(bench.gateway.worker.drain(0.1))
        assert connection.sock.recv(1) == b""
    assert far.done.wait(WAIT)
    record = bench.record(reply)
    assert (record["outcome"], record["reason"]) == ("cancelled", "draining")


# --- who may go where ---


def test_it_is_off_unless_it_is_switched_on(start: Start) -> None:
    bench = start(ANY)
    assert reason(refused(bench, "api.example:443")) == "proxy_off"


def test_without_a_rule_everything_is_refused(start: Start) -> None:
    bench = start(forward_proxy=OPEN)
    reply = refused(bench, "api.example:443")
    assert (reply.status, reason(reply)) == (400, "egress_denied")
    assert reply.get("x-should-retry") == "false"


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "egress", "deny": ["evil.example"]},
        {"kind": "egress", "allow": ["*:*"], "mode": "shadow"},
        {"kind": "egress", "allow": ["*:*"], "when": {"agent": ["other"]}},
        {"kind": "egress", "allow": ["api.example"]},
    ],
)
def test_only_an_enforced_rule_that_watches_this_call_allows(
    start: Start, rule: dict[str, Any]
) -> None:
    asked: list[str] = []
    bench = start(rule, forward_proxy=OPEN, arrange=resolving("127.0.0.1", asked=asked))
    assert reason(refused(bench, "b.example:443")) == "egress_denied"
    assert asked == []  # a host that may not be reached is not even looked up


@pytest.mark.parametrize(
    "address",
    "127.0.0.1 10.0.0.1 169.254.169.254 100.100.100.200 0.0.0.0 ::1 fd00:ec2::254 fe80::1%lo "
    "::ffff:169.254.169.254 64:ff9b::a9fe:a9fe".split(),
)
def test_a_name_that_leads_to_a_private_address_is_refused(start: Start, address: str) -> None:
    bench = start(ANY, forward_proxy={}, arrange=resolving("1.1.1.1", address))
    assert reason(refused(bench, "nice.example:443")) == "address_denied"


@pytest.mark.parametrize(
    "host",
    "127.0.0.1 0x7f.1 2130706433 127.1 017700000001 [::1] [::ffff:127.0.0.1] 169.254.169.254 "
    "0xa9fea9fe localhost LOCALHOST.".split(),
)
def test_no_spelling_of_a_private_address_gets_through(start: Start, host: str, far: Far) -> None:
    bench = start(ANY, forward_proxy={})
    assert reason(refused(bench, f"{host}:{far.port}")) == "address_denied"
    assert far.accepted == 0


def test_the_address_that_was_checked_is_the_one_that_is_connected(start: Start, far: Far) -> None:
    """DNS rebinding: the resolver would say something else the second time."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    asked = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    def arrange(parts: Parts) -> None:
        parts.connector.resolve = resolve

    bench = start(ANY, forward_proxy={**OPEN, "check_sni": False}, arrange=arrange)
    connection, reply = connect(bench, f"Rebind.Example:{far.port}")
    with connection:
        connection.sock.sendall(b"hello")
        assert connection.reader.more() == b"hello"
    bench.gateway.idle()
    assert asked == ["rebind.example"]
    assert bench.record(reply)["peer"] == "127.0.0.1"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "self.example", "127.0.0.9"])
def test_the_gateway_itself_is_never_reached(start: Start, host: str) -> None:
    bench = start(ANY, forward_proxy=OPEN, arrange=resolving("127.0.0.1"))
    port = bench.gateway.address.port
    assert reason(refused(bench, f"{host}:{port}")) == "address_denied"


def test_an_upstream_is_not_reached_around_its_rules(start: Start) -> None:
    bench = start(ANY, forward_proxy=OPEN)
    reply = refused(bench, f"127.0.0.1:{bench.upstream.port}")
    assert reason(reply) == "egress_denied"
    assert "base URL" in orjson.loads(reply.body)["error"]["message"]
    assert bench.upstream.connections == 0


def test_a_name_that_nobody_knows_and_a_port_where_nobody_listens(start: Start) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        if host == "none.example":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return ["127.0.0.1"]

    def arrange(parts: Parts) -> None:
        parts.connector.resolve = resolve

    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    bench = start(ANY, forward_proxy=OPEN, arrange=arrange)
    for target in ("none.example:443", f"some.example:{port}"):
        reply = refused(bench, target)
        assert (reply.status, reason(reply)) == (502, "upstream_unreachable")
        assert bench.record(reply)["outcome"] == "upstream_failed"


@pytest.mark.parametrize("target", ["example.com:0", "example..com:443", "-a.example:443"])
def test_what_is_no_host_and_port_is_refused(start: Start, target: str) -> None:
    assert refused(start(ANY, forward_proxy={}), target).status == 400


def test_more_tunnels_than_allowed_are_refused_until_one_ends(start: Start, far: Far) -> None:
    bench = start(ANY, forward_proxy={**OPEN, "max_tunnels": 1})
    target = f"127.0.0.1:{far.port}"
    first, reply = connect(bench, target)
    assert reply.status == 200
    busy = refused(bench, target)
    assert (busy.status, reason(busy)) == (503, "tunnels_exceeded")
    first.sock.close()
    bench.gateway.idle()
    second, reply = connect(bench, target)
    second.sock.close()
    assert reply.status == 200


def test_failed_connections_do_not_count_as_open(start: Start) -> None:
    bench = start(ANY, forward_proxy={"max_tunnels": 1})
    for _ in range(3):
        assert reason(refused(bench, "127.0.0.1:9")) == "address_denied"


def test_a_tunnel_is_a_request_to_rate_limits(start: Start, far: Far) -> None:
    limit = {"kind": "rate_limit", "per": "tenant", "requests": "1/h"}
    bench = start(ANY, limit, forward_proxy=OPEN)
    target = f"127.0.0.1:{far.port}"
    connection, reply = connect(bench, target)
    connection.sock.close()
    assert reply.status == 200
    late = refused(bench, target)
    assert (late.status, reason(late)) == (429, "rate_limited")


def test_a_content_rule_that_lets_nothing_unread_pass_refuses_tunnels(
    start: Start, far: Far
) -> None:
    secrets = {"kind": "secrets", "action": "block", "unscannable": "block"}
    bench = start(ANY, secrets, forward_proxy=OPEN)
    assert reason(refused(bench, f"127.0.0.1:{far.port}")) == "unscannable_content"
    assert far.accepted == 0


def test_what_follows_a_refused_tunnel_is_no_request(start: Start) -> None:
    bench = start(ANY)
    with Connection(bench.base) as connection:
        head = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n"
        connection.sock.sendall(head + b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert reason(connection.reply()) == "proxy_off"
        assert connection.reader.more() == b""
    assert bench.upstream.got == []


@pytest.mark.parametrize("framing", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_a_tunnel_with_a_body_is_refused(start: Start, framing: str) -> None:
    bench = start(ANY, forward_proxy=OPEN)
    with Connection(bench.base) as connection:
        name, _, value = framing.partition(": ")
        connection.send("CONNECT", "a.example:443", headers=[("Host", "a"), (name, value)])
        assert connection.reply().status == 400


# --- who calls ---


def test_a_gateway_key_comes_as_user_password_or_token(start: Start, far: Far) -> None:
    key = new_key()
    tenants = {"acme": {"keys": [{"name": "bot", "hash": hash_of(key)}], "policies": ["p"]}}
    bench = start(ANY, forward_proxy=OPEN, tenants=tenants, default_tenant=None)
    target = f"127.0.0.1:{far.port}"
    for value in (
        "Basic " + base64.b64encode(f"{key}:x".encode()).decode(),
        "basic " + base64.b64encode(f"agent:{key}".encode()).decode(),
        f"Bearer {key}",
    ):
        connection, reply = connect(bench, target, ("Proxy-Authorization", value))
        connection.sock.close()
        assert reply.status == 200
        bench.gateway.idle()
        assert bench.record(reply)["who"]["key_name"] == "bot"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "key_missing"),
        ("Basic " + base64.b64encode(b"user:password").decode(), "key_missing"),
        ("Basic !!!", "key_missing"),
        ("Bearer ptc_wrong", "key_invalid"),
        ("Basic " + base64.b64encode(b"ptc_wrong:x").decode(), "key_invalid"),
    ],
)
def test_without_a_good_key_the_proxy_asks_for_one(
    start: Start, value: str | None, told: str
) -> None:
    tenants = {"acme": {"keys": [{"name": "bot", "hash": hash_of(new_key())}], "policies": ["p"]}}
    bench = start(ANY, forward_proxy=OPEN, tenants=tenants, default_tenant=None)
    headers = [] if value is None else [("Proxy-Authorization", value)]
    reply = refused(bench, "a.example:443", *headers)
    assert (reply.status, reason(reply)) == (407, told)
    assert reply.get("proxy-authenticate").startswith("Basic ")


def test_a_web_page_opens_no_tunnel(start: Start) -> None:
    bench = start(ANY, forward_proxy=OPEN)
    assert reason(refused(bench, "a.example:443", ("Origin", "https://evil.example"))) == (
        "origin_denied"
    )


# --- TLS ---


def test_httpx_and_requests_go_through_with_tls_end_to_end(start: Start, certificate: Path) -> None:
    with Far(https, certificate) as far:
        bench = start(ANY, forward_proxy=OPEN, arrange=resolving("127.0.0.1"))
        url = f"https://far.example:{far.port}/x"
        context = ssl.create_default_context(cafile=str(certificate))
        with httpx.Client(proxy=bench.base, verify=context, trust_env=False) as client:
            assert client.get(url).json() == {"hello": "there"}
        proxies = {"https": bench.base}
        answer = requests.get(url, proxies=proxies, verify=str(certificate), timeout=WAIT)
        assert answer.json() == {"hello": "there"}


def test_clients_show_why_a_tunnel_was_refused(start: Start) -> None:
    bench = start({"kind": "egress", "allow": ["a.example"]}, forward_proxy=OPEN)
    with (
        httpx.Client(proxy=bench.base, trust_env=False) as client,
        pytest.raises(httpx.ProxyError, match="egress_denied"),
    ):
        client.get("https://b.example/")
    with pytest.raises(requests.exceptions.ProxyError, match="egress_denied"):
        requests.get("https://b.example/", proxies={"https": bench.base}, timeout=WAIT)


def test_tls_for_another_host_than_that_of_the_tunnel_is_cut_off(
    start: Start, certificate: Path
) -> None:
    with Far(https, certificate) as far:
        bench = start(ANY, forward_proxy=OPEN, arrange=resolving("127.0.0.1"))
        connection, reply = connect(bench, f"far.example:{far.port}")
        context = ssl.create_default_context(cafile=str(certificate))
        with pytest.raises(ssl.SSLError, match=r"(?i)access.denied"):
            context.wrap_socket(connection.sock, server_hostname="front.example")
        connection.sock.close()
        bench.gateway.idle()
        record = bench.record(reply)
        assert (record["outcome"], record["reason"]) == ("blocked", "sni_mismatch")
        assert record["bytes"]["in"] == 0  # not a byte of it went on


def look(host: str, port: int, *pieces: bytes) -> bytes | None:
    gate = SniGate(host, port)
    first, passed = b"", None
    for piece in pieces:
        first += piece
        passed = gate.look(first)
    return passed


def test_a_gate_opens_for_its_own_host_only() -> None:
    hello = client_hello("far.example")
    assert look("far.example", 443, hello) == hello
    assert look("far.example", 443, hello[:7], hello[7:]) == hello
    assert look("far.example", 443, hello[:7]) is None
    assert look("far.example", 443, client_hello("FAR.Example.")) is not None
    assert look("1.2.3.4", 443, client_hello(None)) is not None
    for host, first in (
        ("other.example", hello),
        ("far.example", client_hello(None)),
        ("1.2.3.4", hello),
        ("far.example", b"GET / HTTP/1.1\r\nHost: other.example\r\n\r\n"),
    ):
        with pytest.raises(ShutError) as caught:
            look(host, 443, first)
        assert caught.value.last == ACCESS_DENIED


def test_what_is_no_tls_passes_on_other_ports_only() -> None:
    assert look("far.example", 22, b"SSH-2.0-x\r\n") == b"SSH-2.0-x\r\n"
    with pytest.raises(ShutError):
        look("far.example", 22, b"\x16\x03\x01\x00\x00")  # broken TLS is no other protocol


def test_a_hello_in_too_many_pieces_is_cut_off() -> None:
    hello = client_hello("far.example")
    with pytest.raises(ShutError):
        look("far.example", 443, *(hello[at : at + 1] for at in range(200)))


# --- requests that an HTTP proxy would take ---


def test_a_plain_http_request_for_another_server_is_refused(start: Start) -> None:
    bench = start(ANY, forward_proxy=OPEN)
    reply = call(
        bench.base, "http://example.com/x", method="GET", headers=[("Host", "example.com")]
    )
    error = orjson.loads(reply.body)["error"]
    assert (reply.status, error["code"]) == (400, "proxy_unsupported")
    assert "NO_PROXY" in error["message"]


def test_proxy_keys_are_never_taken_from_another_header(start: Start, far: Far) -> None:
    bench = start(ANY, forward_proxy=OPEN)
    connection, reply = connect(
        bench, f"127.0.0.1:{far.port}", ("Authorization", "Bearer ptc_wrong")
    )
    connection.sock.close()
    assert reply.status == 200
