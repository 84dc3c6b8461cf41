"""The log of admissions, taken from the audit log alone, and what the state file says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gateway.state.journal import Entry
from gateway.state.open import open_store
from gateway.state.store import Cause, Claim, Level, Refusal


def admissions(records: Iterable[dict[str, Any]]) -> list[Entry]:
    """What was asked of the state store and what it answered, in the order of its decisions."""
    limits = [record["limits"] for record in records if "limits" in record]
    return sorted((_entry(each) for each in limits), key=lambda entry: entry.serial)


def _entry(limits: dict[str, Any]) -> Entry:
    claims = tuple(Claim(c["key"], c["amount"], c["limit"]) for c in limits["claims"])
    refused = limits.get("refused")
    refusal = refused and Refusal(refused["index"], Cause(refused["cause"]), refused["retry_after"])
    lease = limits.get("lease", "")
    return Entry(limits["serial"], 0, "admit", lease, claims, (), refusal)


def with_settlements(entries: Sequence[Entry], settled: int) -> list[Entry]:
    """Put in the settlements, for calls that all reserved the same and all cost `settled`.

    Admissions and settlements share one row of serial numbers without gaps, so each number that
    no admission has is a settlement; of which call makes no difference when all are alike.
    """
    whole: list[Entry] = []
    open_ones: list[Entry] = []
    expected = 1

    def settle(serial: int) -> None:
        done = open_ones.pop(0)
        amounts = (settled,) * len(done.claims)
        whole.append(Entry(serial, 0, "settle", done.lease, done.claims, amounts))

    for entry in entries:
        for serial in range(expected, entry.serial):
            settle(serial)
        expected = entry.serial + 1
        whole.append(entry)
        if entry.refusal is None:
            open_ones.append(entry)
    while open_ones:
        settle(expected)
        expected += 1
    return whole


def level(state: Path, key: str) -> Level:
    """How a budget stands in a state file."""

    async def read() -> Level | None:
        store = open_store(f"sqlite:///{state}", time.time)
        await store.open()
        try:
            return await store.peek(key)
        finally:
            await store.close()

    return asyncio.run(read()) or Level(0, 0, 0)
