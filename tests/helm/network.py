"""What NetworkPolicies let through, as the Kubernetes documentation defines it ("Network
Policies", concepts/services-networking): a pod that no policy selects for a direction is open in
it, one that is selected may do what any of them allows, and both ends must agree.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
NAMESPACE_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Place:
    """A pod, or an address outside of the cluster where `namespace` is empty."""

    address: str
    namespace: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)


def passes(
    policies: list[Object], source: Place, target: Place, port: int, protocol: str = "TCP"
) -> bool:
    """Whether a connection comes about."""
    return _allowed(policies, "Egress", source, target, target, port, protocol) and _allowed(
        policies, "Ingress", target, source, target, port, protocol
    )


def _allowed(
    policies: list[Object],
    direction: str,
    own: Place,
    other: Place,
    target: Place,
    port: int,
    protocol: str,
) -> bool:
    selecting = [
        each
        for each in policies
        if own.namespace
        and own.namespace == each["metadata"].get("namespace", "agents-in")
        and direction in each["spec"]["policyTypes"]
        and _selects(each["spec"]["podSelector"], own.labels)
    ]
    if not selecting:
        return True
    key, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    return any(
        _peer(rule.get(peers), other, policy) and _port(rule.get("ports"), target, port, protocol)
        for policy in selecting
        for rule in policy["spec"].get(key, [])
    )


def _peer(peers: list[Object] | None, other: Place, policy: Object) -> bool:
    if not peers:
        return True
    return any(_is(peer, other, policy) for peer in peers)


def _is(peer: Object, other: Place, policy: Object) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        inside = _within(other.address, block["cidr"])
        return inside and not any(_within(other.address, each) for each in block.get("except", []))
    if not other.namespace:
        return False
    spaces = peer.get("namespaceSelector")
    if spaces is None:
        here = policy["metadata"].get("namespace", "agents-in") == other.namespace
    else:
        here = _selects(spaces, {NAMESPACE_LABEL: other.namespace})
    return here and _selects(peer.get("podSelector") or {}, other.labels)


def _within(address: str, network: str) -> bool:
    one, many = ipaddress.ip_address(address), ipaddress.ip_network(network)
    return one.version == many.version and one in many


def _selects(selector: Object, labels: dict[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}, "the tests need no more than this"
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def _port(ports: list[Object] | None, target: Place, port: int, protocol: str) -> bool:
    if not ports:
        return True
    return any(
        number == port and each.get("protocol", "TCP") == protocol
        for each in ports
        for number in _numbers(each, target)
    )


def _numbers(port: Object, target: Place) -> Iterator[int | None]:
    named = port["port"]
    yield target.ports.get(named) if isinstance(named, str) else named
