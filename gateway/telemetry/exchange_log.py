"""One log line for an exchange that has ended: what was refused or failed always, what went
through at level `debug` (the metrics count it, the audit log records it)."""

from __future__ import annotations

import logging
from typing import Any

from gateway.exchange import Exchange
from gateway.telemetry import semconv

_LEVELS = {
    "answered": logging.DEBUG,
    "refused": logging.INFO,
    "blocked": logging.INFO,
    "cancelled": logging.INFO,
    "upstream_failed": logging.WARNING,
}
_LONGEST = 128

log = logging.getLogger("portcullis.exchange")


def log_exchange(exchange: Exchange) -> None:
    """Write the line, where its level is wanted."""
    level = _LEVELS.get(exchange.outcome, logging.ERROR)
    if log.isEnabledFor(level):
        log.log(level, "exchange %s", exchange.outcome or "failed", extra=fields(exchange))


def about(exchange: Exchange) -> dict[str, Any]:
    """The fields by which lines of one exchange are found: for `extra` of any log call."""
    found = {"exchange": exchange.id}
    if exchange.trace_id:
        found["trace_id"] = exchange.trace_id
    return found


def fields(exchange: Exchange) -> dict[str, Any]:
    """What the line says; empty fields are left out. Names as in `telemetry/semconv.py`."""
    identity, target, call = exchange.identity, exchange.target, exchange.call
    stopped = exchange.stopped
    reason = exchange.reason or (stopped.reason if stopped is not None else None)
    found: dict[str, Any] = {
        **about(exchange),
        "tenant": identity.tenant,
        "agent": identity.agent,
        "rule": str(stopped.rule) if stopped is not None else "",
        "attempt": exchange.attempt if exchange.attempt > 1 else "",
        "milliseconds": round((exchange.left - exchange.begun) / 1e6, 3),
        semconv.HTTP_METHOD: exchange.request.method,
        semconv.HTTP_STATUS: exchange.status,
        semconv.ERROR_TYPE: reason.value if reason is not None else "",
    }
    if target is not None:
        found["upstream"] = target.upstream
        found[semconv.PROVIDER] = semconv.PROVIDERS.get(target.provider, target.provider)
    if call is not None:
        found[semconv.OPERATION] = semconv.operation_of(call)
        found[semconv.REQUEST_MODEL] = call.model[:_LONGEST]
        found[semconv.RESPONSE_MODEL] = exchange.model_served[:_LONGEST]
    if exchange.usage is not None:
        found[semconv.INPUT_TOKENS] = exchange.usage.total_input
        found[semconv.OUTPUT_TOKENS] = exchange.usage.output
    return {name: value for name, value in found.items() if value != ""}
