"""The host that a TLS client names, read from its first bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.client_hello import NotTlsError, server_name
from tests.proxy.hellos import client_hello, records

HELLO = client_hello("api.example.com")
MESSAGE = HELLO[5:]


def test_the_name_of_a_real_client_is_read() -> None:
    assert server_name(HELLO) == "api.example.com"
    assert server_name(HELLO + b"and more") == "api.example.com"


def test_a_client_that_names_none_has_none() -> None:
    assert server_name(client_hello(None)) == ""


def test_a_part_is_waited_for() -> None:
    for size in range(len(HELLO)):
        assert server_name(HELLO[:size]) is None


@given(st.lists(st.integers(1, 400), max_size=8))
def test_however_it_is_cut_into_records_it_is_the_same(sizes: list[int]) -> None:
    assert server_name(records(MESSAGE, sizes)) == "api.example.com"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"SSH-2.0-x\r\n",
        b"\x80\x2e\x01\x00\x02",  # SSLv2
        b"\x16\x02",
        b"\x16\x03\x01\x00\x00",  # an empty record
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",  # a ServerHello
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",  # of 16 MiB
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03",  # ends in its version
        b"\x17\x03\x03\x00\x05hello",
    ],
)
def test_what_will_never_be_a_hello_is_told_at_once(data: bytes) -> None:
    with pytest.raises(NotTlsError):
        server_name(data)


def with_extensions(*extensions: bytes) -> bytes:
    """A small hello with these extensions."""
    body = b"".join(extensions)
    hello = b"\x03\x03" + b"r" * 32 + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00"
    hello += len(body).to_bytes(2, "big") + body
    return records(b"\x01" + len(hello).to_bytes(3, "big") + hello, [])


def sni(*entries: tuple[int, bytes]) -> bytes:
    listed = b"".join(bytes([kind]) + len(n).to_bytes(2, "big") + n for kind, n in entries)
    body = len(listed).to_bytes(2, "big") + listed
    return b"\x00\x00" + len(body).to_bytes(2, "big") + body


def test_two_names_are_refused_however_they_come() -> None:
    assert server_name(with_extensions(sni((0, b"a.example")))) == "a.example"
    for hello in (
        with_extensions(sni((0, b"a.example")), sni((0, b"b.example"))),
        with_extensions(sni((0, b"a.example"), (0, b"b.example"))),
        with_extensions(sni((7, b"a.example"))),
        with_extensions(sni((0, "é.example".encode()))),
    ):
        with pytest.raises(NotTlsError):
            server_name(hello)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_waited_for_or_refused(data: bytes) -> None:
    for text in (data, b"\x16\x03\x01" + data, HELLO[:60] + data):
        try:
            found = server_name(text)
        except NotTlsError:
            continue
        assert found is None or isinstance(found, str)


@given(st.integers(0, len(HELLO) - 1), st.integers(0, 255))
def test_a_changed_byte_never_yields_more_than_a_name(at: int, value: int) -> None:
    changed = bytearray(HELLO)
    changed[at] = value
    try:
        found = server_name(bytes(changed))
    except NotTlsError:
        return
    assert found is None or len(found) < len(HELLO)
