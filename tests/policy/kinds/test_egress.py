"""`egress`: which hosts a caller may reach through the forward proxy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.dialects.tunnel import TunnelCall
from gateway.policy.kinds.egress import ANY_PORT, EgressOptions, EgressRule, split_pattern
from gateway.testing import make_call, make_exchange, make_workshop
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict


def judge(host: str, port: int = 443, mode: Mode = Mode.ENFORCE, **keys: Any) -> list[Verdict]:
    options = EgressOptions.model_validate({"kind": "egress", **keys})
    rule = EgressRule(options, RuleRef("p", "egress", "egress"), mode, make_workshop())
    return list(rule.on_request(make_exchange(TunnelCall(host, port))))


def allowed(host: str, port: int = 443, **keys: Any) -> bool:
    verdicts = judge(host, port, **keys)
    return [v.reason for v in verdicts] == [Reason.EGRESS_ALLOWED]


@pytest.mark.parametrize(
    ("pattern", "host", "port", "covered"),
    [
        ("api.github.com", "api.github.com", 443, True),
        ("API.GitHub.com.", "api.github.com", 443, True),
        ("api.github.com", "api.github.com", 80, False),
        ("api.github.com:80", "api.github.com", 80, True),
        ("api.github.com:*", "api.github.com", 22, True),
        ("api.github.com", "xapi.github.com", 443, False),
        ("*.github.com", "api.github.com", 443, True),
        ("*.github.com", "a.b.github.com", 443, True),
        ("*.github.com", "github.com", 443, False),
        ("*.github.com", "evilgithub.com", 443, False),
        ("*.github.com:8443", "api.github.com", 8443, True),
        ("*", "anything.example", 443, True),
        ("*", "anything.example", 80, False),
        ("*:80", "anything.example", 80, True),
        ("*:*", "203.0.113.7", 1, True),
        ("0x7f.1", "127.0.0.1", 443, True),
        ("[2001:DB8::1]:443", "2001:db8::1", 443, True),
        ("[2001:db8::1]", "2001:db8::1", 443, True),
        ("2001:db8::1", "2001:db8::1", 443, True),
        ("[::1]:*", "::1", 9, True),
        ("bücher.example", "xn--bcher-kva.example", 443, True),
    ],
)
def test_a_pattern_covers_hosts(pattern: str, host: str, port: int, covered: bool) -> None:
    assert allowed(host, port, allow=[pattern]) is covered


def test_a_refusal_names_the_host_and_what_to_do() -> None:
    (verdict,) = judge("evil.example", allow=["api.github.com"])
    assert (verdict.action, verdict.reason) == (Action.BLOCK, Reason.EGRESS_DENIED)
    assert "evil.example:443" in verdict.what
    assert verdict.instead


def test_deny_wins_and_covers_every_port_unless_it_names_one() -> None:
    keys = {"allow": ["*:*"], "deny": ["*.evil.example", "b.example:80"]}
    assert not allowed("a.evil.example", 8443, **keys)
    assert not allowed("b.example", 80, **keys)
    assert allowed("b.example", 443, **keys)


def test_a_rule_that_only_denies_allows_nothing_by_itself() -> None:
    assert judge("good.example", deny=["evil.example"]) == []
    assert judge("evil.example", deny=["evil.example"])[0].action is Action.BLOCK


def test_an_empty_list_allows_nothing() -> None:
    assert judge("a.example", allow=[])[0].action is Action.BLOCK


def test_shadow_only_notes() -> None:
    (verdict,) = judge("evil.example", mode=Mode.SHADOW, allow=["a.example"])
    assert verdict.shadow
    assert not verdict.stops


def test_other_calls_are_not_judged() -> None:
    options = EgressOptions.model_validate({"kind": "egress", "allow": []})
    rule = EgressRule(options, RuleRef("p", "e", "egress"), Mode.ENFORCE, make_workshop())
    assert list(rule.on_request(make_exchange(make_call()))) == []


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"allow": ["https://a.example"]},
        {"allow": ["a.example/x"]},
        {"allow": ["a*.example"]},
        {"allow": ["*.*.example"]},
        {"allow": ["*.10.0.0.1"]},
        {"allow": ["a.example:99999"]},
        {"allow": ["10.0.0.0/8"]},
        {"allow": [""]},
        {"deny": ["*."]},
        {"hosts": ["a.example"]},
    ],
)
def test_what_is_no_pattern_is_an_error(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EgressOptions.model_validate({"kind": "egress", **keys})


@given(st.text(alphabet="aA1.*:[]%-x0", max_size=20))
def test_a_pattern_is_read_or_refused_and_covers_what_it_names(text: str) -> None:
    try:
        host, port = split_pattern(text, 443)
    except ValueError:
        return
    if not host.startswith("*") and port != ANY_PORT:
        assert allowed(host, port, allow=[text])
