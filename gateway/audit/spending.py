"""Adds up what the calls of an audit log used and cost, by whom and what. Checks nothing: `verify`.

Rules of this file:
- Whole numbers only; nothing is rounded before it is shown.
- A call counts in one row of each dimension; in as many rows as rules had a say in it where rows
  are made by rule, so that those rows do not add up to the total. The total counts it once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, tzinfo
from itertools import product
from pathlib import Path
from typing import Any

from gateway.audit.chain import RecordType, read_line

NOBODY = "-"
"""What a row says where a record names nothing."""

_WHO = ("tenant", "agent", "user", "session", "task", "feature")
_ENDED = f'"type":"{RecordType.CLOSED.value}"'.encode()
_BEGAN = f'"type":"{RecordType.OPENED.value}"'.encode()


@dataclass(slots=True)
class Sums:
    """What calls came to. `cost` is nano-dollars; `estimated` counts calls whose provider did not
    tell their use; `stopped` those that a rule refused or whose answer it blocked."""

    calls: int = 0
    stopped: int = 0
    failed: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    estimated: int = 0
    cost: int = 0

    def add(self, record: Mapping[str, Any]) -> None:
        """One more call, as its `closed` record tells of it."""
        self.calls += 1
        outcome = record.get("outcome")
        self.stopped += record.get("action") in ("block", "throttle") and outcome != "answered"
        self.failed += outcome in ("failed", "upstream_failed")
        usage: Mapping[str, Any] = record.get("usage", {})
        self.input += usage.get("input", 0)
        self.cache_read += usage.get("cache_read", 0)
        self.cache_write += usage.get("cache_write", 0) + usage.get("cache_write_1h", 0)
        self.output += usage.get("output", 0)
        self.reasoning += usage.get("reasoning", 0)
        self.estimated += bool(usage.get("estimated"))
        self.cost += record.get("cost_nanodollars", 0)


COLUMNS = tuple(field.name for field in fields(Sums))


class Spending:
    """Rows of sums.

    Args:
        by: the dimensions of a row; see `DIMENSIONS`.
        zone: in which days and months are told.

    Attributes:
        rows: sums by the values of the dimensions.
        total: every call once.
        unfinished: calls that were begun and never closed: running, or killed with their process.
    """

    def __init__(self, by: Sequence[str], zone: tzinfo) -> None:
        self._readers = [DIMENSIONS[name] for name in by]
        self._zone = zone
        self.rows: dict[tuple[str, ...], Sums] = {}
        self.total = Sums()
        self.unfinished = 0

    def add(self, record: Mapping[str, Any]) -> None:
        """Count the `closed` record of a call."""
        self.total.add(record)
        values = [reader(record, self._zone) for reader in self._readers]
        for row in product(*values):
            self.rows.setdefault(row, Sums()).add(record)


def calls(folder: Path, since: str, until: str) -> Iterator[Mapping[str, Any]]:
    """Records of calls between two moments (RFC 3339 in UTC, `until` excluded), in no order.

    Each call once: its `closed` record, or the `opened` one where no other was written.

    Raises:
        OSError: the folder or a file in it cannot be read.
    """
    chains: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.endswith(".jsonl"):
            chains.setdefault(path.name.split(".")[0], []).append(path)
    for files in chains.values():
        running: dict[str, Mapping[str, Any]] = {}
        for record in _records(files):
            inside = since <= str(record["time"]) < until
            if record["type"] == RecordType.CLOSED:
                running.pop(str(record.get("id")), None)
                if inside:
                    yield record
            elif inside:
                running[str(record.get("id"))] = record
        yield from running.values()


def _records(files: Iterable[Path]) -> Iterator[Mapping[str, Any]]:
    for path in files:
        with path.open("rb") as file:
            for raw in file:
                if _ENDED in raw or _BEGAN in raw:
                    line = read_line(raw.rstrip(b"\n"))
                    if line is not None and line.record["type"] in _OF_CALLS:
                        yield line.record


_OF_CALLS = frozenset({RecordType.CLOSED, RecordType.OPENED})

Reader = Callable[[Mapping[str, Any], tzinfo], Sequence[str]]


def _who(name: str) -> Reader:
    return lambda record, _: (str(record.get("who", {}).get(name, NOBODY)),)


def _field(name: str, other: str = "") -> Reader:
    return lambda record, _: (str(record.get(name) or record.get(other) or NOBODY),)


def _date(length: int) -> Reader:
    """The local date of a call's end: `2026-11-21`, or its first characters."""

    def read(record: Mapping[str, Any], zone: tzinfo) -> Sequence[str]:
        return (datetime.fromisoformat(str(record["time"])).astimezone(zone).isoformat()[:length],)

    return read


def _rules(record: Mapping[str, Any], _: tzinfo) -> Sequence[str]:
    """Every rule that said something of a call, or that counted it."""
    said = [str(verdict["rule"]) for verdict in record.get("verdicts", ())]
    claims = record.get("limits", {}).get("claims", ())
    counted = ["/".join(str(claim["key"]).split(":")[:2]) for claim in claims]
    return tuple(dict.fromkeys((*said, *counted))) or (NOBODY,)


DIMENSIONS: Mapping[str, Reader] = {
    **{name: _who(name) for name in _WHO},
    "model": _field("model_served", "model"),
    "upstream": _field("upstream"),
    "provider": _field("provider"),
    "dialect": _field("dialect"),
    "reason": _field("reason"),
    "rule": _rules,
    "day": _date(10),
    "month": _date(7),
}
"""What rows can be made by."""
