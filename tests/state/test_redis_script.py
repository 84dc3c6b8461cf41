"""What the script is told and what it answers."""

from __future__ import annotations

import hashlib
import struct

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
    assert redis_script._claims_of_held(sent) == (claim,)


CLAIMS = (
    Claim("b", 1, 2, expires=1_800_000_000, shadow=True),
    Claim("r", 1, 2, refill=(3, 4)),
    Claim("c", 1, 2, lent=True),
    Claim("w\u00e9", 2**50 - 1, 2**62, rolling=3600),
)


@pytest.mark.parametrize(
    "claims", [CLAIMS, *[(claim,) for claim in CLAIMS], (Claim("b", 1, 2, expires=2**34),)]
)
def test_claims_come_back_as_they_were(claims: tuple[Claim, ...]) -> None:
    call = redis_script.admit("l", claims)
    held: object
    if call.shapes is not None:
        count = len(claims).to_bytes(2, "little")
        held = (b"h" + count + call.numbers + b"".join(call.shapes)).hex()
    else:
        held = orjson.loads(call.text)
    assert redis_script._claims_of_held(held) == claims


@pytest.mark.parametrize(
    "claim",
    [
        Claim("b", 2**50, 2**60),
        Claim("b", 1, 2, expires=2**34),
        Claim("k" * 40_000, 1, 2),
    ],
)
def test_what_does_not_fit_the_packed_form_is_json(claim: Claim) -> None:
    admission = redis_script.admit("l", (claim,))
    assert admission.shapes is None
    assert redis_script.settle("l", [1], admission).shapes is None
    assert redis_script.admit("l", (CLAIMS[0],) * 200).shapes
    assert redis_script.admit("l", (CLAIMS[0],) * 201).shapes is None
    fits = redis_script.admit("l", CLAIMS[:1])
    assert redis_script.settle("l", [1], fits).shapes
    assert redis_script.settle("l", [2**50], fits).shapes is None


def test_a_settlement_names_only_what_it_changes() -> None:
    admission = redis_script.admit("l", CLAIMS)
    call = redis_script.settle("l", [1, 1, 1, 7], admission)
    assert admission.shapes is not None
    assert call.shapes == (admission.shapes[0], *admission.shapes[2:])
    assert call.numbers == struct.pack("<6d", 1, 1, 2**50 - 1, 1, 1, 7)
    packed = [5, ((1, 2), (3, 4), (5, 6))]
    as_json = [5, [[1, 2, 2], [3, 4, 2], [5, 6, 2**62]]]
    for answer in (packed, as_json):
        assert redis_script.result_of(call, answer) == (
            *(Level(1, 2, 2), None),
            *(Level(3, 4, 2), Level(5, 6, 2**62)),
        )
    nothing = redis_script.settle("l", [1], redis_script.admit("l", CLAIMS[1:2]))
    assert nothing.shapes == ()
    assert redis_script.result_of(nothing, [5, ()]) == (None,)


def test_a_shape_that_many_calls_have_is_sent_once() -> None:
    calls = [redis_script.admit(str(number), CLAIMS) for number in range(9)]
    calls.append(redis_script.settle("0", [1, 1, 1, 1], calls[0]))
    shapes, *rest = redis_script.arguments_of([*calls, redis_script.nothing()])
    assert shapes == b"".join(calls[0].shapes or ())
    assert len(rest) == 11
    assert rest[-1] == b'["n"]'


def test_a_settlement_of_another_number_of_claims_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 amounts for 4 claims"):
        redis_script.settle("l", [1], redis_script.admit("l", CLAIMS))


def test_packed_answers_stand_behind_the_json() -> None:
    calls = [redis_script.admit("l", CLAIMS[:2]), redis_script.peek("b"), redis_script.nothing()]
    calls.insert(1, redis_script.settle("l", [1], redis_script.admit("l", CLAIMS[:1])))
    told = b"[5,6,[],[0,0,[1,2,3],null]]"
    packed = struct.pack("<5Q", 7, 1, 2, 3, 0) + struct.pack("<3Q", 8, 4, 5)
    raw = len(told).to_bytes(4, "little") + told + packed
    answers = redis_script.read_answers(raw, calls)
    assert isinstance(answers, redis_script.Answers)
    assert [redis_script.result_of(c, a) for c, a in zip(calls, answers.each, strict=True)] == [
        Admission("l", (Level(1, 2, 2), Level(3, 0, 2)), 7),
        (Level(4, 5, 2),),
        Level(1, 2, 3),
        None,
    ]


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
