"""A store in memory that answers only while it is told to, and may lose answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from gateway.state.journal import Journal
from gateway.state.memory import MemoryStore
from gateway.state.presence import Presence
from gateway.state.store import Admission, Claim, Level, StoreError


class Fickle(MemoryStore):
    """`lose`: the next calls of a name (`settle`) are not carried out, though the store is there.

    `pause`: seconds that `admit` takes.
    """

    def __init__(self, clock: Callable[[], float], journal: Journal | None = None) -> None:
        super().__init__(clock, journal)
        self.presence = Presence(clock)
        self.away = False
        self.lose: list[str] = []
        self.pause = 0.0
        self.asked: list[tuple[str, Any]] = []

    @property
    def away_since(self) -> float | None:
        return self.presence.away_since

    def watch(self, told: Callable[[bool], None]) -> None:
        self.presence.watch(told)

    def go(self) -> None:
        """It is away from now on; nobody knows before a call has failed."""
        self.away = True

    def come(self) -> None:
        """It is back, and is found."""
        self.away = False
        self.presence.found()

    async def admit(self, claims: Sequence[Claim]) -> Admission:
        self._answer("admit", tuple(claims))
        await asyncio.sleep(self.pause)
        return await super().admit(claims)

    async def settle(self, lease: str, amounts: Sequence[int]) -> tuple[Level, ...]:
        self._answer("settle", lease)
        return await super().settle(lease, amounts)

    async def renew(self, leases: Sequence[str]) -> None:
        self._answer("renew", tuple(leases))
        await super().renew(leases)

    def _answer(self, name: str, what: Any) -> None:
        self.asked.append((name, what))
        if self.away:
            self.presence.lost()
            raise StoreError("away")
        if name in self.lose:
            self.lose.remove(name)
            raise StoreError("lost")
        self.presence.found()
