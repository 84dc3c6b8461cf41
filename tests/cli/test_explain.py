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


TOOLS = """\
version: 1
upstreams:
  notes:
    provider: http
    url: "https://x"
    tools:
      - name: read
        method: [GET, HEAD]
        path: "/notes/{id}"
        price: $0.002
        timeout: 5s
        concurrency: 4
      - {name: delete, path: "/notes/{id}"}
  search: {provider: mcp, url: "https://y", tools: [{name: find, price: $1}]}
tenants: {acme: {policies: [base]}}
default_tenant: acme
policies:
  base:
    rules:
      - {kind: tools, deny: ["del*"]}
      - {kind: size, max_body: 1kB, when: {tool: [read, find]}}
"""


@pytest.fixture
def tools(tmp_path: Path) -> str:
    (tmp_path / "p.yaml").write_text(TOOLS)
    return str(tmp_path / "p.yaml")


def told(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split() for line in capsys.readouterr().out.splitlines()[3:]]


def test_the_tools_of_an_upstream_are_shown(tools: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tools, "--upstream", "notes") == 0
    lines = told(capsys)
    assert lines[:3] == [
        ["tool", "method", "path", "price", "timeout", "at", "once"],
        ["read", "GET,HEAD", "/notes/{id}", "$0.002", "5s", "4"],
        ["delete", "any", "/notes/{id}"],
    ]
    assert run(tools, "--upstream", "search") == 0
    assert told(capsys)[1] == ["find", "$1.00"]


def test_what_rules_say_of_a_tool_is_shown(tools: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tools, "--upstream", "notes", "--tool", "DELETE") == 0
    lines = told(capsys)
    assert lines[1][0] == "delete"
    assert [line[2:3] + line[-2:] for line in lines[4:]] == [["base/tools", "denies", "it"]]
    assert run(tools, "--upstream", "notes", "--tool", "read") == 0
    assert [line[2] for line in told(capsys)[4:]] == ["base/size", "base/tools"]
    assert run(tools, "--upstream", "search", "--tool", "other") == 0
    assert [line[-3:] for line in told(capsys)[1:]] == [["lets", "it", "pass"]]


def test_an_http_tool_that_is_not_there_is_told(
    tools: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tools, "--upstream", "notes", "--tool", "reads") == 2
    assert "upstream 'notes' has no tool 'reads' (did you mean 'read'?)" in capsys.readouterr().err


def test_a_broken_policy_cannot_be_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.yaml").write_text("version: 2")
    assert run(str(tmp_path)) == 2
    assert "p.yaml:1:" in capsys.readouterr().err


def test_the_rules_of_tunnels_are_shown_where_there_is_a_proxy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(POLICY + "      - {kind: egress, allow: [a.example]}\n")
    words = ("--policies", str(path), "--upstream", "forward_proxy")
    assert run(*words) == 2
    path.write_text(path.read_text() + "forward_proxy: {}\n")
    capsys.readouterr()
    assert run(*words) == 0
    shown = capsys.readouterr().out
    assert "base/egress" in shown
    assert "base/model" not in shown
