"""Hosts in one plain form: no spelling of a host is taken for another host."""

from __future__ import annotations

import ipaddress
import random
import socket
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.hosts import authority, is_address, plain_host, split_authority


def can(read: Callable[[str], object], text: str) -> bool:
    """Whether a text can be read."""
    try:
        read(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("spelled", "plain"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("xn--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("ｅｘａｍｐｌｅ。ｃｏｍ", "example.com"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("127.0.0.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("0x7F000001", "127.0.0.1"),
        ("１２７.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("::1", "::1"),
        ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ("[::FFFF:7f00:1]", "127.0.0.1"),
        ("[2001:DB8::0:1]", "2001:db8::1"),
    ],
)
def test_every_spelling_has_one_plain_form(spelled: str, plain: str) -> None:
    assert plain_host(spelled) == plain
    assert plain_host(plain) == plain


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "example..com",
        "-a.example",
        "a-.example",
        "exa mple.com",
        "example.com\r\nx",
        "user@example.com",
        "example.com/x",
        "ex%61mple.com",
        "256.1.1.1",
        "1.2.3.4.5",
        "08.1.1.1",
        "1.2.3.0x",
        "example.1",
        "[fe80::1%eth0]",
        "[::1",
        "[1.2.3.4]",
        "a" * 64 + ".example",
        ".".join(["a" * 60] * 5),
        "\ud800.example",
    ],
)
def test_what_is_no_host_is_refused(text: str) -> None:
    assert not can(plain_host, text)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("example.com:443", ("example.com", 443)),
        ("Example.com.:0443", ("example.com", 443)),
        ("[::1]:8443", ("::1", 8443)),
        ("0x7f.1:1", ("127.0.0.1", 1)),
    ],
)
def test_an_authority_is_a_host_and_a_port(text: str, pair: tuple[str, int]) -> None:
    assert split_authority(text) == pair


@pytest.mark.parametrize(
    "text",
    [
        "example.com",
        "example.com:",
        "example.com:0",
        "example.com:65536",
        "example.com:+443",
        "example.com: 443",
        "example.com:443:443",
        "::1:443",
        "[::1]",
        ":443",
        "",
    ],
)
def test_an_authority_without_a_host_or_a_port_is_refused(text: str) -> None:
    assert not can(split_authority, text)


def test_an_authority_is_written_so_that_it_can_be_read() -> None:
    for host, port in (("example.com", 443), ("::1", 80), ("1.2.3.4", 1)):
        assert split_authority(authority(host, port)) == (host, port)
    assert is_address("::1")
    assert is_address("1.2.3.4")
    assert not is_address("a1.example")


def _spellings(address: ipaddress.IPv4Address, pick: random.Random) -> str:
    """One of the many ways in which `inet_aton` reads this address."""
    value = int(address)
    count = pick.randint(1, 4)
    numbers = [value >> 8 * (3 - place) & 0xFF for place in range(count - 1)]
    numbers.append(value & (1 << 8 * (5 - count)) - 1)
    forms: list[Callable[[int], str]] = [
        str,
        hex,
        lambda n: f"0{n:o}",
        lambda n: hex(n).upper().replace("X", "x"),
    ]
    return ".".join(pick.choice(forms)(number) for number in numbers)


@given(st.ip_addresses(v=4), st.randoms(use_true_random=False))
def test_no_spelling_of_an_ipv4_address_hides_it(
    address: ipaddress.IPv4Address, pick: random.Random
) -> None:
    spelled = _spellings(address, pick)
    assert socket.inet_aton(spelled) == address.packed  # the system agrees
    assert plain_host(spelled) == str(address)
    assert plain_host(f"[::ffff:{address}]") == str(address)


@given(st.ip_addresses(v=6))
def test_no_spelling_of_an_ipv6_address_hides_it(address: ipaddress.IPv6Address) -> None:
    plain = plain_host(f"[{address.exploded.upper()}]")
    assert plain == plain_host(str(address))
    assert ipaddress.ip_address(plain) == (address.ipv4_mapped or address)


@given(st.text(max_size=40))
def test_a_plain_form_is_its_own_plain_form(text: str) -> None:
    try:
        plain = plain_host(text)
    except ValueError:
        return
    assert plain_host(plain) == plain
    assert plain.isascii()
    assert plain == plain.lower()
    try:
        packed = socket.inet_aton(plain)
    except OSError:
        return
    assert plain == socket.inet_ntoa(packed)  # what the system reads as an address is one to us
