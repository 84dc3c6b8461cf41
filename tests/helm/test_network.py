"""The gateway's NetworkPolicies, by what they let through."""

from __future__ import annotations

from typing import Any

from tests.helm.chart import SHARED, Object, listens, needs_helm, objects, one, pods, render
from tests.helm.network import Place, passes

pytestmark = needs_helm

INSIDE = "10.0.0.9"
PROVIDER = Place("104.18.7.192")
METADATA = Place("169.254.169.254")
DNS = Place("10.96.0.10", "kube-system", {"k8s-app": "kube-dns"})
AGENT = Place(INSIDE, "agents-in", {"portcullis/agent": "true"})
STRANGER = Place("10.0.0.8", "agents-in", {"app": "shop"})
DATABASE = Place("10.0.0.7", "agents-in", {"app": "postgres"})
REDIS = Place("10.0.0.6", "data", {"app": "redis"})


def network(values: dict[str, Any]) -> tuple[list[Object], Place]:
    """The policies, and the gateway as they see it."""
    manifests = render(values)
    policies = [each for each in objects(manifests) if each["kind"] == "NetworkPolicy"]
    (found,) = [each for each in pods(manifests) if not each["name"].endswith("-test")]
    return policies, Place("10.0.0.5", "agents-in", found["labels"], listens(manifests))


def test_agents_have_no_way_to_a_provider_but_through_the_gateway() -> None:
    policies, gate = network({})
    assert passes(policies, AGENT, gate, 8484)
    assert passes(policies, AGENT, DNS, 53, "UDP")
    for port in (80, 443, 8080):
        assert not passes(policies, AGENT, PROVIDER, port)
    assert not passes(policies, AGENT, Place("2606:4700::6812:7c0"), 443)
    assert not passes(policies, AGENT, DATABASE, 5432)
    assert not passes(policies, AGENT, METADATA, 80)
    assert not passes(policies, AGENT, gate, 9484)
    assert not passes(policies, AGENT, gate, 9485)
    assert not passes(policies, AGENT, Place("8.8.8.8"), 53, "UDP")


def test_the_gateway_reaches_providers_and_no_private_network() -> None:
    policies, gate = network({})
    assert passes(policies, gate, PROVIDER, 443)
    assert passes(policies, gate, Place("2606:4700::6812:7c0"), 443)
    assert passes(policies, gate, DNS, 53, "UDP")
    assert not passes(policies, gate, METADATA, 80)
    assert not passes(policies, gate, METADATA, 443)
    assert not passes(policies, gate, DATABASE, 5432)
    assert not passes(policies, gate, REDIS, 6379)
    assert not passes(policies, gate, PROVIDER, 22)


def test_who_is_no_agent_does_not_reach_the_gateway() -> None:
    policies, gate = network({})
    assert not passes(policies, STRANGER, gate, 8484)
    assert passes(policies, STRANGER, PROVIDER, 443)  # and is not restrained
    assert passes(policies, STRANGER, gate, 9484)  # metrics are open until scrapers are named


def test_the_helm_test_reaches_the_gateway() -> None:
    policies, gate = network({})
    labels = one(render(), "Pod")["metadata"]["labels"]
    assert passes(policies, Place("10.0.0.4", "agents-in", labels), gate, 8484)


def test_redis_is_reached_where_it_is() -> None:
    policies, gate = network(SHARED)
    assert passes(policies, gate, REDIS, 6379)
    assert not passes(policies, gate, REDIS, 5432)
    peers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "data"}}}]
    narrow = SHARED | {"redis": {"existingSecret": "redis", "ports": [6380], "peers": peers}}
    policies, gate = network(narrow)
    assert passes(policies, gate, REDIS, 6380)
    assert not passes(policies, gate, REDIS, 6379)
    assert not passes(policies, gate, DATABASE, 6380)


def test_agents_of_other_namespaces_are_named_with_what_else_they_need() -> None:
    agents = [
        {
            "namespace": "research",
            "podSelector": {},
            "alsoTo": [{"to": [{"podSelector": {}}], "ports": [{"port": 5432}]}],
        }
    ]
    policies, gate = network({"networkPolicy": {"agents": agents}})
    there = Place(INSIDE, "research", {"any": "thing"})
    assert passes(policies, there, gate, 8484)
    assert not passes(policies, there, PROVIDER, 443)
    assert passes(policies, there, Place("10.1.0.1", "research"), 5432)
    assert not passes(policies, there, DATABASE, 5432)
    assert not passes(policies, AGENT, gate, 8484)


def test_traces_leave_by_the_port_of_their_endpoint() -> None:
    collector = Place("10.0.0.3", "observability", {"app": "collector"})
    policies, gate = network({"otlp": {"endpoint": "http://collector.observability:4318"}})
    assert passes(policies, gate, collector, 4318)
    policies, gate = network({"otlp": {"endpoint": "https://collector.example.com/otlp"}})
    assert passes(policies, gate, PROVIDER, 443)
    assert not passes(policies, gate, collector, 4318)


def test_only_named_scrapers_read_metrics() -> None:
    prometheus = Place("10.0.0.2", "monitoring", {"app": "prometheus"})
    scrapers = [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    ]
    policies, gate = network({"networkPolicy": {"scrapers": scrapers}})
    assert passes(policies, prometheus, gate, 9484)
    assert not passes(policies, STRANGER, gate, 9484)
    assert not passes(policies, prometheus, gate, 8484)
