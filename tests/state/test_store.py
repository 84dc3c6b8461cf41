"""The protocol: what other stations lean on is there in every store."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from gateway.state.memory import MemoryStore
from gateway.state.sqlite import SqliteStore
from gateway.state.store import Claim, Store
from tests.state.conformance import Clock

CALLS = [name for name, each in vars(Store).items() if name[0] != "_" and callable(each)]


@pytest.mark.parametrize("store", [MemoryStore(Clock()), SqliteStore(Path("x.db"), Clock())])
@pytest.mark.parametrize("call", CALLS)
def test_every_store_has_every_call_with_its_parameters(store: Store, call: str) -> None:
    made = inspect.signature(getattr(store, call))
    asked = inspect.signature(getattr(Store, call))
    assert list(made.parameters) == [name for name in asked.parameters if name != "self"]
    waited_for = inspect.iscoroutinefunction(getattr(Store, call))
    assert inspect.iscoroutinefunction(getattr(store, call)) is waited_for
    assert store.away_since is None


def test_claims_are_values() -> None:
    assert Claim("k", 1, 2) == Claim("k", 1, 2)
    assert len({Claim("k", 1, 2), Claim("k", 1, 2)}) == 1
