"""`portcullis prices`: which price a name gets and why, three formats, and what is wrong."""

from __future__ import annotations

import argparse
import csv
import io
import json
from pathlib import Path

import pytest

from gateway.cli import prices

POLICY = """\
version: 1
upstreams: {openai: {provider: openai, url: "https://x"}}
tenants: {acme: {policies: [base]}}
default_tenant: acme
policies:
  base: {rules: [{kind: model, allow: ["gpt-*", house-large, gpt-99]}]}
prices:
  house-large: {input: $1, output: $4, context: 32k, max_output: 8k}
  "prod-*": {like: gpt-5.5}
  "gpt-4*": {discount: 50%}
"""


@pytest.fixture
def policy(tmp_path: Path) -> str:
    (tmp_path / "p.yaml").write_text(POLICY)
    return str(tmp_path / "p.yaml")


@pytest.fixture(autouse=True)
def _no_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORTCULLIS_POLICIES", raising=False)


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    prices.add_parser(parser.add_subparsers())
    args = parser.parse_args(["prices", *words])
    code: int = args.func(args)
    return code


def test_a_name_is_shown_with_its_price_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("openai/gpt-4o-mini-2024-07-18") == 0
    out, err = capsys.readouterr()
    row = out.splitlines()[1].split()
    assert row[:4] == ["openai/gpt-4o-mini-2024-07-18", "openai", "$0.15", "$0.075"]
    assert err == ("openai/gpt-4o-mini-2024-07-18: priced as gpt-4o-mini in the packaged table\n")


def test_a_name_without_a_price_is_said_and_exits_with_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("gpt-99", "gpt-4o") == 1
    out, err = capsys.readouterr()
    assert "gpt-99: no price; it counts like the dearest model of its provider" in err
    assert "gpt-4o " in out


def test_the_policys_prices_win_and_are_told(
    policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--policies", policy, "gpt-4o", "prod-chat", "house-large") == 0
    out, err = capsys.readouterr()
    assert "gpt-4o: priced as gpt-4* in the policy file" in err
    assert "prod-chat: priced as prod-* in the policy file" in err
    assert "$1.25" in out


def test_a_discount_shows_as_the_prices_that_it_makes(
    policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--policies", policy, "--format", "json", "gpt-4o*", "house*") == 0
    models = {row["model"]: row for row in json.loads(capsys.readouterr().out)["models"]}
    assert (models["gpt-4o"]["input"], models["gpt-4o"]["from"]) == ("$1.25", "policy")
    assert models["house-large"]["context"] == 32000
    assert "gpt-5" not in models


def test_csv_has_every_part_of_every_price(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--format", "csv", "--provider", "gemini") == 0
    rows = {row["model"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    pro, flash = rows["gemini-2.5-pro"], rows["gemini-2.5-flash"]
    assert (pro["above"], pro["above_output"]) == ("200000", "$15.00")
    assert (flash["audio_input"], flash["priority"], flash["batch"]) == ("$1.00", "180%", "50%")
    assert flash["source"].startswith("https://ai.google.dev/")
    assert {row["provider"] for row in rows.values()} == {"gemini"}


def test_globs_choose_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("claude-opus-5*") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["claude-opus-5-5", "claude-opus-5"]


def test_the_packaged_table_passes_its_check_until_it_is_old(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("--check", "--max-age", "100000") == 0
    assert capsys.readouterr().out.endswith(": 0 faults\n")
    assert run("--check", "--max-age", "-1") == 1
    assert "prices were read" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_model_of_the_policy_without_a_price_is_a_fault(
    policy: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--policies", policy, "--check", "--max-age", "100000", "--format", form) == 1
    out = capsys.readouterr().out
    assert "gpt-99" in out
    assert "house-large" not in out


def test_what_cannot_be_checked_exits_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--provider", "nobody") == 2
    assert "no provider 'nobody' in the table: anthropic, cohere" in capsys.readouterr().err
    (tmp_path / "p.yaml").write_text(POLICY.replace("gpt-5.5", "gpt-0"))
    assert run("--policies", str(tmp_path / "p.yaml")) == 2
    assert "prices: prod-*: there is no price for 'gpt-0'" in capsys.readouterr().err
