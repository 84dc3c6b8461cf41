"""From `--state` to a store: `memory://`, `sqlite:///PATH`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from gateway.errors import ConfigError
from gateway.state.journal import Journal
from gateway.state.memory import MemoryStore
from gateway.state.sqlite import SqliteStore
from gateway.state.store import Store

_SQLITE = "sqlite:///"


def open_store(url: str, clock: Callable[[], float], journal: Journal | None = None) -> Store:
    """The store that `url` names, not opened yet: call `await store.open()`.

    `sqlite:///state.db` is relative to the working folder, `sqlite:////var/lib/x.db` is not.
    `clock` gives unix seconds.

    Raises:
        ConfigError: there is no such kind of store, or not yet.
    """
    if url in ("memory://", "memory:///"):
        return MemoryStore(clock, journal)
    if url.startswith(_SQLITE) and (path := unquote(url.removeprefix(_SQLITE))):
        return SqliteStore(Path(path).expanduser(), clock, journal)
    if url.startswith(("redis://", "rediss://")):
        raise ConfigError(
            ["state: redis comes with version 0.2.0; this version has sqlite:///PATH and memory://"]
        )
    shown = url.partition("://")[0] or url
    raise ConfigError([f"state: expected sqlite:///PATH or memory://, not {shown!r}"])
