"""A whole worker in this process, its event loop in a thread: its parts can be looked at, and be
made to fail."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from gateway.app import build
from gateway.config.keys import load_master_key
from gateway.config.settings import Address, read_settings
from gateway.worker import Parts, Worker
from tests.proxy.wire import WAIT

T = TypeVar("T")


def policy(url: str, *rules: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A policy file: three providers at `url`, one tenant for whoever calls."""
    return {
        "version": 1,
        "upstreams": {
            "openai": {"provider": "openai", "url": url},
            "anthropic": {"provider": "anthropic", "url": url},
            "google": {"provider": "gemini", "url": url},
        },
        "tenants": {"local": {"policies": ["p"]}},
        "default_tenant": "local",
        "policies": {"p": {"rules": list(rules)}},
        **more,
    }


class LocalGateway:
    """Use as a context manager. `parts` may be changed before the first call."""

    def __init__(
        self,
        folder: Path,
        file: Mapping[str, Any],
        *,
        state: str = "memory://",
        arrange: Callable[[Parts], None] = lambda parts: None,
    ) -> None:
        self.audit = folder / "audit"
        self._folder = folder
        self._file = file
        self._state = state
        self._arrange = arrange
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)
        self.parts: Parts
        self.worker: Worker

    def __enter__(self) -> LocalGateway:
        self._thread.start()
        assert self._ready.wait(WAIT)
        if self._error is not None:
            raise self._error
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WAIT)
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - raised again where the test waits
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        flags = {"state": self._state, "audit": str(self.audit)}
        variables = {
            "XDG_STATE_HOME": str(self._folder),
            "PORTCULLIS_MASTER_KEY_FILE": str(self._folder / "master.key"),
        }
        settings = read_settings(flags, variables)
        sock = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = Address("127.0.0.1", sock.getsockname()[1])
        self.base = f"http://{self.address}"
        texts = {"policy.yaml": json.dumps(self._file).encode()}
        master = load_master_key(settings.master_key, make=True)
        self.parts, current = await build(settings, self.address, texts, master, 0)
        self._arrange(self.parts)
        self.worker = Worker(self.parts, current)
        await self.worker.start({"listen": str(self.address)})
        await self.parts.server.start(sock)
        self._ready.set()
        await self._stop.wait()
        await self.worker.drain(1.0)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the gateway's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT)

    def idle(self) -> None:
        """Wait until no call is running, and every closing is done."""

        async def wait() -> None:
            assert await self.parts.closer.drained(WAIT)
            await self.parts.closer.idle()

        self.do(wait())

    def records(self, kind: str = "closed") -> list[dict[str, Any]]:
        """The lines of the audit log of one type."""
        lines = b"".join(path.read_bytes() for path in sorted(self.audit.glob("*.jsonl")))
        found = [json.loads(line) for line in lines.split(b"\n") if line.endswith(b"}")]
        return [record for record in found if record["type"] == kind]

    def record(self, exchange: str) -> dict[str, Any]:
        """The `closed` line of one call."""
        return next(record for record in self.records() if record["id"] == exchange)
