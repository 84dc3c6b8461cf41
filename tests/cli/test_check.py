"""`portcullis check`: every problem with its line, and what will not hold."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from gateway.cli import check
from gateway.config.packaged import packaged_policies

GOOD = """\
version: 1
upstreams: {openai: {provider: openai, url: "https://x"}}
tenants: {acme: {policies: [base]}}
default_tenant: acme
policies: {base: {rules: [{kind: tools, deny: [rm]}]}}
"""


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    check.add_parser(parser.add_subparsers())
    args = parser.parse_args(["check", *words])
    code: int = args.func(args)
    return code


def test_a_good_file_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p.yaml").write_text(GOOD)
    assert run(str(tmp_path / "p.yaml")) == 0
    said = capsys.readouterr().out
    assert "fine. 1 policy, 1 rule, 1 tenant, 1 upstream. sha256:" in said


def test_problems_are_printed_with_their_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(GOOD.replace("deny", "deni").replace("[base]", "[bas]"))
    assert run(str(path)) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{path}:3: there is no policy 'bas' (did you mean 'base'?)",
        f"{path}:5: this version has no key 'deni' here (did you mean 'deny'?)",
        "",
        f"{path}: 2 problems",
    ]


def test_warnings_pass_unless_they_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.yaml").write_text(GOOD.replace("{base:", "{unused: {rules: []}, base:"))
    assert run("--policies", str(tmp_path)) == 0
    assert "warning: " in capsys.readouterr().out
    assert run("--strict", str(tmp_path)) == 1


def test_what_is_not_there_could_not_be_checked(tmp_path: Path) -> None:
    assert run(str(tmp_path / "none.yaml")) == 2


@pytest.mark.parametrize("name", ["starter.yaml", "strict.yaml"])
def test_the_packaged_policies_are_fine(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(packaged_policies() / name)) == 0
    assert "fine." in capsys.readouterr().out
