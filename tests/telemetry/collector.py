"""An OTLP collector for tests: real HTTP, real protobuf, every span kept."""

from __future__ import annotations

import gzip
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.running import wait_for

SERVER, CLIENT, ERROR = 2, 3, 2
"""OTLP's numbers for the kinds of spans, and for the status of one that failed."""


@dataclass(frozen=True)
class Got:
    """One span as it arrived; ids in hex, `resource` of the process that sent it."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    failed: bool
    start: int
    end: int
    state: str
    attributes: dict[str, Any]
    events: list[tuple[str, int, dict[str, Any]]]
    links: list[tuple[str, str]]
    resource: dict[str, Any]


@dataclass
class Collector:
    """Listens on a free port of 127.0.0.1. Use as a context manager.

    Attributes:
        status: what it answers; `hang`: seconds until it does.
        bodies: every request's protobuf; `headers`, `paths`: of every request.
    """

    status: int = 200
    hang: float = 0.0
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def __enter__(self) -> Collector:
        collector = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if collector.hang:
                    time.sleep(collector.hang)
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.headers.append({k.lower(): v for k, v in self.headers.items()})
                collector.paths.append(self.path)
                if collector.status == 200:
                    collector.bodies.append(body)
                told = ExportTraceServiceResponse().SerializeToString()
                try:
                    self.send_response(collector.status)
                    self.send_header("content-type", "application/x-protobuf")
                    self.send_header("content-length", str(len(told)))
                    self.end_headers()
                    self.wfile.write(told)
                except OSError:
                    pass  # who asked did not wait

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def spans(self) -> list[Got]:
        """Everything that has arrived."""
        return [span for body in list(self.bodies) for span in _read(body)]

    def trace(self, trace: str, most: int) -> list[Got]:
        """The spans of one trace, in the order of their beginnings, once there are so many."""

        def look() -> list[Got]:
            found = [span for span in self.spans() if span.trace == trace]
            return found if len(found) >= most else []

        return sorted(wait_for(f"{most} spans", look), key=lambda span: span.start)


def _read(body: bytes) -> list[Got]:
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    return [
        Got(
            name=span.name,
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            kind=span.kind,
            failed=span.status.code == ERROR,
            start=span.start_time_unix_nano,
            end=span.end_time_unix_nano,
            state=span.trace_state,
            attributes=_values(span.attributes),
            events=[(e.name, e.time_unix_nano, _values(e.attributes)) for e in span.events],
            links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
            resource=_values(process.resource.attributes),
        )
        for process in request.resource_spans
        for scope in process.scope_spans
        for span in scope.spans
    ]


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None
