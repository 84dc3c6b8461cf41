"""The data listener's certificate and key: read at the start, again when their files change.

Rules of this file:
- The supervisor reads; workers get what it has read and found good, so that all have the same.
- What cannot be used changes nothing: the pair from before stays, and the problem is kept for
  `/readyz`, the metrics and the log until a load succeeds.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.config.settings import TlsFiles
from gateway.config.watch import Changes, Sleep
from gateway.errors import ConfigError
from gateway.tls import Pems, TlsError, begins, expires, server_context

MOST_BYTES = 1024 * 1024

_DAY = 86400.0
_SOON = 14 * _DAY
"""From how long before its end on the log warns of a certificate at each load."""

_FLAGS = {"ca": "--tls-client-ca", "cert": "--tls-cert", "key": "--tls-key"}

_log = logging.getLogger("portcullis.tls")

Take = Callable[[Pems], Awaitable[None]]
"""Hands a pair to every worker."""


@dataclass(slots=True)
class TlsStatus:
    """What became of the attempts to load it. `expires`: unix seconds by certificate."""

    problems: list[str] = field(default_factory=list)
    expires: dict[str, float] = field(default_factory=dict)


class ListenerTls:
    """Watches the files of one listener.

    Args:
        interval: seconds between two looks; `sleep` is how it waits.
    """

    def __init__(
        self,
        files: TlsFiles,
        interval: float,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.status = TlsStatus()
        self._files = files
        self._clock = clock
        self._pems: Pems | None = None
        self._loading = asyncio.Lock()
        self._changes = Changes(self._look, interval, sleep)

    def load(self) -> Pems:
        """Read and check. Raises ConfigError with every problem."""
        pems, problems = self._read()
        if not problems:
            try:
                server_context(pems)
            except TlsError as error:
                problems.append(f"{self._name(error.part)}: {error}")
        if problems:
            raise ConfigError(problems)
        self._pems = pems
        self._note(pems)
        return pems

    async def follow(self, take: Take) -> None:
        """Load again at each change, for as long as nobody cancels it."""
        async for _ in self._changes.changes():
            await self.reload(take)

    async def reload(self, take: Take) -> None:
        """Load again, and hand on what is new. What is wrong is in `status`."""
        async with self._loading:
            before = self._pems
            try:
                pems = self.load()
            except ConfigError as error:
                self._pems, self.status.problems = before, error.problems
                for problem in error.problems:
                    _log.error("certificate not loaded, the one from before stays: %s", problem)
                return
            if pems != before:
                await take(pems)
                _log.info("certificate loaded", extra={"days_left": self._days_left()})

    def _read(self) -> tuple[Pems, list[str]]:
        read: dict[str, bytes] = {}
        problems = []
        for part, path in self._files.parts().items():
            try:
                with path.open("rb") as file:
                    read[part] = file.read(MOST_BYTES)
            except OSError as error:
                problems.append(f"{self._name(part)} cannot be read: {error.strerror or error}")
        return Pems(**read), problems

    def _name(self, part: str) -> str:
        return f"{_FLAGS[part]} {self._files.parts().get(part, Path())}"

    def _look(self) -> str:
        """What is there now, as one text that differs when anything does."""
        pems, problems = self._read()
        whole = hashlib.sha256()
        for pem in (pems.ca, pems.cert, pems.key):
            whole.update(hashlib.sha256(pem).digest())
        return f"{whole.hexdigest()} {problems}"

    def _note(self, pems: Pems) -> None:
        status, now = self.status, self._clock()
        status.problems = []
        status.expires = {"listener": expires(pems.cert)}
        if pems.ca:
            status.expires["client_ca"] = expires(pems.ca, "ca")
        for part, which in (("cert", "listener"), ("ca", "client_ca")):
            left = status.expires.get(which, now + 2 * _SOON) - now
            if left <= 0:
                _log.warning("%s has expired: nobody trusts it", self._name(part))
            elif left < _SOON:
                _log.warning("%s expires in %d days", self._name(part), left // _DAY)
        if begins(pems.cert) > now:
            _log.warning("%s is not valid yet: callers will refuse it", self._name("cert"))

    def _days_left(self) -> int:
        return int((self.status.expires["listener"] - self._clock()) // _DAY)
