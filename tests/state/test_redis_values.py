"""Values, when the answers about them are lost."""

from __future__ import annotations

from gateway.state.redis import RedisStore
from gateway.state.redis_url import Place
from tests.state.local_redis import LocalRedis, needs_redis
from tests.state.lossy import Lossy

pytestmark = needs_redis


async def test_an_add_whose_answer_was_lost_knows_its_own_value(redis_server: LocalRedis) -> None:
    async with Lossy(redis_server.port) as relay:
        store = RedisStore(Place("standalone", (("127.0.0.1", relay.port),), namespace="adds"))
        await store.open()
        assert await store.add("others", b"same", 30)
        relay.answers_to_lose = 1
        assert await store.add("own", b"same", 30)
        relay.answers_to_lose = 1
        assert not await store.add("others", b"same", 30)
        assert relay.lost == 2
        assert await store.get("own") == b"same"
        await store.close()


async def test_a_value_that_cannot_be_kept_fails_alone(redis_server: LocalRedis) -> None:
    store = RedisStore(redis_server.place("alone"))
    await store.open()
    await store.put("v", b"", 1e30)  # as long as there is time
    assert await store.get("v") == b""
    await store.close()
