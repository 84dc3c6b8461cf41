"""The admission log: a true one replays without a word, a wrong one is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.state.journal import Entry, replay
from gateway.state.memory import MemoryStore
from gateway.state.store import Cause, Claim, Refusal
from tests.state.conformance import Clock


@pytest.fixture
async def log() -> list[Entry]:
    entries: list[Entry] = []
    clock = Clock()
    store = MemoryStore(clock, entries.append)
    claims = [Claim("b", 40, 100), Claim("r", 1, 10, refill=(10, 60))]
    leases = [(await store.admit(claims)).lease for _ in range(3)]
    await store.settle(leases[0], [5, 1])
    clock.now += 60
    await store.admit(claims)
    return entries


def test_a_true_log_replays(log: list[Entry]) -> None:
    assert [(e.op, e.refusal is None) for e in log] == [
        ("admit", True),
        ("admit", True),
        ("admit", False),
        ("settle", True),
        ("expire", True),
        ("admit", True),
    ]
    assert replay(reversed(log)) == []


def test_a_refusal_without_cause_is_named(log: list[Entry]) -> None:
    log[1] = replace(log[1], refusal=Refusal(0, Cause.SPENT, 0.0))
    assert any(line.startswith("serial 2:") for line in replay(log))


def test_an_admission_past_the_limit_is_named(log: list[Entry]) -> None:
    log[2] = replace(log[2], refusal=None, lease="made up")
    assert any("serial 3" in line for line in replay(log))


def test_a_gap_is_named(log: list[Entry]) -> None:
    del log[3]
    assert "serial 5 follows 3" in replay(log)


def test_a_settlement_of_nothing_is_named(log: list[Entry]) -> None:
    log[3] = replace(log[3], lease="no.such")
    assert any("was not open" in line for line in replay(log))


def test_over_reservation_in_the_log_itself_is_named() -> None:
    claim = Claim("b", 60, 100)
    lowered = Claim("b", 0, 50)
    entries = [
        Entry(1, 0, "admit", "1", (claim,)),
        Entry(2, 0, "admit", "2", (lowered,)),
    ]
    assert replay(entries) != []
