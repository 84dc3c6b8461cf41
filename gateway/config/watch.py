"""Notices that the policy has changed: the operator's files, the secrets and certificates that it
names, or the pin of a rollback.

It polls contents rather than asking the system for events: that works the same for an editor's
save, a Kubernetes ConfigMap (whose folder is exchanged behind a symbolic link), a network file
system and a container's mount. The files are small, and only the supervisor looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from gateway.config.attached import read_attached
from gateway.config.load import read_sources
from gateway.config.versions import Versions, fingerprint
from gateway.errors import ConfigError

Sleep = Callable[[float], Awaitable[object]]


class Changes:
    """Tells of changes to whatever `look` looks at.

    Args:
        look: what is there now, as one text that differs when anything does.
        interval: seconds between two looks.
        sleep: how it waits; tests hand in their own.
    """

    def __init__(
        self, look: Callable[[], str], interval: float, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._look = look
        self._interval = interval
        self._sleep = sleep
        self._known = look()

    def seen(self) -> None:
        """Take what is there now as known (after a reload by SIGHUP, or a pin that was dropped)."""
        self._known = self._look()

    async def changes(self) -> AsyncIterator[None]:
        """Yields once for each change, when two looks in a row have found the same.

        A file that is still being written is left alone until it is whole.
        """
        before = self._known
        while True:
            await self._sleep(self._interval)
            now = self._look()
            if now == before and now != self._known:
                self._known = now
                yield
                now = self._known  # what the reader did while it had control is seen already
            before = now


class Watch(Changes):
    """Tells of changes to one policy path and one state folder's pin."""

    def __init__(
        self, policies: Path, versions: Versions, interval: float, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._policies = policies
        self._versions = versions
        super().__init__(self._look_at_policy, interval, sleep)

    def _look_at_policy(self) -> str:
        pin = self._versions.pinned()
        try:
            texts = read_sources(self._policies)
            files = fingerprint(texts)
        except ConfigError as error:
            texts, files = {}, str(error)
        if pin is not None:
            texts = self._versions.texts(pin.digest) or texts
        try:
            attached = fingerprint(read_attached(texts))
        except ConfigError as error:
            attached = str(error)
        return f"{files} {attached} {pin.digest if pin else ''}"
