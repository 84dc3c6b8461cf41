"""A verdict says what a rule wants; in shadow mode, or of one tool call, it ends nothing."""

from __future__ import annotations

import dataclasses
import itertools
import re

import pytest

from gateway.verdict import GATEWAY, Action, Reason, RuleRef, Verdict

RULE = RuleRef("baseline", "cards", "pii")


def verdict(action: Action, **fields: bool) -> Verdict:
    return Verdict(action, Reason.PII_FOUND, RULE, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("action", "stops"),
    [
        (Action.ALLOW, False),
        (Action.FLAG, False),
        (Action.REWRITE, False),
        (Action.HOLD, False),
        (Action.THROTTLE, True),
        (Action.BLOCK, True),
    ],
)
def test_only_throttle_and_block_stop_a_call(action: Action, stops: bool) -> None:
    assert action.stops is stops
    assert verdict(action).stops is stops


def test_actions_are_ordered_from_mild_to_strict() -> None:
    """The strictest of all rules is taken, so the order of the enum is a promise."""
    assert [str(action) for action in Action] == [
        "allow",
        "flag",
        "rewrite",
        "hold",
        "throttle",
        "block",
    ]


@pytest.mark.parametrize("action", list(Action))
def test_a_shadow_verdict_keeps_its_word_and_takes_no_action(action: Action) -> None:
    shadow = verdict(action, shadow=True)
    assert (shadow.action, shadow.enforced, shadow.stops) == (action, Action.ALLOW, False)


def test_a_block_of_one_tool_call_does_not_end_the_answer() -> None:
    of_call = verdict(Action.BLOCK, of_call=True)
    assert (of_call.enforced, of_call.stops) == (Action.BLOCK, False)


def test_a_verdict_cannot_be_changed_once_said() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        verdict(Action.BLOCK).action = Action.ALLOW  # type: ignore[misc]


def test_rules_are_named_by_policy_and_id() -> None:
    assert str(RULE) == "baseline/cards"
    assert str(GATEWAY) == "gateway/gateway"


def test_reasons_fit_a_header_a_label_and_an_error_code() -> None:
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", reason) for reason in Reason)
    assert all(one != other for one, other in itertools.combinations(map(str, Reason), 2))
