"""The scrape as a whole: clean for promtool and the OpenMetrics parser, documented, complete."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import __version__
from gateway.audit.chain import Head
from gateway.identity.task_outcomes import Facts, TaskOutcome
from gateway.telemetry.declared import Declared
from gateway.telemetry.exposition import FamilyCollector, Merger
from gateway.telemetry.metrics import Metrics, add_status, merge
from gateway.verdict import RuleRef
from tests.telemetry.test_counting import Usage, ended

DOC = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
RELOAD = SimpleNamespace(
    digest="sha256:abc", loaded_at=1.7e9, failed_at=1.6e9, failures=2, loads=3, problems=["bad"]
)


class Audit:
    healthy = False
    lost = 3
    syncs_failed = 1
    heads_failed = 2
    head = Head("worker-0-x", 11, "0" * 64)

    def __init__(self):
        self.records = {"opened": 5, "closed": 4}
        self.copies = [SimpleNamespace(name="otlp", sent=7, lost=2, healthy=False)]


class Store:
    away_since: float | None = None
    outages, admitted, refused, pending = 2, 11, 3, 4


class Cache:
    hits, misses, evictions, size = 7, 8, 9, 10


def full():
    """A worker in which every family has a series."""
    metrics = Metrics()
    metrics.watch_audit(Audit())
    metrics.watch_spans(SimpleNamespace(sent=5, failed=2, dropped=1))
    metrics.watch_cache(Cache())
    metrics.watch_running({"x": 1})
    for family in metrics.families.all.values():
        labels = tuple("x" for _ in family.labels)
        if family.type == "counter":
            family.add(labels)
        elif family.type == "gauge":
            family.set(1, labels)
        else:
            family.observe(0.3, labels)
    exchange = ended()
    exchange.usage = Usage(10, output=5)
    exchange.spent, exchange.left = {"upstream": 10**8, "record": 9 * 10**8}, 10**9
    metrics.record(exchange)
    return metrics


@pytest.fixture(autouse=True)
def _supervisor_that_has_seen_no_worker_yet(monkeypatch):
    monkeypatch.setattr("gateway.telemetry.metrics._merger", Merger(Declared))


def scrape(*workers):
    snapshots = [json.loads(json.dumps(worker.snapshot())) for worker in workers]
    return merge(snapshots, RELOAD, 1)


def values(text, name):
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def test_promtool_has_nothing_to_say():
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not here")
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=scrape(full(), full()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_every_family_is_in_the_scrape():
    families = {family.name for family in text_string_to_metric_families(scrape(full()))}
    declared = {name.removesuffix("_total") for name in Declared().families.all}
    assert declared <= families


def test_openmetrics_parser_takes_the_names():
    from prometheus_client import CollectorRegistry
    from prometheus_client.openmetrics.exposition import generate_latest
    from prometheus_client.openmetrics.parser import (
        text_string_to_metric_families as parse,
    )

    registry = CollectorRegistry(auto_describe=False)
    registry.register(FamilyCollector(full().families))
    text = generate_latest(registry).decode()
    assert len(list(parse(text))) == len(Declared().families.all)


def test_workers_are_one_scrape():
    text = scrape(full(), full())
    assert sum(values(text, "portcullis_requests_total").values()) == 4
    assert values(text, "portcullis_requests_in_flight") == {(): 2}
    assert values(text, "portcullis_workers") == {(): 2}
    assert values(text, "portcullis_audit_healthy") == {(): 0}
    assert values(text, "portcullis_audit_head_sequence")[("chain", "worker-0-x"),] == 11
    assert values(text, "portcullis_scan_cache_hits_total") == {(): 14}
    assert values(text, "portcullis_scan_cache_bytes") == {(): 20}
    assert values(text, "portcullis_audit_lost_total") == {(): 6}
    assert values(text, "portcullis_trace_spans_total")[("outcome", "dropped"),] == 2


def test_supervisor_adds_what_it_knows_itself():
    merged = Declared()
    add_status(merged, RELOAD, 2, 5)
    assert merged.build.series == {(__version__,): 1}
    assert merged.policy.series == {("sha256:abc",): 1}
    assert merged.reloads.series == {("success",): 3, ("failure",): 2}
    assert merged.replaced.series == {(): 5}
    assert merged.reload_ok.series == {(): 0}
    assert merged.reload_success_at.series == {(): 1.7e9}


def test_labels_are_few_and_named_for_what_is_bounded():
    allowed = set(
        "dialect outcome reason upstream station direction kind policy rule action mode entity "
        "what surface model type chain operation version digest step "
        "certificate to event".split()
    )
    for family in Declared().families.all.values():
        assert set(family.labels) <= allowed, family.name
        assert len(family.labels) <= 6


def test_docs_tell_type_and_labels_of_every_metric():
    rows = re.findall(r"^\| `(portcullis_\w+)` \| (\w+) \| ([^|]*)\|", DOC.read_text(), re.M)
    told = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    declared = {
        name: (family.type, set(family.labels)) for name, family in Declared().families.all.items()
    }
    assert told == declared


def test_a_store_that_is_away_for_one_worker_is_not_up():
    workers = [Metrics(), Metrics()]
    stores = [Store(), Store()]
    stores[1].away_since = 1.7e9
    for metrics, store in zip(workers, stores, strict=True):
        metrics.watch_store(store)
    merged = Merger(Declared).merged([metrics.snapshot() for metrics in workers])
    assert merged.store_up.series == {(): 0}
    assert merged.store_outages.series == {(): 4}
    assert merged.store_local.series == {("admitted",): 22, ("refused",): 6}
    assert merged.store_pending.series == {(): 8}


def test_certificates_and_copies_are_told():
    worker = Metrics()
    worker.watch_audit(Audit())
    text = merge([worker.snapshot()], RELOAD, 0, {"listener": 1.9e9, "upstream/up": 1.8e9}, False)
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    expiry = "portcullis_tls_certificate_expiry_timestamp_seconds"
    assert (found[expiry, "listener"], found[expiry, "upstream/up"]) == (1.9e9, 1.8e9)
    assert found["portcullis_tls_last_reload_successful",] == 0
    assert found["portcullis_audit_copied_total", "otlp"] == 7
    assert found["portcullis_audit_copies_lost_total", "otlp"] == 2
    assert found["portcullis_audit_copy_healthy", "otlp"] == 0
    assert "portcullis_tls_last_reload_successful 0" not in scrape(worker)


def test_what_alerts_ask_about_is_there_before_it_first_happens():
    """Prometheus sees no increase in a series whose first value is 1."""
    metrics = Metrics()
    loop = SimpleNamespace(ref=RuleRef("p", "loop", "loop"), shadow=True)
    budget = SimpleNamespace(ref=RuleRef("p", "day", "budget"), shadow=False)
    metrics.expect([loop, budget, SimpleNamespace(ref=RuleRef("p", "x", "pii"), shadow=False)])
    assert metrics.decisions.series == {
        ("p", "loop", "loop", "block", "loop_detected", "shadow"): 0,
        ("p", "loop", "loop", "flag", "loop_detected", "shadow"): 0,
        ("p", "day", "budget", "block", "budget_exceeded", "enforce"): 0,
    }
    assert set(metrics.outcomes.series.values()) == {0}


def test_what_a_task_came_to_is_counted_with_what_is_known_of_it():
    metrics = Metrics()
    metrics.task(TaskOutcome.SUCCESS, Facts(3, 2_500_000_000, 100.0, 160.0))
    metrics.task(TaskOutcome.FAILURE, None)
    assert metrics.outcomes.series["success",] == metrics.outcomes.series["failure",] == 1
    assert metrics.task_cost.series["success",][-1] == pytest.approx(2.5)
    assert metrics.task_duration.series["success",][-1] == pytest.approx(60)
    assert ("failure",) not in metrics.task_cost.series


def test_checks_of_the_audit_log_show_where_there_are_any():
    checked = SimpleNamespace(counts={"unchanged": 2}, intact=False, verified_at=1.5e9)
    text = merge([Metrics().snapshot()], RELOAD, 0, checked=checked)
    assert 'portcullis_audit_verifications_total{outcome="unchanged"} 2.0' in text
    assert "portcullis_audit_intact 0.0" in text
    assert "portcullis_audit_verified_timestamp_seconds 1.5e+09" in text
    assert "portcullis_audit_intact 1.0" not in merge([Metrics().snapshot()], RELOAD, 0)


def test_sessions_that_began_show():
    metrics = Metrics()
    metrics.watch_sessions(SimpleNamespace(begun=7))
    metrics.snapshot()
    assert metrics.sessions.series == {(): 7}
