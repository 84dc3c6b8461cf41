"""A gateway that speaks TLS and asks for certificates: real clients, real files, two workers."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest
from websockets.sync.client import connect

from gateway.testing.gateway import RunningGateway
from gateway.testing.provider import FakeProvider
from tests.certificates import Authority, Issued
from tests.proxy.far import Far
from tests.proxy.local import policy
from tests.proxy.socket_provider import SocketProvider
from tests.proxy.wire import WAIT, Connection
from tests.running import CHAT, JSON, chat, metrics, ready, wait_for

OURS, CLIENTS = Authority("ours"), Authority("clients")
AGENT = CLIENTS.issue("agent")
SUCCESS = "portcullis_tls_last_reload_successful"
EXPIRY = "portcullis_tls_certificate_expiry_timestamp_seconds"


def mount(folder: Path, issued: Issued, clients: bytes = CLIENTS.pem) -> None:
    """Put a version of the mounted secret in place in one step, as a kubelet does."""
    version = folder / f"..{len(list(folder.glob('..[0-9]*')))}"
    issued.write(version)
    (version / "ca.crt").write_bytes(clients)
    (folder / "..new").symlink_to(version.name)
    (folder / "..new").replace(folder / "..data")
    for name in ("tls.crt", "tls.key", "ca.crt"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as made:
        yield made


@pytest.fixture(scope="module")
def sockets() -> Iterator[SocketProvider]:
    with SocketProvider(lambda got, number: [{"echo": got}]) as made:
        yield made


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider, sockets: SocketProvider
) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("tls")
    (folder / "tls").mkdir()
    mount(folder / "tls", OURS.issue("first"))
    file = policy(provider.url, {"kind": "egress", "allow": ["*:*"]})
    file["upstreams"]["sockets"] = {"provider": "http", "url": sockets.url}
    file["forward_proxy"] = {"allow_addresses": ["127.0.0.0/8"], "check_sni": False}
    flags = ["--workers", "2"]
    for flag, name in (("cert", "tls.crt"), ("key", "tls.key"), ("client-ca", "ca.crt")):
        flags += [f"--tls-{flag}", str(folder / "tls" / name)]
    with RunningGateway(folder, file, flags) as made:
        yield made


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return OURS.client(AGENT, tmp_path_factory.mktemp("agent"))


def test_the_official_sdk_calls_over_tls_whole_and_streamed(
    gateway: RunningGateway, agent: ssl.SSLContext
) -> None:
    assert gateway.base.startswith("https://")
    with openai.OpenAI(
        base_url=f"{gateway.base}/v1",
        api_key="sk-own",
        http_client=openai.DefaultHttpxClient(verify=agent),
    ) as client:
        messages = [{"role": "user", "content": "Hello"}]
        whole = client.chat.completions.create(model="gpt-4o-mini", messages=messages)
        assert whole.choices[0].message.content == "Hello there."
        pieces = client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True)
        said = "".join(p.choices[0].delta.content or "" for p in pieces if p.choices)
        assert said == "Hello there."


def test_who_shows_no_certificate_or_speaks_no_tls_gets_nowhere(
    gateway: RunningGateway, provider: FakeProvider
) -> None:
    before = len(provider.seen)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        reply(Connection(gateway.base, OURS.client()))
    with pytest.raises(ConnectionError):
        reply(Connection(gateway.base))
    assert len(provider.seen) == before


def reply(connection: Connection) -> int:
    with connection:
        connection.send("POST", CHAT, chat(), [JSON])
        return connection.reply().status


def test_a_tunnel_through_tls_carries_bytes_both_ways_and_ends(
    gateway: RunningGateway, agent: ssl.SSLContext
) -> None:
    def once(sock: socket.socket) -> None:
        sock.sendall(sock.recv(65536)[::-1])

    with Far(once) as far, Connection(gateway.base, agent) as connection:
        target = f"127.0.0.1:{far.port}"
        connection.send("CONNECT", target, headers=[("Host", target)])
        assert connection.head().status == 200
        connection.sock.sendall(b"abc")
        assert connection.reader.more() == b"cba"
        assert connection.reader.more() == b""  # the far end's end is the tunnel's


def test_a_websocket_through_tls(gateway: RunningGateway, agent: ssl.SSLContext) -> None:
    url = gateway.base.replace("https", "wss") + "/sockets/anything"
    with connect(url, ssl=agent, open_timeout=WAIT) as socket:
        socket.send('{"a":1}')
        assert socket.recv(WAIT) == '{"echo": {"a": 1}}'.replace(": ", ":")


def shown(gateway: RunningGateway, agent: ssl.SSLContext) -> set[str]:
    """The subjects that several new connections, to any worker, are shown."""
    names = set()
    for _ in range(8):
        with Connection(gateway.base, agent) as connection:
            assert isinstance(connection.sock, ssl.SSLSocket)
            names.add(connection.sock.getpeercert()["subject"][0][0][1])  # type: ignore[index]
    return names


def test_a_new_pair_serves_new_connections_and_those_there_are_go_on(
    gateway: RunningGateway, agent: ssl.SSLContext
) -> None:
    folder = gateway.folder / "tls"
    assert shown(gateway, agent) == {"first"}
    with Connection(gateway.base, agent) as kept:
        kept.send("POST", CHAT, chat(), [JSON])
        assert kept.reply().status == 200
        mount(folder, OURS.issue("second", days=9))
        wait_for("the second certificate", lambda: shown(gateway, agent) == {"second"})
        kept.send("POST", CHAT, chat(), [JSON])
        assert kept.reply().status == 200
    assert "second" in gateway.log or metrics(gateway)[SUCCESS] == 1


def test_a_bad_pair_is_told_and_the_one_from_before_stays(
    gateway: RunningGateway, agent: ssl.SSLContext
) -> None:
    folder, before = gateway.folder / "tls", shown(gateway, agent)
    mount(folder, Issued(OURS.issue().cert, OURS.issue().key))
    wait_for("the problem", lambda: metrics(gateway)[SUCCESS] == 0)
    assert ready(gateway)["status"] == "ready, with the certificate from before"
    assert "does not belong to the certificate" in ready(gateway)["tls_problems"][0]
    assert "certificate not loaded" in gateway.log
    assert shown(gateway, agent) == before
    mount(folder, OURS.issue("third"))
    wait_for("the third certificate", lambda: metrics(gateway)[SUCCESS] == 1)
    wait_for("every worker", lambda: shown(gateway, agent) == {"third"})
    assert ready(gateway)["tls_problems"] == []
    assert set(ready(gateway)["tls_expires"]) == {"listener", "client_ca"}
    assert metrics(gateway)[EXPIRY] > 1e9


def test_another_authority_of_clients_lets_nobody_of_the_old_one_in_again(
    gateway: RunningGateway, agent: ssl.SSLContext, tmp_path: Path
) -> None:
    others = Authority("others")
    other = OURS.client(others.issue("other agent"), tmp_path)
    mount(gateway.folder / "tls", OURS.issue("fourth"), others.pem)
    wait_for("the new authority", works(gateway, other))
    for _ in range(4):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            reply(Connection(gateway.base, agent))


def works(gateway: RunningGateway, context: ssl.SSLContext) -> Callable[[], bool]:
    def look() -> bool:
        try:
            return all(reply(Connection(gateway.base, context)) == 200 for _ in range(8))
        except (ssl.SSLError, ConnectionError):
            return False

    return look


def test_a_start_with_a_bad_pair_says_what_to_do(tmp_path: Path) -> None:
    cert, key = OURS.issue().write(tmp_path)
    key.write_bytes(OURS.issue().key)
    gateway = RunningGateway(tmp_path, None, ["--tls-cert", str(cert), "--tls-key", str(key)])
    with pytest.raises(RuntimeError, match=r"--tls-key .*: it does not belong to the certificate"):
        gateway.start()
    gateway.stop()
