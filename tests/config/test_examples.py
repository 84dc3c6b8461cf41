"""Every policy that we ship loads, compiles, and is warned of only where it says so.

Those that the pages show are loaded by tests/structure/test_examples.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.policy.compile import compile_policy
from gateway.testing import make_workshop

ROOT = Path(__file__).resolve().parents[2]
POLICIES = sorted((ROOT / "policies").rglob("*.yaml"))
ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-fake",
    "ANTHROPIC_API_KEY": "sk-fake",
    "BENCH_UPSTREAM_PORT": "8000",
}


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_shipped_policy_loads_and_compiles_without_a_warning(path: Path) -> None:
    loaded = load(path, ENVIRONMENT)
    compile_policy(loaded, make_workshop())
    assert loaded.warnings == []


def test_the_starter_needs_no_credential_and_has_no_warning() -> None:
    loaded = load(ROOT / "policies" / "starter.yaml", {})
    assert loaded.warnings == []
    assert all(upstream.credential is None for upstream in loaded.file.upstreams.values())


def test_the_starter_is_what_the_design_says() -> None:
    loaded = load(ROOT / "policies" / "starter.yaml", {})
    rules = {
        rule.ref.kind: rule
        for rule in compile_policy(loaded, make_workshop()).rules_for(
            str(loaded.file.default_tenant)
        )
    }
    assert set(rules) == {"secrets", "pii", "injection", "tools", "loop", "budget"}
    assert [kind for kind, rule in rules.items() if rule.shadow] == ["injection"]
    assert all(
        str(rule.ref) == f"starter/{rule.options.id or rule.options.default_id()}"
        for rule in rules.values()
    )


def test_strict_lets_nobody_in_without_a_key() -> None:
    loaded = load(ROOT / "policies" / "strict.yaml", ENVIRONMENT)
    assert loaded.file.default_tenant is None
    assert loaded.file.audit.durability == "sync"


def test_the_benchmark_enforces_every_kind_that_judges_requests() -> None:
    from gateway.policy.kinds import KINDS

    snapshot = compile_policy(load(ROOT / "policies" / "bench.yaml", ENVIRONMENT), make_workshop())
    rules = snapshot.rules_for("bench")
    assert {rule.ref.kind for rule in rules} == set(KINDS) - {"egress"}  # which judges tunnels
    assert not any(rule.shadow for rule in rules)
