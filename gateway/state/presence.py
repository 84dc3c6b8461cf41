"""Whether a store answers, as its latest calls showed, and who is told when that changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

Watcher = Callable[[bool], None]
"""Is told True when the store no longer answers, False when it does again."""

_log = logging.getLogger("portcullis.state")


class Presence:
    """Belongs to one store and its event loop.

    Attributes:
        away_since: unix seconds of the first call that failed since one went well, or None.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._watchers: list[Watcher] = []
        self.away_since: float | None = None

    def watch(self, told: Watcher) -> None:
        self._watchers.append(told)

    def lost(self) -> None:
        """A call failed, and not by its caller's fault."""
        if self.away_since is None:
            self.away_since = self._clock()
            self._tell(away=True)

    def found(self) -> None:
        """A call was answered."""
        if self.away_since is not None:
            self.away_since = None
            self._tell(away=False)

    def _tell(self, *, away: bool) -> None:
        for told in self._watchers:
            try:
                told(away)
            except Exception:  # noqa: BLE001  a watcher's own fault must not become the store's
                _log.exception("a watcher of the state store failed")
