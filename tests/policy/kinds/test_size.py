"""`size`: each limit at its edge, and what cannot be counted."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.base import Surface, Unscannable
from gateway.policy.kinds.size import SizeOptions, SizeRule
from gateway.testing import PlainCall, make_call, make_exchange, make_workshop
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict


def judge(call: PlainCall, *, body: bytes = b"{}", **keys: Any) -> list[Verdict]:
    options = SizeOptions.model_validate({"kind": "size", **keys})
    rule = SizeRule(options, RuleRef("p", "size", "size"), Mode.ENFORCE, make_workshop())
    return list(rule.on_request(make_exchange(call, body=body)))


CASES = [
    ({"max_tools": 2}, {"tools": ["a", "b"]}, {"tools": ["a", "b", "c"]}, "3 tools (at most 2)"),
    ({"max_output_tokens": "1k"}, {"max_output": 1000}, {"max_output": 1001}, "1001 output"),
    (
        {"max_input_tokens": 2},
        {"texts": [("user", "12345678")]},
        {"texts": [("user", "123456789")]},
        "3 input tokens (at most 2)",
    ),
]


@pytest.mark.parametrize(("keys", "fits", "exceeds", "figures"), CASES)
def test_each_limit_holds_from_its_edge(
    keys: dict[str, Any], fits: dict[str, Any], exceeds: dict[str, Any], figures: str
) -> None:
    assert judge(make_call(**fits), **keys) == []
    (verdict,) = judge(make_call(**exceeds), **keys)
    assert (verdict.action, verdict.reason) == (Action.BLOCK, Reason.SIZE_EXCEEDED)
    assert figures in verdict.what


def test_the_body_is_measured_as_sent_and_unpacked() -> None:
    call = make_call()
    assert judge(call, body=b"x" * 100, max_body="100B") == []
    assert "101 bytes (at most 100)" in judge(call, body=b"x" * 101, max_body="100B")[0].what
    call.document.raw = b"y" * 200
    assert "200 bytes" in judge(call, body=b"x", max_body="100B")[0].what


def test_every_answer_that_is_asked_for_counts() -> None:
    call = make_call(max_output=500)
    call.choices = 3
    assert "1500 output tokens" in judge(call, max_output_tokens=1000)[0].what


def test_all_that_is_too_large_is_said_at_once() -> None:
    (verdict,) = judge(make_call(tools=["a", "b"], max_output=50), max_tools=1, max_output_tokens=9)
    assert "2 tools" in verdict.what
    assert "50 output tokens" in verdict.what


def test_without_limits_nothing_happens() -> None:
    assert judge(make_call(tools=["a"] * 1000, max_output=10**9), body=b"x" * 10**6) == []


def test_tokens_that_the_provider_keeps_cannot_be_counted() -> None:
    call = make_call(unscannable=[Unscannable("history", Surface.USER, "previous_response_id")])
    assert judge(call, max_tools=3) == []
    assert judge(call, max_input_tokens="1k")[0].action is Action.FLAG
    assert judge(call, max_input_tokens="1k", unscannable="block")[0].action is Action.BLOCK
