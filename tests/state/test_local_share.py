"""What a process counts by itself: a share of each limit, and what it owes for it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.state.ledger import MICRO
from gateway.state.local_share import LocalShare, part, share_of
from gateway.state.store import Cause, Claim, StoreError
from tests.state.conformance import START, bucket, budget, place, rolling

NOW = int(START) * MICRO
TENTH = Fraction(1, 10)


def owed(share: LocalShare, now: int = NOW) -> dict[str, int]:
    return {claim.key: claim.amount for claim in share.owed(now)}


def take(share: LocalShare, *claims: Claim, part: Fraction | None = TENTH, now: int = NOW) -> str:
    """The lease, "" where the claims were refused."""
    return share.take(claims, [part] * len(claims), {}, now).lease


# --- how much it is ---


def test_a_budget_has_its_part_and_never_more_than_was_left() -> None:
    claim = budget(1, limit=105)
    assert share_of(claim, TENTH, None).limit == 10
    assert share_of(claim, TENTH, 3).limit == 3
    assert share_of(claim, TENTH, 99).limit == 10


def test_a_bucket_is_smaller_and_gains_more_slowly_but_holds_at_least_one() -> None:
    claim = bucket(1, limit=60, rate=(600, 60))
    assert share_of(claim, TENTH, None) == replace(claim, limit=6, refill=(1, 1))
    small = share_of(bucket(1, limit=5, rate=(5, 60)), TENTH, None)
    assert (small.limit, small.refill) == (1, (1, 120))


def test_a_rate_that_no_fraction_can_hold_is_rounded_down() -> None:
    most = 10**12
    share = share_of(bucket(1, limit=most, rate=(most - 1, 86_399)), Fraction(3333, 10_000), None)
    assert share.refill == (int((most - 1) * Fraction(3333, 10_000)), 86_399)


def test_there_is_at_least_one_place() -> None:
    assert share_of(place(limit=4), TENTH, None).limit == 1
    assert share_of(place(limit=40), TENTH, None).limit == 4


def test_what_is_only_counted_is_never_refused() -> None:
    for claim in (budget(1), bucket(1), place(), rolling(1)):
        assert share_of(claim, None, 0).shadow
    assert share_of(bucket(1), None, None).refill == bucket(1).refill


def test_a_share_is_divided_among_workers_exactly() -> None:
    assert part(0.1, 4) == Fraction(1, 40)
    assert part(1.0, 1) == 1


# --- what is taken ---


def test_it_takes_all_or_nothing() -> None:
    share = LocalShare()
    admission = share.take([budget(5), budget(11, key="other")], [TENTH, TENTH], {}, NOW)
    assert admission.local
    assert admission.refusal is not None
    assert (admission.refusal.index, admission.refusal.cause) == (1, Cause.SPENT)
    assert [level.limit for level in admission.levels] == [10, 10]
    assert (admission.lease, share.held, owed(share), len(share)) == ("", {}, {}, 0)


def test_the_share_is_spent_once() -> None:
    share = LocalShare()
    for _ in range(2):
        share.settle(take(share, budget(5)), [5], NOW)
    assert take(share, budget(1)) == ""
    assert owed(share) == {"b": 10}


def test_amounts_that_do_not_fit_the_claims_are_an_error() -> None:
    share = LocalShare()
    with pytest.raises(ValueError, match="2 amounts for 1"):
        share.settle(take(share, budget(5)), [1, 2], NOW)


# --- what is owed ---


def test_what_runs_is_not_owed_and_what_was_used_is() -> None:
    share = LocalShare()
    claims = (budget(5), place(), bucket(1, limit=60, rate=(1, 3600)))
    one, other = take(share, *claims, part=Fraction(1)), take(share, *claims, part=Fraction(1))
    assert owed(share) == {}
    share.settle(one, [3, 1, 1], NOW)
    assert owed(share) == {"b": 3, "r": 1}
    share.let_go(other, NOW)
    assert owed(share) == {"b": 3, "r": 1}
    share.paid(share.owed(NOW))
    assert (owed(share), len(share)) == ({}, 0)


def test_it_is_charged_as_the_store_knows_it_and_never_refused() -> None:
    share = LocalShare()
    asked = rolling(4)
    share.settle(take(share, asked), [4], NOW)
    assert share.owed(NOW) == [replace(asked, shadow=True)]


def test_a_bucket_owes_what_its_share_has_not_gained_back() -> None:
    share = LocalShare()
    for _ in range(6):
        share.settle(take(share, bucket(1, limit=60, rate=(60, 60))), [1], NOW)
    assert owed(share) == {"r": 6}
    assert owed(share, NOW + 25 * MICRO) == {"r": 4}  # it gains one in ten seconds
    assert owed(share, NOW + 60 * MICRO) == {}


def test_what_is_used_while_it_is_paid_stays_owed() -> None:
    share = LocalShare()
    share.settle(take(share, budget(5)), [5], NOW)
    charge = share.owed(NOW)
    share.settle(take(share, budget(3)), [2], NOW)
    share.paid(charge)
    assert owed(share) == {"b": 2}


def test_a_bucket_that_became_full_while_it_was_paid_is_forgotten() -> None:
    share = LocalShare()
    share.settle(take(share, bucket(1, limit=60, rate=(60, 60))), [1], NOW)
    charge = share.owed(NOW)
    assert owed(share, NOW + 60 * MICRO) == {}
    share.paid(charge)
    assert len(share) == 0


def test_a_call_that_outlives_the_payment_of_its_bucket_is_owed_still() -> None:
    share = LocalShare()
    lease = take(share, bucket(1, limit=60, rate=(60, 60)))
    later = NOW + 60 * MICRO
    assert owed(share, later) == {}
    share.settle(lease, [4], later)
    assert owed(share, later) == {"r": 3}  # one of them it has gained back


def test_there_is_a_bound_and_what_holds_nothing_makes_room() -> None:
    share = LocalShare(most_keys=2)
    take(share, budget(11))  # refused: it holds nothing
    share.settle(take(share, budget(1, key="other")), [1], NOW)
    lease = take(share, budget(1, key="third"))
    with pytest.raises(StoreError, match="2 counters wait"):
        take(share, budget(1, key="fourth"))
    share.let_go(lease, NOW)
    with pytest.raises(StoreError):
        take(share, budget(1, key="fourth"))  # it was looked through a moment ago
    take(share, budget(1, key="fourth"), now=NOW + MICRO)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.integers(0, 40),
            st.one_of(st.none(), st.integers(0, 60)),
        ),
        max_size=40,
    ),
    st.integers(0, 39),
)
def test_every_unit_is_charged_or_moved_exactly_once(
    calls: list[tuple[str, int, int | None]], pay_at: int
) -> None:
    """Calls of a key that reserve, and end with an amount or (None) go on in the store."""
    share, charged, moved, used = LocalShare(), 0, 0, 0
    running: list[tuple[str, int | None]] = []
    for number, (key, amount, ends) in enumerate(calls):
        lease = take(share, budget(amount, limit=1000, key=key), part=None)
        running.append((lease, ends))
        if number % 3 == 0 and running[0][1] is not None:
            lease, ends = running.pop(0)
            share.settle(lease, [ends or 0], NOW)
            used += ends or 0
        if number == pay_at:
            charge = share.owed(NOW)
            charged += sum(claim.amount for claim in charge)
            share.paid(charge)
    for lease, ends in running:
        if ends is None:
            moved += sum(claim.amount for claim in share.held[lease].asked)
            share.let_go(lease, NOW)
        else:
            share.settle(lease, [ends], NOW)
            used += ends
    charge = share.owed(NOW)
    share.paid(charge)
    assert charged + sum(claim.amount for claim in charge) == used
    assert len(share) == 0
    assert moved == sum(amount for _, amount, ends in calls if ends is None)
