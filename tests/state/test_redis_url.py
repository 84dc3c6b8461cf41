"""Where a Redis is: the forms of its URL, and that no secret is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.state.redis_url import Place, is_redis, parse_redis_url


@pytest.mark.parametrize(
    ("url", "place", "shown"),
    [
        ("redis://h", Place("standalone", (("h", 6379),)), "redis://h:6379"),
        (
            "rediss://u:p%40%2F@[::1]:7000/3",
            Place("standalone", (("::1", 7000),), tls=True, db=3, username="u", password="p@/"),
            "rediss://[::1]:7000/3",
        ),
        (
            "redis+sentinel://:p@a,b:7001/main/2?namespace=staging",
            Place(
                "sentinel",
                (("a", 26379), ("b", 7001)),
                db=2,
                service="main",
                namespace="staging",
                password="p",
            ),
            "redis+sentinel://a:26379,b:7001/main/2?namespace=staging",
        ),
        (
            "rediss+cluster://a,b,c:7002",
            Place("cluster", (("a", 6379), ("b", 6379), ("c", 7002)), tls=True),
            "rediss+cluster://a:6379,b:6379,c:7002",
        ),
        (
            "redis://h?lease=5&wait=2&wait_ms=50",
            Place("standalone", (("h", 6379),), lease=5, wait=2, wait_ms=50),
            "redis://h:6379",
        ),
        # A password with a colon and an at sign that somebody forgot to encode.
        (
            "redis://u:a:b@c@h",
            Place("standalone", (("h", 6379),), username="u", password="a:b@c"),
            "",
        ),
    ],
)
def test_a_url_is_read_and_shown(url: str, place: Place, shown: str) -> None:
    read = parse_redis_url(url, {})
    assert read == place
    assert str(read) == (shown or "redis://h:6379")
    assert "p@/" not in repr(read)


def test_user_and_password_may_stand_in_the_environment() -> None:
    variables = {
        "PORTCULLIS_REDIS_USERNAME": "gate",
        "PORTCULLIS_REDIS_PASSWORD": "one",
        "PORTCULLIS_REDIS_SENTINEL_PASSWORD": "two",
    }
    read = parse_redis_url("redis+sentinel://h/main", variables)
    assert (read.username, read.password, read.sentinel_password) == ("gate", "one", "two")
    assert parse_redis_url("redis://me:own@h", variables).password == "own"
    assert "one" not in repr(read) + str(read)


def test_files_of_tls_are_looked_for_at_once(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    with pytest.raises(ConfigError, match="there is no such file"):
        parse_redis_url(f"rediss://h?ca={ca}", {})
    ca.touch()
    assert parse_redis_url(f"rediss://h?ca={ca}", {}).ca == str(ca)
    with pytest.raises(ConfigError, match="write rediss"):
        parse_redis_url(f"redis://h?ca={ca}", {})
    with pytest.raises(ConfigError, match="both cert=FILE and key=FILE"):
        parse_redis_url(f"rediss://h?cert={ca}", {})


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://", "expected redis://"),
        ("redis:hidden", "expected redis://"),
        ("redis+other://h", "expected redis://"),
        ("redis://u:hidden/x@h", "percent-encoded"),
        ("redis://u:hidden@h:99999", "a port is a number"),
        ("redis://u:hidden@a,b", "several hosts are"),
        ("redis://u:hidden@h/x", "a database is a number"),
        ("redis+sentinel://u:hidden@h", "needs the name of the service"),
        ("redis+cluster://u:hidden@h/1", "one database only"),
        ("redis://u:hidden@h?db=1", "no option of that name"),
        ("redis://u:hidden@h?namespace={a}", "a namespace is"),
        ("redis://u:hidden@h?lease=1", "lease is a whole number from 2 to 300"),
        ("redis://u:hidden@h?wait=one", "wait is a whole number from 0 to 10"),
        ("redis://u:hidden@h?wait_ms=400", "wait_ms is a whole number from 1 to 300"),
    ],
)
def test_what_cannot_be_read_is_told_without_secrets(url: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        parse_redis_url(url, {})
    assert "hidden" not in str(caught.value)


def test_what_is_meant_to_be_redis() -> None:
    assert all(map(is_redis, ["redis://h", "rediss://h", "redis+cluster://h", "redis+what://"]))
    assert not any(map(is_redis, ["sqlite:///redis://", "memory://", "redish://h"]))
