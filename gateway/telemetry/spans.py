"""An exchange that has ended, as spans: one of our own, and one for each time upstream was called.

Rules of this file:
- NEVER content: what the audit log may name (a model, a tool, a rule) and numbers, cut to a stated
  length. A user's name stays in the audit log, which `portcullis.id` leads to.
- What a model used stands on our own span only, so that nothing that adds up spans counts it twice.
- Pure, and without OpenTelemetry's packages: `otlp.py` makes theirs of these.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.dialects.base import Call
from gateway.exchange import Exchange
from gateway.telemetry import semconv
from gateway.verdict import Verdict

if TYPE_CHECKING:
    from gateway.telemetry.tracing import Attempt, Trace

Value = str | bool | int | float | tuple[str, ...]
Attributes = dict[str, Value]

LONGEST = 128
LONGEST_PATH = 256
MOST_EVENTS = 32
"""Verdicts of one exchange that a span tells of; the audit log has them all."""
MOST_TOOLS = 16

_FAILED = frozenset({"failed", "upstream_failed"})


@dataclass(frozen=True, slots=True)
class Span:
    """One span. Ids are numbers; times are unix nanoseconds; `parent` 0: it is a root.

    `remote`: its parent is in another process. `events`: name, time, attributes. `link`: trace and
    span id of another span that it has to do with.
    """

    name: str
    trace_id: int
    span_id: int
    parent: int
    remote: bool
    server: bool
    start: int
    end: int
    flags: int
    state: str
    failed: bool
    attributes: Attributes
    events: list[tuple[str, int, Attributes]] = field(default_factory=list)
    link: tuple[int, int] | None = None


def spans_of(exchange: Exchange, trace: Trace) -> list[Span]:
    """All spans of an exchange, its own first."""
    clock = _Clock(exchange)
    parent = trace.parent
    own = Span(
        name=name_of(exchange),
        trace_id=trace.trace_id,
        span_id=trace.span_id,
        parent=parent.span_id if parent is not None else 0,
        remote=parent is not None,
        server=True,
        start=clock.at(exchange.begun),
        end=clock.at(exchange.left),
        flags=trace.flags,
        state=trace.state,
        failed=exchange.outcome in _FAILED or exchange.status >= 500,
        attributes=_attributes(exchange),
        events=list(_events(exchange, trace, clock)),
        link=trace.link,
    )
    return [own, *_children(exchange, trace, clock)]


class _Clock:
    """The moments of an exchange, from its monotonic marks to unix nanoseconds."""

    def __init__(self, exchange: Exchange) -> None:
        self._offset = int(exchange.started * 1e9) - exchange.begun
        self._exchange = exchange

    def at(self, monotonic: int) -> int:
        return self._offset + monotonic

    def left(self, *stations: str) -> int:
        """When the first of these stations that the exchange passed was left; its end if none."""
        now = self._exchange.begun
        moments = {}
        for station, spent in self._exchange.spent.items():
            now += spent
            moments[station] = now
        for station in stations:
            if station in moments:
                return self.at(moments[station])
        return self.at(self._exchange.left)


# --- our own span ---


def name_of(exchange: Exchange) -> str:
    """As the conventions name it: `chat gpt-4o`, `tools/call search`, `execute_tool search`; what
    has no name there: the HTTP method and the upstream."""
    call, target = exchange.call, exchange.target
    method = _method(exchange)
    if call is None or target is None:
        return method
    tool = call.invokes[0].label[:LONGEST] if call.invokes else ""
    if call.dialect == "mcp" and len(call.rpc) == 1:
        return f"{call.rpc[0]} {tool}".rstrip()
    if tool:
        return f"{semconv.EXECUTE_TOOL} {tool}"
    if call.dialect == "tunnel":
        return method
    if call.model:
        return f"{semconv.operation_of(call)} {call.model[:LONGEST]}"
    return f"{method} {target.upstream}"


def _method(exchange: Exchange) -> str:
    method = exchange.request.method
    return method if method in semconv.METHODS else "HTTP"


def _attributes(exchange: Exchange) -> Attributes:
    request, target, identity = exchange.request, exchange.target, exchange.identity
    method = request.method if request.method in semconv.METHODS else semconv.OTHER
    path = (target.shown_as if target is not None else "") or request.path[:LONGEST_PATH]
    found: Attributes = {
        semconv.ID: exchange.id,
        semconv.HTTP_METHOD: method,
        semconv.HTTP_STATUS: exchange.status,
        semconv.URL_PATH: path,
        semconv.OUTCOME: exchange.outcome or "failed",
        semconv.ACTION: exchange.action.value,
    }
    if identity.tenant:
        found[semconv.TENANT] = identity.tenant
    if identity.agent:
        found[semconv.AGENT] = identity.agent[:LONGEST]
    if identity.session:
        found[semconv.CONVERSATION] = identity.session
    if target is not None:
        found[semconv.UPSTREAM] = target.upstream
        found[semconv.DIALECT] = target.dialect
        found[semconv.PROVIDER] = semconv.PROVIDERS.get(target.provider, target.provider)
    if exchange.snapshot is not None:
        found[semconv.POLICY] = exchange.snapshot.digest
    if error := _error(exchange):
        found[semconv.ERROR_TYPE] = error
    stopped = exchange.stopped
    if stopped is not None:
        found[semconv.RULE] = str(stopped.rule)
    if exchange.call is not None:
        _asked(found, exchange.call)
    _answered(found, exchange)
    return found


def _error(exchange: Exchange) -> str:
    stopped = exchange.stopped
    reason = exchange.reason or (stopped.reason if stopped is not None else None)
    if reason is not None:
        return reason.value
    return str(exchange.status) if exchange.status >= 400 else ""


def _asked(found: Attributes, call: Call) -> None:
    """What was asked for."""
    if call.dialect == "tunnel":
        return
    if call.dialect != "opaque" and (call.dialect != "mcp" or call.invokes):
        found[semconv.OPERATION] = semconv.operation_of(call)
    if call.model:
        found[semconv.REQUEST_MODEL] = call.model[:LONGEST]
    if call.stream:
        found[semconv.REQUEST_STREAM] = True
    if call.max_output is not None:
        found[semconv.REQUEST_MAX_TOKENS] = call.max_output
    if call.choices != 1:
        found[semconv.REQUEST_CHOICES] = call.choices
    if call.rpc:
        found[semconv.MCP_METHOD] = call.rpc[0]
    if call.invokes:
        found[semconv.TOOL_NAME] = call.invokes[0].label[:LONGEST]


def _answered(found: Attributes, exchange: Exchange) -> None:
    """What came of it."""
    if exchange.model_served:
        found[semconv.RESPONSE_MODEL] = exchange.model_served[:LONGEST]
    if exchange.answer_id:
        found[semconv.RESPONSE_ID] = exchange.answer_id[:LONGEST]
    if exchange.finish:
        found[semconv.RESPONSE_FINISH] = (exchange.finish[:LONGEST],)
    if exchange.streamed and exchange.first_byte:
        waited = (exchange.first_byte - exchange.begun) / 1e9
        found[semconv.RESPONSE_FIRST_CHUNK] = waited
    if exchange.tools and exchange.call is not None and not exchange.call.invokes:
        names = [each.name[:LONGEST] for each in exchange.tools[:MOST_TOOLS]]
        found[semconv.TOOL_CALLS] = tuple(names)
    usage = exchange.usage
    if usage is not None:
        found[semconv.INPUT_TOKENS] = usage.total_input
        found[semconv.OUTPUT_TOKENS] = usage.output
        if usage.cache_read:
            found[semconv.CACHE_READ_TOKENS] = usage.cache_read
        if written := usage.cache_write + usage.cache_write_1h:
            found[semconv.CACHE_WRITE_TOKENS] = written
        if usage.reasoning:
            found[semconv.REASONING_TOKENS] = usage.reasoning
        if usage.estimated:
            found[semconv.ESTIMATED] = True
    if exchange.cost is not None:
        found[semconv.COST] = exchange.cost


def _events(
    exchange: Exchange, trace: Trace, clock: _Clock
) -> Iterator[tuple[str, int, Attributes]]:
    """What happened in between: what rules said, and the caller's first byte.

    Nobody notes when a rule spoke: verdicts bear the time at which its stage was over.
    """
    for number, verdict in enumerate(exchange.verdicts[:MOST_EVENTS]):
        asked = trace.judged < 0 or number < trace.judged
        when = clock.left("rules") if asked else clock.left("answer_rules", "answer")
        yield semconv.VERDICT_EVENT, when, _said(verdict)
    if exchange.first_byte:
        yield semconv.FIRST_BYTE_EVENT, clock.at(exchange.first_byte), {}


def _said(verdict: Verdict) -> Attributes:
    said: Attributes = {
        semconv.RULE: str(verdict.rule),
        semconv.RULE_KIND: verdict.rule.kind,
        semconv.VERDICT: verdict.action.value,
        semconv.ACTION: verdict.enforced.value,
        semconv.REASON: verdict.reason.value,
    }
    if verdict.shadow:
        said[semconv.SHADOW] = True
    return said


# --- calls of upstream ---


def _children(exchange: Exchange, trace: Trace, clock: _Clock) -> Iterator[Span]:
    """One for each time upstream was called; of a tunnel, for as long as it was open."""
    if not exchange.sent:
        return
    attempts = trace.attempts or [trace.attempt(0)]
    for number, attempt in enumerate(attempts):
        last = attempt is attempts[-1]
        began = clock.at(attempt.began) if attempt.began else clock.left("open")
        ended = clock.at(attempt.ended) if attempt.ended else clock.left("answer")
        found, failed = _attempted(exchange, attempt, last=last)
        if number:
            found[semconv.HTTP_RESENT] = number
        yield Span(
            name=_method(exchange),
            trace_id=trace.trace_id,
            span_id=attempt.span_id,
            parent=trace.span_id,
            remote=False,
            server=False,
            start=began,
            end=max(began, ended),
            flags=trace.flags,
            state=trace.state,
            failed=failed,
            attributes=found,
        )


def _attempted(exchange: Exchange, attempt: Attempt, *, last: bool) -> tuple[Attributes, bool]:
    """Attributes of a call of upstream, and whether it failed."""
    method = exchange.request.method
    found: Attributes = {
        semconv.HTTP_METHOD: method if method in semconv.METHODS else semconv.OTHER
    }
    host, port = _where(exchange)
    if host:
        found[semconv.SERVER_ADDRESS] = host
        found[semconv.SERVER_PORT] = port
    status = exchange.upstream_status if last else 0
    if status:
        found[semconv.HTTP_STATUS] = status
    error = ""
    if not last:
        error = "connection_closed"
    elif status >= 400:
        error = str(status)
    elif exchange.outcome == "upstream_failed" and exchange.reason is not None:
        error = exchange.reason.value
    if error:
        found[semconv.ERROR_TYPE] = error
    return found, bool(error)


def _where(exchange: Exchange) -> tuple[str, int]:
    """Host and port that were called."""
    target, call = exchange.target, exchange.call
    if target is None:
        return "", 0
    if target.dialect == "tunnel":
        return getattr(call, "host", ""), getattr(call, "port", 0)
    plan = exchange.snapshot.upstreams.get(target.upstream) if exchange.snapshot else None
    return _address(plan.way.base) if plan is not None else ("", 0)


@functools.lru_cache(maxsize=256)
def _address(base: str) -> tuple[str, int]:
    parts = urlsplit(base)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
