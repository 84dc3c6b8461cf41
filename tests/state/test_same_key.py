"""Two gateways with two master keys cannot share a store by mistake."""

from __future__ import annotations

import pytest

from gateway.state.memory import MemoryStore
from gateway.state.same_key import check_same_key
from gateway.state.store import StoreError
from tests.state.conformance import Clock


async def test_the_first_key_is_remembered_and_another_one_refused() -> None:
    store = MemoryStore(Clock())
    await check_same_key(store, b"one")
    await check_same_key(store, b"one")
    with pytest.raises(StoreError, match="PORTCULLIS_MASTER_KEY_FILE"):
        await check_same_key(store, b"two")
    await check_same_key(store, b"one")
