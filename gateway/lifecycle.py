"""The supervisor: loads the policy, keeps a crew of workers running it, drains and stops.

Rules of this file:
- The supervisor carries no calls. It owns the sockets, so that a worker may die without a
  connection being refused, and the probe and admin listeners.
- A policy that cannot be used changes nothing: the old one stays, and the problems are kept for
  `/readyz`, the metrics and the log until a load succeeds.
- Nothing that goes wrong here ends the workers.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway import __version__
from gateway.config import attached
from gateway.config.load import Loaded, load_sources, read_sources
from gateway.config.settings import Address, Settings
from gateway.config.versions import Versions
from gateway.config.watch import Watch
from gateway.crew import Crew
from gateway.errors import ConfigError
from gateway.listener_tls import ListenerTls
from gateway.self_check import SelfCheck
from gateway.tls import Pems, expires

WATCH_INTERVAL = 1.0

_log = logging.getLogger("portcullis.lifecycle")


@dataclass(slots=True)
class Reload:
    """What became of the attempts to load the policy. Times are unix seconds, 0.0: never."""

    digest: str = ""
    loaded_at: float = 0.0
    failed_at: float = 0.0
    failures: int = 0
    loads: int = 0
    problems: list[str] = field(default_factory=list)
    pinned: str = ""


@dataclass(frozen=True, slots=True)
class _Read:
    """A policy as it was read: `texts` differ from the operator's `source` where one is pinned.
    What workers are handed are the texts of `loaded`, attached files included."""

    loaded: Loaded
    texts: dict[str, bytes]
    source: dict[str, bytes]
    pinned: str


class Supervisor:
    """Runs one gateway.

    Args:
        flags: the settings as they were given, handed to the workers as they are.
        sock: the data listener's socket, bound and listening.
        variables: the environment that the policy may refer to.

    Attributes:
        status: the last attempts to load the policy; `loaded`: the policy in force.
        draining: no new calls are taken any more.
        self_check: of the audit log, None where it is in no folder.
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
        self.loaded: Loaded | None = None
        self.draining = False
        own = [
            each.port
            for each in (settings.listen, settings.probes, settings.admin)
            if isinstance(each, Address)
        ]
        order: dict[str, Any] = {
            "flags": dict(flags),
            "listen": str(settings.listen),
            "own_ports": own,
        }
        self._sock = sock
        self._variables = variables
        self._versions = Versions(settings.folder)
        self._watch = Watch(settings.policies, self._versions, WATCH_INTERVAL)
        self.tls = ListenerTls(settings.tls, WATCH_INTERVAL) if settings.tls is not None else None
        if self.tls is not None:
            order["tls"] = _message(self.tls.load())
        self.crew = Crew(settings.workers, sock, order)
        self.self_check = None if settings.audit_sink else SelfCheck(flags, variables)
        self._reloading = asyncio.Lock()
        self._stop = asyncio.Event()
        self._times_asked = 0
        self._on_terminal = os.isatty(0)
        self._tasks: set[asyncio.Task[None]] = set()

    # --- start ---

    async def start(self) -> None:
        """Load the policy and start every worker.

        Raises:
            ConfigError: the policy cannot be used, or a worker cannot start.
            OSError: the state folder cannot be used.
        """
        self._handle_signals()
        read = self._read()
        self._in_force(read)
        await self.crew.start(read.loaded.text_files)
        self._remember(read)
        self._spawn(self._follow())
        if self.self_check is not None:
            self._spawn(self.self_check.run())
        if self.tls is not None:
            self._spawn(self.tls.follow(self._secure))

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        loop.add_signal_handler(signal.SIGINT, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)

    def _on_hangup(self) -> None:
        if self._on_terminal and not os.isatty(0):
            self.stop()  # the terminal that it was started on is gone
        else:
            self._spawn(self._reload_asked())

    async def run(self) -> int:
        """Wait until told to stop, then drain. Returns the exit code: 1 where calls were killed."""
        await self._stop.wait()
        await self.drain()
        return 1 if self._times_asked > 2 else 0

    def stop(self) -> None:
        """Once: drain. Twice: cut what still runs, and record it. Three times: kill."""
        self._times_asked += 1
        self._stop.set()
        if self._times_asked == 2:
            self.crew.hurry()
        elif self._times_asked > 2:
            self.crew.kill()

    # --- the policy ---

    def _read(self) -> _Read:
        """Read the operator's files, or the pinned version. Raises ConfigError and OSError."""
        source = read_sources(self.settings.policies)
        texts, pinned = self._versions.choose(source)
        try:
            loaded = load_sources(texts, self._variables)
            check_anonymous(self.settings, loaded)
        except ConfigError:
            if self.loaded is not None:
                self._versions.note_source(source)  # so that a rollback holds against these files
            raise
        return _Read(loaded, texts, source, pinned)

    def _in_force(self, read: _Read) -> None:
        status, now = self.status, time.time()
        if self.loaded is None or read.loaded.warnings != self.loaded.warnings:
            for warning in read.loaded.warnings:
                _log.warning("policy: %s", warning)
        self.loaded = read.loaded
        status.digest, status.pinned, status.loaded_at = read.loaded.digest, read.pinned, now
        status.loads += 1
        status.problems = []

    def _remember(self, read: _Read) -> None:
        """Keep the version for `rollback`."""
        try:
            self._versions.serve(read.loaded.digest, read.texts, read.source, time.time())
        except OSError as error:
            _log.error("policy version not kept for rollback: %s", error)

    async def reload(self) -> list[str]:
        """Load the policy again and give it to every worker. Returns the problems, if any."""
        async with self._reloading:
            before = self.status.digest
            files = _attached(self.loaded)
            try:
                self._watch.seen()  # before it is read: what changes from now on is news
                read = self._read()
                news = read.loaded.digest != before or _attached(read.loaded) != files
                if news:
                    await self.crew.take(read.loaded.text_files)
            except ConfigError as error:
                return self._refused(error.problems)
            except OSError as error:
                return self._refused([str(error)])
            self._in_force(read)
            self._remember(read)
            if news:
                _log.info("policy loaded", extra={"before": before, "digest": read.loaded.digest})
            return []

    def _refused(self, problems: list[str]) -> list[str]:
        status = self.status
        status.problems, status.failed_at = problems, time.time()
        status.failures += 1
        for problem in problems:
            _log.error("policy not loaded: %s", problem)
        return problems

    async def _reload_asked(self) -> None:
        await self.reload()
        if self.tls is not None:
            await self.tls.reload(self._secure)

    async def _secure(self, pems: Pems) -> None:
        await self.crew.secure(_message(pems))

    async def _follow(self) -> None:
        async for _ in self._watch.changes():
            await self.reload()

    # --- what the listeners show ---

    async def samples(self) -> list[Any]:
        """Every worker's metrics, for one scrape."""
        return await self.crew.samples()

    async def health(self) -> dict[int, dict[str, Any]]:
        """What every worker that answers says of itself."""
        return await self.crew.health()

    async def outcome(
        self, session: str, outcome: str, by: str, note: str
    ) -> dict[str, Any] | None:
        """Record and count what an operator says that a session came to; None: no worker answers.

        Returns:
            `outcome`, the one that it has now; `counted`, whether it is the first; `known`, what
            the workers saw of the session; or `problems`.
        """
        known = await self.crew.facts(session)
        said = {"session": session, "outcome": outcome, "by": by, "note": note, "facts": known}
        answer = await self.crew.outcome(said)
        return None if answer is None else {**answer, "known": known}

    def describe(self) -> dict[str, Any]:
        """The supervisor's own state, for `/readyz` and the admin listener."""
        return {
            "version": __version__,
            "pid": os.getpid(),
            "policy": self.status.digest,
            "pinned": self.status.pinned or None,
            "policy_problems": self.status.problems,
            **self._certificates(),
            "workers": {"wanted": self.crew.wanted, "ready": self.crew.ready},
            "draining": self.draining,
        }

    def certificates(self) -> dict[str, float]:
        """When each certificate that we show, and the callers' authority, expires; unix seconds."""
        found = dict(self.tls.status.expires) if self.tls is not None else {}
        for name, pems in self.loaded.pems.items() if self.loaded is not None else ():
            if pems.cert:
                found[f"upstream/{name}"] = expires(pems.cert)
        return found

    def _certificates(self) -> dict[str, Any]:
        if self.tls is None:
            return {}
        ends = {
            which: datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
            for which, at in self.tls.status.expires.items()
        }
        return {"tls_problems": self.tls.status.problems, "tls_expires": ends}

    # --- stop ---

    async def drain(self) -> None:
        """No new calls; running ones finish up to the policy's `limits.drain`; then stop."""
        self.draining = True
        for task in list(self._tasks):
            task.cancel()
        self._sock.close()  # else callers would queue up where nobody accepts
        await self.crew.end(self.loaded.file.limits.drain if self.loaded is not None else 0.0)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("background work ended", exc_info=error)


def _message(pems: Pems) -> dict[str, str]:
    """Certificates as JSON can hold them, byte for byte (`worker.pems_of`)."""
    return {
        "ca": pems.ca.decode("latin-1"),
        "cert": pems.cert.decode("latin-1"),
        "key": pems.key.decode("latin-1"),
    }


def _attached(loaded: Loaded | None) -> dict[str, bytes]:
    """The secrets and certificates that a policy was loaded with."""
    return {} if loaded is None else attached.split(loaded.text_files)[1]


def check_settings(settings: Settings) -> None:
    """Raises ConfigError where settings do not go together."""
    if settings.state.startswith("memory:") and settings.workers > 1:
        problem = (
            f"--state {settings.state} is one process's own, and --workers {settings.workers} "
            "asks for more: use --state sqlite:///PATH or redis://..."
        )
        raise ConfigError([problem])


def check_anonymous(settings: Settings, loaded: Loaded) -> None:
    """A caller without a key must not spend the operator's credential from another machine, nor
    reach other hosts through it.

    Raises ConfigError.
    """
    file = loaded.file
    if settings.listen.loopback or settings.allow_anonymous or file.default_tenant is None:
        return
    if file.forward_proxy is not None:
        problem = (
            f"--listen {settings.listen} is not loopback, default_tenant lets callers in without "
            "a key, and with forward_proxy they would be an open proxy's: take default_tenant out, "
            "or say --allow-anonymous"
        )
        raise ConfigError([problem])
    for name, upstream in file.upstreams.items():
        if upstream.credential is not None and upstream.credential.get_secret_value():
            problem = (
                f"--listen {settings.listen} is not loopback, default_tenant lets callers in "
                f"without a key, and the upstream {name!r} has a credential that they would "
                "spend: take default_tenant out, or say --allow-anonymous"
            )
            raise ConfigError([problem])
