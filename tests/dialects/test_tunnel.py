"""A tunnel as a call: where it goes is read, what travels in it is named."""

from __future__ import annotations

import json

import pytest

from gateway.dialects.base import Surface
from gateway.dialects.registry import DIALECTS
from gateway.dialects.tunnel import Tunnel, TunnelCall
from gateway.errors import CallerError
from gateway.message import Headers, Request
from gateway.verdict import Reason


def decode(target: str) -> TunnelCall:
    call = Tunnel().decode(Request("CONNECT", target, Headers()), b"")
    assert isinstance(call, TunnelCall)
    return call


def test_the_target_is_read_in_its_plain_form() -> None:
    call = decode("API.Example.com.:443")
    assert (call.host, call.port, call.authority) == ("api.example.com", 443, "api.example.com:443")
    assert decode("[::FFFF:10.0.0.1]:80").authority == "10.0.0.1:80"


def test_what_travels_in_it_is_unscannable_and_costs_nothing() -> None:
    call = decode("a.example:443")
    assert [(item.what, item.surface) for item in call.unscannable] == [("tunnel", Surface.USER)]
    assert call.segments == []
    assert not call.billable
    assert (call.input_bound(), call.input_estimate(), call.encode()) == (0, 0, b"")


@pytest.mark.parametrize("target", ["example.com", "http://example.com/", "a b:443", "é\xff:1"])
def test_another_target_is_refused(target: str) -> None:
    with pytest.raises(CallerError) as caught:
        decode(target)
    assert caught.value.reason is Reason.TARGET_MALFORMED


def test_a_name_may_come_as_utf_8() -> None:
    sent = "bücher.example:443".encode().decode("latin-1")
    assert decode(sent).host == "xn--bcher-kva.example"


def test_errors_are_json() -> None:
    body = DIALECTS["tunnel"].error_body(400, "egress_denied", "No.", "ptx_1")
    assert json.loads(body)["error"]["code"] == "egress_denied"
