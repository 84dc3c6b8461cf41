"""`portcullis explain`: the rules of a call, in order, with where each comes from."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from gateway.cli import explain

POLICY = """\
version: 1
upstreams:
  openai: {provider: openai, url: "https://x"}
  anthropic: {provider: anthropic, url: "https://y"}
tenants: {acme: {policies: [base]}, empty: {policies: [none]}}
default_tenant: acme
policies:
  none: {rules: []}
  base:
    rules:
      - {kind: tools, deny: [rm], mode: shadow}
      - {kind: model, deny: [old], when: {user: [ann]}}
"""


@pytest.fixture
def policy(tmp_path: Path) -> str:
    (tmp_path / "p.yaml").write_text(POLICY)
    return str(tmp_path / "p.yaml")


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    explain.add_parser(parser.add_subparsers())
    args = parser.parse_args(["explain", *words])
    code: int = args.func(args)
    return code


def test_rules_are_shown_in_order(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(policy, "--tenant", "acme", "--upstream", "openai") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tenant acme, upstream openai (openai, https://x)"
    assert lines[1].startswith("policies base  sha256:")
    assert [line.split() for line in lines[4:]] == [
        ["1", "model", "base/model", "model", "enforce", f"{policy}:12", "user", "ann"],
        ["2", "tools", "base/tools", "tools", "shadow", f"{policy}:11"],
    ]


def test_the_default_tenant_is_meant_where_none_is_named(
    policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--policies", policy, "--upstream", "openai") == 0
    assert "tenant acme" in capsys.readouterr().out


def test_a_tenant_may_meet_no_rule(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(policy, "--tenant", "empty", "--upstream", "openai") == 0
    assert "no rule applies" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tenant", "acm", "--upstream", "openai"], "did you mean 'acme'"),
        (["--upstream", "opena"], "did you mean 'openai'"),
        (["--tenant", "acme"], "say which upstream: --upstream openai|anthropic"),
    ],
)
def test_what_cannot_be_told_is_said(
    policy: str, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(policy, *words) == 2
    assert said in capsys.readouterr().err


def test_a_broken_policy_cannot_be_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.yaml").write_text("version: 2")
    assert run(str(tmp_path)) == 2
    assert "p.yaml:1:" in capsys.readouterr().err
