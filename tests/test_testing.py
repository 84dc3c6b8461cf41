"""The public helpers for tests of rules."""

from __future__ import annotations

from gateway.dialects.base import Surface, Unscannable
from gateway.testing import make_call, make_exchange, make_workshop


def test_a_call_holds_texts_and_the_first_of_them_may_be_history() -> None:
    call = make_call([("system", "be kind"), ("user", "hi")], stale=1)
    assert [(s.surface, s.text, s.fresh) for s in call.segments] == [
        (Surface.SYSTEM, "be kind", False),
        (Surface.USER, "hi", True),
    ]
    call.segments[1].replace("hello")
    assert call.document.root["texts[1]"] == "hello"
    assert call.document.changed


def test_what_rules_may_do_to_a_call_shows_in_it() -> None:
    call = make_call(max_output=9, tools=["a", "b"], unscannable=[_image()])
    call.set_max_output(5)
    call.force_field("store", False)
    call.remove_tools(frozenset({"a"}))
    assert call.max_output == 5
    assert call.get_field("store") is False
    assert [tool.name for tool in call.tools] == ["b"]
    assert b"max_output" in call.encode()


def test_bounds_of_a_call_are_those_of_its_texts() -> None:
    call = make_call([("user", "12345é")])
    assert call.input_bound() == 7
    assert call.input_estimate() == 2


def test_an_exchange_has_been_identified_and_decoded() -> None:
    exchange = make_exchange(tenant="t", agent="a", session="s")
    assert (exchange.identity.tenant, exchange.identity.agent) == ("t", "a")
    assert exchange.call is not None
    assert exchange.target is not None


def test_the_workshop_has_prices() -> None:
    assert make_workshop().prices is not None


def _image() -> Unscannable:
    return Unscannable("image", Surface.USER, "x")
