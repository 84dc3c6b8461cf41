"""The arithmetic of buckets and budgets, the same for every store.

Rules of this file:
- Pure: no I/O, no clock. `now` is whole microseconds of unix time, given by the store.
- Whole numbers only. A bucket counts what is missing from it in millionths of a unit and keeps
  the remainder of its last refill, so that no refill is ever lost or gained by rounding.
- A `Counter` is changed in place. A refused admission leaves every counter as it was (but for
  refills and what leaves a window, which would have come anyway).
- Sums saturate at `MOST`, so that they fit the 64-bit integers of a database.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass

from gateway.state import rolling
from gateway.state.rolling import Slots
from gateway.state.store import Cause, Claim, Level, Refusal

MICRO = rolling.MICRO
MOST = 2**62
LEASE_SECONDS = 60
"""How long a reservation lives without being renewed."""
LEASE = LEASE_SECONDS * MICRO
LONG_AGO = 1
"""An end that is past: forgotten as soon as nothing is reserved."""
LARGEST_VALUE = 64 * 1024
"""Bytes of the largest value that `put` and `add` keep."""
_MOST_OF_BUCKET = MOST // MICRO


@dataclass(slots=True)
class Counter:
    """What is kept for one key.

    A budget: `used` and `reserved` in its unit. A bucket: `used` is what is missing from it, in
    millionths; `at` is when it was last refilled, `rest` what that refill left over, in
    millionths times seconds.

    `expires` is in microseconds, 0: never. `limit`, `units` and `seconds` are those of the
    latest claim, kept so that a counter can be shown; `units` 0: a budget. A budget that rolls
    has its window's seconds in `rolling`; its `used` is the sum of its `slots`.
    """

    used: int = 0
    reserved: int = 0
    at: int = 0
    rest: int = 0
    expires: int = 0
    limit: int = 0
    units: int = 0
    seconds: int = 1
    rolling: int = 0
    slots: Slots | None = None

    def forgotten(self, now: int) -> bool:
        """Whether nothing would be lost with it: its time is over and nothing is reserved."""
        return self.expires != 0 and self.expires <= now and not self.reserved

    def level(self) -> Level:
        """How it stands, a bucket's missing part rounded up to whole units."""
        if self.units:
            return Level(-(-self.used // MICRO), 0, self.limit)
        return Level(self.used, self.reserved, self.limit)


@dataclass(frozen=True, slots=True)
class Decision:
    """What `admit` decided; see `Admission`."""

    levels: tuple[Level, ...]
    refusal: Refusal | None
    would_refuse: tuple[Refusal, ...]


def check_claims(claims: Sequence[Claim]) -> None:
    """Raises ValueError for a claim that no store can count."""
    for claim in claims:
        refill = claim.refill
        most = MOST if refill is None else _MOST_OF_BUCKET
        if not (0 <= claim.amount <= most and 0 <= claim.limit <= most):
            raise ValueError(f"claim {claim.key}: amount or limit is not between 0 and {most}")
        if refill is not None:
            if not (0 < refill[0] <= most and 0 < refill[1] <= most):
                raise ValueError(
                    f"claim {claim.key}: a bucket gains at least 1 in at least 1 second"
                )
            if claim.lent or claim.rolling:
                raise ValueError(f"claim {claim.key}: a bucket is not lent and does not roll")
        elif claim.rolling:
            if not 0 < claim.rolling <= rolling.LONGEST:
                raise ValueError(f"claim {claim.key}: a window has up to {rolling.LONGEST} seconds")
            if claim.lent:
                raise ValueError(f"claim {claim.key}: what is lent does not roll")


def check_amounts(amounts: Sequence[int]) -> None:
    """Raises ValueError for an amount that no store can count."""
    if amounts and not (min(amounts) >= 0 and max(amounts) <= _MOST_OF_BUCKET * MICRO):
        raise ValueError(f"a settled amount is not between 0 and {MOST}")


def check_value(value: bytes) -> None:
    """Raises ValueError for a value that is too large to be kept."""
    if len(value) > LARGEST_VALUE:
        raise ValueError(f"a value has {len(value)} bytes, more than {LARGEST_VALUE}")


def admit(counters: MutableMapping[str, Counter], claims: Sequence[Claim], now: int) -> Decision:
    """Take all claims from their counters, or none if an enforced one does not fit."""
    taken: list[tuple[Counter, Claim]] = []
    refusal: Refusal | None = None
    would_refuse: list[Refusal] = []
    touched: list[Counter] = []
    for index, claim in enumerate(claims):
        counter = _ready(counters, claim, now)
        touched.append(counter)
        refused = _fits(counter, claim, index, now)
        if refused is not None:
            if not claim.shadow:
                refusal = refusal or refused
                continue
            would_refuse.append(refused)
        _take(counter, claim, 1)
        taken.append((counter, claim))
    if refusal is not None:
        for counter, claim in taken:
            _take(counter, claim, -1)
    else:
        for counter, claim in taken:
            _remember(counter, claim, now)
    return Decision(tuple([each.level() for each in touched]), refusal, tuple(would_refuse))


def retake(counters: MutableMapping[str, Counter], claims: Sequence[Claim], now: int) -> None:
    """Take what was admitted once and was lost since, whatever the limits say now."""
    for claim in claims:
        counter = _ready(counters, claim, now)
        _take(counter, claim, 1)
        _remember(counter, claim, now)


def settle(
    counters: MutableMapping[str, Counter],
    claims: Sequence[Claim],
    amounts: Sequence[int],
    now: int,
) -> tuple[Level | None, ...]:
    """Put `amounts` in the place of what the claims took.

    A bucket that keeps what was taken changes by nothing but time: it is left alone, and has no
    level.
    """
    levels: list[Level | None] = []
    for claim, amount in zip(claims, amounts, strict=True):
        if claim.refill is not None and amount == claim.amount:
            levels.append(None)
            continue
        counter = _ready(counters, claim, now)
        if claim.refill is None:
            left = counter.reserved - claim.amount
            counter.reserved = left if left > 0 else 0
            if not claim.lent:
                _spend(counter, amount, now)
        else:
            counter.used = min(MOST, max(0, counter.used + (amount - claim.amount) * MICRO))
        _remember(counter, claim, now)
        levels.append(counter.level())
    return tuple(levels)


def refill(counter: Counter, now: int) -> None:
    """Give a bucket what it has gained since it was last looked at."""
    elapsed = now - counter.at
    counter.at = now
    if elapsed <= 0 or not counter.used:
        # A clock that was set back gains nothing, and starts to gain again at once.
        counter.rest = counter.rest if counter.used else 0
        return
    gained, counter.rest = divmod(elapsed * counter.units + counter.rest, counter.seconds)
    counter.used -= gained
    if counter.used <= 0:
        counter.used = counter.rest = 0


def roll(counter: Counter, now: int) -> bool:
    """Let what is over leave a rolling budget; whether that changed anything."""
    assert counter.slots is not None
    left = rolling.roll(counter.slots, counter.rolling, now)
    counter.used -= left or 0
    return left is not None


def amounts_of(claims: Sequence[Claim]) -> list[int]:
    """What a lease that ran out is charged: all that it had reserved, but for what was lent."""
    return [0 if claim.lent else claim.amount for claim in claims]


def shown(counters: Mapping[str, Counter], key: str, now: int) -> Level | None:
    """The level of a key for showing it, None where there is none."""
    counter = counters.get(key)
    if counter is None or counter.forgotten(now):
        return None
    if counter.units:
        refill(counter, now)
    elif counter.rolling:
        roll(counter, now)
    return counter.level()


def _ready(counters: MutableMapping[str, Counter], claim: Claim, now: int) -> Counter:
    """The counter of a claim, made or begun anew where need be, refilled, with its new limit."""
    counter = counters.get(claim.key)
    if counter is None or (0 < counter.expires <= now and not counter.reserved):
        counter = counters[claim.key] = Counter(at=now)
    counter.limit = claim.limit
    if claim.refill is not None:
        counter.units, seconds = claim.refill
        if seconds != counter.seconds:  # the rate was edited: the remainder has another measure
            counter.seconds, counter.rest = seconds, 0
        if counter.used:
            refill(counter, now)
        else:
            counter.at, counter.rest = now, 0
    elif claim.rolling != counter.rolling:
        _change_window(counter, claim.rolling, now)
    elif claim.rolling:
        roll(counter, now)
    return counter


def _change_window(counter: Counter, seconds: int, now: int) -> None:
    """A budget begins to roll, or its window was edited: what was spent counts as spent now."""
    counter.rolling, counter.slots = seconds, None
    if seconds:
        counter.slots = {}
        rolling.put(counter.slots, seconds, counter.used, now)


def _fits(counter: Counter, claim: Claim, index: int, now: int) -> Refusal | None:
    amount, limit = claim.amount, claim.limit
    if claim.refill is None:
        spent = counter.used + amount
        if spent > limit:
            return Refusal(index, Cause.SPENT, _time_to_leave(counter, spent - limit, now) / MICRO)
        if spent + counter.reserved > limit:
            return Refusal(index, Cause.RESERVED, 1.0)
        return None
    lacking = counter.used + (amount - limit) * MICRO
    if lacking <= 0:
        return None
    # More than the bucket holds can never be there: the wait is until it is full.
    return Refusal(index, Cause.RATE, _time_to_gain(counter, min(lacking, counter.used)) / MICRO)


def _time_to_gain(counter: Counter, millionths: int) -> int:
    """Microseconds until a bucket has gained so much."""
    return max(0, -(-(millionths * counter.seconds - counter.rest) // counter.units))


def _time_to_leave(counter: Counter, amount: int, now: int) -> int:
    """Microseconds until so much has left a budget, 0 where that will never be."""
    if counter.slots is None:
        return 0
    return rolling.time_to_leave(counter.slots, counter.rolling, amount, now) or 0


def _spend(counter: Counter, amount: int, now: int) -> None:
    before = counter.used
    counter.used = min(MOST, before + amount)
    if counter.slots is not None:
        rolling.put(counter.slots, counter.rolling, counter.used - before, now)


def _take(counter: Counter, claim: Claim, sign: int) -> None:
    if claim.refill is None:
        counter.reserved += sign * claim.amount
    else:
        counter.used += sign * claim.amount * MICRO


def _remember(counter: Counter, claim: Claim, now: int) -> None:
    """Set when the counter may be forgotten: a bucket when it is full, a budget when told.

    Places and rolling budgets: as soon as nothing is left in them.
    """
    if claim.refill is not None:
        counter.expires = now + (_time_to_gain(counter, counter.used) if counter.used else 0) + 1
    elif claim.lent:
        counter.expires = LONG_AGO
    elif counter.slots is not None:
        counter.expires = rolling.empty_at(counter.slots, counter.rolling) or LONG_AGO
    elif claim.expires is None:
        counter.expires = 0
    elif claim.expires * MICRO > counter.expires:
        counter.expires = claim.expires * MICRO
