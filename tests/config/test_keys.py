"""The master key: made once, readable by nobody else, one derived key a purpose."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.config.keys import derive, load_master_key
from gateway.errors import ConfigError


def test_derivation_is_hkdf_sha256() -> None:
    # Computed from RFC 5869's definition, with an empty salt and one block of output.
    import hashlib
    import hmac

    master = bytes(range(32))
    extracted = hmac.digest(bytes(32), master, hashlib.sha256)
    expected = hmac.digest(extracted, b"portcullis/audit\x01", hashlib.sha256)
    assert derive(master, "audit") == expected


def test_each_purpose_has_a_key_of_its_own() -> None:
    assert derive(b"k" * 32, "audit") != derive(b"k" * 32, "session")
    with pytest.raises(ValueError, match="32"):
        derive(b"short", "audit")


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "state" / "master.key"
    made = load_master_key(path, make=True)
    assert len(made) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_master_key(path, make=True) == load_master_key(path) == made
    assert [each.name for each in path.parent.iterdir()] == ["master.key"]


def test_many_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_master_key(tmp_path / "k", make=True), range(32)))
    assert len(keys) == 1


def test_a_missing_key_is_an_error_where_none_may_be_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_master_key(tmp_path / "k")
    with pytest.raises(ConfigError, match="on every machine by PORTCULLIS_MASTER_KEY_FILE"):
        load_master_key(tmp_path / "k", shared=True)


def test_base64_and_raw_bytes_are_read_and_short_ones_refused(tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_bytes(base64.b64encode(b"x" * 40) + b"\n")
    assert load_master_key(path) == b"x" * 40
    path.write_bytes(bytes(range(200, 232)))
    assert load_master_key(path) == bytes(range(200, 232))
    path.write_bytes(b"hunter2-hunter2")
    with pytest.raises(ConfigError) as caught:
        load_master_key(path)
    assert "hunter2" not in str(caught.value)
