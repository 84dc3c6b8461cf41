"""Real Redis servers for tests: free ports, their own folders, stopped at the end."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import redis

from gateway.state.redis_url import Place
from gateway.state.store import Level, Store, StoreError
from tests.state.conformance import Clock

PROGRAM = shutil.which("redis-server")
START_TIMEOUT = 20.0

needs_redis = pytest.mark.skipif(
    PROGRAM is None, reason="redis-server is not here: apt-get install redis-server"
)


def free_port() -> int:
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class LocalRedis:
    """One server on loopback. `flags` are lines of its configuration; it keeps its port."""

    def __init__(self, folder: Path, flags: Sequence[str] = (), *, port: int = 0) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._flags = list(flags)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=10)

    def place(self, namespace: str = "portcullis") -> Place:
        return Place("standalone", (("127.0.0.1", self.port),), namespace=namespace)

    def __enter__(self) -> LocalRedis:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, *more: str) -> None:
        assert PROGRAM is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = ["bind 127.0.0.1", f"port {self.port}", f"dir {self.folder}", "save ''"]
        settings = self.folder / "redis.conf"
        settings.write_text("\n".join([*lines, *self._flags]) + "\n")
        with (self.folder / "log").open("a") as log:
            self._process = subprocess.Popen([PROGRAM, settings, *more], stdout=log, stderr=log)
        self.wait_for_port()

    def wait_for_port(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self._process.poll() is None:
            with closing(socket.socket()) as sock:
                if sock.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        log = (self.folder / "log").read_text()
        raise RuntimeError(f"redis-server did not start:\n{log[-2000:]}")

    def stop(self) -> None:
        """At once; what it was told to keep in a file is there."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


@contextmanager
def local_redis(*flags: str) -> Iterator[LocalRedis]:
    with (
        tempfile.TemporaryDirectory(prefix="redis-") as folder,
        LocalRedis(Path(folder), flags) as r,
    ):
        yield r


_AGE = """
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local left = redis.call('PTTL', key)
  if left >= 0 then
    if left <= tonumber(ARGV[2]) then redis.call('DEL', key)
    else redis.call('PEXPIRE', key, left - ARGV[2]) end
  end
end
"""


class AgeingClock(Clock):
    """When it is set on, the keys of a namespace come as much nearer to their end."""

    def __init__(self, client: redis.Redis, namespace: str) -> None:
        self._client, self._pattern = client, f"*{namespace}*"
        self._now = 0.0
        super().__init__()

    @property
    def now(self) -> float:  # type: ignore[override]
        return self._now

    @now.setter
    def now(self, now: float) -> None:
        passed, self._now = now - self._now, now
        if 0 < passed < now:
            self._client.eval(_AGE, 0, self._pattern, str(round(passed * 1000)))


def synced(replica: LocalRedis) -> None:
    """Wait until a replica has all that its primary has."""
    deadline = time.monotonic() + START_TIMEOUT
    while replica.client.info("replication")["master_link_status"] != "up":
        assert time.monotonic() < deadline, (replica.folder / "log").read_text()[-2000:]
        time.sleep(0.02)


async def until(store: Store, key: str, level: Level) -> None:
    """Wait until a counter stands like that; a store that is away may come back meanwhile."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(StoreError):
                if await store.peek(key) == level:
                    return
            await asyncio.sleep(0.02)
