"""Makes every gateway process that is started with this folder in PYTHONPATH write a journal.

What is sent to Redis is written before it is sent, so that what a `kill -9` keeps a process from
hearing can be asked of the server afterwards: `tests/end_to_end/decisions.py` reads it.
"""

import os
import pickle
from pathlib import Path
from typing import Any

FOLDER = os.environ.get("PORTCULLIS_TEST_JOURNAL")


def _install(folder: str) -> None:
    from gateway.state.redis import RedisStore
    from gateway.state.redis_counters import Counters

    made, sent = RedisStore.__init__, Counters._send
    files: list[int] = []

    def note(*what: Any) -> None:
        if not files:
            path = Path(folder) / f"{os.getpid()}.journal"
            files.append(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
        os.write(files[0], pickle.dumps(what))

    def make(self: Any, place: Any, clock: Any = None, journal: Any = None) -> None:
        made(self, place, clock, lambda entry: note("entry", entry))

    async def send(self: Any, batch: Any, calls: Any) -> Any:
        note("sent", self._keys[0], batch.number, list(batch.calls))
        return await sent(self, batch, calls)

    RedisStore.__init__ = make  # type: ignore[method-assign]
    Counters._send = send  # type: ignore[method-assign]


if FOLDER:
    _install(FOLDER)
