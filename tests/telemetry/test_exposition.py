"""The text that Prometheus reads, over the lives of several workers."""

from gateway.telemetry.exposition import Merger, exposition
from gateway.telemetry.families import Counter, Families, Gauge, Histogram


class Declared:
    def __init__(self):
        self.families = Families()
        self.calls = self.families.declare(Counter("calls_total", "Calls.", ["kind"]))
        self.running = self.families.declare(Gauge("running", "Running."))
        self.size = self.families.declare(Histogram("size_bytes", "Size.", buckets=(1, 10)))


def snapshot(worker, calls, running=1):
    counted = Declared()
    counted.calls.add(("a",), calls)
    counted.running.set(running)
    return {"worker": worker, "series": counted.families.snapshot()}


def test_text_is_what_prometheus_expects():
    counted = Declared()
    counted.calls.add(('it\'s "a"\n',), 3)
    counted.running.set(2)
    for value in (0.5, 5, 50):
        counted.size.observe(value)
    assert exposition(counted.families).splitlines() == [
        "# HELP calls_total Calls.",
        "# TYPE calls_total counter",
        'calls_total{kind="it\'s \\"a\\"\\n"} 3.0',
        "# HELP running Running.",
        "# TYPE running gauge",
        "running 2.0",
        "# HELP size_bytes Size.",
        "# TYPE size_bytes histogram",
        'size_bytes_bucket{le="1.0"} 1.0',
        'size_bytes_bucket{le="10.0"} 2.0',
        'size_bytes_bucket{le="+Inf"} 3.0',
        "size_bytes_count 3.0",
        "size_bytes_sum 55.5",
    ]


def test_workers_add_up():
    merged = Merger(Declared).merged([snapshot("1", 10), snapshot("2", 5)])
    assert merged.calls.series == {("a",): 15}
    assert merged.running.series == {(): 2}


def test_total_does_not_fall_when_a_worker_dies_and_another_takes_its_place():
    merger = Merger(Declared)
    merger.merged([snapshot("1", 10), snapshot("2", 5)])
    assert merger.merged([snapshot("2", 6)]).calls.series == {("a",): 16}
    after = merger.merged([snapshot("2", 6), snapshot("3", 1)])
    assert after.calls.series == {("a",): 17}
    assert after.running.series == {(): 2}


def test_a_scrape_changes_nothing():
    merger = Merger(Declared)
    for _ in range(3):
        merged = merger.merged([snapshot("1", 10)])
    assert merged.calls.series == {("a",): 10}
