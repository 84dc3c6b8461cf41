"""Compiling: rules in the order in which they run, built once, with ids and modes resolved."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gateway.config.load import Loaded, load_texts
from gateway.errors import ConfigError
from gateway.policy import compile as compile_module
from gateway.policy.compile import Snapshot, compile_policy
from gateway.policy.rule import Stage
from gateway.testing import make_workshop

FILE = b"""\
version: 1
environment: test
upstreams: {openai: {provider: openai, url: "https://x"}}
tenants:
  acme: {policies: [second, first]}
  other: {policies: [first]}
default_tenant: acme
prices: {gpt-x: {input: $1, output: $2}}
policies:
  first:
    rules:
      - {kind: tools, deny: [rm]}
      - {kind: model, deny: [old], when: {model: ["gpt-*"]}}
      - {kind: size, max_tools: 5, when: {tenant: [acme]}}
      - {id: prod, kind: size, max_tools: 5, when: {environment: [production]}}
  second:
    mode: shadow
    rules:
      - {kind: loop}
      - {kind: model, max_output: 8k, mode: enforce}
"""


def loaded(text: bytes = FILE) -> Loaded:
    return load_texts({"p.yaml": text}, {})


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return compile_policy(loaded(), make_workshop())


def names(snapshot: Snapshot, tenant: str) -> list[str]:
    return [str(rule.ref) for rule in snapshot.rules_for(tenant)]


def test_rules_stand_by_stage_then_in_the_order_of_the_tenants_policies(
    snapshot: Snapshot,
) -> None:
    assert names(snapshot, "acme") == [
        "second/model",
        "first/model",
        "first/size",
        "second/loop",
        "first/tools",
    ]
    stages = [rule.stage for rule in snapshot.rules_for("acme")]
    assert stages == sorted(stages)
    assert stages[0] is Stage.MODEL


def test_rules_for_another_tenant_or_environment_are_not_in_the_plan(snapshot: Snapshot) -> None:
    assert names(snapshot, "other") == ["first/model", "first/tools"]
    assert snapshot.rules_for("nobody") == ()


def test_a_rule_is_built_once_however_many_tenants_it_has(snapshot: Snapshot) -> None:
    acme = {str(rule.ref): rule for rule in snapshot.rules_for("acme")}
    assert all(acme[str(rule.ref)] is rule for rule in snapshot.rules_for("other"))


def test_a_rules_own_mode_wins_over_its_policys(snapshot: Snapshot) -> None:
    shadow = {str(rule.ref): rule.shadow for rule in snapshot.rules_for("acme")}
    assert shadow["second/loop"]
    assert not shadow["second/model"]
    assert not shadow["first/tools"]


def test_only_what_the_call_must_tell_is_left_to_test(snapshot: Snapshot) -> None:
    when = {str(rule.ref): rule.when for rule in snapshot.rules_for("acme")}
    assert when["first/model"] is not None
    assert when["first/size"] is when["first/tools"] is None


def test_sources_digest_and_prices_are_the_files(snapshot: Snapshot) -> None:
    assert snapshot.sources["first/prod"] == "p.yaml:15"
    assert snapshot.digest == loaded().digest
    price = snapshot.prices.find("gpt-x")
    assert price is not None
    assert price.input == 1_000_000_000
    assert snapshot.rules_for("acme")[0].workshop.prices is snapshot.prices


def test_every_rule_that_cannot_be_built_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __init__(self, *args: object) -> None:
            raise ValueError("no such thing")

    kinds = dict.fromkeys(("tools", "model", "size", "loop"), Broken)
    ready = loaded()
    monkeypatch.setattr(compile_module, "KINDS", kinds)
    with pytest.raises(ConfigError) as caught:
        compile_policy(ready, make_workshop())
    assert len(caught.value.problems) == 6
    assert caught.value.problems[0] == "p.yaml:12: rule first/tools: no such thing"


def test_what_a_policy_does_not_use_is_not_loaded() -> None:
    script = (
        "import sys; from pathlib import Path; from gateway.config.load import load_texts;"
        "from gateway.policy.compile import compile_policy;"
        f"load_texts({{'p': {FILE!r}}}, {{}});"
        "print([m for m in sys.modules if m.startswith(('presidio', 'spacy', 'aiohttp'))"
        " or m.endswith('.kinds.pii')])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
