"""`unscannable` of the kinds that judge a call's shape."""

from __future__ import annotations

from gateway.dialects.base import Surface, Unscannable
from gateway.policy.kinds.size import SizeOptions, SizeRule
from gateway.policy.rule import Rule
from gateway.policy.unreadable import BODY, HISTORY, out_of_sight
from gateway.testing import make_call, make_workshop
from gateway.verdict import Action, Mode, Reason, RuleRef

HIDDEN = Unscannable("history", Surface.USER, "previous_response_id", fresh=False)
IMAGE = Unscannable("image", Surface.USER, "messages[0].content[0]")


def rule(mode: Mode = Mode.ENFORCE) -> Rule:
    return SizeRule(SizeOptions(kind="size"), RuleRef("p", "size", "size"), mode, make_workshop())


def test_each_setting_does_what_it_says() -> None:
    call = make_call(unscannable=[IMAGE, HIDDEN])
    (flag,) = out_of_sight(rule(), call, HISTORY, "flag")
    assert (flag.action, flag.reason) == (Action.FLAG, Reason.UNSCANNABLE_CONTENT)
    assert flag.place == "previous_response_id"
    (block,) = out_of_sight(rule(), call, HISTORY, "block")
    assert block.action is Action.BLOCK
    assert block.instead
    assert not out_of_sight(rule(), call, HISTORY, "allow")


def test_only_what_the_rule_needs_is_missed() -> None:
    assert not out_of_sight(rule(), make_call(unscannable=[IMAGE]), HISTORY, "block")
    assert not out_of_sight(rule(), make_call(unscannable=[HIDDEN]), BODY, "block")
    assert not out_of_sight(rule(), make_call(), HISTORY, "block")


def test_shadow_records_only() -> None:
    (verdict,) = out_of_sight(rule(Mode.SHADOW), make_call(unscannable=[HIDDEN]), HISTORY, "block")
    assert verdict.enforced is Action.ALLOW
