"""`when`: decided as early as it can be, on what the call says."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.rule_options import When
from gateway.dialects.base import ToolCall
from gateway.policy.when import compile_when, describe_when, watches_tenant, watches_upstream
from gateway.testing import make_call, make_exchange


def when(**keys: list[str]) -> When:
    return When.model_validate(keys)


def watches(keys: dict[str, list[str]], task: str = "", **exchange: Any) -> bool:
    test = compile_when(when(**keys))
    assert test is not None
    made = make_exchange(make_call(model="gpt-4o"), **exchange)
    made.identity.task = task
    return test(made)


@pytest.mark.parametrize(
    ("keys", "holds"),
    [
        ({"model": ["gpt-*"]}, True),
        ({"model": ["GPT-4O"]}, True),
        ({"model": ["claude-*"]}, False),
        ({"agent": ["bot"]}, True),
        ({"agent": ["bo"]}, False),
        ({"user": ["ann", "bob"]}, True),
        ({"user": ["Bob"]}, False),
        ({"upstream": ["open*"]}, True),
        ({"upstream": ["anthropic"]}, False),
        ({"task": ["night-*"]}, True),
        ({"model": ["gpt-*"], "user": ["bob"], "task": ["*"]}, True),
        ({"model": ["gpt-*"], "user": ["eve"], "task": ["*"]}, False),
    ],
)
def test_every_given_key_must_match(keys: dict[str, list[str]], holds: bool) -> None:
    assert watches(keys, task="night-run", agent="bot", user="bob") is holds


def test_what_a_call_does_not_say_is_matched_only_by_a_star() -> None:
    assert watches({"user": ["*"]}, user="")
    assert not watches({"user": ["?*"]}, user="")


def test_a_call_without_a_target_or_body_is_watched_by_a_star_only() -> None:
    exchange = make_exchange()
    exchange.call = exchange.target = None
    for keys in ({"model": ["gpt-4o"]}, {"upstream": ["openai"]}):
        test = compile_when(when(**keys))
        assert test is not None
        assert not test(exchange)


def test_a_call_that_cannot_say_its_model_is_watched_whatever_the_model() -> None:
    """A stored answer was made by one that its request does not name."""
    exchange = make_exchange()
    assert exchange.call is not None
    exchange.call.names_model = False
    test = compile_when(when(model=["gpt-5*"]))
    assert test is not None
    assert test(exchange)


def test_nothing_is_left_to_test_where_the_call_has_no_say() -> None:
    assert compile_when(None) is None
    assert compile_when(when(tenant=["acme"], environment=["production"])) is None


def test_a_tool_is_the_one_that_the_call_itself_runs() -> None:
    exchange = make_exchange()
    test = compile_when(when(tool=["search*"]))
    assert test is not None
    assert not test(exchange)  # a call of a model runs none
    assert exchange.call is not None
    exchange.call.invokes = [ToolCall("", "Search_Web", "{}")]
    assert test(exchange)
    exchange.call.invokes = [ToolCall("", "other", "{}")]
    assert not test(exchange)


def test_rules_on_tools_ask_for_each_tool_themselves() -> None:
    assert compile_when(when(tool=["x"]), of_tools=True) is None


def test_tenant_and_environment_are_known_beforehand() -> None:
    assert watches_tenant(None, "acme", None)
    assert watches_tenant(when(tenant=["ac*"]), "acme", None)
    assert not watches_tenant(when(tenant=["other"]), "acme", None)
    assert watches_tenant(when(environment=["prod*"]), "acme", "production")
    assert not watches_tenant(when(environment=["prod*"]), "acme", "test")
    assert not watches_tenant(when(environment=["*"]), "acme", None)


def test_the_upstream_may_be_asked_for_alone() -> None:
    assert watches_upstream(None, "openai")
    assert watches_upstream(when(model=["x"]), "openai")
    assert not watches_upstream(when(upstream=["anthropic"]), "openai")


def test_a_condition_is_described_in_words() -> None:
    assert describe_when(None) == ""
    assert describe_when(when(model=["gpt-*"], user=["a", "b"])) == "user a|b, model gpt-*"
