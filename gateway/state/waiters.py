"""Who waits for a key to have a value, inside one process."""

from __future__ import annotations

import asyncio


class Waiters:
    """Futures by key. Bounded by the number of calls that wait; nothing stays behind."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[bytes]]] = {}

    def notify(self, key: str, value: bytes) -> None:
        """Wake all who wait for `key`."""
        for future in self._waiting.get(key, ()):
            if not future.done():
                future.set_result(value)

    async def wait(self, key: str, seconds: float) -> bytes | None:
        """The next value that `key` is given, None if none is within `seconds`."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, set()).add(future)
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            return None
        finally:
            others = self._waiting[key]
            others.discard(future)
            if not others:
                del self._waiting[key]
