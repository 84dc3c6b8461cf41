"""The client to upstreams: bytes as they were given, answers as they come, connections that are
kept and never mixed up."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import UpstreamError
from gateway.message import Headers, UpstreamReply
from gateway.tls import Pems, server_context
from gateway.upstream.client import Client, Timeouts
from gateway.upstream.connection import HIGH_WATER
from gateway.upstream.way import Way, parse_proxy
from gateway.verdict import Reason
from tests.certificates import Authority
from tests.proxy.wire import Message, Script, Upstream, answer, stream
from tests.upstream.outgoing_proxy import OutgoingProxy

QUICK = Timeouts(connect=5.0, read=0.05)
PATIENT = Timeouts(connect=5.0, read=20.0)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    made = Client()
    await made.open()
    yield made
    await made.close()


async def send(
    client: Client,
    base: str,
    method: str = "POST",
    target: str = "/v1/x",
    *,
    headers: list[tuple[str, str]] | None = None,
    body: bytes = b"",
    timeouts: Timeouts = PATIENT,
    limit: int = 1_000_000,
) -> UpstreamReply:
    way = Way(base)
    return await client.send(method, way, target, Headers(headers or []), body, timeouts, limit)


async def ask(client: Client, base: str, method: str = "POST", body: bytes = b"") -> bytes:
    reply = await send(client, base, method, body=body)
    return await reply.read()


async def pieces(reply: UpstreamReply) -> list[bytes]:
    found = []
    while piece := await reply.next_piece():
        found.append(piece)
    return found


# --- requests ---


async def test_a_request_is_sent_as_it_was_given(client: Client) -> None:
    headers = [("X-Odd-CASE", "1"), ("b", "2"), ("B", "3")]
    with Upstream() as upstream:
        target = "/v1/a%2Fb?x=%20&y"
        reply = await send(
            client, f"{upstream.url}/base", "POST", target, headers=headers, body=b"hi"
        )
        await reply.read()
    [got] = upstream.got
    assert got.line == "POST /base/v1/a%2Fb?x=%20&y HTTP/1.1"
    assert got.headers == [
        ("Host", f"127.0.0.1:{upstream.port}"),
        *headers,
        ("Content-Length", "2"),
    ]
    assert got.body == b"hi"


@pytest.mark.parametrize(("method", "length"), [("GET", ""), ("HEAD", ""), ("POST", "0")])
async def test_a_request_without_a_body_says_so_where_it_could_have_one(
    client: Client, method: str, length: str
) -> None:
    with Upstream() as upstream:
        await ask(client, upstream.url, method)
    assert upstream.got[0].get("content-length") == length


# --- answers ---


async def test_an_answers_head_is_as_it_was_sent(client: Client) -> None:
    sent = [("X-Odd-CASE", "1"), ("Set-Cookie", "a"), ("Set-Cookie", "b"), ("X-Latin", "caf\xe9")]
    with Upstream(lambda got: answer(b"hi", "418 I'm a teapot", sent)) as upstream:
        reply = await send(client, upstream.url)
        assert reply.status == 418
        assert [pair for pair in reply.headers if pair in sent] == sent
        assert await reply.read() == b"hi"


async def test_an_answer_comes_piece_by_piece(client: Client) -> None:
    script = stream([b"one", b"two"], then="hang")
    with Upstream(lambda got: script) as upstream:
        reply = await send(client, upstream.url)
        seen = b""
        while seen != b"onetwo":
            seen += await reply.next_piece()
        reply.close()
        assert await asyncio.to_thread(upstream.hung_up.wait, 20)


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_an_answer_that_has_no_body_ends_with_its_head(client: Client, status: str) -> None:
    head = f"HTTP/1.1 {status}\r\nX-A: 1\r\n\r\n".encode()
    with Upstream(lambda got: Script([head])) as upstream:
        for _ in range(2):
            assert await ask(client, upstream.url, "GET") == b""


async def test_the_length_in_the_answer_to_head_is_not_waited_for(client: Client) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    with Upstream(lambda got: Script([head])) as upstream:
        reply = await send(client, upstream.url, "HEAD")
        assert reply.headers.get("content-length") == "1000"
        assert await reply.read() == b""


async def test_interim_answers_are_passed_over(client: Client) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    with Upstream(lambda got: Script([interim, *answer(b"real").pieces])) as upstream:
        reply = await send(client, upstream.url)
        assert (reply.status, "link" in reply.headers) == (200, False)
        assert await reply.read() == b"real"


async def test_a_body_without_a_length_ends_with_its_connection(client: Client) -> None:
    script = Script([b"HTTP/1.1 200 OK\r\n\r\n", b"all of it"], then="close")
    with Upstream(lambda got: script) as upstream:
        assert await ask(client, upstream.url) == b"all of it"


async def test_cancelling_a_wait_for_the_next_piece_loses_nothing(client: Client) -> None:
    go_on = threading.Event()
    with Upstream(lambda got: stream([b"one", go_on, b"two"])) as upstream:
        reply = await send(client, upstream.url)
        seen = await reply.next_piece()
        for _ in range(3):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    seen += await reply.next_piece()
        go_on.set()
        assert seen + b"".join(await pieces(reply)) == b"onetwo"


async def test_what_nobody_reads_yet_is_not_kept_without_bound(client: Client) -> None:
    body = b"x" * 8_000_000
    with Upstream(lambda got: answer(body)) as upstream:
        reply = await send(client, upstream.url)
        await asyncio.sleep(0.05)  # time in which it could pile up
        found = await pieces(reply)
    assert sum(map(len, found)) == len(body)
    assert max(map(len, found)) <= 2 * HIGH_WATER


# --- connections ---


async def test_connections_are_kept(client: Client) -> None:
    with Upstream(lambda got: answer(got.body)) as upstream:
        for number in range(5):
            body = b"%d" % number
            assert await ask(client, upstream.url, body=body) == body
    assert upstream.connections == 1


async def test_calls_at_once_get_each_its_own_answer(client: Client) -> None:
    with Upstream(lambda got: answer(got.body)) as upstream:
        for _ in range(3):
            bodies = [b"%d" % number for number in range(50)]
            answers = await asyncio.gather(*(ask(client, upstream.url, body=b) for b in bodies))
            assert answers == bodies
    assert upstream.connections <= 50


@pytest.mark.parametrize("closing", ["says so", "just closes"])
async def test_a_connection_that_upstream_closes_is_not_used_again(
    client: Client, closing: str
) -> None:
    headers = [("Connection", "close")] if closing == "says so" else []
    script = Script(answer(b"hi", headers=headers).pieces, then="close")
    with Upstream(lambda got: script) as upstream:
        for _ in range(3):
            assert await ask(client, upstream.url) == b"hi"
            await asyncio.sleep(0.01)  # the end of the connection is heard
    assert upstream.connections == 3


async def test_a_kept_connection_that_dies_is_replaced_where_nothing_can_have_been_done(
    client: Client,
) -> None:
    """GET goes to a fresh connection; POST might have been carried out, so it fails."""
    dying = Script([], then="reset")

    def script(got: Message) -> Script:
        return dying if len(upstream.got) in (2, 5) else answer(b"hi")

    with Upstream(script) as upstream:
        assert await ask(client, upstream.url, "GET") == b"hi"
        assert await ask(client, upstream.url, "GET") == b"hi"  # the second was cut, and repeated
        assert len(upstream.got) == 3
        assert await ask(client, upstream.url, "POST") == b"hi"
        with pytest.raises(UpstreamError) as caught:
            await ask(client, upstream.url, "POST")
        assert (caught.value.status, caught.value.retryable) == (502, True)
        assert len(upstream.got) == 5


async def test_a_request_that_goes_out_again_may_say_so_in_its_headers() -> None:
    dying = Script([], then="reset")

    def script(got: Message) -> Script:
        return dying if len(upstream.got) == 2 else answer(b"hi")

    client = Client(lambda headers: headers.set("x-try", "2"))
    await client.open()
    with Upstream(script) as upstream:
        for _ in range(2):
            reply = await send(client, upstream.url, "GET", headers=[("x-try", "1")])
            await reply.read()
        assert [got.get("x-try") for got in upstream.got] == ["1", "1", "2"]
        await client.close()


async def test_an_answer_given_up_ends_its_connection(client: Client) -> None:
    script = stream([b"one"], then="hang")
    with Upstream(lambda got: script) as upstream:
        reply = await send(client, upstream.url)
        await reply.next_piece()
        reply.close()
        reply.close()
        assert await asyncio.to_thread(upstream.hung_up.wait, 20)


async def test_giving_up_before_the_head_ends_the_connection(client: Client) -> None:
    arrived = threading.Event()

    def script(got: Message) -> Script:
        arrived.set()
        return Script([], then="hang")

    with Upstream(script) as upstream:
        call = asyncio.ensure_future(send(client, upstream.url))
        assert await asyncio.to_thread(arrived.wait, 20)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await asyncio.to_thread(upstream.hung_up.wait, 20)


async def test_bytes_that_nobody_asked_for_reach_no_later_call(client: Client) -> None:
    twice = Script([answer(b"mine").pieces[0], answer(b"smuggled").pieces[0]], then="hang")

    def script(got: Message) -> Script:
        return twice if len(upstream.got) == 1 else answer(b"yours")

    with Upstream(script) as upstream:
        assert await ask(client, upstream.url) == b"mine"
        assert await asyncio.to_thread(upstream.hung_up.wait, 20)  # that connection is given up
        assert await ask(client, upstream.url) == b"yours"
    assert upstream.connections == 2


# --- what goes wrong ---


async def test_nobody_at_the_address_is_a_502(client: Client) -> None:
    with Upstream() as upstream:
        base = upstream.url
    with pytest.raises(UpstreamError) as caught:
        await ask(client, base)
    error = caught.value
    assert (error.status, error.reason) == (502, Reason.UPSTREAM_UNREACHABLE)
    assert error.retryable
    assert "127.0.0.1" not in error.message


@pytest.mark.parametrize(
    "script",
    [Script([], then="hang"), stream([b"one"], then="hang"), Script([b"HTTP/1.1 2"], then="hang")],
    ids=["nothing", "half a body", "half a head"],
)
async def test_silence_is_a_504(client: Client, script: Script) -> None:
    with Upstream(lambda got: script) as upstream, pytest.raises(UpstreamError) as caught:
        reply = await send(client, upstream.url, timeouts=QUICK)
        await reply.read()
    assert (caught.value.status, caught.value.reason) == (504, Reason.UPSTREAM_TIMEOUT)


BROKEN = {
    "no http": Script([b"SSH-2.0-OpenSSH\r\n"], then="close"),
    "nothing": Script([], then="close"),
    "half a head": Script([b"HTTP/1.1 200 OK\r\nX-A"], then="close"),
    "half a length": Script([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"], then="close"),
    "half the chunks": stream([b"half"], then="close"),
    "a bad chunk": Script([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]),
    "a head too large": Script(
        [b"HTTP/1.1 200 OK\r\n" + b"X-A: aaaaaaaaaaaaaaaaaaaa\r\n" * 20_000]
    ),
    "two lengths": Script(
        [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"], then="close"
    ),
    "another protocol": Script(
        [b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"], then="hang"
    ),
}


@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN.keys())
async def test_an_answer_that_is_broken_is_a_502(client: Client, script: Script) -> None:
    with Upstream(lambda got: script) as upstream, pytest.raises(UpstreamError) as caught:
        reply = await send(client, upstream.url)
        await reply.read()
    assert (caught.value.status, caught.value.reason) == (502, Reason.UPSTREAM_UNREACHABLE)


async def test_an_answer_over_the_limit_ends_its_connection(client: Client) -> None:
    script = stream([b"x" * 1000] * 200, then="hang")
    with Upstream(lambda got: script) as upstream:
        reply = await send(client, upstream.url, limit=100_000)
        with pytest.raises(UpstreamError) as caught:
            await reply.read()
        assert await asyncio.to_thread(upstream.hung_up.wait, 20)
    assert caught.value.reason is Reason.ANSWER_MALFORMED
    assert not caught.value.retryable


async def test_closing_the_client_ends_every_connection(client: Client) -> None:
    script = stream([b"one"], then="hang")
    with Upstream(lambda got: script) as upstream:
        await send(client, upstream.url)
        await client.close()
        assert await asyncio.to_thread(upstream.hung_up.wait, 20)


# --- TLS ---


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "upstream")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
async def secure(certificate: tuple[Path, Path]) -> AsyncIterator[str]:
    """The URL of a TLS server that answers `hi`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_a_certificate_that_nobody_vouches_for_is_a_502(client: Client, secure: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        await ask(client, secure, "GET")
    assert caught.value.status == 502
    assert "its certificate is not trusted" in caught.value.message


async def test_tls_is_spoken_to_who_is_trusted(
    client: Client, secure: str, certificate: tuple[Path, Path]
) -> None:
    assert client._context is not None
    client._context.load_verify_locations(certificate[0])
    for _ in range(2):
        assert await ask(client, secure, "GET") == b"hi"


# --- other protocols ---

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"
ASKED = Headers([("Upgrade", "x"), ("Connection", "Upgrade")])


async def switch(client: Client, base: str, timeouts: Timeouts = PATIENT) -> UpstreamReply:
    return await client.switch(Way(base), "/ws", Headers([("A", "b")]), ASKED, timeouts, 1_000_000)


async def test_a_switched_connection_is_a_duplex_and_loses_nothing(client: Client) -> None:
    with Upstream(lambda got: Script([SWITCHED + b"early"], "hang")) as upstream:
        reply = await switch(client, upstream.url)
        assert (reply.status, reply.headers.get("upgrade")) == (101, "x")
        assert reply.duplex is not None
        assert await reply.duplex.read() == b"early"
        await reply.duplex.write(b"h")  # which ends the script, and so the connection
        assert await reply.duplex.read() == b""
        reply.close()  # the answer is over: the connection is its owner's
        reply.duplex.abort()
    assert [(got.target, got.get("upgrade"), got.get("a")) for got in upstream.got] == [
        ("/ws", "x", "b")
    ]


async def test_who_does_not_switch_answers_as_ever(client: Client) -> None:
    with Upstream(lambda got: answer(b"no", status="404 Not Found")) as upstream:
        reply = await switch(client, upstream.url)
        assert (reply.status, reply.duplex, await reply.read()) == (404, None, b"no")


async def test_a_switch_that_nobody_asked_for_is_a_broken_answer(client: Client) -> None:
    with Upstream(lambda got: Script([SWITCHED], "hang")) as upstream:
        with pytest.raises(UpstreamError):
            await send(client, upstream.url)
        with pytest.raises(UpstreamError):
            await send(client, upstream.url, "GET")


async def test_a_switch_without_a_name_and_silence_are_errors(client: Client) -> None:
    bare = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
    with Upstream(lambda got: Script([bare], "hang")) as upstream, pytest.raises(UpstreamError):
        await switch(client, upstream.url)
    with Upstream(lambda got: Script([], "hang")) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await switch(client, upstream.url, QUICK)
        assert caught.value.reason is Reason.UPSTREAM_TIMEOUT


# --- ways: certificates and proxies ---

OURS = Authority()
GATEWAY = OURS.issue("gateway")
SERVER = server_context(Pems(ca=OURS.pem, cert=GATEWAY.cert, key=GATEWAY.key))  # wants one, too
KNOWN = Pems(OURS.pem, GATEWAY.cert, GATEWAY.key)


async def get(client: Client, way: Way) -> bytes:
    reply = await client.send("GET", way, "/v1/x", Headers(), b"", PATIENT, 1_000_000)
    return await reply.read()


async def test_an_authority_and_a_certificate_of_its_own(client: Client) -> None:
    with Upstream(lambda got: answer(b"hi"), tls=SERVER) as upstream:
        assert await get(client, Way(upstream.url, pems=KNOWN)) == b"hi"
        with pytest.raises(UpstreamError, match="not trusted"):
            await get(client, Way(upstream.url, pems=Pems(ca=Authority().pem)))
        with pytest.raises(UpstreamError):
            await get(client, Way(upstream.url, pems=Pems(ca=OURS.pem)))  # shows no certificate


async def test_a_certificate_for_another_name_is_told(client: Client) -> None:
    with (
        Upstream(lambda got: answer(b"hi"), host="127.0.0.2", tls=SERVER) as upstream,
        pytest.raises(UpstreamError, match="for another name"),
    ):
        await get(client, Way(upstream.url, pems=KNOWN))


async def test_a_tls_upstream_behind_a_proxy_is_reached_by_connect(client: Client) -> None:
    with Upstream(lambda got: answer(b"hi"), tls=SERVER) as upstream, OutgoingProxy("u:p") as proxy:
        way = Way(upstream.url, parse_proxy(proxy.url), KNOWN)
        assert await get(client, way) == b"hi"
        assert await get(client, way) == b"hi"  # on the same connection
        assert [asked.line for asked in proxy.asked] == [
            f"CONNECT 127.0.0.1:{upstream.port} HTTP/1.1"
        ]
        assert ["proxy-authorization" in got for got in upstream.got] == [False, False]


async def test_a_plain_upstream_behind_a_proxy_has_its_requests_forwarded(client: Client) -> None:
    with Upstream(lambda got: answer(b"hi")) as upstream, OutgoingProxy("u:p") as proxy:
        way = Way(f"{upstream.url}/base", parse_proxy(proxy.url))
        assert await get(client, way) == b"hi"
        (asked,) = proxy.asked
        assert asked.line == f"GET {upstream.url}/base/v1/x HTTP/1.1"
        (got,) = upstream.got
        assert (got.target, got.get("host")) == ("/base/v1/x", f"127.0.0.1:{upstream.port}")


async def test_a_switch_goes_through_a_proxy_by_connect(client: Client) -> None:
    with Upstream(lambda got: Script([SWITCHED + b"early"])) as upstream, OutgoingProxy() as proxy:
        way = Way(upstream.url, parse_proxy(proxy.url))
        reply = await client.switch(way, "/ws", Headers(), ASKED, PATIENT, 1_000_000)
        assert reply.duplex is not None
        assert await reply.duplex.read() == b"early"
        reply.duplex.abort()
        assert proxy.asked[0].line.startswith("CONNECT ")
        assert upstream.got[0].target == "/ws"


async def test_a_proxy_that_refuses_is_a_502_and_one_that_is_silent_too(client: Client) -> None:
    with OutgoingProxy("u:p") as proxy:
        bare = parse_proxy(proxy.url.replace("u:p@", ""))
        with pytest.raises(UpstreamError, match="answered 407, it wants credentials") as caught:
            await get(client, Way("https://up.test", bare))
        assert caught.value.status == 502
    with Upstream(lambda got: Script([], "hang")) as silent:
        way = Way("https://up.test", parse_proxy(silent.url))
        with pytest.raises(UpstreamError, match="no connection in") as caught:
            await client.send("GET", way, "/", Headers(), b"", Timeouts(connect=0.05), 1_000_000)
        assert caught.value.status == 502


async def test_connections_of_a_way_that_no_policy_names_are_closed(client: Client) -> None:
    with Upstream(lambda got: answer(b"hi")) as upstream:
        one, other = Way(upstream.url), Way(f"{upstream.url}/other")
        for way in (one, other, one):
            await get(client, way)
        assert upstream.connections == 2
        running = await client.send("GET", other, "/x", Headers(), b"", PATIENT, 1_000_000)
        client.keep([one])
        assert await running.read() == b"hi"  # what runs goes on
        await get(client, one)
        assert upstream.connections == 2
        await get(client, other)
        assert upstream.connections == 3
