"""The connection to a Redis, a Sentinel's primary or a Cluster; and what becomes of its failures.

Rules of this file:
- Work that is handed in may be carried out several times: a lost answer looks like a lost call.
- A call fails within `PATIENCE`. While the server is away later calls fail at once, and one task
  looks for it in the background.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from redis import asyncio as client
from redis import exceptions
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from gateway.state.presence import Presence
from gateway.state.redis_errors import FAILURES, UnansweredError, explain, may_pass
from gateway.state.redis_url import Place
from gateway.state.store import StoreError

T = TypeVar("T")
Work = Callable[[Any, bool], Awaitable[T]]
"""Is given the client, and whether an earlier attempt may have been carried out."""

PATIENCE = 0.9
"""Seconds until a call has failed, all attempts together."""
ATTEMPT = 0.4
"""Seconds for one attempt: to connect, or to be answered."""
_PAUSE = 0.01  # before the second attempt; twice as long each time
_LOOK_EVERY = 0.25

_log = logging.getLogger("portcullis.state")


class Link:
    """`probe` is a key on the server of the counters: while that is away, it is looked for by
    writing it. When that works `found` is called, and `presence` told."""

    def __init__(
        self,
        place: Place,
        presence: Presence,
        probe: str,
        found: Callable[[], None],
    ) -> None:
        self.place = place
        self._presence = presence
        self.probe = probe
        self._found = found
        self._client: Any = None
        self._away: StoreError | None = None
        self._search: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect. Raises StoreError with what to do."""
        self._client = _client(self.place)
        try:
            await self.do(lambda redis, _: redis.ping())
            await self._check_eviction()
        except StoreError:
            await self.close()
            raise

    async def close(self) -> None:
        if self._search is not None:
            self._search.cancel()
            await asyncio.gather(self._search, return_exceptions=True)
            self._search = None
        if self._client is not None:
            redis, self._client = self._client, None
            await redis.aclose()
        self._away = None

    async def do(self, work: Work[T]) -> T:
        """Carry work out.

        Raises:
            UnansweredError: it may have been carried out or not.
            StoreError: it was not.
        """
        if self._client is None:
            raise StoreError(f"{self.place}: the state store is not open")
        if self._away is not None:
            raise StoreError(*self._away.args)
        time = asyncio.get_running_loop().time
        ends, pause, again = time() + PATIENCE, _PAUSE, False
        while True:
            try:
                return await self._attempt(work, again, ends - time())
            except FAILURES as error:
                if not may_pass(error):
                    raise self._explained(error, again) from error
                if time() + pause >= ends:
                    raise self._lost(explain(self.place, error)) from error
                if isinstance(error, exceptions.ReadOnlyError):
                    await self._let_go()
            again = True
            await asyncio.sleep(pause)
            pause *= 2

    async def _attempt(self, work: Work[T], again: bool, left: float) -> T:
        async with asyncio.timeout(min(2 * ATTEMPT, left)):
            return await work(self._client, again)

    def _explained(self, error: BaseException, again: bool) -> StoreError:
        told = explain(self.place, error)
        return UnansweredError(*told.args) if again else told

    def _lost(self, error: StoreError) -> StoreError:
        """Remember that it is away, and begin to look for it."""
        if self._away is None and self._client is not None:
            _log.error("the state store is away: %s", error)
            self._away = error
            self._presence.lost()
            self._search = asyncio.get_running_loop().create_task(self._look())
        return error

    async def _look(self) -> None:
        while self._away is not None:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                await self._attempt(self._write, True, ATTEMPT)
            except FAILURES:
                continue
            _log.info("the state store is back: %s", self.place)
            self._away = None
        self._presence.found()
        self._found()

    async def _write(self, redis: Any, _: bool) -> None:
        await redis.execute_command("SET", self.probe, "", "PX", 60_000)

    async def _let_go(self) -> None:
        """The primary became a replica: connections to it lead to the wrong place."""
        if self.place.mode != "cluster":
            await self._client.connection_pool.disconnect(inuse_connections=False)

    async def _check_eviction(self) -> None:
        """A server that throws keys away loses what was spent."""
        if self.place.mode == "cluster":
            return
        try:
            memory = await self._client.info("memory")
        except FAILURES:
            return  # a user that may not ask
        policy = memory.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            _log.warning(
                "%s may throw keys away when its memory is full (maxmemory-policy %s), and with "
                "them what was spent: set it to noeviction",
                self.place,
                policy,
            )


def _client(place: Place) -> Any:
    """A client that connects when it is first used, and tries nothing twice by itself."""
    common: dict[str, Any] = {
        "socket_timeout": ATTEMPT,
        "socket_connect_timeout": ATTEMPT,
        "retry": Retry(NoBackoff(), 0),
        "client_name": "portcullis",
        "protocol": 2,
    }
    if place.tls:
        common["ssl"] = True
        common["ssl_ca_certs"] = place.ca or None
        common["ssl_certfile"] = place.cert or None
        common["ssl_keyfile"] = place.key or None
    user: dict[str, Any] = {"username": place.username or None, "password": place.password or None}
    if place.mode == "cluster":
        nodes = [ClusterNode(host, port) for host, port in place.hosts]
        return client.RedisCluster(startup_nodes=nodes, **common, **user)
    if place.mode == "sentinel":
        own: dict[str, Any] = {"username": place.sentinel_username or None}
        own["password"] = place.sentinel_password or None
        hosts = list(place.hosts)
        sentinel = Sentinel(hosts, sentinel_kwargs={**common, **own})  # type: ignore[no-untyped-call]
        return sentinel.master_for(place.service, db=place.db, **common, **user)
    host, port = place.hosts[0]
    return client.Redis(host=host, port=port, db=place.db, **common, **user)
