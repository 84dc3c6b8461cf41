"""`--state` names a store, or says what it could be."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.state.memory import MemoryStore
from gateway.state.open import open_store, shown_url
from gateway.state.redis import RedisStore
from gateway.state.sqlite import SqliteStore
from tests.state.conformance import Clock


def test_memory() -> None:
    assert isinstance(open_store("memory://", Clock()), MemoryStore)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///state.db", Path("state.db")),
        ("sqlite:////var/lib/state.db", Path("/var/lib/state.db")),
        ("sqlite:///with%20space.db", Path("with space.db")),
        ("sqlite:///~/state.db", Path.home() / "state.db"),
    ],
)
def test_a_file(url: str, path: Path) -> None:
    store = open_store(url, Clock())
    assert isinstance(store, SqliteStore)
    assert store._path == path


def test_redis_is_told_apart_from_what_is_none() -> None:
    store = open_store("redis://user:hidden@localhost", Clock(), variables={})
    assert isinstance(store, RedisStore)
    assert store._place.password == "hidden"
    with pytest.raises(ConfigError, match="expected redis://") as caught:
        open_store("redis://user:hidden@local host", Clock())
    assert "hidden" not in str(caught.value)


def test_a_url_is_shown_without_its_secrets() -> None:
    assert shown_url("rediss://user:hidden@host/2", {}) == "rediss://host:6379/2"
    assert shown_url("sqlite:///state.db", {}) == "sqlite:///state.db"


@pytest.mark.parametrize("url", ["", "sqlite://", "sqlite:///", "postgres://u:hidden@h/db"])
def test_anything_else_is_an_error_that_shows_no_password(url: str) -> None:
    with pytest.raises(ConfigError, match="expected sqlite:///PATH") as caught:
        open_store(url, Clock())
    assert "hidden" not in str(caught.value)
