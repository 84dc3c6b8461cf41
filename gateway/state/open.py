"""From `--state` to a store: `memory://`, `sqlite:///PATH`, `redis://...`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote

from gateway.errors import ConfigError
from gateway.state.journal import Journal
from gateway.state.memory import MemoryStore
from gateway.state.redis_url import FORMS, is_redis, parse_redis_url
from gateway.state.sqlite import SqliteStore
from gateway.state.store import Store

_SQLITE = "sqlite:///"


def open_store(
    url: str,
    clock: Callable[[], float],
    journal: Journal | None = None,
    variables: Mapping[str, str] = os.environ,
) -> Store:
    """The store that `url` names, not opened yet: call `await store.open()`.

    `sqlite:///state.db` is relative to the working folder, `sqlite:////var/lib/x.db` is not.
    `clock` gives unix seconds; Redis has its own. `variables` may hold user and password.

    Raises:
        ConfigError: there is no such kind of store, or its address cannot be understood.
    """
    if url in ("memory://", "memory:///"):
        return MemoryStore(clock, journal)
    if url.startswith(_SQLITE) and (path := unquote(url.removeprefix(_SQLITE))):
        return SqliteStore(Path(path).expanduser(), clock, journal)
    if is_redis(url):
        from gateway.state.redis import RedisStore

        return RedisStore(parse_redis_url(url, variables), journal=journal)
    shown = url.partition("://")[0] or url
    raise ConfigError([f"state: expected sqlite:///PATH, memory://, {FORMS}, not {shown!r}"])


def shown_url(url: str, variables: Mapping[str, str] = os.environ) -> str:
    """A state's URL without what could be secret. Raises ConfigError."""
    return str(parse_redis_url(url, variables)) if is_redis(url) else url
