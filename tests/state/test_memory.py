"""The store in memory."""

from __future__ import annotations

import pytest
from hypothesis import settings

from gateway.state import memory
from gateway.state.journal import Entry
from gateway.state.memory import MemoryStore
from gateway.state.store import Claim, Store, StoreError
from tests.state.conformance import Clock, Conformance
from tests.state.model import StoreMachine


class TestMemory(Conformance):
    @pytest.fixture
    async def store(self, clock: Clock, journal: list[Entry]) -> Store:
        return MemoryStore(clock, journal.append)

    async def size(self, store: Store) -> int:
        assert isinstance(store, MemoryStore)
        return len(store._counters) + len(store._values)


class MemoryMachine(StoreMachine):
    def make(self) -> Store:
        return MemoryStore(self.clock, self.entries.append)


TestMemoryModel = MemoryMachine.TestCase
TestMemoryModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


async def test_it_refuses_rather_than_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_KEYS", 10)
    store = MemoryStore(Clock())
    for number in range(10):
        await store.admit([Claim(f"k{number}", 1, 10)])
        await store.put(f"v{number}", b"x", 60)
    with pytest.raises(StoreError, match="full"):
        await store.admit([Claim("one more", 1, 10)])
    with pytest.raises(StoreError, match="full"):
        await store.put("one more", b"x", 60)
