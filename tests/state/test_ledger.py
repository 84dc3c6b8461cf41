"""The arithmetic that all stores share. That it is right the model test shows (`model.py`)."""

from __future__ import annotations

from copy import deepcopy
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.state import ledger
from gateway.state.ledger import MICRO, Counter
from gateway.state.store import Cause, Claim, Level

RATES = st.tuples(st.integers(1, 10**6), st.integers(1, 86400))
STEPS = st.lists(st.integers(0, 10**9), min_size=1, max_size=30)


@given(rate=RATES, taken=st.integers(1, 10**9), steps=STEPS)
def test_a_bucket_gains_the_same_however_often_it_is_looked_at(
    rate: tuple[int, int], taken: int, steps: list[int]
) -> None:
    often, once = (
        Counter(used=taken, at=0, units=rate[0], seconds=rate[1], limit=taken) for _ in range(2)
    )
    now = 0
    for step in steps:
        now += step
        ledger.refill(often, now)
    ledger.refill(once, now)
    assert often.used == once.used
    gained = Fraction(now * rate[0], rate[1])
    assert once.used == max(0, taken - int(gained))


@given(rate=RATES, amount=st.integers(1, 10**6), limit=st.integers(1, 10**6))
def test_the_wait_that_is_told_is_exact(rate: tuple[int, int], amount: int, limit: int) -> None:
    counters: dict[str, Counter] = {}
    claim = Claim("r", min(amount, limit), limit, refill=rate)
    ledger.admit(counters, [Claim("r", limit, limit, refill=rate)], 0)
    refused = ledger.admit(counters, [claim], 0).refusal
    assert refused is not None
    wait = round(refused.retry_after * MICRO)
    if wait < 2**52:  # beyond, a float has no microseconds
        assert ledger.admit(deepcopy(counters), [claim], wait).refusal is None
        assert ledger.admit(deepcopy(counters), [claim], wait - 1).refusal is not None


CLAIMS = st.lists(
    st.builds(
        Claim,
        key=st.sampled_from("abc"),
        amount=st.integers(0, 20),
        limit=st.integers(0, 20),
        shadow=st.booleans(),
    ),
    max_size=6,
)


@given(before=CLAIMS, claims=CLAIMS)
def test_a_refused_admission_leaves_every_counter_as_it_was(
    before: list[Claim], claims: list[Claim]
) -> None:
    counters: dict[str, Counter] = {}
    ledger.admit(counters, before, 0)
    was = {key: (counter.used, counter.reserved) for key, counter in counters.items()}
    decision = ledger.admit(counters, claims, 0)
    if decision.refusal is not None:
        now = {key: (counter.used, counter.reserved) for key, counter in counters.items()}
        assert {key: held for key, held in now.items() if held != (0, 0)} == {
            key: held for key, held in was.items() if held != (0, 0)
        }


@given(
    claims=CLAIMS,
    share=st.floats(0, 1),
)
def test_settling_at_most_what_was_reserved_never_passes_an_enforced_limit(
    claims: list[Claim], share: float
) -> None:
    counters: dict[str, Counter] = {}
    enforced = [Claim(c.key, c.amount, 20) for c in claims]
    for claim in enforced:
        if ledger.admit(counters, [claim], 0).refusal is None:
            ledger.settle(counters, [claim], [int(claim.amount * share)], 0)
        assert counters[claim.key].used <= 20


SPENDING = st.lists(
    st.tuples(st.integers(1, 60), st.floats(0, 1), st.integers(0, 9), st.integers(0, 40)),
    min_size=1,
    max_size=40,
)


@given(window=st.integers(1, 130), calls=SPENDING)
def test_no_window_of_a_rolling_budget_ever_holds_more_than_the_limit(
    window: int, calls: list[tuple[int, float, int, int]]
) -> None:
    counters: dict[str, Counter] = {}
    now, settled = 10**9 * MICRO + 123, []
    for amount, share, before, after in calls:
        now += before * MICRO * window // 20
        claim = Claim("w", amount, 60, rolling=window)
        if ledger.admit(counters, [claim], now).refusal is None:
            now += after * MICRO // 9
            used = int(amount * share)
            ledger.settle(counters, [claim], [used], now)
            settled.append((now, used))
    for end, _ in settled:
        within = [used for at, used in settled if end - window * MICRO <= at <= end]
        assert sum(within) <= 60
    slots = counters["w"].slots
    assert slots is not None
    assert sum(slots.values()) == counters["w"].used
    assert len(slots) <= 61


def test_sums_stay_within_64_bits() -> None:
    counters: dict[str, Counter] = {}
    huge = Claim("b", 0, 10)
    for _ in range(5):
        ledger.settle(counters, [huge], [ledger.MOST], 0)
    assert counters["b"].used == ledger.MOST
    refused = ledger.admit(counters, [Claim("b", 1, ledger.MOST)], 0).refusal
    assert refused is not None
    assert refused.cause is Cause.SPENT


def test_an_edited_rate_applies_from_now_on() -> None:
    counters: dict[str, Counter] = {}
    ledger.admit(counters, [Claim("r", 10, 10, refill=(10, 60))], 0)
    faster = Claim("r", 1, 10, refill=(1, 1))
    refused = ledger.admit(counters, [faster], MICRO // 2).refusal
    assert refused is not None
    assert refused.retry_after == 0.5
    assert ledger.admit(counters, [faster], MICRO).refusal is None


def test_a_level_rounds_what_is_missing_up() -> None:
    assert Counter(used=1, units=1, limit=5).level() == Level(1, 0, 5)


@pytest.mark.parametrize("amounts", [[-1], [2**63]])
def test_amounts_that_cannot_be_counted_are_errors(amounts: list[int]) -> None:
    with pytest.raises(ValueError, match="amount"):
        ledger.check_amounts(amounts)
