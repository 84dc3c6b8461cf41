"""How an upstream is called, as the policy file says it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.policy_file import PolicyFile
from gateway.proxy.live import upstream_plan


def policy(**upstream: Any) -> PolicyFile:
    return PolicyFile.model_validate(
        {
            "version": 1,
            "upstreams": {"u": {"provider": "openai", "url": "https://up.test/base/", **upstream}},
            "tenants": {"local": {}},
        }
    )


@pytest.mark.parametrize(
    ("provider", "header"),
    [("openai", ("authorization", "Bearer sk-own")), ("anthropic", ("x-api-key", "sk-own"))],
)
def test_a_credential_stands_where_its_provider_looks_for_it(
    provider: str, header: tuple[str, str]
) -> None:
    plan = upstream_plan(policy(provider=provider, credential="sk-own"), "u")
    assert plan.credential == header


@pytest.mark.parametrize("credential", [None, ""])
def test_without_a_credential_the_callers_own_passes(credential: str | None) -> None:
    assert upstream_plan(policy(credential=credential), "u").credential is None


def test_paths_are_put_behind_the_url_as_they_are() -> None:
    assert upstream_plan(policy(), "u").way.base == "https://up.test/base"


def test_the_timeout_is_for_silence() -> None:
    timeouts = upstream_plan(policy(timeout="90s"), "u").timeouts
    assert (timeouts.read, timeouts.connect) == (90.0, 10.0)


def test_a_credential_does_not_show_when_a_plan_is_printed() -> None:
    assert "sk-own" not in repr(policy(credential="sk-own"))


@pytest.mark.parametrize(
    ("keys", "header"),
    [
        ({"credential": "k"}, ("authorization", "Bearer k")),
        ({"credential": "k", "credential_header": "X-Tool-Key"}, ("x-tool-key", "k")),
        (
            {"credential": "Basic dTpw", "credential_header": "Authorization"},
            ("authorization", "Basic dTpw"),
        ),
    ],
)
def test_a_tools_key_stands_where_the_operator_says(
    keys: dict[str, str], header: tuple[str, str]
) -> None:
    assert upstream_plan(policy(provider="http", **keys), "u").credential == header


def test_of_an_mcp_server_the_router_gives_the_whole_path() -> None:
    plan = upstream_plan(policy(provider="mcp", url="https://up.test:8443/a/mcp/"), "u")
    assert plan.way.base == "https://up.test:8443"
    plan = upstream_plan(policy(provider="mcp", url="http://up.test"), "u")
    assert plan.way.base == "http://up.test"
