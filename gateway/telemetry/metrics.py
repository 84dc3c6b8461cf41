"""Every metric of the gateway, in one place, and how an exchange is counted.

Rules of this file:
- Names follow the Prometheus naming practices: one prefix, base units, `_total` for counters.
- Labels are bounded: closed enums, names of the policy file, names of the price table. Never a
  user, a session, a free model name, or content.
- A label without a value says `none`; one beyond its bound says `other`.
- docs/metrics.md lists them all; a test compares.
"""

from __future__ import annotations

import os
import resource
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence, Sized
from typing import Any, Protocol

from gateway import __version__
from gateway.exchange import Exchange
from gateway.telemetry.counting import count
from gateway.telemetry.exposition import Merger, Snapshot, exposition
from gateway.telemetry.families import Counter, Families, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
CHARACTERS = (16, 32, 64, 128, 256, 512, 1024, 4096, 16384, 65536, 262144)


class CacheCounts(Protocol):
    """What a cache tells of itself."""

    hits: int
    misses: int
    evictions: int
    size: int


class OpenCount(Protocol):
    """Who knows how many of something are open."""

    open: int


class SpanCounts(Protocol):
    """What a queue of spans tells of itself."""

    sent: int
    failed: int
    dropped: int


class StoreCounts(Protocol):
    """What a store tells of its absences."""

    outages: int
    admitted: int
    refused: int

    @property
    def away_since(self) -> float | None: ...

    @property
    def pending(self) -> int: ...


class CopyCounts(Protocol):
    """What a copy of the audit log tells of itself."""

    name: str
    sent: int
    lost: int
    healthy: bool


class AuditCounts(Protocol):
    """What an audit writer tells of itself."""

    healthy: bool
    lost: int
    syncs_failed: int
    heads_failed: int
    records: dict[str, int]

    @property
    def copies(self) -> Sequence[CopyCounts]: ...

    @property
    def head(self) -> Any: ...


class Declared:
    """All families. Attributes are named for what they count."""

    def __init__(self) -> None:
        self.families = Families()
        self._calls()
        self._rules()
        self._usage()
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


class Metrics(Declared):
    """One worker's counts. Call it from the event loop's thread."""

    def __init__(self) -> None:
        super().__init__()
        self._worker = f"{os.getpid()}-{time.time_ns()}"
        self._audit: AuditCounts | None = None
        self._cache: CacheCounts | None = None
        self._store: StoreCounts | None = None
        self._running: Sized = ()
        self._tunnels: OpenCount | None = None
        self._spans: SpanCounts | None = None
        # By station; summed as they come, and shown at a scrape: every call leaves a dozen of them.
        self.station_nanos: defaultdict[str, int] = defaultdict(int)

    # --- what is read at every scrape ---

    def watch_audit(self, audit: AuditCounts) -> None:
        """Show what an audit writer counts."""
        self._audit = audit

    def watch_cache(self, cache: CacheCounts) -> None:
        """Show what the scan cache counts."""
        self._cache = cache

    def watch_spans(self, spans: SpanCounts) -> None:
        """Show what became of spans."""
        self._spans = spans

    def watch_store(self, store: StoreCounts) -> None:
        """Show whether the store answers, and what was done without it."""
        self._store = store

    def watch_running(self, running: Sized) -> None:
        """Show how many exchanges are running: the length of what is given."""
        self._running = running

    def watch_tunnels(self, tunnels: OpenCount) -> None:
        """Show how many tunnels are open."""
        self._tunnels = tunnels

    def store_failed(self, operation: str) -> None:
        """Count a call of the state store that failed: `admit`, `settle`, `renew` ..."""
        self.store_errors.add((operation,))

    def notice(self, event: str, outcome: str) -> None:
        """Count what became of a notice at one webhook: `sent`, `undelivered`, `dropped`."""
        self.notices.add((event, outcome))

    def record(self, exchange: Exchange) -> None:
        """Count an exchange that has ended; once."""
        count(self, exchange)

    # --- the scrape ---

    def snapshot(self) -> dict[str, Any]:
        """All that was counted, as plain values: `{"worker": id, "series": {...}}`."""
        self.in_flight.set(len(self._running))
        self.tunnels.set(self._tunnels.open if self._tunnels is not None else 0)
        spent = resource.getrusage(resource.RUSAGE_SELF)
        self.cpu.show((), spent.ru_utime + spent.ru_stime)
        self.memory.set(spent.ru_maxrss * 1024)
        for station, nanos in self.station_nanos.items():
            self.stations.show((station,), nanos * 1e-9)
        if self._cache is not None:
            self.cache_hits.show((), self._cache.hits)
            self.cache_misses.show((), self._cache.misses)
            self.cache_evictions.show((), self._cache.evictions)
            self.cache_size.set(self._cache.size)
        if self._audit is not None:
            self._show_audit(self._audit)
        if self._store is not None:
            self.store_up.set(int(self._store.away_since is None))
            self.store_outages.show((), self._store.outages)
            self.store_local.show(("admitted",), self._store.admitted)
            self.store_local.show(("refused",), self._store.refused)
            self.store_pending.set(self._store.pending)
        if self._spans is not None:
            self.spans.show(("sent",), self._spans.sent)
            self.spans.show(("failed",), self._spans.failed)
            self.spans.show(("dropped",), self._spans.dropped)
        return {"worker": self._worker, "series": self.families.snapshot()}

    def _show_audit(self, audit: AuditCounts) -> None:
        for kind, lines in audit.records.items():
            self.audit_records.show((kind,), lines)
        self.audit_lost.show((), audit.lost)
        self.audit_syncs_failed.show((), audit.syncs_failed)
        self.audit_heads_failed.show((), audit.heads_failed)
        self.audit_healthy.set(int(audit.healthy))
        for copy in audit.copies:
            self.audit_copied.show((copy.name,), copy.sent)
            self.audit_copies_lost.show((copy.name,), copy.lost)
            self.audit_copy_healthy.set(int(copy.healthy), (copy.name,))
        if audit.head is not None:
            self.audit_head.set(audit.head.seq, (audit.head.chain,))


# --- the supervisor's side ---


class ReloadStatus(Protocol):
    """What became of the attempts to load the policy. Times in unix seconds, 0: never."""

    digest: str
    loaded_at: float
    failed_at: float
    failures: int
    loads: int
    problems: list[str]


_merger = Merger(Declared)


def merge(
    snapshots: Sequence[Snapshot],
    reload: ReloadStatus,
    replaced: int,
    certificates: Mapping[str, float] | None = None,
    tls_ok: bool | None = None,
) -> str:
    """One scrape for all workers of this process, in the text format.

    Remembers what workers that have died had counted, so that no total ever falls.

    Args:
        certificates: when each expires, in unix seconds.
        tls_ok: whether the listener's certificate files are those in use; None: it has none.
    """
    merged = _merger.merged(snapshots)
    add_status(merged, reload, len(snapshots), replaced)
    if tls_ok is not None:
        merged.tls_ok.set(int(tls_ok))
    for certificate, at in (certificates or {}).items():
        merged.tls_expires.set(at, (certificate,))
    return exposition(merged.families)


def add_status(merged: Declared, reload: ReloadStatus, workers: int, replaced: int) -> None:
    """Set what the supervisor itself knows."""
    merged.build.set(1, (__version__,))
    merged.workers.set(workers)
    merged.replaced.show((), replaced)
    if reload.digest:
        merged.policy.set(1, (reload.digest,))
    merged.reloads.show(("success",), reload.loads)
    merged.reloads.show(("failure",), reload.failures)
    merged.reload_ok.set(int(not reload.problems))
    merged.reload_success_at.set(reload.loaded_at)
    merged.reload_failure_at.set(reload.failed_at)
