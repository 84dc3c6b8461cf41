"""Every metric of the gateway, in one place: its name, what it means, its labels.

Rules of this file:
- Names follow the Prometheus naming practices: one prefix, base units, `_total` for counters.
- Labels are bounded: closed enums, names of the policy file, names of the price table. Never a
  user, a session, a free model name, or content.
- A label without a value says `none`; one beyond its bound says `other`.
- docs/metrics.md lists them all; a test compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.telemetry.families import Counter, Families, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
RUNS = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400)
DOLLARS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100)
CHARACTERS = (16, 32, 64, 128, 256, 512, 1024, 4096, 16384, 65536, 262144)


class Declared:
    """All families. Attributes are named for what they count."""

    def __init__(self) -> None:
        self.families = Families()
        self._calls()
        self._rules()
        self._usage()
        self._runs()
        self._gateway()

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        counter: Counter = self.families.declare(Counter(name, help_text, labels))
        return counter

    def _gauge(self, name: str, help_text: str, *labels: str, **merging: Any) -> Gauge:
        gauge: Gauge = self.families.declare(Gauge(name, help_text, labels, **merging))
        return gauge

    def _histogram(
        self, name: str, help_text: str, *labels: str, buckets: Sequence[float] = SECONDS
    ) -> Histogram:
        family = Histogram(name, help_text, labels, buckets=buckets)
        histogram: Histogram = self.families.declare(family)
        return histogram

    def _calls(self) -> None:
        self.requests = self._counter(
            "portcullis_requests_total",
            "Exchanges that ended, by how they ended and why.",
            "dialect",
            "outcome",
            "reason",
        )
        self.retries = self._counter(
            "portcullis_retries_total",
            "Exchanges of which the caller's SDK said that it asked again.",
            "dialect",
        )
        self.in_flight = self._gauge(
            "portcullis_requests_in_flight", "Exchanges that are running now."
        )
        self.duration = self._histogram(
            "portcullis_request_duration_seconds",
            "From a request's head to the end of its record.",
            "dialect",
            "outcome",
        )
        self.first_byte = self._histogram(
            "portcullis_time_to_first_byte_seconds",
            "From a request's head to the first byte of the reply.",
            "dialect",
        )
        self.upstream_duration = self._histogram(
            "portcullis_upstream_duration_seconds",
            "From sending to upstream to the head of its answer.",
            "upstream",
        )
        self.stations = self._counter(
            "portcullis_station_seconds_total",
            "Time that exchanges spent in each station, waiting included.",
            "station",
        )
        self.bytes = self._counter(
            "portcullis_transferred_bytes_total",
            "Bytes of bodies from callers (in) and to them (out).",
            "direction",
        )
        self.tunnels = self._gauge("portcullis_tunnels", "Tunnels that are open now.")
        self.tunnel_bytes = self._counter(
            "portcullis_tunnel_bytes_total",
            "Bytes that went through tunnels that have ended, from callers (in) and to them (out).",
            "direction",
        )
        self.held = self._histogram(
            "portcullis_stream_held_characters",
            "Most characters that the stream window held back, one value a streamed answer.",
            buckets=CHARACTERS,
        )
        self.disconnects = self._counter(
            "portcullis_client_disconnects_total", "Callers that hung up before the end."
        )
        self.upstream_errors = self._counter(
            "portcullis_upstream_errors_total",
            "Calls that upstream failed or refused.",
            "upstream",
            "kind",
        )

    def _rules(self) -> None:
        self.decisions = self._counter(
            "portcullis_rule_decisions_total",
            "Verdicts of rules; in shadow mode the action was not taken.",
            "policy",
            "rule",
            "kind",
            "action",
            "reason",
            "mode",
        )
        self.findings = self._counter(
            "portcullis_findings_total", "What detectors found, by entity.", "kind", "entity"
        )
        self.stand_ins = self._counter(
            "portcullis_stand_ins_total",
            "Values that a stand-in took the place of, and stand-ins that were put back.",
            "step",
        )
        self.unscannable = self._counter(
            "portcullis_unscannable_total",
            "Content that no rule can read, and what was done with it.",
            "what",
            "surface",
            "action",
        )
        self.warnings = self._counter(
            "portcullis_budget_warnings_total",
            "Warning levels that budgets have reached, each once a scope and window.",
            "policy",
            "rule",
        )
        self.budget_used = self._gauge(
            "portcullis_budget_used_ratio",
            "Highest share of its limit that any scope of a budget had used in the last minutes.",
            "policy",
            "rule",
            merging="max",
        )
        self.cache_hits = self._counter(
            "portcullis_scan_cache_hits_total", "Texts whose findings were known already."
        )
        self.cache_misses = self._counter(
            "portcullis_scan_cache_misses_total", "Texts that had to be scanned."
        )
        self.cache_evictions = self._counter(
            "portcullis_scan_cache_evictions_total", "Findings that made room for others."
        )
        self.cache_size = self._gauge(
            "portcullis_scan_cache_bytes", "What the scan caches of all workers take, about."
        )

    def _usage(self) -> None:
        self.tokens = self._counter(
            "portcullis_tokens_total",
            "Tokens used; every token counts in one direction only.",
            "direction",
            "model",
        )
        self.cost = self._counter(
            "portcullis_cost_dollars_total", "What calls cost.", "upstream", "model"
        )
        self.estimated = self._counter(
            "portcullis_usage_estimated_total",
            "Exchanges whose usage the provider did not report.",
            "upstream",
        )

    def _runs(self) -> None:
        self.sessions = self._counter("portcullis_sessions_total", "Sessions that began.")
        self.session_age = self._histogram(
            "portcullis_session_age_seconds",
            "How old a session was at each of its calls to a model.",
            buckets=RUNS,
        )
        self.outcomes = self._counter(
            "portcullis_task_outcomes_total",
            "Sessions of which somebody said what they came to.",
            "outcome",
        )
        self.task_cost = self._histogram(
            "portcullis_task_cost_dollars",
            "What sessions whose outcome was told had cost by then.",
            "outcome",
            buckets=DOLLARS,
        )
        self.task_duration = self._histogram(
            "portcullis_task_duration_seconds",
            "From the first to the last call of sessions whose outcome was told.",
            "outcome",
            buckets=RUNS,
        )
        self.model_changes = self._counter(
            "portcullis_model_served_changes_total",
            "How often another model answered than the time before, under the same name.",
            "upstream",
            "model",
        )

    def _gateway(self) -> None:
        self.audit_records = self._counter(
            "portcullis_audit_records_total", "Lines of the audit log, by type.", "type"
        )
        self.audit_lost = self._counter(
            "portcullis_audit_lost_total", "Lines of the audit log that could not be written."
        )
        self.audit_syncs_failed = self._counter(
            "portcullis_audit_sync_failures_total",
            "How often the audit log could not be put on disk.",
        )
        self.audit_heads_failed = self._counter(
            "portcullis_audit_head_failures_total",
            "How often the audit's head could not be saved in the state store.",
        )
        self.audit_healthy = self._gauge(
            "portcullis_audit_healthy", "1 while the audit log can be written.", merging="min"
        )
        self.audit_copied = self._counter(
            "portcullis_audit_copied_total", "Lines of the audit log that a copy has.", "to"
        )
        self.audit_copies_lost = self._counter(
            "portcullis_audit_copies_lost_total",
            "Lines of the audit log that a copy could not take.",
            "to",
        )
        self.audit_copy_healthy = self._gauge(
            "portcullis_audit_copy_healthy", "1 while a copy takes lines.", "to", merging="min"
        )
        self.audit_head = self._gauge(
            "portcullis_audit_head_sequence",
            "Number of the last record of each audit chain.",
            "chain",
            merging="max",
        )
        self.audit_checks = self._counter(
            "portcullis_audit_verifications_total",
            "Checks of the audit log that the gateway made by itself.",
            "outcome",
        )
        self.audit_intact = self._gauge(
            "portcullis_audit_intact", "0 where the last check found the audit log changed."
        )
        self.audit_verified_at = self._gauge(
            "portcullis_audit_verified_timestamp_seconds",
            "When the audit log was last found unchanged, in unix time; 0: not yet.",
        )
        self.store_errors = self._counter(
            "portcullis_store_errors_total",
            "Calls of the state store that failed.",
            "operation",
        )
        self.store_up = self._gauge(
            "portcullis_store_up",
            "1 while the state store answers every worker.",
            merging="min",
        )
        self.store_outages = self._counter(
            "portcullis_store_outages_total", "How often workers lost the state store."
        )
        self.store_local = self._counter(
            "portcullis_store_local_decisions_total",
            "Calls whose limits a worker decided by itself because the store did not answer.",
            "outcome",
        )
        self.store_pending = self._gauge(
            "portcullis_store_pending",
            "Counters and settlements that wait to be charged to the state store.",
        )
        self.spans = self._counter(
            "portcullis_trace_spans_total",
            "Spans that the collector took, that could not be sent, and that found no room.",
            "outcome",
        )
        self.notices = self._counter(
            "portcullis_notices_total",
            "Notices to webhooks, by what became of them.",
            "event",
            "outcome",
        )
        self.cpu = self._counter("portcullis_worker_cpu_seconds_total", "CPU time of the workers.")
        self.memory = self._gauge(
            "portcullis_worker_peak_memory_bytes",
            "Largest resident memory of the workers, added up.",
        )
        self.build = self._gauge(
            "portcullis_build_info", "The version that runs; always 1.", "version", merging="max"
        )
        self.policy = self._gauge(
            "portcullis_policy_info", "The policy in force; always 1.", "digest", merging="max"
        )
        self.workers = self._gauge("portcullis_workers", "Worker processes that serve.")
        self.replaced = self._counter(
            "portcullis_workers_replaced_total",
            "Workers that died and that another took the place of.",
        )
        self.reloads = self._counter(
            "portcullis_config_reloads_total", "Attempts to load the policy.", "outcome"
        )
        self.reload_ok = self._gauge(
            "portcullis_config_last_reload_successful",
            "1 if the policy on disk is the one in force, 0 if it has problems.",
        )
        self.reload_success_at = self._gauge(
            "portcullis_config_last_reload_success_timestamp_seconds",
            "When a policy was last loaded, in unix time.",
        )
        self.reload_failure_at = self._gauge(
            "portcullis_config_last_reload_failure_timestamp_seconds",
            "When a policy could last not be loaded, in unix time; 0: never.",
        )
        self.tls_expires = self._gauge(
            "portcullis_tls_certificate_expiry_timestamp_seconds",
            "When a certificate of the gateway's own expires, in unix time.",
            "certificate",
        )
        self.tls_ok = self._gauge(
            "portcullis_tls_last_reload_successful",
            "1 if the listener's certificate files are the ones in use, 0 if they have problems.",
        )
