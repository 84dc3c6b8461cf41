"""What the parts of a policy file must know of each other, and what will not hold."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.checks import anonymous_credentials, check_names, find_warnings
from gateway.config.policy_file import PolicyFile

HASH = "sha256:" + "0" * 64
OTHER = "sha256:" + "1" * 64


def document(**parts: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "upstreams": {"openai": {"provider": "openai", "url": "https://x"}},
        "tenants": {"acme": {"policies": ["base"]}},
        "default_tenant": "acme",
        "policies": {"base": {"rules": []}},
        **parts,
    }


def rules(*rules: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return document(policies={"base": {"rules": list(rules)}}, **parts)


def said(document: dict[str, Any]) -> str:
    return "\n".join(message for _, message in check_names(document))


def warned(document: dict[str, Any]) -> str:
    return "\n".join(message for _, message in find_warnings(PolicyFile.model_validate(document)))


def test_a_sound_file_has_no_problems() -> None:
    assert check_names(document()) == []
    assert warned(document()) == ""


def test_a_tenant_without_policies_is_a_problem() -> None:
    for tenant in ({}, {"policies": []}, None):
        assert "'acme' has no policies" in said(document(tenants={"acme": tenant}))


def test_unknown_and_repeated_names_are_problems_with_a_suggestion() -> None:
    assert "did you mean 'base'" in said(document(tenants={"acme": {"policies": ["bass"]}}))
    assert "named twice" in said(document(tenants={"acme": {"policies": ["base", "base"]}}))
    assert "did you mean 'acme'" in said(document(default_tenant="acmee"))
    assert "'gateway' is how" in said(document(policies={"base": {}, "gateway": {}}))


@pytest.mark.parametrize(("first", "second", "wrong"), [(0, 0, True), (1, 0, False), (1, 1, True)])
def test_of_two_upstreams_of_a_provider_one_is_the_default(
    first: bool, second: bool, wrong: bool
) -> None:
    ups = {
        "one": {"provider": "openai", "default": bool(first)},
        "two": {"provider": "openai", "default": bool(second)},
        "other": {"provider": "anthropic"},
    }
    assert ("one, two all speak openai" in said(document(upstreams=ups))) is wrong


def test_an_upstream_cannot_have_the_name_of_a_providers_path() -> None:
    assert "'v1'" in said(document(upstreams={"v1": {"provider": "openai"}}))


def test_two_rules_alike_must_be_given_ids() -> None:
    one = {"kind": "tools", "deny": ["a"]}
    assert "give them ids" in said(rules(one, one))
    assert said(rules(one, {**one, "id": "second"})) == ""
    assert "give them ids" in said(rules(one, {**one, "id": "tools"}))


def test_when_names_what_there_is() -> None:
    def when(**keys: list[str]) -> str:
        return said(rules({"kind": "model", "max_output": 5, "when": keys}))

    assert "did you mean 'acme'" in when(tenant=["acm"])
    assert "no upstream 'anthropic'" in when(upstream=["openai", "anthropic"])
    assert when(tenant=["ac*"], upstream=["openai"], user=["anybody"]) == ""
    assert "bracket" in when(model=["gpt-[4"])
    assert when(tool=["x"]) == ""
    assert said(rules({"kind": "tools", "deny": ["x"], "when": {"tool": ["x*"]}})) == ""


def test_two_keys_alike_are_a_problem() -> None:
    one = {"name": "a", "hash": HASH}
    tenant = {"policies": ["base"], "keys": [one, {"name": "a", "hash": OTHER}]}
    assert "'a' is given twice" in said(document(tenants={"acme": tenant}))
    tenants = {name: {"policies": ["base"], "keys": [one]} for name in ("acme", "b")}
    assert "same hash" in said(document(tenants=tenants))
    tokens = [{"name": "a", "hash": HASH, "role": "viewer"}] * 2
    assert "given twice" in said(document(admin={"tokens": tokens}))


@pytest.mark.parametrize("broken", [None, 3, [], {"tenants": [1], "policies": {"a": [1]}}])
def test_a_broken_document_is_looked_at_as_far_as_it_goes(broken: Any) -> None:
    check_names(broken)


def test_a_session_limit_alone_is_warned_of() -> None:
    session = {"kind": "budget", "per": "session", "limit": "$5.00"}
    tenant = {"kind": "budget", "per": "tenant", "window": "day", "limit": "$50"}
    rate = {"kind": "rate_limit", "per": "tenant", "requests": "5/s"}
    assert "a caller that opens new sessions is not limited" in warned(rules(session))
    assert "not limited" in warned(rules(session, rate))
    assert "not limited" in warned(rules(session, {**tenant, "mode": "shadow"}))
    assert warned(rules(session, tenant)) == ""


def test_a_condition_on_tools_is_warned_of_where_no_call_runs_one() -> None:
    capped = {"kind": "model", "max_output": 5, "when": {"tool": ["x"]}}
    assert "`when.tool` never holds" in warned(rules(capped))
    tools = {"openai": {"provider": "openai", "url": "https://x"}}
    tools["github"] = {"provider": "mcp", "url": "https://y"}
    assert warned({**rules(capped), "upstreams": tools}) == ""
    assert warned(rules({"kind": "tools", "deny": ["x"], "when": {"tool": ["x*"]}})) == ""


def test_upstreams_that_are_called_by_name_need_no_default() -> None:
    tool = {"provider": "http", "url": "https://x"}
    upstreams = {"openai": {"provider": "openai", "url": "https://x"}, "a": tool, "b": tool}
    assert said(document(upstreams=upstreams)) == ""


def test_parts_that_nobody_uses_are_warned_of() -> None:
    assert "policy 'b' is used by no tenant" in warned(
        document(policies={"base": {"rules": []}, "b": {"rules": []}})
    )
    assert "tenant 'b' has no keys" in warned(
        document(tenants={"acme": {"policies": ["base"]}, "b": {"policies": ["base"]}})
    )
    rule = {"kind": "model", "max_output": 5, "when": {"environment": ["production"]}}
    assert "names no `environment`" in warned(rules(rule))
    assert warned(rules(rule, environment="test")) == ""


def test_callers_without_a_key_and_a_credential_are_warned_of() -> None:
    upstreams = {"openai": {"provider": "openai", "url": "https://x", "credential": "sk"}}
    open_door = document(upstreams=upstreams)
    assert "--allow-anonymous" in warned(open_door)
    assert anonymous_credentials(PolicyFile.model_validate(open_door)) == ("openai",)
    keyed = document(upstreams=upstreams, default_tenant=None)
    assert anonymous_credentials(PolicyFile.model_validate(keyed)) == ()


def test_a_forward_proxy_and_its_rules_are_nothing_without_each_other() -> None:
    allow = {"kind": "egress", "allow": ["api.github.com"]}
    assert "this rule never asked" in warned(rules(allow))
    keyed = {"default_tenant": None, "forward_proxy": {}}
    assert "every CONNECT is refused" in warned({**rules(), **keyed})
    assert "every CONNECT is refused" not in warned({**rules(allow), **keyed})


def test_an_open_proxy_is_warned_of() -> None:
    allow = {"kind": "egress", "allow": ["*"]}
    assert "--allow-anonymous" in warned({**rules(allow), "forward_proxy": {}})


def test_tunnels_may_be_named_in_conditions_and_nothing_else_has_their_name() -> None:
    when = {"kind": "patterns", "deny": ["x"], "action": "block"}
    assert said(rules({**when, "when": {"upstream": ["forward_proxy"]}})) == ""
    taken = {"forward_proxy": {"provider": "openai", "url": "https://x"}}
    assert "a name of the gateway's own" in said(document(upstreams=taken))


def test_an_upstream_by_the_name_of_anothers_paths_would_hide_them() -> None:
    api = {"api": {"provider": "http", "url": "https://x"}}
    ollama = {"cellar": {"provider": "ollama", "url": "http://x"}}
    assert "would hide paths of the ollama upstream" in said(document(upstreams={**api, **ollama}))
    assert "would hide" not in said(document(upstreams=api))
