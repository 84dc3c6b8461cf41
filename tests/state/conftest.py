"""One Redis for all tests of a session that need no more than an empty one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.state.local_redis import PROGRAM, LocalRedis, local_redis


@pytest.fixture(scope="session")
def redis_server() -> Iterator[LocalRedis]:
    if PROGRAM is None:
        pytest.skip("redis-server is not here: apt-get install redis-server")
    with local_redis() as server:
        yield server
