"""Heads in the state store: signed, found again, and never for another folder."""

import time

import orjson
import pytest

from gateway.audit.chain import Head, Seal
from gateway.audit.heads import TEN_YEARS, StoreHeads
from gateway.state.memory import MemoryStore
from tests.audit.logbook import KEY, OTHER_KEY


async def store():
    opened = MemoryStore(time.time)
    await opened.open()
    return opened


async def test_what_was_saved_is_found_by_another_reader():
    shared = await store()
    writer = StoreHeads(shared, Seal(KEY), "/audit")
    await writer.save(Head("a", 1, "1" * 64))
    await writer.save(Head("b", 5, "5" * 64))
    await writer.save(Head("a", 2, "2" * 64))
    reader = StoreHeads(shared, Seal(KEY), "/audit")
    assert await reader.load() == [Head("a", 2, "2" * 64), Head("b", 5, "5" * 64)]
    assert not reader.forged


async def test_writers_of_one_store_do_not_take_each_others_slot():
    shared = await store()
    for name in ("a", "b", "c"):
        await StoreHeads(shared, Seal(KEY), "/audit").save(Head(name, 0, "0" * 64))
    chains = [head.chain for head in await StoreHeads(shared, Seal(KEY), "/audit").load()]
    assert chains == ["a", "b", "c"]


async def test_restart_does_not_register_a_chain_twice():
    shared = await store()
    for seq in range(3):
        heads = StoreHeads(shared, Seal(KEY), "/audit")
        await heads.load()
        await heads.save(Head("a", seq, "1" * 64))
    assert len(await StoreHeads(shared, Seal(KEY), "/audit").load()) == 1


async def test_chains_of_another_folder_are_not_missed_here():
    shared = await store()
    await StoreHeads(shared, Seal(KEY), "/one").save(Head("a", 1, "1" * 64))
    reader = StoreHeads(shared, Seal(KEY), "/two")
    assert await reader.load() == []
    assert await reader.head("a") == Head("a", 1, "1" * 64)


@pytest.mark.parametrize("value", [b"", b"null", b"[1]", b'["1", "2", "3"]', b"{}"])
async def test_value_that_is_no_head_is_forged(value):
    shared = await store()
    await StoreHeads(shared, Seal(KEY), "/audit").save(Head("a", 9, "9" * 64))
    await shared.put("audit/head/a", value, TEN_YEARS)
    reader = StoreHeads(shared, Seal(KEY), "/audit")
    assert await reader.load() == []
    assert reader.forged == ["a"]


async def test_head_that_somebody_without_the_key_lowered_is_forged():
    shared = await store()
    await StoreHeads(shared, Seal(KEY), "/audit").save(Head("a", 9, "9" * 64))
    mac = Seal(OTHER_KEY).head_mac("a", 3, "3" * 64)
    await shared.put("audit/head/a", orjson.dumps([3, "3" * 64, mac]), TEN_YEARS)
    reader = StoreHeads(shared, Seal(KEY), "/audit")
    assert await reader.load() == []
    assert reader.forged == ["a"]
