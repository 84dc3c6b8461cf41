"""Which addresses a tunnel may lead to."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.addresses import is_public, may_reach, plain


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.255",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:a00:1::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "no address",
        "",
    ],
)
def test_what_is_not_public_is_not_reached(address: str) -> None:
    assert not may_reach(address, ())


@pytest.mark.parametrize(
    "address",
    "1.1.1.1 93.184.215.14 172.32.0.1 100.128.0.1 ::ffff:1.1.1.1 64:ff9b::1.1.1.1 "
    "2606:4700:4700::1111 2a00:1450:4001::1".split(),
)
def test_what_is_public_is_reached(address: str) -> None:
    assert may_reach(address, ())


def test_the_operator_may_open_networks() -> None:
    opened = [ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00:1::/32")]
    assert may_reach("10.1.2.3", opened)
    assert may_reach("::ffff:10.1.2.3", opened)
    assert may_reach("fd00:1::9", opened)
    assert not may_reach("10.2.0.1", opened)
    assert not may_reach("fd00:2::1", opened)


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_judged_as_what_it_leads_to(
    address: ipaddress.IPv4Address,
) -> None:
    for text in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert plain(text) == address
        assert may_reach(text, ()) == is_public(address)


@given(st.ip_addresses())
def test_nothing_is_public_that_python_calls_private(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    found = plain(str(address))
    if found.is_private or found.is_loopback or found.is_link_local or found.is_multicast:
        assert not is_public(found)
