"""What a worker counts, and how the counts of all workers become one scrape."""

from __future__ import annotations

import os
import resource
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Any, Protocol, get_args

from gateway import __version__
from gateway.config.notices import NoticeEvent
from gateway.exchange import Exchange
from gateway.identity.task_outcomes import Facts, TaskOutcome
from gateway.telemetry.counting import count
from gateway.telemetry.declared import Declared
from gateway.telemetry.exposition import Merger, Snapshot, exposition
from gateway.telemetry.peaks import Peaks
from gateway.telemetry.served_models import ServedModels
from gateway.verdict import Action, Mode, Reason, RuleRef

STORE_OPERATIONS = ("admit", "settle", "renew", "stand_ins", "outcome")
NOTICE_OUTCOMES = ("sent", "undelivered", "dropped")
_EXPECTED = {
    "loop": ((Action.BLOCK, Reason.LOOP_DETECTED), (Action.FLAG, Reason.LOOP_DETECTED)),
    "budget": ((Action.BLOCK, Reason.BUDGET_EXCEEDED),),
}
"""By kind: verdicts that an alert asks about."""


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


class BegunCount(Protocol):
    """Who knows how many of something began."""

    begun: int


class Ruling(Protocol):
    """A rule of the policy in force."""

    @property
    def ref(self) -> RuleRef: ...

    @property
    def shadow(self) -> bool: ...


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
        self._sessions: BegunCount | None = None
        self.budget_peaks = Peaks()
        self.served = ServedModels()
        for outcome in TaskOutcome:  # so that the first one shows as an increase
            self.outcomes.add((outcome.value,), 0)
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

    def watch_sessions(self, sessions: BegunCount) -> None:
        """Show how many sessions began."""
        self._sessions = sessions

    def expect(self, rules: Iterable[Ruling]) -> None:
        """Show what alerts ask about with 0 before it first happens: Prometheus sees no increase in
        a series that begins with 1.

        Args:
            rules: those of the policy in force.
        """
        for operation in STORE_OPERATIONS:
            self.store_errors.add((operation,), 0)
        for event in get_args(NoticeEvent):
            for outcome in NOTICE_OUTCOMES:
                self.notices.add((event, outcome), 0)
        for rule in rules:
            ref = rule.ref
            mode = Mode.SHADOW if rule.shadow else Mode.ENFORCE
            for action, reason in _EXPECTED.get(ref.kind, ()):
                self.decisions.add((ref.policy, ref.id, ref.kind, action, reason, mode), 0)

    def task(self, outcome: TaskOutcome, facts: Facts | None) -> None:
        """Count what a session came to, and what is known of it."""
        labels = (outcome.value,)
        self.outcomes.add(labels)
        if facts is not None:
            self.task_cost.observe(facts.cost * 1e-9, labels)
            self.task_duration.observe(max(0.0, facts.last - facts.began), labels)

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
        if self._sessions is not None:
            self.sessions.show((), self._sessions.begun)
        self.budget_used.series.clear()  # what was not seen of late is not shown
        for labels, share in self.budget_peaks.shown(time.time()).items():
            self.budget_used.set(share, labels)
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


class SelfChecked(Protocol):
    """What the audit log's own checks found. `verified_at` in unix seconds, 0: not yet."""

    counts: dict[str, int]
    intact: bool
    verified_at: float


_merger = Merger(Declared)


def note(snapshots: Sequence[Snapshot]) -> None:
    """Remember what the workers of this process have counted, for when one of them dies."""
    _merger.note(snapshots)


def merge(
    snapshots: Sequence[Snapshot],
    reload: ReloadStatus,
    replaced: int,
    certificates: Mapping[str, float] | None = None,
    tls_ok: bool | None = None,
    checked: SelfChecked | None = None,
) -> str:
    """One scrape for all workers of this process, in the text format.

    Remembers what workers that have died had counted, so that no total ever falls.

    Args:
        certificates: when each expires, in unix seconds.
        tls_ok: whether the listener's certificate files are those in use; None: it has none.
        checked: what the checks of the audit log found; None: it is in no folder.
    """
    merged = _merger.merged(snapshots)
    add_status(merged, reload, len(snapshots), replaced)
    if tls_ok is not None:
        merged.tls_ok.set(int(tls_ok))
    if checked is not None:
        for outcome, count in checked.counts.items():
            merged.audit_checks.show((outcome,), count)
        merged.audit_intact.set(int(checked.intact))
        merged.audit_verified_at.set(checked.verified_at)
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
