"""What every rule is: it is asked only for what it overrides, and its failures have a verdict."""

from __future__ import annotations

from gateway.config.rule_options import RuleOptions
from gateway.exchange import Exchange
from gateway.policy.rule import Rule, Stage, call_of, overrides
from gateway.testing import make_exchange, make_workshop
from gateway.verdict import Action, Mode, Reason, RuleRef


class Plain(Rule):
    kind = "plain"
    stage = Stage.SIZE
    Options = RuleOptions

    def claims(self, exchange: Exchange):  # type: ignore[no-untyped-def]
        return ()


def make(mode: Mode = Mode.ENFORCE, **keys: object) -> Plain:
    options = RuleOptions.model_validate({"kind": "plain", **keys})
    return Plain(options, RuleRef("p", "plain", "plain"), mode, make_workshop())


def test_a_rule_is_asked_only_for_what_it_overrides() -> None:
    rule = make()
    assert overrides(rule, "claims")
    assert not overrides(rule, "on_request")
    assert not overrides(rule, "on_tool_call")


def test_a_rule_that_overrides_nothing_says_nothing() -> None:
    rule, exchange = make(), make_exchange()
    assert rule.on_request(exchange) == ()
    assert call_of(exchange) is exchange.call


def test_a_verdict_carries_the_rule_and_its_mode() -> None:
    verdict = make(Mode.SHADOW).verdict(Action.BLOCK, Reason.SIZE_EXCEEDED, "is too large")
    assert str(verdict.rule) == "p/plain"
    assert verdict.shadow
    assert not verdict.stops


def test_a_failure_blocks_or_is_flagged_as_on_error_says() -> None:
    error = KeyError("the content of a message")
    blocked, flagged = make().failed(error), make(on_error="allow").failed(error)
    assert (blocked.action, blocked.reason) == (Action.BLOCK, Reason.RULE_FAILED)
    assert flagged.action is Action.FLAG
    assert "KeyError" in blocked.what
    assert "content" not in blocked.what  # an error's text may quote what it choked on


def test_stages_run_cheapest_and_most_decisive_first() -> None:
    assert list(Stage) == sorted(Stage)
    assert Stage.IDENTITY < Stage.MODEL < Stage.LIMITS < Stage.TOOLS < Stage.CONTENT
