"""What one worker knows to have been said, so that it need not ask the store again."""

from __future__ import annotations

MOST = 4096


class Told:
    """Keys, each until a moment in unix seconds. At most `MOST`: then the oldest go, which costs a
    question to the store and nothing else."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def knows(self, key: str, now: float) -> bool:
        return self._until.get(key, 0.0) > now

    def note(self, key: str, until: float) -> None:
        known = self._until
        if key not in known and len(known) >= MOST:
            del known[next(iter(known))]
        known[key] = until
