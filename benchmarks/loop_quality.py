"""How well `loop` tells loops from work, on recorded runs: `python -m benchmarks.loop_quality`.

Data: `../shared/data/dev/loops_*.jsonl.gz` (InterCode and tau-bench trajectories, MIT; see the
README there), or the folder in PORTCULLIS_TEST_DATA. Its labels come from counting identical
calls, whatever they gave; a person did not look. So the table says more than right and wrong:
how many runs the rule would have warned and stopped, and how many calls that saves.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.dialects.base import Step, StepKind, ToolCall
from gateway.policy.kinds.loop import failures, repetition

REPEATS = (3, 4, 5)
ERRORS = 10
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass
class Tally:
    """What happened to the runs of one label: how many were blocked by `repeats` (for each
    setting), how many by `max_errors`, and the calls that the largest `repeats` saved."""

    runs: int = 0
    calls: int = 0
    blocked: Counter[int] = field(default_factory=Counter)
    by_errors: int = 0
    saved: int = 0


def runs_of(path: Path) -> Iterator[dict[str, Any]]:
    """The recorded runs of one file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def steps_of(run: dict[str, Any]) -> list[Step]:
    """A run as a history: a human message, then each action with its observation."""
    steps = [Step(StepKind.HUMAN)]
    for number, (action, seen) in enumerate(zip(run["actions"], run["observations"], strict=False)):
        name, _, arguments = action.partition("(")
        if not arguments.endswith(")"):
            name, arguments = "execute", json.dumps({"command": action})
        call = ToolCall(f"call_{number}", name, arguments.removesuffix(")"))
        steps.append(Step(StepKind.MODEL, calls=[call]))
        steps.append(Step(StepKind.RESULT, call_id=call.id, text=seen))
    return steps


def judge(run: dict[str, Any], tally: Tally) -> None:
    """Replay a run request by request, as the gateway would see it."""
    steps = steps_of(run)
    tally.runs += 1
    tally.calls += len(steps) // 2
    most = errors = saved = 0
    for end in range(3, len(steps) + 1, 2):
        seen = steps[:end]
        most = max(most, repetition(seen)[0])
        errors = max(errors, failures(seen))
        if most >= REPEATS[-1] and not saved:
            saved = (len(steps) - end) // 2
    tally.blocked.update(repeats for repeats in REPEATS if most >= repeats)
    tally.by_errors += errors >= ERRORS
    tally.saved += saved


def main() -> int:
    """Print one line a file and label. Exit code 2 where the data is absent."""
    folder = Path(os.environ.get("PORTCULLIS_TEST_DATA", DATA)) / "dev"
    files = sorted(folder.glob("loops_*.jsonl.gz"))
    if not files:
        print(f"no loops_*.jsonl.gz under {folder}", file=sys.stderr)
        return 2
    columns = " ".join(f"{f'repeats {n}':>9}" for n in REPEATS)
    errors = f"max_errors {ERRORS}"
    print(f"{'data':10} {'label':8} {'runs':>5} {columns} {errors:>13} {'saved calls':>13}")
    for path in files:
        tallies: dict[str, Tally] = defaultdict(Tally)
        for run in runs_of(path):
            judge(run, tallies[run["heuristic_label"]])
        for label, tally in sorted(tallies.items()):
            name = path.name.split(".")[0].removeprefix("loops_")
            blocked = " ".join(f"{tally.blocked[n]:9}" for n in REPEATS)
            saved = f"{tally.saved} of {tally.calls}"
            print(f"{name:10} {label:8} {tally.runs:5} {blocked} {tally.by_errors:13} {saved:>13}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
