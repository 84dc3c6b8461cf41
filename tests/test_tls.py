"""Certificates from memory: what fits together is used, what does not is told in words."""

from __future__ import annotations

import ssl
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.tls import Pems, TlsError, begins, client_context, expires, server_context
from tests.certificates import Authority, pem_of

OURS = Authority()
GATEWAY = OURS.issue()


def shake(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """A handshake in memory; the client's side. Raises SSLError where one side refuses."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    there = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (here, there):
            try:
                side.do_handshake()
                side.read(1)
            except ssl.SSLWantReadError:
                continue
    return here


def test_a_server_is_trusted_by_who_trusts_its_authority() -> None:
    server = server_context(Pems(cert=GATEWAY.cert, key=GATEWAY.key))
    made = shake(server, client_context(Pems(ca=OURS.pem)))
    assert made.selected_alpn_protocol() == "http/1.1"
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(server, client_context(Pems(ca=Authority().pem)))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(server, client_context())


def test_a_bundle_of_authorities_may_name_them_in_any_script() -> None:
    """Between the certificates of a bundle stand comments, such as names in UTF-8."""
    server = server_context(Pems(cert=GATEWAY.cert, key=GATEWAY.key))
    named = "# Főtanúsítvány\n".encode() + OURS.pem
    shake(server, client_context(Pems(ca=named)))


def test_a_caller_must_show_a_certificate_of_the_right_authority() -> None:
    clients, others = Authority("clients"), Authority("others")
    server = server_context(Pems(ca=clients.pem, cert=GATEWAY.cert, key=GATEWAY.key))
    shown = clients.issue("agent")
    shake(server, client_context(Pems(ca=OURS.pem, cert=shown.cert, key=shown.key)))
    with pytest.raises(ssl.SSLError):
        shake(server, client_context(Pems(ca=OURS.pem)))
    stranger = others.issue("agent")
    with pytest.raises(ssl.SSLError):
        shake(server, client_context(Pems(ca=OURS.pem, cert=stranger.cert, key=stranger.key)))


def test_nothing_below_tls_1_2_is_spoken() -> None:
    for context in (
        server_context(Pems(cert=GATEWAY.cert, key=GATEWAY.key)),
        client_context(),
        client_context(Pems(ca=OURS.pem)),
    ):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("pems", "part", "said"),
    [
        (Pems(cert=b"", key=GATEWAY.key), "cert", "no certificate in PEM"),
        (Pems(cert=b"hunter2", key=GATEWAY.key), "cert", "no certificate in PEM"),
        (Pems(cert=GATEWAY.cert, key=b"hunter2"), "key", "no private key in PEM"),
        (Pems(cert=GATEWAY.cert, key=GATEWAY.cert), "key", "no private key in PEM"),
        (Pems(cert=GATEWAY.cert, key=OURS.issue().key), "key", "does not belong"),
        (
            Pems(
                cert=GATEWAY.cert, key=pem_of(ec.generate_private_key(ec.SECP256R1()), b"hunter2")
            ),
            "key",
            "passphrase",
        ),
        (Pems(ca=b"hunter2", cert=GATEWAY.cert, key=GATEWAY.key), "ca", "no certificate in PEM"),
    ],
)
def test_what_cannot_be_used_is_told_without_being_shown(pems: Pems, part: str, said: str) -> None:
    with pytest.raises(TlsError, match=said) as caught:
        server_context(pems)
    assert caught.value.part == part
    assert "hunter2" not in str(caught.value)
    assert GATEWAY.key.decode() not in repr(pems)


def test_the_first_certificate_that_expires_counts() -> None:
    day, now = 86400, time.time()
    soon, late = OURS.issue(days=3).cert, OURS.issue(days=9).cert
    assert abs(expires(late + soon) - now - 3 * day) < day
    assert expires(OURS.issue(days=-2).cert) < now
    assert begins(soon) < now
