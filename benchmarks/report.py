"""Medians over the rounds, the table, and the ratios that matter."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Round:
    """One contender in one round. Latencies in ms at full load; `alone` at one connection.

    `requests` counts both runs of the round.
    """

    requests: int
    per_second: float
    p50: float
    p99: float
    alone: float
    cpu_us: float | None
    resident_mb: float | None
    failed: int


@dataclass
class Result:
    """All rounds of one contender, and the time that its stations took, in seconds."""

    name: str
    title: str
    rounds: list[Round] = field(default_factory=list)
    stations: dict[str, float] = field(default_factory=dict)
    station_requests: int = 0

    def median(self, what: str) -> float | None:
        values = [getattr(each, what) for each in self.rounds]
        known = [value for value in values if value is not None]
        return statistics.median(known) if known else None

    @property
    def failed(self) -> int:
        return sum(each.failed for each in self.rounds)


HEADS = ("req/s", "p50 ms", "p99 ms", "alone ms", "CPU us/req", "x nginx", "RSS MB")


def table(results: Sequence[Result]) -> str:
    """One line a contender. `alone` is the median latency at one connection."""
    nginx = next((each.median("cpu_us") for each in results if each.name == "nginx"), None)
    lines = [f"{'':<28}" + "".join(f"{head:>12}" for head in HEADS)]
    for result in results:
        cpu = result.median("cpu_us")
        cells = (
            _cell(result.median("per_second"), 0),
            _cell(result.median("p50"), 2),
            _cell(result.median("p99"), 2),
            _cell(result.median("alone"), 3),
            _cell(cpu, 1),
            _cell(cpu / nginx if cpu and nginx else None, 2),
            _cell(result.median("resident_mb"), 0),
        )
        line = f"{result.title:<28}" + "".join(f"{cell:>12}" for cell in cells)
        lines.append(line + (f"   {result.failed} FAILED" if result.failed else ""))
    return "\n".join(lines)


def _cell(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


@dataclass(frozen=True)
class Ratio:
    """`over` divided by `under` in one figure; `goal` is what must hold, as text."""

    text: str
    over: str
    under: str
    what: str
    goal: str = ""


RATIOS = (
    Ratio("no rules against bare aiohttp, CPU per request", "off", "bare", "cpu_us", "at most 1.4"),
    Ratio(
        "rules on against LiteLLM, requests per second",
        "on",
        "litellm",
        "per_second",
        "at least 20",
    ),
    Ratio("LiteLLM against rules on, CPU per request", "litellm", "on", "cpu_us"),
    Ratio("no rules against nginx, CPU per request", "off", "nginx", "cpu_us"),
    Ratio("rules on against nginx, CPU per request", "on", "nginx", "cpu_us"),
    Ratio("bare aiohttp against nginx, CPU per request", "bare", "nginx", "cpu_us"),
    Ratio("LiteLLM against nginx, CPU per request", "litellm", "nginx", "cpu_us"),
)


def ratios(results: Sequence[Result]) -> str:
    """The ratios whose both sides ran."""
    by_name = {result.name: result for result in results}
    lines = []
    for ratio in RATIOS:
        if ratio.over in by_name and ratio.under in by_name:
            over, under = (by_name[name].median(ratio.what) for name in (ratio.over, ratio.under))
            if over and under:
                goal = f"   (goal: {ratio.goal})" if ratio.goal else ""
                lines.append(f"  {ratio.text:<50} {over / under:>8.2f}{goal}")
    return "\n".join(lines)
