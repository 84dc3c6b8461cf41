"""What limits cost: one on a call against ten, with each state store.

A gateway with audit and one worker has a core to itself; the load, upstream and Redis share the
other. CPU is that of the gateway's processes, and of the Redis server, by the number of calls.
Round trips are counted by the server (`total_reads_processed`: how often it read from a client)
while one call runs at a time, so that no two share one.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import redis

from benchmarks import load
from benchmarks.bodies import API_KEY
from benchmarks.contenders import (
    PATH,
    Place,
    Running,
    free_port,
    gateway,
    start_upstream,
)
from benchmarks.processes import OTHER_CORE, CannotStart, Process, program

CONNECTIONS = 64
SESSIONS = 64
STORES = ("memory", "sqlite", "redis")

HEAD = """
version: 1
upstreams:
  openai: {{provider: openai, url: "{upstream}"}}
tenants:
  bench: {{policies: [limits]}}
default_tenant: bench
policies:
  limits:
    rules: {rules}
"""
RULES = (
    "{kind: budget, per: tenant, window: day, limit: $100000000}",
    "{kind: rate_limit, per: tenant, requests: 1G/min}",
    "{kind: rate_limit, per: session, requests: 1G/min}",
    "{kind: rate_limit, per: model, tokens: 1G/min}",
    "{kind: rate_limit, per: upstream, requests: 1G/min}",
    "{kind: rate_limit, per: global, requests: 1G/s}",
    "{kind: rate_limit, per: [session, model], tokens: 1G/min}",
    "{kind: budget, per: session, limit: $100000000}",
    "{kind: budget, per: global, window: month, limit: $100000000}",
    "{kind: budget, per: [tenant, model], window: hour, limit: 1000G tokens}",
)
"""None of them ever refuses. The single limit is the first."""

SCRIPT = """
local requests = {}
local count = 0

function init(args)
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
  wrk.headers["authorization"] = "Bearer %(key)s"
  for i = 1, %(sessions)d do
    wrk.headers["x-session-id"] = "run-" .. args[1] .. "-" .. i
    requests[i] = wrk.format(nil, nil, nil, %(body)s)
  end
end

function request()
  count = count + 1
  return requests[count %% %(sessions)d + 1]
end
"""


@dataclass
class Measured:
    """One store with so many limits: per call and round, microseconds of CPU and round trips."""

    store: str
    limits: int
    gateway: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    trips: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def name(self) -> str:
        return f"{self.store}, {self.limits} limit{'s' if self.limits != 1 else ''}"

    @property
    def whole(self) -> float:
        """Microseconds of CPU per call, gateway and server together: the median of the rounds."""
        server = self.server or [0.0] * len(self.gateway)
        return statistics.median(map(sum, zip(self.gateway, server, strict=True)))


@dataclass(frozen=True)
class Side:
    """One that is measured, running."""

    running: Running
    measured: Measured
    server: Process | None = None
    client: redis.Redis | None = None

    def spent(self) -> list[int]:
        """Nanoseconds of CPU so far: the gateway's, and the server's where there is one."""
        processes = [self.running.process, self.server]
        return [each.cpu_nanoseconds() for each in processes if each is not None]


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[tuple[Process, int]]:
    """A Redis of this run's own, with nothing written to a disk."""
    port = free_port()
    command = [
        *(program("redis-server", "redis-server"), "--port", str(port), "--bind", "127.0.0.1"),
        *("--save", "", "--appendonly", "no", "--dir", str(folder)),
    ]
    process = Process.start("redis", command, core=OTHER_CORE, folder=folder)
    try:
        client = redis.Redis(port=port)
        for _ in range(200):
            with contextlib.suppress(redis.ConnectionError):
                client.ping()
                break
            time.sleep(0.05)
        else:
            raise CannotStart("redis-server did not come up")
        yield process, port
    finally:
        process.stop()


def run(folder: Path, rounds: int, seconds: float) -> int:
    """The whole part: 1 where a call failed, 2 where it could not be measured."""
    try:
        with contextlib.ExitStack() as stack:
            sides = _start(folder, stack)
            script = write_script(folder)
            for side in sides:  # warm up, and count
                _drive(side, script, 1, seed=1)
                _count_trips(side, script)
            for number in range(rounds):
                for side in sides:
                    _round(side, script, seconds, seed=number + 2)
    except CannotStart as why:
        print(why, file=sys.stderr)
        return 2
    results = [side.measured for side in sides]
    print(report(results), flush=True)
    return 1 if any(each.failed for each in results) else 0


def _start(folder: Path, stack: contextlib.ExitStack) -> list[Side]:
    place = Place(folder)
    upstream = start_upstream(place)
    stack.callback(upstream.stop)
    upstream.wait_for(place.upstream + PATH, load.example_body(), 20)
    server, port = stack.enter_context(redis_server(folder))
    client = redis.Redis(port=port)
    sides = []
    for store in STORES:
        for limits in (0, 1, len(RULES)):
            if limits == 0 and store != "memory":
                continue
            rules = "".join(f"\n      - {rule}" for rule in RULES[:limits]) or "[]"
            text = HEAD.format(upstream=place.upstream, rules=rules)
            name = f"{store}{limits}"
            state = {
                "memory": "memory://",
                "sqlite": f"sqlite:///{folder}/{name}.db",
                "redis": f"redis://127.0.0.1:{port}?namespace={name}",
            }[store]
            running = gateway(place, name, text, state)
            assert running.process is not None
            stack.callback(running.process.stop)
            running.process.wait_for(running.url, load.example_body(), 60)
            uses = store == "redis"
            sides.append(
                Side(
                    running,
                    Measured(store, limits),
                    server if uses else None,
                    client if uses else None,
                )
            )
    return sides


def _drive(
    side: Side, script: Path, seconds: float, seed: int, connections: int = CONNECTIONS
) -> load.Run:
    return load.run(side.running.url, script, connections=connections, seconds=seconds, seed=seed)


def _round(side: Side, script: Path, seconds: float, seed: int) -> None:
    measured, before = side.measured, side.spent()
    done = _drive(side, script, seconds, seed)
    spent = side.spent()
    measured.failed += done.failed
    figures = [(now - was) / done.requests / 1000 for now, was in zip(spent, before, strict=True)]
    measured.gateway.append(figures[0])
    measured.server += figures[1:]
    print(f"{measured.name:<20}" + "".join(f"{each:>9.1f}" for each in figures), flush=True)


def _count_trips(side: Side, script: Path) -> None:
    if side.client is None:
        return
    before = _reads(side.client)
    done = _drive(side, script, 1, seed=1, connections=1)
    side.measured.trips.append((_reads(side.client) - before) / done.requests)


def _reads(client: redis.Redis) -> int:
    return int(client.info("stats")["total_reads_processed"])


def write_script(folder: Path) -> Path:
    """The load: one body, in turn from each of so many sessions."""
    path = folder / "sessions.lua"
    body = load.quoted(load.example_body().decode())
    path.write_text(SCRIPT % {"key": API_KEY, "sessions": SESSIONS, "body": body} + load.DONE)
    return path


# --- the report ---


def report(results: Sequence[Measured]) -> str:
    """A line each, and what ten limits cost against one."""
    lines = [
        f"\nCPU us/call, medians, {CONNECTIONS} connections:",
        f"  {'':<20}{'gateway':>10}{'server':>10}{'both':>10}{'trips/call, alone':>20}",
    ]
    for each in results:
        server = f"{statistics.median(each.server):.1f}" if each.server else ""
        trips = f"{statistics.median(each.trips):.2f}" if each.trips else ""
        failed = f"   {each.failed} FAILED" if each.failed else ""
        lines.append(
            f"  {each.name:<20}{statistics.median(each.gateway):>10.1f}{server:>10}"
            f"{each.whole:>10.1f}{trips:>20}{failed}"
        )
    whole = {(each.store, each.limits): each.whole for each in results}
    most = len(RULES)
    for store in STORES:
        ratio = whole[store, most] / whole[store, 1]
        lines.append(f"  ten limits against one, {store:<8}{ratio:>8.2f}   (goal: at most 1.3)")
    for limits in (1, most):
        ratio = whole["redis", limits] / whole["memory", limits]
        lines.append(f"  Redis against memory, {limits:>2} limits   {ratio:>7.2f}")
    return "\n".join(lines)
