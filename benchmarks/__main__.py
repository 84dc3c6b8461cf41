"""`python -m benchmarks`: everybody in one run, side by side, one core each.

The proxy has core 0 to itself; upstream and the load share core 1. Rounds are interleaved, so that
a machine that slows down slows everybody, and medians are printed. CPU is the operating system's
figure for the proxy's whole process tree over the run, divided by the requests that were answered.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import detector_speed, growing_conversation, limits, load, report, stations, streams
from benchmarks.contenders import CONTENDERS, PATH, Contender, Place, Running, start_upstream
from benchmarks.processes import CannotStart

CONNECTIONS = 64
START_SECONDS = 180.0
PARTS = ("all", "requests", "limits", "streams", "detectors")


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--seconds", type=float, default=4, help="of each run at full load (4)")
    names = list(dict.fromkeys(each.name for each in (*CONTENDERS, *streams.STREAMERS)))
    told = ", ".join(names)
    parser.add_argument("--part", choices=PARTS, default="all")
    parser.add_argument("--only", default=",".join(names), help=f"who takes part, of {told}")
    chosen = parser.parse_args(argv)
    chosen.only = chosen.only.split(",")
    if unknown := set(chosen.only) - set(names):
        parser.error(f"nobody is called {', '.join(sorted(unknown))}; there are {told}")
    return chosen


def measure(running: Running, script: Path, seconds: float, seed: int) -> report.Round:
    """One second at one connection for the latency, then the run at full load."""
    alone = load.run(running.url, script, connections=1, seconds=1, seed=seed)
    process = running.process
    before = process.cpu_seconds() if process else 0.0
    run = load.run(running.url, script, connections=CONNECTIONS, seconds=seconds, seed=seed + 1)
    cpu = process.cpu_seconds() - before if process else None
    return report.Round(
        requests=alone.requests + run.requests,
        per_second=run.per_second,
        p50=run.p50,
        p99=run.p99,
        alone=alone.p50,
        cpu_us=cpu / run.requests * 1e6 if cpu is not None and run.requests else None,
        resident_mb=process.resident_bytes() / 1e6 if process else None,
        failed=run.failed + alone.failed,
    )


def with_stations(
    running: Running, result: report.Result, script: Path, seconds: float, seed: int
) -> report.Round:
    """`measure`, and what the gateway says of its stations meanwhile."""
    before = stations.station_seconds(running.probes)
    measured = measure(running, script, seconds, seed)
    after = stations.station_seconds(running.probes)
    for station, spent in after.items():
        spent -= before.get(station, 0.0)
        result.stations[station] = result.stations.get(station, 0.0) + spent
    result.station_requests += measured.requests
    return measured


def describe() -> str:
    """The machine and the programs, so that figures can be compared."""
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False).stderr
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}; {nginx.strip()}"


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments(argv)
    if (os.cpu_count() or 1) < 2:
        print("two cores are needed: one for the proxy, one for the rest", file=sys.stderr)
        return 2
    code = 0
    with tempfile.TemporaryDirectory(prefix="portcullis-bench-") as folder:
        print(describe(), flush=True)
        if options.part in ("all", "requests"):
            code = requests(Path(folder), options)
        if options.part in ("all", "limits"):
            part = Path(folder) / "limits"
            part.mkdir()
            code = max(code, limits.run(part, options.rounds, options.seconds))
        if options.part in ("all", "streams"):
            part = Path(folder) / "streams"
            part.mkdir()
            code = max(code, streams.run(part, options.rounds, options.only))
        if options.part in ("all", "detectors"):
            print(detector_speed.report(), growing_conversation.report(), sep="\n\n", flush=True)
    return code


def requests(folder: Path, options: argparse.Namespace) -> int:
    """The part about whole answers."""
    with contextlib.ExitStack() as stack:
        place = Place(folder)
        scripts = {varied: load.write_script(folder, varied=varied) for varied in (False, True)}
        try:
            upstream = start_upstream(place)
            stack.callback(upstream.stop)
            upstream.wait_for(place.upstream + PATH, load.example_body(), 20)
        except CannotStart as why:
            print(why, file=sys.stderr)
            return 2
        taking_part: list[tuple[Contender, Running, report.Result]] = []
        for contender in (each for each in CONTENDERS if each.name in options.only):
            try:
                running = contender.start(place)
                if running.process:
                    stack.callback(running.process.stop)
                    running.process.wait_for(running.url, load.example_body(), START_SECONDS)
            except CannotStart as why:
                print(f"left out: {contender.title}: {why}", flush=True)
                continue
            script = scripts[contender.varied]
            load.run(running.url, script, connections=CONNECTIONS, seconds=2, seed=1)  # warm up
            taking_part.append((contender, running, report.Result(contender.name, contender.title)))
        seed = int(time.time())
        for number in range(options.rounds):
            for contender, running, result in taking_part:
                script, seed = scripts[contender.varied], seed + 2
                if running.probes:
                    done = with_stations(running, result, script, options.seconds, seed)
                else:
                    done = measure(running, script, options.seconds, seed)
                result.rounds.append(done)
                print(
                    f"round {number + 1}/{options.rounds}  {contender.title:<28}"
                    f"{done.per_second:>10,.0f} req/s  {done.cpu_us or 0:>8.1f} us/req",
                    flush=True,
                )
    results = [result for _, _, result in taking_part]
    print(
        f"\nmedians of {options.rounds} rounds of {options.seconds:g} s, {CONNECTIONS} connections:"
    )
    print(report.table(results))
    print(f"\nratios:\n{report.ratios(results)}")
    for result in results:
        if result.stations:
            print(f"\n{result.title}, by station (time on the clock):")
            print(stations.station_table(result.stations, result.station_requests))
    return 1 if any(result.failed for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
