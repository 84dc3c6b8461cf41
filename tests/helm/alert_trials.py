"""When each alert is to fire, and when it is not: series for `promtool test rules`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Series = Mapping[str, str]
"""A series (`name{labels}`) -> its values, one a step, as promtool writes them."""


@dataclass(frozen=True)
class Trial:
    """One alert. `step` is the time between samples, `at` when it is looked for."""

    step: str
    at: str
    fires: tuple[Series, ...]
    silent: tuple[Series, ...]


def rises(*legs: tuple[float, int]) -> str:
    """A counter that grows by so much a step, for so many steps; then the next leg."""
    text, total = ["0"], 0.0
    for each, steps in legs:
        text.append(f"{total + each:g}+{each:g}x{steps - 1}")
        total += each * steps
    return " ".join(text)


def stays(value: float, steps: int = 200) -> str:
    return f"{value:g}x{steps}"


def calls(**outcomes: str) -> Series:
    return {f'portcullis_requests_total{{outcome="{o}"}}': v for o, v in outcomes.items()}


def decides(values: str, reason: str, *, kind: str = "pii", action: str = "block") -> Series:
    labels = f'policy="p",rule="r",kind="{kind}",action="{action}",reason="{reason}",mode="enforce"'
    return {f"portcullis_rule_decisions_total{{{labels}}}": values}


def tasks(**outcomes: str) -> Series:
    return {f'portcullis_task_outcomes_total{{outcome="{o}"}}': v for o, v in outcomes.items()}


def fault(values: str, kind: str) -> Series:
    return {f'portcullis_upstream_errors_total{{upstream="u",kind="{kind}"}}': values}


def counted(values: str) -> Series:
    return {'portcullis_upstream_duration_seconds_count{upstream="u"}': values}


def budget(share: float, rule: str = "budget-tenant-day") -> Series:
    return {f'portcullis_budget_used_ratio{{policy="p",rule="{rule}"}}': stays(share)}


def gauge(name: str, value: float, labels: str = "") -> Series:
    return {f"{name}{{{labels}}}": stays(value)}


def counter(name: str, labels: str, *legs: tuple[float, int]) -> Series:
    return {f"{name}{{{labels}}}": rises(*legs)}


WEEK = 4 * 24 * 7 + 24
"""Steps of a quarter of an hour: a week, and what lies between it and the last hours."""

LLM = 'outcome="answered",dialect="openai_chat",'
DURATION = "portcullis_request_duration_seconds"
AGE = "portcullis_session_age_seconds"
COST = "portcullis_cost_dollars_total"
CHANGES = "portcullis_model_served_changes_total"
TASK = "portcullis_task_cost_dollars"


def slower(before: float, now: float, name: str, old: int, new: int, labels: str = "") -> Series:
    """A histogram whose values lay right below the bound `before` for `old` steps, and lie right
    below `now` since, for `new` steps."""
    made = {f"{name}_count{{{labels.rstrip(',')}}}": rises((10, old + new))}
    for bound in (10, 60, 600, 7200, float("inf")):
        le = "+Inf" if bound == float("inf") else f"{bound:g}"
        legs = [(10 if bound >= below else 0, n) for below, n in ((before, old), (now, new))]
        made[f'{name}_bucket{{{labels}le="{le}"}}'] = rises(*legs)
    return made


TRIALS: dict[str, Trial] = {
    "PortcullisErrorRateHigh": Trial(
        "1m",
        "20m",
        (
            calls(answered=rises((90, 20)), failed=rises((10, 20))),
            {**calls(answered=rises((90, 20))), **fault(rises((9, 20)), "server_error")},
        ),
        (
            calls(answered=rises((99, 20)), failed=rises((1, 20))),
            calls(answered=rises((1, 20)), failed=rises((0.2, 20))),  # too few to tell
            {**calls(answered=rises((90, 20))), **fault(rises((50, 20)), "client_error")},
        ),
    ),
    "PortcullisCallSuccessRateLow": Trial(
        "1m",
        "40m",
        (calls(answered=rises((7, 40)), refused=rises((3, 40))),),
        (
            calls(answered=rises((9, 40)), refused=rises((1, 40))),
            calls(answered=rises((9, 40)), cancelled=rises((9, 40))),
        ),
    ),
    "PortcullisLatencyHigh": Trial(
        "5m",
        "26h",
        (slower(10, 600, DURATION, 300, 12, LLM),),
        (
            slower(600, 600, DURATION, 300, 12, LLM),
            slower(10, 600, DURATION, 300, 12, 'outcome="answered",dialect="mcp",'),
        ),
    ),
    "PortcullisUpstreamFailing": Trial(
        "1m",
        "15m",
        (
            fault(rises((10, 15)), "unreachable"),  # nothing else: it never answered
            {**counted(rises((10, 15))), **fault(rises((4, 15)), "server_error")},
            {**counted(rises((6, 15))), **fault(rises((4, 15)), "timeout")},
        ),
        (
            {**counted(rises((10, 15))), **fault(rises((1, 15)), "server_error")},
            {**counted(rises((10, 15))), **fault(rises((9, 15)), "client_error")},
        ),
    ),
    "PortcullisUpstreamRateLimited": Trial(
        "1m",
        "25m",
        ({**counted(rises((10, 25))), **fault(rises((2, 25)), "rate_limited")},),
        ({**counted(rises((100, 25))), **fault(rises((2, 25)), "rate_limited")},),
    ),
    "PortcullisRunsLong": Trial(
        "15m",
        "175h",
        (slower(60, 7200, AGE, WEEK, 16),),
        (slower(7200, 7200, AGE, WEEK, 16),),
    ),
    "PortcullisToolLoop": Trial(
        "1m",
        "20m",
        (decides(rises((0, 15), (1, 1), (0, 4)), "loop_detected", kind="loop"),),
        (
            decides(rises((0, 20)), "loop_detected", kind="loop"),
            decides(rises((1, 20)), "loop_detected", kind="loop", action="flag"),
        ),
    ),
    "PortcullisTaskSuccessRateLow": Trial(
        "15m",
        "8h",
        (tasks(success=rises((1, 32)), failure=rises((1, 32))),),
        (
            tasks(success=rises((9, 32)), failure=rises((1, 32))),
            tasks(success=rises((0, 32)), failure=rises((0, 30), (3, 2))),  # too few to tell
        ),
    ),
    "PortcullisEscalationRateHigh": Trial(
        "15m",
        "8h",
        (tasks(success=rises((2, 32)), escalated=rises((1, 32))),),
        (tasks(success=rises((9, 32)), escalated=rises((1, 32))),),
    ),
    "PortcullisBlockRateJump": Trial(
        "5m",
        "25h",
        (
            {
                **calls(answered=rises((100, 300))),
                **decides(rises((1, 290), (50, 10)), "pii_found"),
            },
            {
                **calls(answered=rises((100, 300))),
                **decides("_x290 " + rises((50, 9)), "pii_found"),
            },
        ),
        (
            {**calls(answered=rises((100, 300))), **decides(rises((50, 300)), "pii_found")},
            {**calls(answered=rises((100, 300))), **decides(rises((1, 290), (5, 10)), "pii_found")},
        ),
    ),
    "PortcullisRulesFailing": Trial(
        "1m",
        "15m",
        (
            decides(rises((0, 12), (1, 1), (0, 2)), "rule_failed"),
            decides("_x11 1 1 1 1", "rule_failed"),  # the first time: there was no series before
        ),
        (decides(rises((1, 2), (0, 13)), "rule_failed"), decides(rises((1, 15)), "pii_found")),
    ),
    "PortcullisModelServedChanged": Trial(
        "5m",
        "2h",
        (
            counter(
                "portcullis_model_served_changes_total", 'upstream="u"', (0, 20), (1, 1), (0, 9)
            ),
        ),
        (counter(CHANGES, 'upstream="u"', (1, 3), (0, 30)),),
    ),
    "PortcullisCostSpike": Trial(
        "15m",
        "175h",
        (counter(COST, 'model="m"', (1, WEEK), (10, 16)),),
        (
            counter(COST, 'model="m"', (1, WEEK), (2, 16)),
            counter(COST, 'model="m"', (0.001, WEEK), (0.01, 16)),  # cents
        ),
    ),
    "PortcullisCostPerTaskHigh": Trial(
        "15m",
        "180h",
        (
            {
                **counter(f"{TASK}_sum", 'outcome="success"', (1, WEEK), (4, 40)),
                **counter(f"{TASK}_count", 'outcome="success"', (1, WEEK + 40)),
            },
        ),
        (
            {  # more tasks, each as dear as before
                **counter(f"{TASK}_sum", 'outcome="success"', (1, WEEK), (9, 40)),
                **counter(f"{TASK}_count", 'outcome="success"', (1, WEEK), (9, 40)),
            },
        ),
    ),
    "PortcullisCostPerSessionHigh": Trial(
        "15m",
        "180h",
        (
            {
                **counter(COST, 'model="m"', (1, WEEK), (4, 40)),
                **counter("portcullis_sessions_total", "", (1, WEEK + 40)),
            },
        ),
        (
            {
                **counter(COST, 'model="m"', (1, WEEK), (4, 40)),
                **counter("portcullis_sessions_total", "", (1, WEEK), (4, 40)),
            },
        ),
    ),
    "PortcullisBudgetHalfSpent": Trial(
        "1m",
        "5m",
        (budget(0.5), budget(0.79)),
        (budget(0.49), budget(0.8), budget(0.6, "budget-session")),
    ),
    "PortcullisBudgetNearlySpent": Trial(
        "1m",
        "5m",
        (budget(0.8), budget(0.99)),
        (budget(0.79), budget(1.0), budget(0.9, "budget-session")),
    ),
    "PortcullisBudgetSpent": Trial(
        "1m",
        "15m",
        (
            budget(1.0),
            decides(rises((0, 12), (1, 3)), "budget_exceeded", kind="budget"),
            decides(rises((1, 15)), "budget_downgraded", kind="budget", action="rewrite"),
        ),
        (
            budget(0.99),
            decides(rises((0, 15)), "budget_exceeded", kind="budget"),
            decides(rises((1, 15)), "budget_reserved", kind="budget", action="throttle"),
        ),
    ),
    "PortcullisAbsent": Trial(
        "1m",
        "10m",
        ({"up": stays(1)}, {"portcullis_build_info": "1 1 stale"}),
        (gauge("portcullis_build_info", 1, 'version="0.1.0"'),),
    ),
    "PortcullisWorkersReplaced": Trial(
        "1m",
        "20m",
        (counter("portcullis_workers_replaced_total", "", (0, 15), (1, 1), (0, 4)),),
        (counter("portcullis_workers_replaced_total", "", (1, 1), (0, 19)),),
    ),
    "PortcullisPolicyReloadFailed": Trial(
        "1m",
        "5m",
        (gauge("portcullis_config_last_reload_successful", 0),),
        (gauge("portcullis_config_last_reload_successful", 1),),
    ),
    "PortcullisCertificateExpiring": Trial(
        "1m",
        "5m",
        (gauge("portcullis_tls_certificate_expiry_timestamp_seconds", 13 * 86400),),
        (gauge("portcullis_tls_certificate_expiry_timestamp_seconds", 15 * 86400),),
    ),
    "PortcullisCertificateReloadFailed": Trial(
        "1m",
        "5m",
        (gauge("portcullis_tls_last_reload_successful", 0),),
        (gauge("portcullis_tls_last_reload_successful", 1),),
    ),
    "PortcullisNoticesUndelivered": Trial(
        "1m",
        "40m",
        (counter("portcullis_notices_total", 'event="e",outcome="undelivered"', (0, 35), (1, 5)),),
        (
            counter("portcullis_notices_total", 'event="e",outcome="sent"', (1, 40)),
            counter("portcullis_notices_total", 'event="e",outcome="dropped"', (1, 2), (0, 38)),
        ),
    ),
    "PortcullisSpansDropped": Trial(
        "1m",
        "40m",
        (counter("portcullis_trace_spans_total", 'outcome="dropped"', (1, 40)),),
        (counter("portcullis_trace_spans_total", 'outcome="sent"', (1, 40)),),
    ),
    "PortcullisStoreAway": Trial(
        "1m", "5m", (gauge("portcullis_store_up", 0),), (gauge("portcullis_store_up", 1),)
    ),
    "PortcullisStoreLocalShare": Trial(
        "1m",
        "10m",
        (
            counter("portcullis_store_local_decisions_total", 'outcome="admitted"', (0, 5), (3, 5)),
            counter("portcullis_store_local_decisions_total", 'outcome="refused"', (0, 5), (3, 5)),
        ),
        (counter("portcullis_store_local_decisions_total", 'outcome="refused"', (3, 2), (0, 8)),),
    ),
    "PortcullisStoreErrors": Trial(
        "1m",
        "30m",
        (counter("portcullis_store_errors_total", 'operation="settle"', (1, 30)),),
        (
            counter("portcullis_store_errors_total", 'operation="settle"', (0, 30)),
            counter("portcullis_store_errors_total", 'operation="settle"', (0, 26), (1, 1), (0, 3)),
        ),
    ),
    "PortcullisAuditFailing": Trial(
        "1m", "5m", (gauge("portcullis_audit_healthy", 0),), (gauge("portcullis_audit_healthy", 1),)
    ),
    "PortcullisAuditLinesLost": Trial(
        "1m",
        "15m",
        (counter("portcullis_audit_lost_total", "", (0, 12), (1, 1), (0, 2)),),
        (counter("portcullis_audit_lost_total", "", (1, 2), (0, 13)),),
    ),
    "PortcullisAuditChanged": Trial(
        "1m", "5m", (gauge("portcullis_audit_intact", 0),), (gauge("portcullis_audit_intact", 1),)
    ),
    "PortcullisAuditUnchecked": Trial(
        "15m",
        "26h",
        (gauge("portcullis_audit_verified_timestamp_seconds", 0),),
        (gauge("portcullis_audit_verified_timestamp_seconds", 7200),),
    ),
    "PortcullisAuditHeadsNotSaved": Trial(
        "1m",
        "40m",
        (counter("portcullis_audit_head_failures_total", "", (1, 40)),),
        (counter("portcullis_audit_head_failures_total", "", (0, 20), (1, 1), (0, 19)),),
    ),
    "PortcullisAuditCopyFailing": Trial(
        "1m",
        "15m",
        (gauge("portcullis_audit_copy_healthy", 0, 'to="otlp"'),),
        (gauge("portcullis_audit_copy_healthy", 1, 'to="otlp"'),),
    ),
}
