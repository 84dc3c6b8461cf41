"""What single values of the policy file may be."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.config.policy_file import PolicyFile, parse_digest, parse_moment
from gateway.config.upstreams import parse_url

SMALL: dict[str, Any] = {
    "version": 1,
    "upstreams": {"openai": {"provider": "openai", "url": "https://api.openai.com/"}},
    "tenants": {"local": {"policies": ["base"]}},
    "policies": {"base": {"rules": [{"kind": "tools", "deny": ["rm"]}]}},
}


def test_a_small_file_gets_the_defaults_of_the_design() -> None:
    file = PolicyFile.model_validate(SMALL)
    assert file.sessions.idle == 30 * 60
    assert file.sessions.max == 24 * 3600
    assert not file.sessions.prompt_cache_key
    assert file.limits.max_body == 32_000_000
    assert (file.audit.on_error, file.audit.durability) == ("block", "async")
    assert file.upstreams["openai"].url == "https://api.openai.com"
    assert file.policies["base"].mode == "enforce"


def test_rules_come_in_the_order_of_the_file_as_their_kinds_options() -> None:
    rules = [{"kind": "tools", "deny": ["rm"]}, {"kind": "model", "max_output": "8k"}]
    file = PolicyFile.model_validate({**SMALL, "policies": {"base": {"rules": rules}}})
    assert [(p, n, o.kind) for p, n, o in file.rules()] == [
        ("base", 0, "tools"),
        ("base", 1, "model"),
    ]
    assert file.rules()[1][2].max_output == 8000


def test_a_credential_shows_nowhere() -> None:
    upstream = {"provider": "openai", "url": "https://x", "credential": "sk-hunter2"}
    file = PolicyFile.model_validate({**SMALL, "upstreams": {"x": upstream}})
    credential = file.upstreams["x"].credential
    assert credential is not None
    assert credential.get_secret_value() == "sk-hunter2"
    for text in (repr(file), str(file), file.model_dump_json(), str(file.model_dump())):
        assert "hunter2" not in text


@pytest.mark.parametrize("kind", ["approval", "pi", "", None, 3])
def test_a_kind_that_this_version_does_not_have_is_an_error(kind: object) -> None:
    with pytest.raises(ValidationError, match="kind"):
        PolicyFile.model_validate({**SMALL, "policies": {"b": {"rules": [{"kind": kind}]}}})


@pytest.mark.parametrize("name", ["", "a b", "-a", "ü", "x" * 64, "a/b"])
def test_names_are_plain(name: str) -> None:
    with pytest.raises(ValidationError):
        PolicyFile.model_validate({**SMALL, "tenants": {name: {"policies": ["base"]}}})


@pytest.mark.parametrize(
    "listener",
    [
        {"hosts": ["gw:8484"]},
        {"hosts": ["http://gw"]},
        {"origins": ["gw"]},
        {"origins": ["a://b/"]},
    ],
)
def test_hosts_have_no_port_and_origins_no_path(listener: dict[str, list[str]]) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        PolicyFile.model_validate({**SMALL, "listener": listener})
    right = {"hosts": ["gw.internal", "[::1]"], "origins": ["https://gw:1", "app://x"]}
    PolicyFile.model_validate({**SMALL, "listener": right})


def test_a_date_is_its_first_moment_and_a_time_needs_its_zone() -> None:
    assert parse_moment("2027-01-31") == datetime(2027, 1, 31, tzinfo=UTC)
    assert parse_moment("2027-01-31T12:00:00+02:00") == datetime(2027, 1, 31, 10, tzinfo=UTC)
    assert parse_moment("2027-01-31T12:00:00Z") == datetime(2027, 1, 31, 12, tzinfo=UTC)
    for wrong in ("2027-01-31T12:00:00", "31.1.2027", "2027-02-31", 2027, None):
        with pytest.raises(ValueError, match="expected a date"):
            parse_moment(wrong)


def test_a_key_in_the_place_of_its_hash_is_not_shown() -> None:
    with pytest.raises(ValueError) as caught:
        parse_digest("ptc_abcd1234_hunter2")
    assert "hunter2" not in str(caught.value)
    assert parse_digest("sha256:" + "0" * 64)


@given(st.text())
def test_any_text_is_a_moment_or_a_value_error(text: str) -> None:
    for parse in (parse_moment, parse_url, parse_digest):
        with suppress(ValueError):
            parse(text)
