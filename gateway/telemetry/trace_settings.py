"""What OpenTelemetry's environment variables ask of us, as far as we decide it ourselves.

Names and defaults are those of the specification ("Environment Variable Specification" and "OTLP
Exporter Configuration"); the exporter, the sampler and the resource read theirs themselves. An
empty variable counts as unset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
FILES = ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")
COMPRESSIONS = ("none", "gzip", "deflate")
SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)

QUEUE, BATCH, DELAY = 2048, 512, 5000
"""Spans that may wait, spans of one request, and milliseconds between two requests."""


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """`delay` in seconds."""

    queue: int
    batch: int
    delay: float
    propagates: bool


def read_trace_settings(environ: Mapping[str, str]) -> TraceSettings | None:
    """The settings; None where no traces are wanted.

    Raises:
        ConfigError: traces are wanted in a way that this gateway does not have.
    """
    if not _wanted(environ):
        return None
    problems = [
        *_exporter(environ),
        *_protocol(environ),
        *_connection(environ),
        *_sampler(environ),
    ]
    numbers = {}
    for name, usual in (
        ("OTEL_BSP_MAX_QUEUE_SIZE", QUEUE),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", BATCH),
        ("OTEL_BSP_SCHEDULE_DELAY", DELAY),
    ):
        text = environ.get(name, "").strip() or str(usual)
        if text.isdecimal() and 0 < int(text) <= 1_000_000:
            numbers[name] = int(text)
        else:
            problems.append(f"{name}: expected a whole number from 1 to 1000000")
    if problems:
        raise ConfigError(problems)
    queue, batch, delay = numbers.values()
    propagators = _words(environ, "OTEL_PROPAGATORS") or {"tracecontext"}
    return TraceSettings(queue, min(batch, queue), delay / 1000, "tracecontext" in propagators)


def _wanted(environ: Mapping[str, str]) -> bool:
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporters = _words(environ, "OTEL_TRACES_EXPORTER")
    if exporters:
        return exporters != {"none"}
    return any(environ.get(name, "").strip() for name in ENDPOINTS)


def _words(environ: Mapping[str, str], name: str) -> set[str]:
    return {word.strip().lower() for word in environ.get(name, "").split(",") if word.strip()}


def _exporter(environ: Mapping[str, str]) -> list[str]:
    if _words(environ, "OTEL_TRACES_EXPORTER") <= {"otlp"}:
        return []
    return ["OTEL_TRACES_EXPORTER: this gateway has otlp and none"]


def _protocol(environ: Mapping[str, str]) -> list[str]:
    for name in PROTOCOLS:
        said = environ.get(name, "").strip()
        if said:
            if said == "http/protobuf":
                return []
            problem = (
                f"{name}: this gateway sends http/protobuf only. Set it to that, and the endpoint "
                "to the collector's HTTP port (usually 4318)"
            )
            return [problem]
    return []


def _connection(environ: Mapping[str, str]) -> list[str]:
    """What the exporter would only find out later, or leave out with a line in the log."""
    problems = []
    for prefix in ("OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"):
        said = {
            word: environ.get(prefix + word, "").strip()
            for word in ("ENDPOINT", "COMPRESSION", "TIMEOUT", *FILES)
        }
        if said["ENDPOINT"] and not said["ENDPOINT"].startswith(("http://", "https://")):
            problems.append(f"{prefix}ENDPOINT: expected a URL, such as http://collector:4318")
        if said["COMPRESSION"] and said["COMPRESSION"].lower() not in COMPRESSIONS:
            problems.append(f"{prefix}COMPRESSION: expected one of {', '.join(COMPRESSIONS)}")
        if said["TIMEOUT"] and not re.fullmatch(r"\d{1,6}(\.\d+)?", said["TIMEOUT"]):
            problems.append(f"{prefix}TIMEOUT: expected a number of seconds")
        problems += [
            f"{prefix}{word}: there is no such file"
            for word in FILES
            if said[word] and not Path(said[word]).is_file()
        ]
    return problems


def _sampler(environ: Mapping[str, str]) -> list[str]:
    name = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    if name and name not in SAMPLERS:
        return [f"OTEL_TRACES_SAMPLER: expected one of {', '.join(SAMPLERS)}"]
    if name.endswith("traceidratio"):
        text = environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip() or "1"
        try:
            ratio = float(text)
        except ValueError:
            ratio = -1.0
        if not 0 <= ratio <= 1:
            return ["OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1"]
    return []
