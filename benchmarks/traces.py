"""What traces cost: off, on, and one call of ten. `python -m benchmarks.traces`

Each gateway has one worker, audit and no rules; they share a core, one running at a time. The
provider plays the collector too, and takes everything. CPU is that of the whole process, so that of
the thread that sends spans is in it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import load, report
from benchmarks.contenders import PATH, Place, Running, start_gateway, start_upstream
from benchmarks.processes import CannotStart

CONNECTIONS = 64
START_SECONDS = 60.0
POLICY = "bench-off.yaml"
TENTH = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print a table: 1 where calls failed, 2 where something could not start."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.traces", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--seconds", type=float, default=4, help="of each run at full load (4)")
    options = parser.parse_args(argv)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="portcullis-traces-"))
        place = Place(Path(folder))
        try:
            sides = _start(place, stack)
        except CannotStart as why:
            print(why, file=sys.stderr)
            return 2
        script = load.write_script(place.folder, varied=False)
        seed = int(time.time())
        for running, _ in sides:
            load.run(running.url, script, connections=CONNECTIONS, seconds=2, seed=seed)
        for _ in range(options.rounds):
            for running, result in sides:
                seed += 2
                result.rounds.append(_measure(running, script, options.seconds, seed))
    results = [result for _, result in sides]
    print(f"medians of {options.rounds} rounds of {options.seconds:g} s:")
    print(report.table(results))
    return 1 if any(result.failed for result in results) else 0


def _start(place: Place, stack: contextlib.ExitStack) -> list[tuple[Running, report.Result]]:
    upstream = start_upstream(place)
    stack.callback(upstream.stop)
    upstream.wait_for(place.upstream + PATH, load.example_body(), START_SECONDS)
    collector = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{place.upstream}{PATH}/traces"}
    sides = []
    for name, title, environment in (
        ("off", "no traces", {}),
        ("on", "every call traced", collector),
        ("tenth", "one call of ten traced", {**collector, **TENTH}),
    ):
        with _environment(environment):
            running = start_gateway(place, name, POLICY)
        assert running.process is not None
        stack.callback(running.process.stop)
        running.process.wait_for(running.url, load.example_body(), START_SECONDS)
        sides.append((running, report.Result(name, title)))
    return sides


@contextlib.contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    """What is started meanwhile sees these variables too."""
    os.environ.update(more)
    try:
        yield
    finally:
        for name in more:
            del os.environ[name]


def _measure(running: Running, script: Path, seconds: float, seed: int) -> report.Round:
    assert running.process is not None
    alone = load.run(running.url, script, connections=1, seconds=1, seed=seed)
    before = running.process.cpu_seconds()
    run = load.run(running.url, script, connections=CONNECTIONS, seconds=seconds, seed=seed + 1)
    spent = running.process.cpu_seconds() - before
    return report.Round(
        requests=alone.requests + run.requests,
        per_second=run.per_second,
        p50=run.p50,
        p99=run.p99,
        alone=alone.p50,
        cpu_us=spent / run.requests * 1e6 if run.requests else None,
        resident_mb=running.process.resident_bytes() / 1e6,
        failed=run.failed + alone.failed,
    )


if __name__ == "__main__":
    sys.exit(main())
