"""Requests for what exists: nothing to read, nothing to pay."""

from __future__ import annotations

from gateway.dialects.base import Surface
from gateway.dialects.empty_call import EmptyCall


def test_a_request_without_a_body_hides_nothing_and_costs_nothing() -> None:
    call = EmptyCall("openai_files", b"")
    assert not call.unscannable
    assert not call.billable
    assert (call.input_bound(), call.input_estimate()) == (0, 0)
    assert call.answer_surfaces == frozenset(Surface)
    assert not (call.names_model or call.knows_tools)


def test_a_body_where_none_belongs_is_named() -> None:
    call = EmptyCall("openai_files", b"hidden")
    assert [item.what for item in call.unscannable] == ["body"]
    assert call.encode() == b"hidden"


def test_rules_find_nothing_to_write_into() -> None:
    call = EmptyCall("openai_files", b"")
    call.set_max_output(5)
    call.force_field("store", False)
    call.remove_tools(frozenset({"a"}))
    assert call.encode() == b""
