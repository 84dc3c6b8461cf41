"""How well `injection` and `secrets` do on texts that others wrote.

    python -m benchmarks.detector_quality [injection | secrets]

Data: `../shared/data/dev` (its README names sources and licences), or the folder in
PORTCULLIS_TEST_DATA. Prints the tables of docs/kinds/injection.md and docs/kinds/secrets.md. The
signatures and formats were written with these texts in sight: on others expect less.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.detectors.secrets import ENTITIES, SecretScanner
from gateway.detectors.signatures import DEFAULT_THRESHOLD, SignatureScanner

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
ATTACKS = ("injection", "jailbreak")
DISCUSSIONS = ("benign_hard", "benign_discusses_attacks", "harmful_not_injection")
"""Not attacks, but hard to tell from them: reported apart, never as the false-positive rate."""


def rows(*beginnings: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(source, row) of every file whose name begins with one of these."""
    folder = Path(os.environ.get("PORTCULLIS_TEST_DATA", DATA)) / "dev"
    for path in sorted(folder.glob("*.jsonl.gz")):
        name = path.name.removesuffix(".jsonl.gz")
        if name.startswith(beginnings):
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                for line in lines:
                    yield name, json.loads(line)


def threshold_at(scores: list[float], rate: float) -> float:
    """The least score that at most that share of the scores reaches."""
    ordered = sorted(scores, reverse=True)
    allowed = int(len(ordered) * rate)
    return ordered[allowed] + 1e-9 if allowed < len(ordered) else 0.0


def injection() -> None:
    """Recall by source at the default threshold and at fixed false-positive rates."""
    scanner = SignatureScanner()
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    for source, row in rows("injection", "jailbreak", "benign", "grey"):
        scores[source, row["kind"]].append(scanner.score(row["text"]))
    benign = [score for (_, kind), some in scores.items() if kind == "benign" for score in some]
    at = (DEFAULT_THRESHOLD, threshold_at(benign, 0.01), threshold_at(benign, 0.001))
    print(f"thresholds: default {at[0]}, FPR 1% {at[1]:.2f}, FPR 0.1% {at[2]:.2f}")
    print(
        "| source | kind | texts | default | at FPR 1% | at FPR 0.1% |\n|---|---|---|---|---|---|"
    )
    print(_line("all benign", "benign", benign, at))
    for wanted in (ATTACKS, DISCUSSIONS, ("benign",)):
        for (source, kind), some in scores.items():
            if kind in wanted:
                print(_line(source, kind, some, at))


def _line(source: str, kind: str, scores: list[float], at: tuple[float, ...]) -> str:
    shares = " | ".join(f"{sum(s >= one for s in scores) / len(scores):.1%}" for one in at)
    return f"| {source} | {kind} | {len(scores)} | {shares} |"


def secrets() -> None:
    """How many texts of each source and kind something is found in."""
    scanner = SecretScanner(ENTITIES)
    found: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for source, row in rows("secrets", "benign"):
        found[source, row["kind"]].append(bool(scanner.find(row["text"])))
    print("| source | kind | texts | found in |\n|---|---|---|---|")
    for (source, kind), some in found.items():
        print(f"| {source} | {kind} | {len(some)} | {sum(some) / len(some):.1%} |")


if __name__ == "__main__":
    asked = sys.argv[1:] or ["injection", "secrets"]
    for name in asked:
        {"injection": injection, "secrets": secrets}[name]()
