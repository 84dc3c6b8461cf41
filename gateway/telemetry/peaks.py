"""The highest value of late, by name: what a gauge shows of something that only calls bring up."""

from __future__ import annotations

from collections.abc import Mapping

SLOT = 300.0
"""Seconds; a value is shown for one to two of them."""

MOST = 1000
"""Names that are kept; what a policy file names stays far below it."""

Name = tuple[str, ...]


class Peaks:
    """Remembers the highest value of each name in this slot and in the one before."""

    __slots__ = ("_before", "_now", "_slot")

    def __init__(self) -> None:
        self._slot = 0
        self._now: dict[Name, float] = {}
        self._before: Mapping[Name, float] = {}

    def note(self, name: Name, value: float, now: float) -> None:
        """A value, seen at `now` (unix seconds)."""
        if int(now / SLOT) > self._slot:
            self._turn(now)
        known = self._now.get(name)
        if known is None:
            if len(self._now) < MOST:
                self._now[name] = value
        elif value > known:
            self._now[name] = value

    def shown(self, now: float) -> dict[Name, float]:
        """The highest values of the last one or two slots."""
        self._turn(now)
        both = dict(self._before)
        for name, value in self._now.items():
            both[name] = max(value, both.get(name, value))
        return both

    def _turn(self, now: float) -> None:
        slot = int(now / SLOT)
        if slot > self._slot:
            self._before = self._now if slot == self._slot + 1 else {}
            self._now = {}
            self._slot = slot
