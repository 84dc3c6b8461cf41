"""The one scrape: every worker's series added up and written as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Generic, Protocol, TypeVar

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from gateway.telemetry.families import Families, Family, Histogram

Snapshot = Mapping[str, Any]


class HasFamilies(Protocol):
    families: Families


Set = TypeVar("Set", bound=HasFamilies)


class Merger(Generic[Set]):
    """Adds workers up, those that have died included: a total never falls.

    Args:
        declare: makes an empty set of all families.
    """

    def __init__(self, declare: Callable[[], Set]) -> None:
        self._declare = declare
        self._gone = declare().families  # the totals of workers that have ended
        self._last: dict[str, Snapshot] = {}

    def note(self, snapshots: Sequence[Snapshot]) -> None:
        """Remember `{"worker": id, "series": ...}` of every worker that lives. Who was there the
        last time and is not now has died."""
        present = {str(snapshot["worker"]): snapshot["series"] for snapshot in snapshots}
        for worker in self._last.keys() - present.keys():
            self._gone.absorb(self._last.pop(worker), only_totals=True)
        self._last.update(present)

    def merged(self, snapshots: Sequence[Snapshot]) -> Set:
        """One set of families for what these snapshots say, which are noted."""
        self.note(snapshots)
        merged = self._declare()
        merged.families.absorb(self._gone.snapshot())
        for series in self._last.values():
            merged.families.absorb(series)
        return merged


def exposition(families: Families) -> str:
    """The text format, version 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FamilyCollector(families))
    return generate_latest(registry).decode()


class FamilyCollector(Collector):
    """Shows families to prometheus_client."""

    def __init__(self, families: Families) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families.all.values():
            yield _metric(family)

    def describe(self) -> Iterable[Metric]:
        return ()


def _metric(family: Family) -> Metric:
    if isinstance(family, Histogram):
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        bounds = [*(str(float(bound)) for bound in family.buckets), "+Inf"]
        for labels, row in family.series.items():
            counts = list(zip(bounds, accumulate(row[:-1]), strict=True))
            histogram.add_metric(labels, counts, row[-1])
        return histogram
    maker = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
    metric = maker(family.name, family.help, labels=family.labels)
    for labels, value in family.series.items():
        metric.add_metric(labels, value)
    return metric
