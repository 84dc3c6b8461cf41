"""Lines of the audit log as OpenTelemetry log records, over OTLP/HTTP.

It knows OpenTelemetry's packages and is imported only where lines are sent there. They read
`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_LOGS_*` and `OTEL_RESOURCE_ATTRIBUTES`
(https://opentelemetry.io/docs/specs/otel/protocol/exporter/). The body of a record is the line,
byte for byte, without its line break: what a backend gives back can be verified.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Sequence

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from gateway import __version__
from gateway.errors import ConfigError
from gateway.telemetry.otlp import resource_of

MOST_LINES = 512
"""Lines of one request."""

EVENT = "portcullis.audit"


class OtlpLogs:
    """A sink of the audit log (`audit.sinks.Sink`): a collector's answer is what counts.

    Raises ConfigError where a variable cannot be used.
    """

    name = "otlp"

    def __init__(self) -> None:
        # Its own lines repeat at every try and quote the address; the sink's user says what is.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._resource = resource_of()
        self._scope = InstrumentationScope(EVENT, __version__)
        try:
            self._exporter = OTLPLogExporter()
        except (OSError, RuntimeError, ValueError) as error:
            raise ConfigError([f"OTEL_EXPORTER_OTLP_*: {type(error).__name__}: {error}"]) from error

    def send(self, lines: Sequence[bytes]) -> int:
        some = lines[:MOST_LINES]
        records = [self._record(line) for line in some]
        if self._exporter.export(records) is not LogRecordExportResult.SUCCESS:
            raise OSError(errno.EIO, "the OTLP collector did not take the lines")
        return len(some)

    def close(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _record(self, line: bytes) -> ReadableLogRecord:
        now = time.time_ns()
        record = LogRecord(
            timestamp=now,
            observed_timestamp=now,
            severity_number=SeverityNumber.INFO,
            severity_text="INFO",
            body=line.rstrip(b"\n").decode(),
            event_name=EVENT,
        )
        return ReadableLogRecord(record, self._resource, self._scope)
