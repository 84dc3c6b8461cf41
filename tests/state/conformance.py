"""What every store must do. `test_memory.py` and `test_sqlite.py` run all of it.

A test class derives from `Conformance` and gives it a `store` fixture; `clock` is shared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.state.journal import Entry, replay
from gateway.state.ledger import LEASE_SECONDS
from gateway.state.store import Cause, Claim, Level, Store

START = 1_700_000_000.0


class Clock:
    """Unix seconds that move only when told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def budget(amount: int, limit: int = 100, key: str = "b", **more: object) -> Claim:
    return replace(Claim(key, amount, limit), **more)  # type: ignore[arg-type]


def bucket(amount: int, limit: int = 10, rate: tuple[int, int] = (10, 60), key: str = "r") -> Claim:
    return Claim(key, amount, limit, refill=rate)


def place(limit: int = 2, key: str = "c") -> Claim:
    return Claim(key, 1, limit, lent=True)


def rolling(amount: int, limit: int = 100, window: int = 600, key: str = "w") -> Claim:
    """By default a window of ten minutes in slots of ten seconds; START begins a slot."""
    return Claim(key, amount, limit, rolling=window)


class Conformance:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def journal(self) -> Iterator[list[Entry]]:
        """The log of the store; whatever a test does, a replay of it must agree."""
        entries: list[Entry] = []
        yield entries
        assert replay(entries) == []

    # --- budgets ---

    async def test_reserve_then_settle_to_what_was_used(self, store: Store) -> None:
        admission = await store.admit([budget(60)])
        assert admission.levels == (Level(0, 60, 100),)
        assert await store.settle(admission.lease, [25]) == (Level(25, 0, 100),)
        assert await store.peek("b") == Level(25, 0, 100)

    async def test_a_budget_may_be_used_up_exactly(self, store: Store) -> None:
        first = await store.admit([budget(100)])
        await store.settle(first.lease, [100])
        assert (await store.admit([budget(1)])).refusal is not None

    async def test_reserved_by_others_is_told_from_spent(self, store: Store) -> None:
        first = await store.admit([budget(60)])
        second = await store.admit([budget(60)])
        assert second.lease == ""
        assert second.refusal is not None
        assert (second.refusal.cause, second.refusal.retry_after) == (Cause.RESERVED, 1.0)
        await store.settle(first.lease, [50])
        third = await store.admit([budget(60)])
        assert third.refusal is not None
        assert third.refusal.cause is Cause.SPENT
        assert (await store.admit([budget(50)])).lease

    async def test_settling_above_the_reservation_is_counted_in_full(self, store: Store) -> None:
        admission = await store.admit([budget(10)])
        assert await store.settle(admission.lease, [130]) == (Level(130, 0, 100),)

    async def test_settling_twice_changes_nothing(self, store: Store) -> None:
        admission = await store.admit([budget(60)])
        await store.settle(admission.lease, [20])
        assert await store.settle(admission.lease, [50]) == ()
        assert await store.peek("b") == Level(20, 0, 100)

    @pytest.mark.parametrize("lease", ["", "7", "no.such", "9" * 40, "\u0661.x"])
    async def test_settling_an_unknown_lease_changes_nothing(
        self, store: Store, lease: str
    ) -> None:
        assert await store.settle(lease, [1]) == ()

    async def test_a_lowered_limit_holds_at_once(self, store: Store) -> None:
        await store.admit([budget(60)])
        assert (await store.admit([budget(1, limit=50)])).refusal is not None
        assert (await store.admit([budget(40, limit=100)])).lease

    async def test_a_budget_is_forgotten_only_when_told_and_not_while_reserved(
        self, store: Store, clock: Clock
    ) -> None:
        ends = int(START) + 30
        admission = await store.admit([budget(60, expires=ends)])
        clock.now += 40
        assert await store.peek("b") == Level(0, 60, 100)
        await store.settle(admission.lease, [60])
        assert await store.peek("b") is None
        assert (await store.admit([budget(100, expires=ends + 60)])).lease

    async def test_a_budget_without_an_end_is_kept(self, store: Store, clock: Clock) -> None:
        admission = await store.admit([budget(60)])
        await store.settle(admission.lease, [60])
        clock.now += 10 * 365 * 86400
        assert await store.peek("b") == Level(60, 0, 100)

    # --- all or nothing ---

    async def test_one_refusal_takes_nothing_of_any_claim(self, store: Store) -> None:
        claims = [budget(10, key="a"), bucket(1), budget(101, key="b"), budget(5, key="c")]
        admission = await store.admit(claims)
        assert admission.refusal is not None
        assert admission.refusal.index == 2
        assert [level.used + level.reserved for level in admission.levels] == [0, 0, 0, 0]
        assert (await store.admit([budget(100, key="a")])).lease
        assert (await store.admit([bucket(10)])).lease

    async def test_the_first_enforced_refusal_is_told(self, store: Store) -> None:
        admission = await store.admit(
            [budget(101, key="a", shadow=True), budget(101, key="b"), budget(101, key="c")]
        )
        assert admission.refusal is not None
        assert admission.refusal.index == 1
        assert [refusal.index for refusal in admission.would_refuse] == [0]

    async def test_a_shadow_claim_is_taken_and_refuses_nothing(self, store: Store) -> None:
        admission = await store.admit([budget(130, shadow=True), budget(10, key="other")])
        assert admission.refusal is None
        assert [(r.index, r.cause) for r in admission.would_refuse] == [(0, Cause.SPENT)]
        assert admission.levels[0] == Level(0, 130, 100)
        await store.settle(admission.lease, [120, 10])
        assert await store.peek("b") == Level(120, 0, 100)

    async def test_two_claims_on_one_key_are_added_up(self, store: Store) -> None:
        assert (await store.admit([budget(60), budget(60)])).refusal is not None
        admission = await store.admit([budget(50), budget(50)])
        assert admission.levels == (Level(0, 100, 100),) * 2
        await store.settle(admission.lease, [1, 2])
        assert await store.peek("b") == Level(3, 0, 100)

    async def test_no_claims_no_lease(self, store: Store) -> None:
        admission = await store.admit([])
        assert (admission.lease, admission.refusal) == ("", None)

    # --- buckets ---

    async def test_a_bucket_is_full_at_first_and_refills_slowly(
        self, store: Store, clock: Clock
    ) -> None:
        assert (await store.admit([bucket(10)])).levels == (Level(10, 0, 10),)
        refused = (await store.admit([bucket(1)])).refusal
        assert refused is not None
        assert (refused.cause, refused.retry_after) == (Cause.RATE, 6.0)
        clock.now += 5.999
        assert (await store.admit([bucket(1)])).refusal is not None
        clock.now += 0.001
        assert (await store.admit([bucket(1)])).lease

    async def test_the_wait_told_is_enough_and_not_too_long(
        self, store: Store, clock: Clock
    ) -> None:
        rate = (7, 3600)
        await store.admit([bucket(5, limit=5, rate=rate)])
        refused = (await store.admit([bucket(2, limit=5, rate=rate)])).refusal
        assert refused is not None
        wait = refused.retry_after
        clock.now += wait - 0.001
        assert (await store.admit([bucket(2, limit=5, rate=rate)])).refusal is not None
        clock.now = START + wait + 0.000001
        assert (await store.admit([bucket(2, limit=5, rate=rate)])).lease

    async def test_a_bucket_gets_back_or_loses_the_difference(
        self, store: Store, clock: Clock
    ) -> None:
        admission = await store.admit([bucket(8)])
        assert await store.settle(admission.lease, [2]) == (Level(2, 0, 10),)
        admission = await store.admit([bucket(3)])
        assert await store.settle(admission.lease, [28]) == (Level(30, 0, 10),)
        clock.now += 120  # 20 units: what is owed comes first
        assert (await store.admit([bucket(1)])).refusal is not None
        clock.now += 6
        assert (await store.admit([bucket(1)])).lease

    async def test_a_bucket_that_keeps_what_was_taken_is_left_alone_by_the_settlement(
        self, store: Store, clock: Clock
    ) -> None:
        admission = await store.admit([bucket(4), budget(60), bucket(1, key="s")])
        clock.now += 6
        levels = await store.settle(admission.lease, [4, 50, 0])
        assert levels == (None, Level(50, 0, 100), Level(0, 0, 10))
        assert await store.peek("r") == Level(3, 0, 10)
        only = await store.admit([bucket(2), bucket(3, key="s")])
        assert await store.settle(only.lease, [2, 3]) == (None, None)
        assert await store.settle(only.lease, [0, 0]) == ()
        assert await store.peek("r") == Level(5, 0, 10)
        clock.now += 30
        assert await store.peek("r") in (None, Level(0, 0, 10))

    async def test_a_limit_beyond_two_to_the_53_is_exact(self, store: Store) -> None:
        limit = 2**60 + 1
        first = await store.admit([budget(40, limit), bucket(1)])
        assert first.levels == (Level(0, 40, limit), Level(1, 0, 10))
        assert await store.settle(first.lease, [7, 1]) == (Level(7, 0, limit), None)
        assert await store.peek("b") == Level(7, 0, limit)
        second = await store.admit([budget(limit - 7, limit)])
        assert second.levels == (Level(7, limit - 7, limit),)
        assert (await store.admit([budget(1, limit)])).refusal is not None
        refused = await store.admit([budget(1, limit), budget(1, 10, key="other")])
        assert refused.levels[0] == Level(7, limit - 7, limit)
        await store.settle(second.lease, [0])
        assert (await store.admit([budget(limit - 7, limit)])).lease

    async def test_a_refund_never_overfills(self, store: Store, clock: Clock) -> None:
        admission = await store.admit([bucket(10)])
        clock.now += 59
        await store.settle(admission.lease, [0])
        assert await store.peek("r") in (None, Level(0, 0, 10))
        assert (await store.admit([bucket(10)])).lease
        assert (await store.admit([bucket(1)])).refusal is not None

    async def test_refills_in_tiny_steps_lose_nothing(self, store: Store, clock: Clock) -> None:
        rate = (1, 7)
        await store.admit([bucket(3, limit=3, rate=rate)])
        for step in range(1, 22):
            clock.now = START + step
            await store.peek("r")
            await store.admit([bucket(3, limit=3, rate=rate)]) if step < 21 else None
        assert (await store.admit([bucket(3, limit=3, rate=rate)])).lease

    async def test_a_clock_set_back_gains_nothing_and_stops_nothing(
        self, store: Store, clock: Clock
    ) -> None:
        await store.admit([bucket(10)])
        clock.now -= 3600
        assert (await store.admit([bucket(1)])).refusal is not None
        clock.now += 6
        assert (await store.admit([bucket(1)])).lease

    async def test_more_than_a_bucket_holds_is_refused(self, store: Store) -> None:
        refused = (await store.admit([bucket(11)])).refusal
        assert refused is not None
        assert refused.cause is Cause.RATE

    # --- leases ---

    async def test_a_lease_that_runs_out_is_charged_in_full(
        self, store: Store, clock: Clock
    ) -> None:
        admission = await store.admit([budget(60), bucket(4)])
        clock.now += LEASE_SECONDS
        assert await store.peek("b") == Level(60, 0, 100)
        assert await store.settle(admission.lease, [0, 0]) == ()
        assert await store.peek("b") == Level(60, 0, 100)

    async def test_a_renewed_lease_lives_on(self, store: Store, clock: Clock) -> None:
        lost = await store.admit([budget(1, key="lost")])
        kept = await store.admit([budget(60)])
        for _ in range(5):
            clock.now += LEASE_SECONDS - 1
            await store.renew([kept.lease, "no.such"])
        assert await store.settle(lost.lease, [0]) == ()
        assert await store.settle(kept.lease, [5]) == (Level(5, 0, 100),)

    async def test_a_lease_that_ran_out_cannot_be_renewed(self, store: Store, clock: Clock) -> None:
        admission = await store.admit([budget(60)])
        clock.now += LEASE_SECONDS
        await store.renew([admission.lease])
        assert await store.settle(admission.lease, [5]) == ()
        assert await store.peek("b") == Level(60, 0, 100)

    async def test_an_expired_lease_counts_as_spent_for_the_next(
        self, store: Store, clock: Clock
    ) -> None:
        await store.admit([budget(60)])
        clock.now += LEASE_SECONDS
        refused = (await store.admit([budget(60)])).refusal
        assert refused is not None
        assert refused.cause is Cause.SPENT

    # --- places ---

    async def test_places_are_given_back_whatever_is_settled(self, store: Store) -> None:
        first, second = await store.admit([place()]), await store.admit([place()])
        assert second.levels == (Level(0, 2, 2),)
        refused = (await store.admit([place()])).refusal
        assert refused is not None
        assert (refused.cause, refused.retry_after) == (Cause.RESERVED, 1.0)
        assert await store.settle(first.lease, [1]) == (Level(0, 1, 2),)
        assert await store.settle(second.lease, [0]) == (Level(0, 0, 2),)
        assert await store.peek("c") is None

    async def test_a_place_whose_holder_died_is_free_again_and_costs_nothing(
        self, store: Store, clock: Clock, journal: list[Entry]
    ) -> None:
        lost = await store.admit([place(1), budget(5)])
        clock.now += LEASE_SECONDS
        assert (await store.admit([place(1)])).lease
        assert await store.settle(lost.lease, [1, 0]) == ()
        assert await store.peek("b") == Level(5, 0, 100)
        assert [entry.amounts for entry in journal if entry.op == "expire"] == [(0, 5)]

    # --- rolling budgets ---

    async def test_what_is_settled_leaves_after_the_window_and_at_most_a_slot(
        self, store: Store, clock: Clock
    ) -> None:
        clock.now = START + 3
        admission = await store.admit([rolling(60)])
        assert await store.settle(admission.lease, [50]) == (Level(50, 0, 100),)
        clock.now = START + 609
        admission = await store.admit([rolling(40)])
        assert admission.levels == (Level(50, 40, 100),)
        await store.settle(admission.lease, [40])
        clock.now = START + 610
        assert await store.peek("w") == Level(40, 0, 100)
        assert (await store.admit([rolling(60)])).levels == (Level(40, 60, 100),)

    async def test_spent_of_a_rolling_budget_tells_the_wait_until_enough_has_left(
        self, store: Store, clock: Clock
    ) -> None:
        for amount in (10, 20, 60):
            admission = await store.admit([rolling(amount)])
            await store.settle(admission.lease, [amount])
            clock.now += 25
        clock.now = START + 100.5
        waits = {}
        for amount in (11, 40, 41, 101):
            refused = (await store.admit([rolling(amount)])).refusal
            assert refused is not None
            assert refused.cause is Cause.SPENT
            waits[amount] = refused.retry_after
        # Slots end 10, 30 and 60 seconds after the start.
        assert waits == {11: 509.5, 40: 529.5, 41: 559.5, 101: 0.0}
        clock.now = START + 630
        assert (await store.admit([rolling(40)])).lease

    async def test_an_expired_lease_of_a_rolling_budget_leaves_too(
        self, store: Store, clock: Clock
    ) -> None:
        await store.admit([rolling(100)])
        clock.now += LEASE_SECONDS
        assert await store.peek("w") == Level(100, 0, 100)
        clock.now += 610
        assert await store.peek("w") is None
        assert (await store.admit([rolling(100)])).lease

    async def test_a_clock_set_back_keeps_what_was_spent_for_one_window(
        self, store: Store, clock: Clock
    ) -> None:
        admission = await store.admit([rolling(60)])
        await store.settle(admission.lease, [60])
        clock.now -= 3600
        assert (await store.admit([rolling(60)])).refusal is not None
        clock.now += 600
        assert (await store.admit([rolling(60)])).refusal is not None
        clock.now += 10
        assert (await store.admit([rolling(60)])).lease

    async def test_a_budget_that_begins_to_roll_takes_along_what_was_spent(
        self, store: Store, clock: Clock
    ) -> None:
        admission = await store.admit([budget(30)])
        await store.settle(admission.lease, [30])
        for window in (600, 60):
            assert (await store.admit([rolling(71, window=window, key="b")])).refusal is not None
            admission = await store.admit([rolling(1, window=window, key="b")])
            await store.settle(admission.lease, [1])
        clock.now += 61
        assert (await store.admit([rolling(100, window=60, key="b")])).lease

    # --- order, arguments, concurrency ---

    async def test_serials_grow_by_one(self, store: Store, journal: list[Entry]) -> None:
        first = await store.admit([budget(60)])
        refused = await store.admit([budget(60)])
        await store.settle(first.lease, [1])
        last = await store.admit([budget(1)])
        assert (refused.serial - first.serial, last.serial - first.serial) == (1, 3)
        assert [entry.op for entry in journal] == ["admit", "admit", "settle", "admit"]

    @pytest.mark.parametrize(
        "claim",
        [
            budget(-1),
            budget(2**63),
            budget(1, limit=2**63),
            bucket(2**50),
            bucket(1, rate=(0, 60)),
            bucket(1, rate=(1, 0)),
            rolling(1, window=-1),
            rolling(1, window=2**40),
            budget(1, lent=True, rolling=60),
            budget(1, lent=True, refill=(1, 1)),
            budget(1, rolling=60, refill=(1, 1)),
        ],
    )
    async def test_what_cannot_be_counted_is_an_error(self, store: Store, claim: Claim) -> None:
        with pytest.raises(ValueError, match="claim"):
            await store.admit([claim])

    async def test_a_wrong_settlement_is_an_error_and_the_lease_stays(self, store: Store) -> None:
        admission = await store.admit([budget(60)])
        with pytest.raises(ValueError, match="amount"):
            await store.settle(admission.lease, [-1])
        with pytest.raises(ValueError, match="2 amounts for 1 claims"):
            await store.settle(admission.lease, [1, 2])
        assert await store.settle(admission.lease, [7]) == (Level(7, 0, 100),)

    async def test_a_thousand_at_once_fit_exactly_a_hundred(
        self, store: Store, journal: list[Entry]
    ) -> None:
        claims = [budget(10**6, limit=10**8), bucket(1, limit=5000)]

        async def call() -> bool:
            admission = await store.admit(claims)
            await asyncio.sleep(0)
            if admission.lease:
                await store.settle(admission.lease, [10**6, 1])
            return bool(admission.lease)

        passed = sum(await asyncio.gather(*[call() for _ in range(1000)]))
        assert passed == 100
        assert await store.peek("b") == Level(10**8, 0, 10**8)
        assert len(journal) == 1100

    async def test_spend_never_passes_the_limit_and_refusals_are_justified(
        self, store: Store, journal: list[Entry]
    ) -> None:
        async def call(number: int) -> int:
            admission = await store.admit([budget(1000, limit=20_000)])
            for _ in range(number % 7):
                await asyncio.sleep(0)
            if not admission.lease:
                return 0
            await store.settle(admission.lease, [number % 900])
            return number % 900

        spent = 0
        for _ in range(4):
            spent += sum(await asyncio.gather(*[call(n) for n in range(250)]))
            level = await store.peek("b")
            assert level is not None
            assert level.used == spent <= 20_000
        assert any(entry.refusal for entry in journal)

    async def test_an_admission_whose_caller_left_holds_nothing(
        self, store: Store, clock: Clock
    ) -> None:
        for pauses in range(4):
            task = asyncio.ensure_future(store.admit([budget(60)]))
            for _ in range(pauses):
                await asyncio.sleep(0)
            if not task.done():
                task.cancel()
            done = await asyncio.gather(task, return_exceptions=True)
            if not isinstance(done[0], BaseException):
                await store.settle(done[0].lease, [0])
        assert (await store.admit([budget(100)])).lease

    async def test_a_settlement_whose_caller_left_is_made(self, store: Store) -> None:
        admission = await store.admit([budget(60)])
        task = asyncio.ensure_future(store.settle(admission.lease, [5]))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await store.peek("b") == Level(5, 0, 100)

    # --- being there ---

    async def test_a_store_that_answers_is_not_away(self, store: Store) -> None:
        told: list[bool] = []
        store.watch(told.append)
        await store.admit([budget(1)])
        with pytest.raises(ValueError, match="claim"):
            await store.admit([budget(-1)])
        assert (store.away_since, told) == (None, [])

    # --- values ---

    async def test_values_are_kept_for_their_time(self, store: Store, clock: Clock) -> None:
        assert await store.get("v") is None
        await store.put("v", b"one", 30)
        await store.put("v", b"two", 30)
        assert await store.get("v") == b"two"
        clock.now += 30
        assert await store.get("v") is None

    async def test_add_keeps_the_first(self, store: Store, clock: Clock) -> None:
        assert await store.add("v", b"one", 30)
        assert not await store.add("v", b"two", 30)
        assert await store.get("v") == b"one"
        clock.now += 30
        assert await store.add("v", b"three", 30)

    async def test_of_many_adds_at_once_one_wins(self, store: Store) -> None:
        won = await asyncio.gather(*[store.add("v", str(n).encode(), 30) for n in range(50)])
        assert sum(won) == 1
        assert await store.get("v") == str(won.index(True)).encode()

    async def test_waiting_ends_when_the_value_comes(self, store: Store) -> None:
        waiting = [asyncio.ensure_future(store.wait("v", 60)) for _ in range(3)]
        await asyncio.sleep(0)
        await store.put("v", b"now", 30)
        assert await asyncio.gather(*waiting) == [b"now"] * 3
        assert await store.wait("v", 60) == b"now"

    async def test_waiting_in_vain_ends(self, store: Store) -> None:
        assert await store.wait("v", 0.01) is None
        assert await store.wait("v", 0) is None

    async def test_a_value_may_be_empty_but_not_huge(self, store: Store) -> None:
        await store.put("v", b"", 30)
        assert await store.get("v") == b""
        with pytest.raises(ValueError, match="65537 bytes"):
            await store.put("v", b"x" * 65537, 30)

    # --- bounded growth ---

    async def test_what_is_over_is_forgotten(self, store: Store, clock: Clock) -> None:
        for number in range(600):
            clock.now += 1
            expires = int(clock.now) + 5
            admission = await store.admit(
                [budget(1, key=f"b{number}", expires=expires), bucket(1, key=f"r{number}")]
            )
            await store.settle(admission.lease, [1, 1])
            await store.put(f"v{number}", b"x", 5)
        assert await self.size(store) < 300

    async def test_refused_keys_are_not_kept(self, store: Store) -> None:
        for number in range(300):
            await store.admit([budget(101, key=f"b{number}"), budget(1, key=f"c{number}")])
        assert await self.size(store) == 0

    async def size(self, store: Store) -> int:
        """How many counters and values are kept."""
        raise NotImplementedError
