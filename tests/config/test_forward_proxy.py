"""The `forward_proxy` section of the policy file."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config.forward_proxy import ForwardProxy
from gateway.config.policy_file import PolicyFile
from tests.proxy.local import policy


def test_it_is_off_where_the_section_is_missing() -> None:
    assert PolicyFile.model_validate(policy("http://a")).forward_proxy is None
    on = PolicyFile.model_validate(policy("http://a", forward_proxy={}))
    assert on.forward_proxy == ForwardProxy()


def test_by_default_nothing_private_is_open_and_tls_is_looked_at() -> None:
    options = ForwardProxy()
    assert options.allow_addresses == ()
    assert options.check_sni


def test_networks_and_times_are_read() -> None:
    options = ForwardProxy.model_validate(
        {"allow_addresses": ["10.1.0.0/16", "::1"], "idle_timeout": "5m", "connect_timeout": "2s"}
    )
    assert options.allow_addresses == (
        ipaddress.ip_network("10.1.0.0/16"),
        ipaddress.ip_network("::1/128"),
    )
    assert (options.idle_timeout, options.connect_timeout) == (300.0, 2.0)


@pytest.mark.parametrize(
    "section",
    [
        {"allow_addresses": ["10.1.0.1/16"]},
        {"allow_addresses": ["localhost"]},
        {"allow_addresses": [10]},
        {"max_tunnels": 0},
        {"check": True},
        {"allow": ["example.com"]},
    ],
)
def test_what_cannot_be_meant_is_an_error(section: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ForwardProxy.model_validate(section)
