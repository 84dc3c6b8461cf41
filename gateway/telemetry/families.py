"""Counters, gauges and histograms that cost a tenth of a microsecond each.

Rules of this file:
- A worker counts in plain dictionaries, from its event loop's thread only. The text that
  Prometheus reads is made by `telemetry/exposition.py`, for all workers at once.
- Every family has a bound on its series: label values beyond it are counted as `other`.
- A gauge says how the workers' values become one: `sum`, `max` or `min`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

Labels = tuple[str, ...]
Merging = Literal["sum", "max", "min"]

MOST_SERIES = 2000
"""Series of one family; what a policy file and a price table name stays far below it."""


class Family:
    """One metric: its name, what it means, its label names and its series.

    `series` maps label values to a number (counter, gauge) or to a row of a histogram.
    """

    type: str

    def __init__(
        self, name: str, help_text: str, labels: Sequence[str] = (), *, most: int = MOST_SERIES
    ) -> None:
        self.name = name
        self.help = help_text
        self.labels = tuple(labels)
        self.series: dict[Labels, Any] = {}
        self._most = most
        self._other: Labels = ("other",) * len(self.labels)

    def _place(self, labels: Labels) -> Labels:
        """The labels under which a series is kept that may be new."""
        if labels in self.series or len(self.series) < self._most:
            return labels
        return self._other

    def absorb(self, labels: Labels, value: Any) -> None:
        """Take one series of another process in."""
        raise NotImplementedError


class Counter(Family):
    """Only ever grows. Its name ends in `_total`."""

    type = "counter"

    def add(self, labels: Labels = (), amount: float = 1) -> None:
        try:
            self.series[labels] += amount
        except KeyError:
            labels = self._place(labels)
            self.series[labels] = self.series.get(labels, 0) + amount

    def show(self, labels: Labels, total: float) -> None:
        """Show a count that somebody else keeps."""
        self.series[self._place(labels)] = total

    def absorb(self, labels: Labels, value: float) -> None:
        self.add(labels, value)


class Gauge(Family):
    """Goes up and down."""

    type = "gauge"

    def __init__(
        self, name: str, help_text: str, labels: Sequence[str] = (), *, merging: Merging = "sum"
    ) -> None:
        super().__init__(name, help_text, labels)
        self._merging = merging

    def set(self, value: float, labels: Labels = ()) -> None:
        self.series[self._place(labels)] = value

    def absorb(self, labels: Labels, value: float) -> None:
        before = self.series.get(labels)
        if before is None:
            self.set(value, labels)
        elif self._merging == "sum":
            self.series[labels] = before + value
        else:
            self.series[labels] = (max if self._merging == "max" else min)(before, value)


class Histogram(Family):
    """How often a value lay in which bucket.

    A series is a row: one count a bucket, one for what lies above all, and the sum of all values.
    """

    type = "histogram"

    def __init__(
        self, name: str, help_text: str, labels: Sequence[str] = (), *, buckets: Sequence[float]
    ) -> None:
        super().__init__(name, help_text, labels)
        self.buckets = tuple(buckets)

    def observe(self, value: float, labels: Labels = ()) -> None:
        row = self.series.get(labels)
        if row is None:
            row = self._row(labels)
        row[bisect_left(self.buckets, value)] += 1
        row[-1] += value

    def _row(self, labels: Labels) -> list[float]:
        empty: list[float] = [0] * (len(self.buckets) + 2)
        row: list[float] = self.series.setdefault(self._place(labels), empty)
        return row

    def absorb(self, labels: Labels, value: Sequence[float]) -> None:
        row = self._row(labels)
        for position, count in enumerate(value):
            row[position] += count


class Families:
    """All families of one process, in the order of their declaration."""

    def __init__(self) -> None:
        self.all: dict[str, Family] = {}

    def declare(self, family: Any) -> Any:
        """Add a family and give it back."""
        assert family.name not in self.all, f"{family.name} is declared twice"
        self.all[family.name] = family
        return family

    def snapshot(self) -> dict[str, list[Any]]:
        """Every series as plain values, ready for JSON: name -> [[labels, value], ...]."""
        return {
            name: [[list(labels), value] for labels, value in family.series.items()]
            for name, family in self.all.items()
            if family.series
        }

    def absorb(self, snapshot: Mapping[str, Iterable[Any]], *, only_totals: bool = False) -> None:
        """Add what a snapshot of another process says; families not known here are left out."""
        for name, series in snapshot.items():
            family = self.all.get(name)
            if family is None or (only_totals and family.type == "gauge"):
                continue
            for labels, value in series:
                family.absorb(tuple(labels), value)
