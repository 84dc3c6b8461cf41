"""TLS contexts made of certificates and keys in memory, with words for what is wrong with them.

Rules of this file:
- A key is never written to a disk: OpenSSL, which wants a file, is handed one in memory.
- No message quotes a file. TLS 1.2 is the least that is spoken; HTTP/1.1 is all that is offered.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

ALPN = ["http/1.1"]


class TlsError(ValueError):
    """A certificate or key cannot be used. `part`: which (`cert`, `key`, `ca`)."""

    def __init__(self, part: str, why: str) -> None:
        super().__init__(why)
        self.part = part


@dataclass(frozen=True, slots=True)
class Pems:
    """PEM texts, empty where there is none: whom we trust, and who we are."""

    ca: bytes = b""
    cert: bytes = b""
    key: bytes = field(default=b"", repr=False)


def server_context(pems: Pems) -> ssl.SSLContext:
    """For a listener. With a `ca` every caller must show a certificate that it has signed.

    Raises TlsError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(ALPN)
    _show(context, pems)
    if pems.ca:
        _trust(context, pems.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(pems: Pems | None = None) -> ssl.SSLContext:
    """For connections to an upstream. A `ca` takes the place of the system's authorities.

    Raises TlsError.
    """
    if pems is not None and pems.ca:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the name and the chain
        _trust(context, pems.ca)
    else:
        context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(ALPN)
    if pems is not None and pems.cert:
        _show(context, pems)
    return context


def expires(pem: bytes, part: str = "cert") -> float:
    """When the first of these certificates expires, in unix seconds. Raises TlsError."""
    return min(each.not_valid_after_utc.timestamp() for each in _certificates(pem, part))


def begins(pem: bytes) -> float:
    """From when on all of these certificates are valid, in unix seconds. Raises TlsError."""
    return max(each.not_valid_before_utc.timestamp() for each in _certificates(pem, "cert"))


def _certificates(pem: bytes, part: str) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError:
        found = []
    if not found:
        raise TlsError(part, "there is no certificate in PEM form in it")
    return found


def _trust(context: ssl.SSLContext, ca: bytes) -> None:
    _certificates(ca, "ca")
    try:
        context.load_verify_locations(cadata=ca.decode("ascii", "ignore"))
    except ssl.SSLError as error:
        raise TlsError("ca", _words(error)) from None


def _show(context: ssl.SSLContext, pems: Pems) -> None:
    own = _certificates(pems.cert, "cert")[0]
    try:
        key = load_pem_private_key(pems.key, None)
    except TypeError:
        raise TlsError(
            "key", "it is protected by a passphrase, which nobody can type: store it without"
        ) from None
    except Exception:  # noqa: BLE001 - the library has several for a text that is no key
        raise TlsError("key", "there is no private key in PEM form in it") from None
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != own.public_key().public_bytes(*form):
        raise TlsError("key", "it does not belong to the certificate")
    try:
        with _file(pems.cert) as cert_path, _file(pems.key) as key_path:
            context.load_cert_chain(cert_path, key_path)
    except ssl.SSLError as error:
        raise TlsError("cert", _words(error)) from None


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[str]:
    """A path under which the content can be read for a moment: of memory, where that exists."""
    if not hasattr(os, "memfd_create"):
        with tempfile.NamedTemporaryFile() as file:  # mode 0600
            file.write(content)
            file.flush()
            yield file.name
        return
    fd = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        os.write(fd, content)
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)


def _words(error: ssl.SSLError) -> str:
    reason = (error.reason or "unknown").lower().replace("_", " ")
    return f"OpenSSL does not take it ({reason})"
