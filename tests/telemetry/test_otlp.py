"""OpenTelemetry's packages, as the environment sets them up: sampler, resource, exporter."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator

import pytest

from gateway.telemetry.otlp import Sdk
from gateway.telemetry.spans import Span
from gateway.telemetry.trace_context import Parent
from tests.telemetry.collector import CLIENT, SERVER, Collector

SPAN = Span(
    name="chat gpt-4o",
    trace_id=0xAB,
    span_id=0xCD,
    parent=0xEF,
    remote=True,
    server=True,
    start=1_000,
    end=2_000,
    flags=1,
    state="a=1,b=2",
    failed=True,
    attributes={"gen_ai.usage.input_tokens": 3, "gen_ai.response.finish_reasons": ("stop",)},
    events=[("portcullis.verdict", 1_500, {"portcullis.shadow": True})],
    link=(0x12, 0x34),
)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Leave the level of the packages' own log as it was."""
    log = logging.getLogger("opentelemetry")
    before = log.level
    yield
    log.setLevel(before)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        yield made


def test_a_span_arrives_with_all_that_it_says(collector: Collector) -> None:
    sdk = Sdk()
    child = dataclasses.replace(SPAN, server=False, failed=False, parent=0, link=None, events=[])
    assert sdk.export([SPAN, child])
    sdk.stop()
    own, other = collector.spans()
    assert (own.name, own.kind, own.failed) == ("chat gpt-4o", SERVER, True)
    assert (own.trace, own.id, own.parent) == (f"{0xAB:032x}", f"{0xCD:016x}", f"{0xEF:016x}")
    assert (own.start, own.end, own.state) == (1_000, 2_000, "a=1,b=2")
    assert own.attributes == {
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.response.finish_reasons": ["stop"],
    }
    assert own.events == [("portcullis.verdict", 1_500, {"portcullis.shadow": True})]
    assert own.links == [(f"{0x12:032x}", f"{0x34:016x}")]
    assert (other.kind, other.parent, other.failed, other.links) == (CLIENT, "", False, [])


def test_the_resource_is_the_environments_and_ours_where_that_says_nothing(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resource() -> dict[str, object]:
        sdk = Sdk()
        assert sdk.export([SPAN])
        sdk.stop()
        return collector.spans()[-1].resource

    found = resource()
    assert found["service.name"] == "portcullis"
    assert found["service.version"]
    assert found["service.instance.id"]
    monkeypatch.setenv("OTEL_SERVICE_NAME", "edge")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=pod-1,team=agents")
    found = resource()
    assert (found["service.name"], found["service.instance.id"]) == ("edge", "pod-1")
    assert found["team"] == "agents"


@pytest.mark.parametrize(
    ("sampler", "root", "child", "unsampled"),
    [
        ("", True, True, False),
        ("always_off", False, False, False),
        ("always_on", True, True, True),
        ("parentbased_always_off", False, True, False),
    ],
)
def test_the_sampler_is_the_one_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, sampler: str, root: bool, child: bool, unsampled: bool
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler or "parentbased_always_on")
    sdk = Sdk()
    assert sdk.sample(1, None) is root
    assert sdk.sample(1, Parent(1, 2, 1)) is child
    assert sdk.sample(1, Parent(1, 2, 0)) is unsampled


def test_a_ratio_takes_its_part_of_the_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
    sdk = Sdk()
    taken = sum(sdk.sample(sdk.ids.generate_trace_id(), None) for _ in range(2000))
    assert 350 < taken < 650


def test_a_collector_that_refuses_is_no_success(collector: Collector) -> None:
    collector.status = 400
    sdk = Sdk()
    assert not sdk.export([SPAN])
    sdk.stop()
