"""When traces are wanted, by the standard environment variables, and what is refused."""

from __future__ import annotations

import pytest

from gateway.errors import ConfigError
from gateway.telemetry.trace_settings import TraceSettings, read_trace_settings

ON = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_SERVICE_NAME": "edge"},
        {**ON, "OTEL_SDK_DISABLED": "TRUE"},
        {**ON, "OTEL_TRACES_EXPORTER": "none"},
        # What somebody else is told must not stop us where we send nothing.
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_traces_are_off_unless_somebody_asks_for_them(environ: dict[str, str]) -> None:
    assert read_trace_settings(environ) is None


@pytest.mark.parametrize(
    "environ",
    [
        ON,
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"},
        {"OTEL_TRACES_EXPORTER": "otlp"},
        {**ON, "OTEL_SDK_DISABLED": "false"},
        {**ON, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
        {
            **ON,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
        },
    ],
)
def test_an_endpoint_or_an_exporter_turns_them_on(environ: dict[str, str]) -> None:
    assert read_trace_settings(environ) == TraceSettings(2048, 512, 5.0, True)


def test_the_queue_and_the_propagators_are_those_that_are_asked_for() -> None:
    environ = {
        **ON,
        "OTEL_BSP_MAX_QUEUE_SIZE": "100",
        "OTEL_BSP_SCHEDULE_DELAY": "250",
        "OTEL_PROPAGATORS": "none",
    }
    assert read_trace_settings(environ) == TraceSettings(100, 100, 0.25, False)
    assert read_trace_settings({**ON, "OTEL_PROPAGATORS": "baggage,tracecontext"}) is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_TRACES_EXPORTER", "otlp,console"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "brotli"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem"),
        ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/nowhere/key.pem"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
    ],
)
def test_what_this_gateway_does_not_have_is_an_error_that_names_the_variable(
    name: str, value: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_trace_settings({**ON, name: value})
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [name]


@pytest.mark.parametrize("ratio", ["2", "-0.1", "half", "nan"])
def test_a_ratio_is_from_0_to_1(ratio: str) -> None:
    environ = {**ON, "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": ratio}
    with pytest.raises(ConfigError, match="OTEL_TRACES_SAMPLER_ARG"):
        read_trace_settings(environ)
    assert read_trace_settings({**environ, "OTEL_TRACES_SAMPLER_ARG": "0.25"}) is not None
