"""What the policy file says of the forward proxy. It is off where the section is missing."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import Field, PlainValidator, WithJsonSchema

from gateway.config.rule_options import Strict
from gateway.config.units import DurationField

UPSTREAM = "forward_proxy"
"""What the upstream of a tunnel is called in rules, records and metrics."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_network(value: object) -> Network:
    """An address or a network in CIDR notation: `10.1.0.0/16`, `127.0.0.1`, `fd00::/8`."""
    try:
        if isinstance(value, Network):
            return value
        if isinstance(value, str):
            return ipaddress.ip_network(value)
    except ValueError:
        pass
    raise ValueError('expected an address or a network, such as "10.1.0.0/16" (no host bits set)')


NetworkField = Annotated[
    Network,
    PlainValidator(parse_network),
    WithJsonSchema({"type": "string", "examples": ["10.1.0.0/16", "fd00:1::/32"]}),
]


class ForwardProxy(Strict):
    """What CONNECT may do, besides the `egress` rules that say where it may go.

    `allow_addresses` opens networks that are not public. `max_tunnels` holds for each worker.
    """

    allow_addresses: tuple[NetworkField, ...] = ()
    check_sni: bool = True
    connect_timeout: DurationField = 10.0
    idle_timeout: DurationField = 300.0
    max_tunnels: Annotated[int, Field(ge=1, le=100_000)] = 256
