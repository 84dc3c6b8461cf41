"""The part of `make bench` that is about streams: what a relay adds to each event of a stream.

Everybody in one run, rounds interleaved: no proxy, a bare aiohttp relay that parses each event,
the gateway with its default policy, and with every kind enforced. Upstream and callers share one
core and one clock (`stream_load`), the proxy has the other. What is told is what each adds to the
direct run. CPU is the scheduler's figure for a proxy's process tree, divided by the events that it
passed on.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks.contenders import (
    Contender,
    Place,
    Running,
    start_bare,
    start_direct,
    start_gateway,
    start_litellm,
)
from benchmarks.load import example_body
from benchmarks.processes import OTHER_CORE, CannotStart
from benchmarks.stream_load import Pace, StreamLoad, Window

START_SECONDS = 180.0
PACES = (
    Pace("chat", at_once=1, deltas=200, gap=0.005, seconds=4),
    Pace("chat", at_once=64, deltas=200, gap=0.02, seconds=4),
    Pace("messages", at_once=1, deltas=200, gap=0.005, seconds=4),
    Pace("messages", at_once=64, deltas=200, gap=0.02, seconds=4),
)
WARM_UP = Pace("chat", at_once=8, deltas=50, gap=0.002, seconds=1)


def _start_default(place: Place) -> Running:
    return start_gateway(place, "default", "starter.yaml")


def _start_enforced(place: Place) -> Running:
    return start_gateway(place, "enforced", "bench.yaml")


STREAMERS = (
    Contender("direct", "no proxy", start_direct),
    Contender("bare", "bare aiohttp relay", start_bare),
    Contender("default", "Portcullis, starter.yaml", _start_default),
    Contender("enforced", "Portcullis, bench.yaml", _start_enforced),
    Contender("litellm", "LiteLLM, no guard", start_litellm),
)


@dataclass
class Measured:
    """All rounds of one contender at one pace; times in seconds."""

    first: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    waited: int = 0
    events: int = 0
    cpu: float = 0.0
    failed: int = 0

    def take(self, window: Window, cpu_ns: int) -> None:
        self.first += window.first
        self.delays += window.delays
        self.waited += window.waited
        self.events += window.events
        self.failed += window.failed
        self.cpu += cpu_ns / 1e9


@dataclass
class Streamer:
    """One contender that is up, and what was measured of it."""

    contender: Contender
    running: Running
    audit: Path
    measured: dict[Pace, Measured] = field(default_factory=lambda: {p: Measured() for p in PACES})

    async def drive(self, load: StreamLoad, pace: Pace) -> None:
        process = self.running.process
        spent: list[int] = []

        def mark() -> None:
            spent.append(process.cpu_nanoseconds() if process else 0)

        window = await load.run(self.base, pace, mark)
        self.measured[pace].take(window, spent[1] - spent[0])

    @property
    def base(self) -> str:
        return self.running.url.rpartition("/v1/")[0]

    def held(self) -> list[int]:
        """The most characters that each stream held back, as the audit log has it."""
        lines = b"".join(path.read_bytes() for path in sorted(self.audit.glob("*.jsonl")))
        records = [json.loads(line) for line in lines.splitlines() if b'"closed"' in line]
        closed = [each for each in records if each.get("type") == "closed"]
        return sorted(each.get("held_characters", 0) for each in closed)


def run(folder: Path, rounds: int, only: Sequence[str]) -> int:
    """Measure and print; 1 where a stream failed."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {OTHER_CORE})  # the proxies set their own
    try:
        return uvloop.run(_run(folder, rounds, only))
    finally:
        os.sched_setaffinity(0, before)


async def _run(folder: Path, rounds: int, only: Sequence[str]) -> int:
    load = StreamLoad()
    await load.start()
    place = Place(folder, upstream=load.url)
    with contextlib.ExitStack() as stack:
        stack.callback(load.stop)
        streamers = await _start(place, only, stack)
        for streamer in streamers:  # warm up
            await load.run(streamer.base, WARM_UP, lambda: None)
        gc.collect()
        gc.freeze()
        for number in range(rounds):
            for pace in PACES:
                for streamer in streamers:
                    await streamer.drive(load, pace)
            print(f"streams: round {number + 1}/{rounds} done", flush=True)
        await asyncio.sleep(0.5)  # the last records
        print(table(streamers))
    return int(any(m.failed for s in streamers for m in s.measured.values()))


async def _start(place: Place, only: Sequence[str], stack: contextlib.ExitStack) -> list[Streamer]:
    streamers: list[Streamer] = []
    for contender in (each for each in STREAMERS if each.name in only):
        try:
            running = await asyncio.to_thread(contender.start, place)
            if running.process:
                stack.callback(running.process.stop)
                wait = running.process.wait_for
                await asyncio.to_thread(wait, running.url, example_body(), START_SECONDS)
        except CannotStart as why:
            print(f"left out: {contender.title}: {why}", flush=True)
            continue
        streamers.append(Streamer(contender, running, place.folder / contender.name / "audit"))
    return streamers


# --- the report ---

HEADS = ("first us", "x bare", "event us", "x bare", "p99 us", "waited", "CPU us/ev")


def table(streamers: Sequence[Streamer]) -> str:
    """A block for each pace, a line for each contender, and what was held at the end."""
    lines: list[str] = []
    direct = next((each for each in streamers if each.contender.name == "direct"), None)
    bare = next((each for each in streamers if each.contender.name == "bare"), None)
    for pace in PACES:
        lines.append(
            f"\n{pace.wire}, {pace.at_once} at once, an event every {pace.gap * 1000:g} ms: "
            "added to the direct run (medians)"
        )
        lines.append(f"  {'':<26}" + "".join(f"{head:>10}" for head in HEADS))
        base = direct.measured[pace] if direct else Measured()
        under = bare.measured[pace] if bare else Measured()
        lines += [_line(each, each.measured[pace], base, under) for each in streamers]
    lines.append("\ncharacters held back, the most of each stream:")
    for streamer in streamers:
        if streamer.audit.exists() and (held := streamer.held()):
            lines.append(f"  {streamer.contender.title:<26}  {_distribution(held)}")
    return "\n".join(lines)


def _line(streamer: Streamer, it: Measured, direct: Measured, bare: Measured) -> str:
    first, event, last = (_added(it, direct, what) for what in ("first", "delays", "p99"))
    bare_first, bare_event = (_added(bare, direct, what) for what in ("first", "delays"))
    cells = (
        _cell(first, 0),
        _cell(_ratio(first, bare_first), 2),
        _cell(event, 0),
        _cell(_ratio(event, bare_event), 2),
        _cell(last, 0),
        f"{it.waited / len(it.delays):.1%}" if it.delays else "",
        _cell(it.cpu / it.events * 1e6 if it.events and it.cpu else None, 1),
    )
    line = f"  {streamer.contender.title:<26}" + "".join(f"{cell:>10}" for cell in cells)
    return line + (f"   {it.failed} FAILED" if it.failed else "")


def _added(it: Measured, direct: Measured, what: str) -> float | None:
    """Microseconds more than without a proxy."""
    if what == "p99":
        mine, theirs = _quantile(it.delays, 0.99), _quantile(direct.delays, 0.99)
    else:
        mine, theirs = (_quantile(getattr(each, what), 0.5) for each in (it, direct))
    return None if mine is None or theirs is None else (mine - theirs) * 1e6


def _quantile(values: Sequence[float], share: float) -> float | None:
    if not values:
        return None
    if share == 0.5:
        return statistics.median(values)
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _ratio(over: float | None, under: float | None) -> float | None:
    return over / under if over is not None and under is not None and under > 0 else None


def _cell(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _distribution(held: Sequence[int]) -> str:
    told = {f"p{share * 100:g}": _quantile(held, share) for share in (0.5, 0.9, 0.99)}
    told["most"] = held[-1]
    return (
        "  ".join(f"{name} {value:g}" for name, value in told.items()) + f"  ({len(held)} streams)"
    )
