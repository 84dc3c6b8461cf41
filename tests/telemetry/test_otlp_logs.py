"""Audit lines at a real OTLP endpoint: the body is the line, and only an answer counts."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from gateway.telemetry.otlp_logs import EVENT, MOST_LINES, OtlpLogs
from tests.telemetry.collector import Collector


def bodies(collector: Collector) -> list[str]:
    """The lines that a collector has, in order."""
    return [
        record.body.string_value
        for body in collector.bodies
        for resource in ExportLogsServiceRequest.FromString(body).resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    return monkeypatch


def test_lines_arrive_as_they_are(endpoint: pytest.MonkeyPatch) -> None:
    with Collector() as collector:
        endpoint.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        endpoint.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=1")
        sink = OtlpLogs()
        lines = [b'{"a":"\xc3\xa9"}\n'] * (MOST_LINES + 1)
        assert sink.send(lines) == MOST_LINES
        assert sink.send(lines[MOST_LINES:]) == 1
        sink.close()
        assert bodies(collector) == ['{"a":"é"}'] * (MOST_LINES + 1)
        assert collector.paths == ["/v1/logs"] * 2
        assert collector.headers[0]["x-key"] == "1"
        request = ExportLogsServiceRequest.FromString(collector.bodies[0])
        (resource,) = request.resource_logs
        assert resource.scope_logs[0].scope.name == EVENT
        names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
        assert names["service.name"] == "portcullis"


def test_what_the_collector_refuses_was_not_sent(endpoint: pytest.MonkeyPatch) -> None:
    with Collector(status=400) as collector:
        endpoint.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        sink = OtlpLogs()
        with pytest.raises(OSError, match="did not take the lines"):
            sink.send([b"x\n"])
        collector.status = 200
        assert sink.send([b"x\n"]) == 1
        sink.close()
