"""How fast personal data is found, against Presidio's AnalyzerEngine on the same recognizers.

    python -m benchmarks.detector_speed

Texts are made of this project's own pages and code, in 1, 10 and 100 KB: English and JSON around
code, without the lines in which something is found, and JSON full of ids. MB/s are of text, on one
core, the best of several rounds. AnalyzerEngine runs with a no-op NLP engine, so that only the
recognizers are compared.
"""

from __future__ import annotations

import functools
import json
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gateway.detectors.presidio import PresidioScanner
from gateway.detectors.presidio_entities import ENTITIES
from gateway.policy.kinds.pii import DEFAULT_ENTITIES
from tests.detectors.presidio_engine import Engine

ROOT = Path(__file__).parents[1]
SIZES = (1_000, 10_000, 100_000)
ONE_IN = 1_000

_NO_PROSE = re.compile(r"(?s:```.*?```)|^\|.*$|`[^`\n]*`|https?://\S+|^#.*$", re.MULTILINE)


@functools.cache
def english(size: int) -> str:
    """Prose from the pages, without code and tables."""
    pages = "\n".join(path.read_text() for path in sorted((ROOT / "docs").rglob("*.md")))
    prose = " ".join(_clean(_NO_PROSE.sub(" ", pages)).split())
    return (prose * (size // len(prose) + 1))[:size]


@functools.cache
def tool_result(size: int) -> str:
    """What a tool that reads files gives: JSON around code."""
    code = "\n".join(path.read_text() for path in sorted((ROOT / "gateway").rglob("*.py")))
    return json.dumps({"path": "gateway", "content": _clean(code)[:size]})[:size]


def _clean(text: str) -> str:
    """Without the lines in which the default entities are found."""
    scanner = PresidioScanner(DEFAULT_ENTITIES)
    return "\n".join(line for line in text.split("\n") if not scanner.find(line))


def ids(size: int) -> str:
    """Rows of a database as JSON: numbers, hashes, dates."""
    dice = random.Random(1)
    rows = [
        {
            "id": dice.randrange(10**8, 10**10),
            "ref": f"{dice.randrange(16**12):012x}",
            "account": f"{dice.randrange(10**12)}",
            "at": f"2026-11-{dice.randrange(1, 29):02}T08:{dice.randrange(60):02}:00Z",
        }
        for _ in range(size // 60)
    ]
    return json.dumps(rows)[:size]


def with_findings(text: str) -> str:
    """One e-mail address in each kilobyte."""
    pieces = [text[at : at + ONE_IN - 24] for at in range(0, len(text), ONE_IN - 24)]
    return " jane.roe@example.com ".join([*pieces, ""])


def rate(find: Callable[[str], object], text: str, seconds: float) -> float:
    """MB/s of the best run in about `seconds`."""
    best, until = 0.0, time.perf_counter() + seconds
    while not best or time.perf_counter() < until:
        begun = time.perf_counter()
        find(text)
        best = max(best, len(text) / 1e6 / (time.perf_counter() - begun))
    return best


def compare(title: str, entities: list[str], make: Callable[[int], str], seconds: float) -> str:
    """One line: both rates at every size, and how many times faster ours is."""
    ours, theirs = PresidioScanner(entities), Engine(entities, context=False)
    cells = []
    for size in SIZES:
        text = make(size)
        fast = rate(ours.find, text, seconds)
        slow = rate(lambda text: theirs.find(text, 0.4), text, seconds)
        cells.append(f"{fast:>8.1f} {slow:>7.2f} {fast / slow:>6.0f}x")
    return f"{title:<42}" + "".join(f"{cell:>26}" for cell in cells)


def report(seconds: float = 0.5) -> str:
    """The whole table."""
    default, every = list(DEFAULT_ENTITIES), sorted(ENTITIES)
    head = "".join(f"{f'{size // 1000} KB: ours, theirs':>26}" for size in SIZES)
    return "\n".join(
        [
            f"{'Personal data, MB/s':<42}{head}",
            compare("English, nothing found", default, english, seconds),
            compare("JSON and code, nothing found", default, tool_result, seconds),
            compare(
                "English, one finding per KB",
                default,
                lambda size: with_findings(english(size)),
                seconds,
            ),
            compare(
                "JSON and code, one finding per KB",
                default,
                lambda size: with_findings(tool_result(size)),
                seconds,
            ),
            compare("ids in JSON", default, ids, seconds),
            compare("English, all entities", every, english, seconds),
            compare("JSON and code, all entities", every, tool_result, seconds),
        ]
    )


if __name__ == "__main__":
    print(report())
    sys.exit(0)
