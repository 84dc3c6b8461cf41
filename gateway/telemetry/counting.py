"""How an exchange that has ended shows in the metrics: which series, which labels."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from gateway.dialects.base import Usage
from gateway.exchange import Exchange
from gateway.telemetry.stations import UPSTREAM
from gateway.verdict import Action, Mode, Reason, Verdict

if TYPE_CHECKING:
    from gateway.state.store import Admission
    from gateway.telemetry.metrics import Metrics

_NANO = 1e-9
_IN, _OUT = ("in",), ("out",)
_PUT_AWAY, _PUT_BACK = ("put_away",), ("put_back",)
_ENTITY = re.compile(r"[A-Z][A-Z0-9_]{1,40}")
_STRICTNESS = {action: rank for rank, action in enumerate(Action)}

_UPSTREAM_FAULTS = {
    Reason.UPSTREAM_UNREACHABLE: "unreachable",
    Reason.UPSTREAM_TIMEOUT: "timeout",
    Reason.ANSWER_MALFORMED: "malformed",
}


def count(metrics: Metrics, exchange: Exchange) -> None:
    """Count an exchange that has ended; once."""
    target = exchange.target
    dialect = target.dialect if target is not None else "none"
    upstream = target.upstream if target is not None else "none"
    metrics.requests.add((dialect, exchange.outcome or "none", _reason(exchange)))
    if exchange.attempt > 1:
        metrics.retries.add((dialect,))
    metrics.bytes.add(_IN, exchange.bytes_in)
    metrics.bytes.add(_OUT, exchange.bytes_out)
    if dialect == "tunnel":
        metrics.tunnel_bytes.add(_IN, exchange.bytes_in)
        metrics.tunnel_bytes.add(_OUT, exchange.bytes_out)
    _times(metrics, exchange, dialect, upstream)
    if exchange.verdicts:
        for verdict in exchange.verdicts:
            _decision(metrics, verdict)
        if any(verdict.reason is Reason.STORE_UNAVAILABLE for verdict in exchange.verdicts):
            metrics.store_errors.add(("admit",))
    call = exchange.call
    if (call is not None and call.unscannable) or exchange.verdicts:
        _unscannable(metrics, exchange)
    if exchange.usage is not None:
        _used(metrics, exchange, exchange.usage, upstream)
    if exchange.cost:
        tokens = exchange.usage is not None
        labels = (upstream, _model(exchange) if tokens else "none")
        metrics.cost.add(labels, exchange.cost * _NANO)
    if exchange.visit is not None and call is not None and call.operation == "chat":
        metrics.session_age.observe(max(0.0, exchange.started - exchange.visit.entry.start))
    if exchange.model_served and call is not None and call.names_model:
        _served(metrics, exchange, call.model, upstream)
    if exchange.admission is not None and not exchange.admission.local:
        _budgets(metrics, exchange, exchange.admission)
    if exchange.streamed:
        metrics.held.observe(exchange.held_peak)
    if exchange.pseudonyms:
        metrics.stand_ins.add(_PUT_AWAY, len(exchange.pseudonyms.made))
        metrics.stand_ins.add(_PUT_BACK, exchange.pseudonyms.restored)
    if exchange.reason is Reason.CLIENT_GONE:
        metrics.disconnects.add()
    fault = _fault(exchange)
    if fault:
        metrics.upstream_errors.add((upstream, fault))


def _times(metrics: Metrics, exchange: Exchange, dialect: str, upstream: str) -> None:
    spent = exchange.spent
    if not spent:
        return
    lasted = (exchange.left - exchange.begun) * _NANO
    metrics.duration.observe(lasted, (dialect, exchange.outcome or "none"))
    if exchange.first_byte:
        metrics.first_byte.observe((exchange.first_byte - exchange.begun) * _NANO, (dialect,))
    if UPSTREAM in spent:
        metrics.upstream_duration.observe(spent[UPSTREAM] * _NANO, (upstream,))
    nanos = metrics.station_nanos
    for station, more in spent.items():
        nanos[station] += more


def _decision(metrics: Metrics, verdict: Verdict) -> None:
    rule = verdict.rule
    mode = Mode.SHADOW if verdict.shadow else Mode.ENFORCE
    metrics.decisions.add((rule.policy, rule.id, rule.kind, verdict.action, verdict.reason, mode))
    if verdict.reason is Reason.BUDGET_WARNING:
        metrics.warnings.add((rule.policy, rule.id))
    elif verdict.entities and verdict.reason is not Reason.UNSCANNABLE_CONTENT:
        for entity, count in verdict.entities.items():
            metrics.findings.add((rule.kind, _entity(entity)), count)


def _unscannable(metrics: Metrics, exchange: Exchange) -> None:
    """What the request held that no rule can read, and what rules said of answers'."""
    verdicts = [v for v in exchange.verdicts if v.reason is Reason.UNSCANNABLE_CONTENT]
    taken = Action.ALLOW
    for verdict in verdicts:
        taken = max(taken, verdict.enforced, key=_STRICTNESS.__getitem__)
    seen = set()
    for item in exchange.call.unscannable if exchange.call is not None else ():
        seen.add(item.what)
        metrics.unscannable.add((item.what, item.surface, taken))
    for verdict in verdicts:
        for what, count in verdict.entities.items():
            if what not in seen:
                labels = (what, verdict.surface or "none", verdict.enforced)
                metrics.unscannable.add(labels, count)


def _used(metrics: Metrics, exchange: Exchange, usage: Usage, upstream: str) -> None:
    model = _model(exchange)
    add = metrics.tokens.add
    add(("input", model), usage.input)
    add(("output", model), usage.output - usage.reasoning)
    if usage.reasoning:
        add(("reasoning", model), usage.reasoning)
    if usage.cache_read:
        add(("cache_read", model), usage.cache_read)
    if usage.cache_write or usage.cache_write_1h:
        add(("cache_write", model), usage.cache_write + usage.cache_write_1h)
    if usage.estimated:
        metrics.estimated.add((upstream,))


def _served(metrics: Metrics, exchange: Exchange, asked: str, upstream: str) -> None:
    """Whether the provider has changed what answers under a name."""
    changed = metrics.served.changed(upstream, asked, exchange.model_served)
    if changed is not False:
        metrics.model_changes.add((upstream, _model(exchange)), int(changed or 0))


def _budgets(metrics: Metrics, exchange: Exchange, admission: Admission) -> None:
    """How much of each budget was used when the call was let in, or refused."""
    held = zip(exchange.claim_rules, exchange.claims, admission.levels, strict=False)
    for rule, claim, level in held:
        if rule.kind == "budget" and rule.unit(claim) != "requests" and level.limit > 0:
            share = level.used / level.limit
            metrics.budget_peaks.note((rule.ref.policy, rule.ref.id), share, exchange.started)


def _reason(exchange: Exchange) -> str:
    if exchange.reason is not None:
        return exchange.reason
    stopped = exchange.stopped if exchange.verdicts else None
    return stopped.reason if stopped is not None else "none"


def _fault(exchange: Exchange) -> str:
    """What upstream did wrong, in a few words; "" where nothing."""
    status = exchange.upstream_status
    if status >= 400:
        if status == 429:
            return "rate_limited"
        return "server_error" if status >= 500 else "client_error"
    if exchange.reason is not None and exchange.outcome == "upstream_failed":
        return _UPSTREAM_FAULTS.get(exchange.reason, "other")
    return ""


def _model(exchange: Exchange) -> str:
    """The name under which the price table knows the model: a caller's own word is no label."""
    prices = exchange.snapshot.prices if exchange.snapshot is not None else None
    if prices is None or exchange.call is None:
        return "other"
    found = prices.find(exchange.model_served or exchange.call.model)
    if found is None:
        found = prices.find(exchange.call.model)
    return str(found.name) if found is not None else "other"


@functools.lru_cache(maxsize=1024)
def _entity(name: str) -> str:
    """A detector's own name of an entity; an operator's phrase is none."""
    return name if _ENTITY.fullmatch(name) else "other"
