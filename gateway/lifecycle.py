"""The supervisor: starts workers, reloads the policy in all of them, restarts one that dies,
drains and stops.

Rules of this file:
- The supervisor carries no calls. It owns the sockets, so that a worker may die without a
  connection being refused, and the probe and admin listeners.
- A reload is all or nothing: every worker takes the new policy, or the old one stays and the
  problems are kept for `/readyz`, the metric and the log.
- What a worker runs is the text that the supervisor read, never the file a second time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway import __version__
from gateway.config.load import Loaded, load_texts, read_sources
from gateway.config.settings import Settings
from gateway.config.versions import Versions
from gateway.config.watch import Watch
from gateway.control import GoneError, Line
from gateway.errors import ConfigError

START_TIMEOUT = 60.0
"""Seconds that a worker may take to be ready; loading detectors takes one or two."""

ASK_TIMEOUT = 10.0
WATCH_INTERVAL = 1.0
RESTART_PAUSE = (0.1, 0.5, 2.0, 5.0, 15.0)
"""Seconds before a worker that died is started again; the last one repeats."""

_log = logging.getLogger("portcullis.lifecycle")


@dataclass(slots=True)
class Reload:
    """What became of the last attempt to load the policy. Times are unix seconds."""

    digest: str = ""
    loaded_at: float = 0.0
    failed_at: float = 0.0
    failures: int = 0
    loads: int = 0
    problems: list[str] = field(default_factory=list)
    pinned: str = ""


@dataclass(slots=True)
class WorkerProcess:
    """One worker as the supervisor sees it."""

    number: int
    process: subprocess.Popen[bytes]
    line: Line
    ready: bool = False
    started: float = 0.0


class Supervisor:
    """Runs the workers of one gateway.

    Args:
        flags: the settings as they were given, handed to the workers as they are.
        sock: the data listener's socket, bound and listening.
    """

    def __init__(
        self,
        settings: Settings,
        flags: Mapping[str, str | None],
        sock: socket.socket,
        variables: Mapping[str, str],
    ) -> None:
        self.settings = settings
        self.status = Reload()
        self.workers: dict[int, WorkerProcess] = {}
        self.restarts = 0
        self.draining = False
        self.loaded: Loaded | None = None
        self._flags = dict(flags)
        self._sock = sock
        self._variables = variables
        self._texts: dict[str, bytes] = {}
        self._versions = Versions(settings.folder)
        self._stop = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: Watch | None = None

    # --- start ---

    async def start(self) -> None:
        """Load the policy and start every worker.

        Raises:
            ConfigError: the policy cannot be used, or a worker says that it cannot start.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop)
        loaded, texts, source, pinned = self._read()
        self._take(loaded, texts, pinned)
        await asyncio.gather(*(self._spawn(n) for n in range(self.settings.workers)))
        self._versions.serve(loaded.digest, texts, source, time.time())
        self._watch = Watch(self.settings.policies, self._versions, WATCH_INTERVAL)
        self._spawn_task(self._follow(self._watch))
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn_task(self._reload_logged()))

    async def run(self) -> int:
        """Wait until told to stop, then drain. Returns the exit code."""
        await self._stop.wait()
        await self.drain()
        return 0

    def _on_stop(self) -> None:
        if self._stop.is_set():  # asked twice: at once
            for worker in self.workers.values():
                worker.process.kill()
        self._stop.set()

    # --- the policy ---

    def _read(self) -> tuple[Loaded, dict[str, bytes], dict[str, bytes], str]:
        source = read_sources(self.settings.policies)
        texts, pinned = self._versions.choose(source)
        return load_texts(texts, self._variables), texts, source, pinned

    def _take(self, loaded: Loaded, texts: dict[str, bytes], pinned: str) -> None:
        self.loaded, self._texts = loaded, texts
        status = self.status
        status.digest, status.loaded_at, status.pinned = loaded.digest, time.time(), pinned
        status.loads += 1
        status.problems = []
        for warning in loaded.warnings:
            _log.warning("policy: %s", warning)

    async def reload(self) -> list[str]:
        """Load the policy again and give it to every worker. Returns the problems, if any."""
        async with self._reloading:
            try:
                loaded, texts, source, pinned = self._read()
                if loaded.digest == self.status.digest:
                    self.status.problems = []
                    self.status.pinned = pinned
                    return []
                await self._hand_out(texts)
            except ConfigError as error:
                self.status.problems = error.problems
                self.status.failed_at = time.time()
                self.status.failures += 1
                for problem in error.problems:
                    _log.error("policy not loaded: %s", problem)
                return error.problems
            before = self.status.digest
            self._take(loaded, texts, pinned)
            self._versions.serve(loaded.digest, texts, source, time.time())
            _log.info("policy loaded", extra={"before": before, "digest": loaded.digest})
            return []

    async def _hand_out(self, texts: dict[str, bytes]) -> None:
        """Give texts to all workers. One that refuses keeps the others from keeping it."""
        fields = {"texts": {name: text.decode() for name, text in texts.items()}}
        prepared = await self._ask_all("prepare", **fields)
        problems = [p for answer in prepared.values() for p in answer.get("problems", ())]
        if problems:
            raise ConfigError(list(dict.fromkeys(problems)))
        await self._ask_all("commit")

    async def _reload_logged(self) -> None:
        await self.reload()
        if self._watch is not None:
            self._watch.seen()

    async def _follow(self, watch: Watch) -> None:
        async for _ in watch.changes():
            await self.reload()

    # --- workers ---

    async def _spawn(self, number: int) -> None:
        ours, theirs = socket.socketpair()
        process = subprocess.Popen(  # noqa: ASYNC220 - a fork and exec takes no time to speak of
            [sys.executable, "-m", "gateway.app", str(theirs.fileno()), str(self._sock.fileno())],
            pass_fds=(theirs.fileno(), self._sock.fileno()),
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        ours.setblocking(False)
        worker = WorkerProcess(number, process, await Line.open(ours), started=time.time())
        self.workers[number] = worker
        serving = asyncio.get_running_loop().create_task(worker.line.serve())
        try:
            answer = await worker.line.ask(
                "start",
                START_TIMEOUT,
                number=number,
                flags=self._flags,
                listen=str(self.settings.listen),
                texts={name: text.decode() for name, text in self._texts.items()},
            )
        except (GoneError, TimeoutError):
            process.kill()
            answer = {"problems": [f"worker {number} did not start; its log says why"]}
        if answer.get("problems"):
            self.workers.pop(number, None)
            process.kill()
            process.wait()
            raise ConfigError(answer["problems"])
        worker.ready = True
        self._spawn_task(self._guard(worker, serving))

    async def _guard(self, worker: WorkerProcess, serving: asyncio.Task[None]) -> None:
        """Wait for a worker's end; start it again unless that was wanted."""
        await serving
        worker.ready = False
        code = await asyncio.to_thread(worker.process.wait)
        self.workers.pop(worker.number, None)
        if self._stop.is_set():
            return
        _log.error("worker %d ended with code %d", worker.number, code)
        if time.time() - worker.started > 60:
            self.restarts = 0
        while not self._stop.is_set():
            await asyncio.sleep(RESTART_PAUSE[min(self.restarts, len(RESTART_PAUSE) - 1)])
            self.restarts += 1
            try:
                await self._spawn(worker.number)
            except ConfigError as error:
                _log.error("worker %d: %s", worker.number, error)
            else:
                return

    async def _ask_all(self, do: str, **fields: Any) -> dict[int, dict[str, Any]]:
        """Ask every running worker. One that dies meanwhile starts with the policy of then."""

        async def ask(worker: WorkerProcess) -> dict[str, Any]:
            try:
                return await worker.line.ask(do, ASK_TIMEOUT, **fields)
            except (GoneError, TimeoutError):
                return {}

        workers = [worker for worker in self.workers.values() if worker.ready]
        answers = await asyncio.gather(*(ask(worker) for worker in workers))
        return {w.number: a for w, a in zip(workers, answers, strict=True) if a}

    async def samples(self) -> list[Any]:
        """Every worker's metrics, for one scrape."""
        answers = await self._ask_all("metrics")
        return [answer["samples"] for answer in answers.values()]

    async def health(self) -> dict[int, dict[str, Any]]:
        """What every worker says of itself."""
        return await self._ask_all("health")

    # --- stop ---

    async def drain(self) -> None:
        """No new calls; running ones finish up to the policy's `limits.drain`; then stop."""
        self.draining = True
        self._stop.set()
        self._sock.close()  # else callers would queue up where nobody accepts
        limit = self.loaded.file.limits.drain if self.loaded is not None else 0.0
        workers = list(self.workers.values())

        async def end(worker: WorkerProcess) -> None:
            try:
                await worker.line.ask("drain", limit + ASK_TIMEOUT, limit=limit)
            except (GoneError, TimeoutError):
                worker.process.terminate()
            worker.line.close()  # the worker ends when its line does
            try:
                await asyncio.to_thread(worker.process.wait, ASK_TIMEOUT)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                await asyncio.to_thread(worker.process.wait)

        await asyncio.gather(*(end(worker) for worker in workers))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn_task(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def describe(self) -> dict[str, Any]:
        """The supervisor's own state, for `/readyz` and the admin listener."""
        ready = [w for w in self.workers.values() if w.ready]
        return {
            "version": __version__,
            "pid": os.getpid(),
            "policy": self.status.digest,
            "pinned": self.status.pinned or None,
            "policy_problems": self.status.problems,
            "workers": {"wanted": self.settings.workers, "ready": len(ready)},
            "draining": self.draining,
        }
