"""An upstream with an authority of its own behind a company's proxy, while files change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.testing.gateway import RunningGateway
from gateway.tls import Pems, server_context
from tests.certificates import Authority
from tests.proxy.local import policy
from tests.proxy.wire import Upstream
from tests.running import ask, metrics, ready, says, wait_for
from tests.upstream.outgoing_proxy import OutgoingProxy

OURS = Authority("ours")
SERVER = OURS.issue("provider")
PASSWORD = "proxy-password-0123"


@pytest.fixture(scope="module")
def proxy() -> Iterator[OutgoingProxy]:
    with OutgoingProxy(f"gateway:{PASSWORD}") as made:
        yield made


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """Asks for a certificate of the same authority."""
    tls = server_context(Pems(OURS.pem, SERVER.cert, SERVER.key))
    with Upstream(lambda got: says(), tls=tls) as made:
        yield made


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, upstream: Upstream, proxy: OutgoingProxy
) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("ways")
    (folder / "ca.crt").write_bytes(OURS.pem)
    OURS.issue("gateway", days=7).write(folder)
    (folder / "password").write_text(f"{PASSWORD}\n")
    (folder / "password").chmod(0o600)
    file = policy(upstream.url)
    file["upstreams"]["openai"] |= {
        "ca": "ca.crt",
        "cert": "tls.crt",
        "key": "tls.key",
        "proxy": f"http://gateway:${{file:password}}@127.0.0.1:{proxy.port}",
    }
    # Another proxy's address in the environment says nothing.
    environment = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    with RunningGateway(folder, file, ["--workers", "2"], environment=environment) as made:
        yield made


def test_calls_go_through_the_proxy_with_our_certificate(
    gateway: RunningGateway, upstream: Upstream, proxy: OutgoingProxy
) -> None:
    assert ask(gateway).status == 200
    assert {asked.line for asked in proxy.asked} == {f"CONNECT 127.0.0.1:{upstream.port} HTTP/1.1"}
    assert "proxy-authorization" not in upstream.got[-1]
    assert metrics(gateway)["portcullis_tls_certificate_expiry_timestamp_seconds"] > 1e9
    assert "portcullis_tls_last_reload_successful" not in metrics(gateway)


def test_an_authority_that_changes_is_taken_and_a_bad_one_is_not(gateway: RunningGateway) -> None:
    ca = gateway.folder / "ca.crt"
    ca.write_bytes(b"nothing of the kind")
    wait_for("the problem", lambda: ready(gateway)["policy_problems"])
    assert "ca: there is no certificate" in ready(gateway)["policy_problems"][0]
    assert ask(gateway).status == 200
    ca.write_bytes(Authority("others").pem)
    wait_for("the other authority", lambda: ask(gateway).status == 502)
    assert b"not trusted" in ask(gateway).body
    ca.write_bytes(OURS.pem)
    wait_for("our authority", lambda: all(ask(gateway).status == 200 for _ in range(4)))
    told = (
        gateway.log
        + str(ready(gateway))
        + gateway.command("check", str(gateway.policy_path)).stdout
    )
    assert PASSWORD not in told
