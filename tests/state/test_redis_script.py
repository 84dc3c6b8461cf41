"""What the script is told and what it answers."""

from __future__ import annotations

import hashlib

import orjson
import pytest

from gateway.state import redis_script
from gateway.state.store import Admission, Cause, Claim, Level, Refusal


def test_the_script_is_one_text_with_its_digest() -> None:
    text, digest = redis_script.script()
    assert digest == hashlib.sha1(text.encode()).hexdigest()
    assert text.index("local function add") < text.index("local function admit")


def test_amounts_that_lua_would_round_travel_as_digits() -> None:
    claim = Claim("b", 2**53, 2**53 - 1, expires=7, shadow=True)
    call = redis_script.admit("l", (claim,))
    sent = orjson.loads(call.text)
    assert sent == ["a", "l", [["b", str(2**53), 2**53 - 1, 0, 1, 7_000_000, 1, 0]]]
    assert redis_script._claim(*sent[2][0]) == claim


@pytest.mark.parametrize(
    "claim",
    [
        Claim("r", 1, 2, refill=(3, 4)),
        Claim("c", 1, 2, lent=True),
        Claim("w", 1, 2, rolling=3600),
    ],
)
def test_a_claim_comes_back_as_it_was(claim: Claim) -> None:
    sent = orjson.loads(redis_script.admit("l", (claim,)).text)
    assert redis_script._claim(*sent[2][0]) == claim


def test_answers_become_what_callers_get() -> None:
    call = redis_script.admit("l", (Claim("b", 1, 2),))
    answer = [7, [[0, 1, 2]], None, []]
    assert redis_script.result_of(call, answer) == Admission("l", (Level(0, 1, 2),), 7)
    refused = redis_script.result_of(call, [8, [[2, 0, 2]], [0, "rate", "1500000"], []])
    assert (refused.lease, refused.refusal) == ("", Refusal(0, Cause.RATE, 1.5))
    settle = redis_script.settle("l", [1, 2])
    assert redis_script.result_of(settle, []) == ()
    with pytest.raises(ValueError, match="2 amounts for 1 claims"):
        redis_script.result_of(settle, [1])
