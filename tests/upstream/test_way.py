"""How an upstream is reached: proxies as they are written, contexts made once."""

from __future__ import annotations

import base64

import pytest

from gateway.tls import Pems, TlsError
from gateway.upstream.way import Proxy, Way, context_of, parse_proxy
from tests.certificates import Authority


@pytest.mark.parametrize(
    ("written", "proxy"),
    [
        ("http://proxy:3128", Proxy("proxy", 3128)),
        ("http://[::1]:3128/", Proxy("::1", 3128)),
        (
            "http://u:p%40ss@proxy:80",
            Proxy("proxy", 80, "Basic " + base64.b64encode(b"u:p@ss").decode()),
        ),
    ],
)
def test_a_proxy_is_host_port_and_credentials(written: str, proxy: Proxy) -> None:
    assert parse_proxy(written) == proxy
    assert parse_proxy(proxy) is proxy


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("proxy:3128", "expected a proxy"),
        ("http://proxy", "with its port"),
        ("http://u:hunter2@proxy:99999", "expected a proxy"),
        ("https://u:hunter2@proxy:3128", "speaks TLS is not supported"),
        ("socks5://proxy:1080", "expected a proxy"),
        ("http://proxy:3128/hunter2", "without a path"),
        ("http://u:hunter2%0a@proxy:80", "control character"),
        ("http://pro xy:1", "expected a proxy"),
        (3128, "expected a proxy"),
        (None, "expected a proxy"),
    ],
)
def test_what_is_no_proxy_is_refused_without_being_shown(written: object, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        parse_proxy(written)
    assert "hunter2" not in str(caught.value)


def test_a_password_and_a_key_are_in_no_picture_of_a_way() -> None:
    ours = Authority()
    shown = ours.issue()
    way = Way(
        "https://x", parse_proxy("http://u:hunter2@p:1"), Pems(ours.pem, shown.cert, shown.key)
    )
    assert "Basic" not in repr(way)
    assert shown.key.decode().splitlines()[1] not in repr(way)


def test_equal_certificates_share_a_context() -> None:
    ours = Authority()
    assert context_of(Pems(ca=ours.pem)) is context_of(Pems(ca=bytes(ours.pem)))
    with pytest.raises(TlsError):
        context_of(Pems(ca=b"none"))
