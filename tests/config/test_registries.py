"""The file of recognizers travels with the policy and counts in it; problems have its lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.load import load, load_texts, read_sources
from gateway.config.versions import fingerprint
from gateway.errors import ConfigError

POLICY = """\
version: 1
upstreams:
  openai: {provider: openai, url: "https://api.openai.com"}
tenants: {local: {policies: [base]}}
default_tenant: local
policies:
  base:
    rules:
      - {kind: pii, recognizers: own/company.yaml}
"""
COMPANY = """\
recognizers:
  - name: Employee
    supported_entity: EMPLOYEE_ID
    patterns:
      - {name: id, regex: '\\bEMP-\\d{6}(?:${OLD})?\\b', score: 0.6}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "company.yaml").write_text(COMPANY)
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path / "policy.yaml"


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return caught.value.problems


def test_the_file_is_read_once_and_carried(policy: Path) -> None:
    texts = read_sources(policy)
    company = policy.parent / "own" / "company.yaml"
    assert texts[f"recognizers:{company}"] == COMPANY.encode()
    company.unlink()
    (rule,) = [options for _, _, options in load_texts(texts, {}).file.rules()]
    assert [own.entity for own in rule.own] == ["EMPLOYEE_ID"]
    assert "${OLD}" in rule.own[0].patterns[0][1]  # no reference to the environment


def test_it_counts_in_the_digest_and_is_noticed(policy: Path) -> None:
    before, seen = load(policy, {}).digest, fingerprint(read_sources(policy))
    company = policy.parent / "own" / "company.yaml"
    company.write_text(COMPANY + "# a comment\n")
    assert load(policy, {}).digest == before
    assert fingerprint(read_sources(policy)) != seen
    company.write_text(COMPANY.replace("EMP-", "EMPL-"))
    assert load(policy, {}).digest != before


def test_in_the_policys_own_folder_it_is_no_policy(policy: Path) -> None:
    policy.write_text(POLICY.replace("own/company", "company"))
    (policy.parent / "company.yaml").write_text(COMPANY)
    assert load(policy.parent, {}).file.policies["base"].rules


def test_a_problem_has_the_line_of_the_file(policy: Path) -> None:
    company = policy.parent / "own" / "company.yaml"
    company.write_text(COMPANY.replace("score: 0.6", "score: 0.6, weight: 1"))
    (line,) = problems(policy)
    assert line.startswith(f"{company}:5: this version has no key 'weight'")
    company.write_text("recognizers: [")
    (line,) = problems(policy)
    assert line.startswith(f"{company}:1: not YAML")
    company.write_text("")
    (line,) = problems(policy)
    assert line == f"{company}:1: the key 'recognizers' is missing"


def test_a_plain_list_has_its_lines_too(policy: Path) -> None:
    company = policy.parent / "own" / "company.yaml"
    company.write_text("- {name: a, supported_entity: A, deny_list: [x]}\n- {name: b}\n")
    (line,) = problems(policy)
    assert line.startswith(f"{company}:2: ")


def test_recognizers_in_the_rule_itself_have_the_policys_lines(policy: Path) -> None:
    entry = "{name: e, supported_entity: E, patterns: [{name: e, regex: '%s', score: 0.5}]}"
    inline = f"\n        recognizers:\n          - {entry}\n"
    written = POLICY.replace("{kind: pii, recognizers: own/company.yaml}", "kind: pii" + inline)
    policy.write_text(written % "E[0-9]{3}")
    assert load(policy, {}).file.policies["base"].rules
    policy.write_text(written % "(")
    (line,) = problems(policy)
    assert line.startswith(f"{policy}:11: regex: does not compile")


def test_a_file_that_is_not_there_is_told(policy: Path) -> None:
    (policy.parent / "own" / "company.yaml").unlink()
    (line,) = problems(policy)
    assert line.startswith(f"{policy}:9: ")
    with pytest.raises(ConfigError, match="was not read with the policy"):
        load_texts({"p.yaml": POLICY.encode()}, {})
