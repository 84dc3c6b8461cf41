"""`portcullis scan`: the gateway's findings in files, named and placed, never shown."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.cli import scan

TEXT = "Dear all,\nwrite to jane.roe@example.com or to\nélise@example.org.\n"
KEY = "AKIA" + "Q3EGRIZ7TLKBWPX2"


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    scan.add_parser(parser.add_subparsers())
    args = parser.parse_args(["scan", *words])
    code: int = args.func(args)
    return code


def test_findings_have_a_place_and_are_not_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mail.txt"
    path.write_text(TEXT)
    assert run(str(path)) == 1
    said = capsys.readouterr().out
    assert f"{path}:2:10  EMAIL_ADDRESS  pii (1)\n" in said
    assert said.endswith("in 1 file\n")
    assert "jane" not in said


def test_nothing_found_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").write_text("Nothing here.")
    assert run(str(tmp_path / "a")) == 0
    assert capsys.readouterr().out == "0 findings in 1 file\n"


def test_stdin_is_read_where_no_file_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(TEXT.encode())))
    assert run() == 1
    assert "stdin:2:10" in capsys.readouterr().out


def test_json_says_where_a_finding_begins_and_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").write_text(TEXT)
    run("--kinds", "pii", "--format", "json", str(tmp_path / "a"))
    first = json.loads(capsys.readouterr().out)[0]
    assert (first["line"], first["column"], first["end_line"], first["end_column"]) == (
        2,
        10,
        2,
        30,
    )
    assert TEXT.split("\n")[1][9:29] == "jane.roe@example.com"


def test_sarif_names_the_rule_and_the_region(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").write_text(f"key = {KEY}\n")
    assert run("--kinds", "secrets", "--format", "sarif", str(tmp_path / "a")) == 1
    said = capsys.readouterr().out
    assert KEY not in said
    (told,) = json.loads(said)["runs"]
    (result,) = told["results"]
    assert told["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert result["ruleId"].startswith("secrets/AWS")
    region = result["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], region["startColumn"]) == (1, 7)


def test_the_rules_of_a_policy_are_used_where_one_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text(
        'version: 1\nupstreams: {o: {provider: openai, url: "https://x"}}\n'
        "tenants: {acme: {policies: [a]}}\n"
        "policies: {a: {rules: [{kind: patterns, id: names, deny: [project zebra]}]}}\n"
    )
    text = tmp_path / "a"
    text.write_text("about Project  Zebra and jane.roe@example.com")
    assert run("--policies", str(policy), "--tenant", "acme", str(text)) == 1
    assert f"{text}:1:7  phrase-1  names (1)" in capsys.readouterr().out
    assert run("--policies", str(policy), str(text)) == 2  # which tenant?
    assert "acme" in capsys.readouterr().err


@pytest.mark.parametrize("kinds", ["", "pi", "pii,patterns"])
def test_kinds_that_it_does_not_have_are_an_error(
    kinds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--kinds", kinds, "-") == 2
    assert "pii, secrets, injection" in capsys.readouterr().err


def test_what_cannot_be_read_is_said_and_the_rest_is_scanned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "binary").write_bytes(b"\0\1")
    (tmp_path / "text").write_text(TEXT)
    assert run(str(tmp_path / "none"), str(tmp_path / "binary"), str(tmp_path / "text")) == 2
    said = capsys.readouterr()
    assert "none: " in said.err
    assert "binary: not a text" in said.err
    assert "in 1 file\n" in said.out
