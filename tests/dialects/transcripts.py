"""Recorded exchanges and streams of real providers, where the shared data is at hand."""

from __future__ import annotations

import functools
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

DATA = Path(
    os.environ.get(
        "PORTCULLIS_TEST_DATA", Path(__file__).parents[2].resolve().parent / "shared" / "data"
    )
)


@functools.cache
def _rows(file: str) -> list[dict[str, Any]]:
    path = DATA / "transcripts" / file
    if not path.exists():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def exchanges(dialect: str) -> list[dict[str, Any]]:
    """Recorded requests with their answers; skips the test where there are none."""
    return _wanted("recorded_exchanges.jsonl.gz", dialect)


def streams(dialect: str) -> list[dict[str, Any]]:
    """Recorded streams; skips the test where there are none."""
    return _wanted("recorded_streams.jsonl.gz", dialect)


def _wanted(file: str, dialect: str) -> list[dict[str, Any]]:
    found = [row for row in _rows(file) if row["dialect"] == dialect]
    if not found:
        pytest.skip("the recorded transcripts are not here")
    return found
