"""Counting in plain dictionaries: sums, bounds, and what becomes of several processes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry.families import Counter, Families, Gauge, Histogram


def test_counter_counts_by_label():
    counter = Counter("c_total", "help", ["kind"])
    counter.add(("a",))
    counter.add(("a",), 2)
    counter.add(("b",))
    assert counter.series == {("a",): 3, ("b",): 1}


def test_series_beyond_the_bound_are_counted_as_other():
    counter = Counter("c_total", "help", ["kind", "more"], most=3)
    for number in range(100):
        counter.add((str(number), "x"))
    counter.add(("0", "x"))
    assert len(counter.series) == 4
    assert counter.series["other", "other"] == 97
    assert counter.series["0", "x"] == 2


def test_histogram_bound_belongs_to_its_bucket():
    histogram = Histogram("h", "help", buckets=(1, 2))
    for value in (0.5, 1, 1.5, 2, 99):
        histogram.observe(value)
    assert histogram.series[()] == [2, 2, 1, 104]


@pytest.mark.parametrize(("merging", "expected"), [("sum", 9), ("max", 5), ("min", 4)])
def test_gauge_says_how_processes_become_one(merging, expected):
    families = Families()
    families.declare(Gauge("g", "help", merging=merging))
    families.absorb({"g": [[[], 4]]})
    families.absorb({"g": [[[], 5]]})
    assert families.all["g"].series == {(): expected}


def declared():
    families = Families()
    families.declare(Counter("c_total", "help", ["kind"]))
    families.declare(Gauge("g", "help"))
    families.declare(Histogram("h", "help", ["kind"], buckets=(1, 10)))
    return families


counts = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 100)), max_size=30)


@given(workers=st.lists(counts, max_size=4))
def test_merged_processes_equal_one_that_counted_all(workers):
    alone, merged = declared(), declared()
    for events in workers:
        one = declared()
        for families in (alone, one):
            for kind, value in events:
                families.all["c_total"].add((kind,), value)
                families.all["h"].observe(value, (kind,))
        merged.absorb(json.loads(json.dumps(one.snapshot())))
    assert merged.snapshot() == alone.snapshot()


def test_totals_of_a_dead_process_are_kept_and_its_gauges_are_not():
    families = declared()
    snapshot = {"c_total": [[["a"], 3]], "g": [[[], 7]], "unknown": [[[], 1]]}
    families.absorb(snapshot, only_totals=True)
    assert families.snapshot() == {"c_total": [[["a"], 3]]}


def test_count_that_somebody_else_keeps_is_shown_as_it_is():
    counter = Counter("c_total", "help")
    counter.show((), 5)
    counter.show((), 7)
    assert counter.series == {(): 7}
