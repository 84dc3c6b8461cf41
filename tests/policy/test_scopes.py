"""Scopes: each counts for itself, nobody can pose as another, and the store learns no names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.config.rule_options import Scope
from gateway.dialects.base import ToolCall
from gateway.exchange import Exchange
from gateway.policy.scopes import Lacking, Missing, PerField, Scopes
from gateway.testing import make_call, make_exchange

PER = TypeAdapter(PerField)


def scopes(*per: Scope, missing: Missing = "block", key: bytes = b"k" * 32) -> Scopes:
    return Scopes(per, missing, "p:r", key)


def one(exchange: Exchange, *per: Scope) -> str:
    (key,) = scopes(*per).keys(exchange)
    return key


@pytest.mark.parametrize(
    ("given", "expected"), [("tenant", ("tenant",)), (["user", "model"], ("user", "model"))]
)
def test_per_is_one_or_a_list(given: object, expected: tuple[str, ...]) -> None:
    assert PER.validate_python(given) == expected


@pytest.mark.parametrize("given", [[], ["user", "user"], "planet", 3])
def test_a_wrong_per_is_an_error(given: object) -> None:
    with pytest.raises(ValidationError):
        PER.validate_python(given)


@pytest.mark.parametrize("scope", ["tenant", "agent", "user", "session", "upstream"])
def test_each_value_has_a_counter_of_its_own(scope: Scope) -> None:
    keys = {one(make_exchange(**{"user": "u", scope: value}), scope) for value in ("alice", "bob")}
    assert len(keys) == 2


def test_global_is_one_counter_for_all() -> None:
    assert one(make_exchange(tenant="a"), "global") == one(make_exchange(tenant="b"), "global")


def test_what_cannot_say_its_model_is_counted_together_and_lacks_nothing() -> None:
    exchange = make_exchange(make_call(model=""))
    assert scopes("model").lacking(exchange) is not None
    assert exchange.call is not None
    exchange.call.names_model = False
    assert scopes("model").lacking(exchange) is None
    assert one(exchange, "model")


def test_several_scopes_count_together() -> None:
    keys = {
        one(make_exchange(tenant=t, user=u), "tenant", "user") for t in "ab" for u in ("x", "y")
    }
    assert len(keys) == 4


@given(a=st.tuples(st.text(), st.text()), b=st.tuples(st.text(), st.text()))
def test_no_value_poses_as_two(a: tuple[str, str], b: tuple[str, str]) -> None:
    keys = [
        Scopes(("tenant", "user"), "shared", "p:r", b"k").keys(
            make_exchange(tenant=each[0] or "-", user=each[1] or "-")
        )
        for each in (a, b)
    ]
    same = [each or "-" for each in a] == [each or "-" for each in b]
    assert (keys[0] == keys[1]) is same


def test_a_key_tells_nothing_of_the_value_and_needs_the_secret() -> None:
    exchange = make_exchange(user="alice@example.com")
    (mine,) = scopes("user").keys(exchange)
    (other,) = scopes("user", key=b"x" * 32).keys(exchange)
    assert mine.startswith("p:r:")
    assert "alice" not in mine
    assert mine != other


@pytest.mark.parametrize("name", ["GPT-4o", "gpt-4o\u200b", "\uff47pt-4o"])
def test_spelling_a_model_otherwise_is_no_fresh_counter(name: str) -> None:
    usual = make_exchange(make_call(model="gpt-4o"))
    assert one(make_exchange(make_call(model=name)), "model") == one(usual, "model")


def test_a_model_that_no_text_can_hold_is_counted_all_the_same() -> None:
    assert one(make_exchange(make_call(model="gpt\ud800")), "model")


def test_a_call_counts_for_each_tool_it_declares() -> None:
    many = make_exchange(make_call(tools=["read", "write", "READ"]))
    single = make_exchange(make_call(tools=["read"]))
    keys = scopes("tool", "tenant").keys(many)
    assert len(keys) == len(set(keys)) == 2
    assert scopes("tool", "tenant").keys(single)[0] in keys


@pytest.mark.parametrize("scope", ["user", "agent", "session", "model", "tool"])
def test_what_a_call_does_not_name_is_lacking_or_shared(scope: Scope) -> None:
    exchange = make_exchange(make_call(model=""), agent="", session="")
    assert scopes(scope).lacking(exchange) == Lacking(scope)
    shared = scopes(scope, missing="shared")
    assert shared.lacking(exchange) is None
    assert len(shared.keys(exchange)) == 1


def test_more_tools_than_can_be_counted_are_refused_even_where_missing_is_shared() -> None:
    exchange = make_exchange(make_call(tools=[f"t{n}" for n in range(129)]))
    assert scopes("tool", missing="shared").lacking(exchange) == Lacking("tool", too_many=True)


def test_a_call_of_a_tool_counts_for_the_tool_that_it_runs() -> None:
    def run(*tools: ToolCall) -> list[str]:
        call = make_call(tools=["declared"])
        call.invokes = list(tools)
        return scopes("tool").keys(make_exchange(call))

    assert run(ToolCall("", "Search", "{}")) == run(ToolCall("", "search", "{}"))
    assert len(run(ToolCall("", "a", "{}"), ToolCall("", "b", "{}"))) == 2


def test_all_that_is_no_tool_is_counted_as_one() -> None:
    keys = set()
    for path in ("GET /a", "GET /b"):
        call = make_call()
        call.invokes = [ToolCall("", path, "{}", unknown=True)]
        keys.update(scopes("tool").keys(make_exchange(call)))
    assert len(keys) == 1


@pytest.mark.parametrize("per", [("tool",), ("tenant", "tool"), ("model",), ("user", "model")])
def test_a_message_that_runs_no_tool_and_asks_no_model_is_not_counted_by_them(
    per: tuple[Scope, ...],
) -> None:
    exchange = make_exchange(make_call(model=""), user="")
    assert exchange.call is not None
    exchange.call.operation = "tool"
    for missing in ("block", "shared"):
        counting = scopes(*per, missing=missing)
        assert (counting.lacking(exchange), counting.keys(exchange)) == (None, [])
    assert scopes("tenant").keys(exchange)
    exchange.call.operation = "chat"
    assert scopes(*per).lacking(exchange) is not None


def test_a_call_of_a_tool_is_not_counted_by_model() -> None:
    exchange = make_exchange(make_call(model=""))
    assert exchange.call is not None
    exchange.call.operation = "tool"
    exchange.call.invokes = [ToolCall("1", "read", "{}")]
    assert scopes("tool", "model").keys(exchange) == []
    assert len(scopes("tool").keys(exchange)) == 1
