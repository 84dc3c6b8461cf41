"""The `secrets` rule: its keys, its words, what it puts in the place of a secret."""

import pytest
from pydantic import ValidationError

from gateway.detectors.secrets import ENTITIES
from gateway.dialects.base import Surface
from gateway.policy.kinds.secrets import SecretsOptions, SecretsRule
from gateway.testing import make_workshop
from gateway.verdict import Action, Finding, Mode, RuleRef

KEY = "AKIAIOSFODNN7EXAMPLE"


def rule(**keys) -> SecretsRule:
    options = SecretsOptions.model_validate({"kind": "secrets", **keys})
    return SecretsRule(options, RuleRef("p", "secrets", "secrets"), Mode.ENFORCE, make_workshop())


def test_by_default_every_format_is_blocked_everywhere():
    made = rule()
    assert made.surfaces == frozenset(Surface)
    assert all(made.action_on(surface) is Action.BLOCK for surface in Surface)
    assert made.scanner.find(KEY)


@pytest.mark.parametrize(
    ("word", "action"),
    [("flag", Action.FLAG), ("redact", Action.REWRITE), ("block", Action.BLOCK)],
)
def test_actions(word, action):
    assert rule(action=word).action_on(Surface.USER) is action


def test_only_and_except_narrow_it():
    assert not rule(only=["GITHUB_TOKEN"]).scanner.find(KEY)
    assert not rule(**{"except": ["AWS_ACCESS_KEY"]}).scanner.find(KEY)
    assert rule(**{"except": ["GITHUB_TOKEN"]}).scanner.find(KEY)


def test_a_strict_rule_leaves_out_what_fails_its_checksum():
    token = "ghp_" + "aB3dE5gH7jK9" * 3
    assert rule().scanner.find(token)
    assert not rule(checksum="strict", only=["GITHUB_TOKEN"]).scanner.find(token)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"only": ["GITHUB_TOKEN"], "except": ["NPM_TOKEN"]}, "not both"),
        ({"only": ["AWS_ACCES_KEY"]}, "did you mean AWS_ACCESS_KEY?"),
        ({"except": ["NO"]}, "unknown format 'NO'"),
        ({"only": []}, "no format"),
        ({"except": sorted(ENTITIES)}, "no format"),
        ({"action": "pseudonymize"}, "'flag', 'redact' or 'block'"),
    ],
)
def test_what_cannot_be_meant_is_refused(keys, said):
    with pytest.raises(ValidationError, match=said.replace("?", r"\?")):
        rule(**keys)


def test_words_name_the_format_and_never_the_secret():
    made = rule(action="redact")
    assert made.describe({"AWS_ACCESS_KEY": 1}) == "an AWS access key"
    assert made.describe({"AWS_ACCESS_KEY": 2, "GITHUB_TOKEN": 1}) == (
        "2 AWS access keys and a GitHub token"
    )
    assert made.replacement(KEY, Finding("AWS_ACCESS_KEY", 0, 20)) == "<AWS_ACCESS_KEY>"


def test_rules_alike_share_a_scanner():
    assert rule().scanner is rule(action="flag").scanner
