"""What the gateway remembers between calls: the protocol of every store.

Rules of this file:
- `admit` is all or nothing and one round trip, whatever the number of claims.
- Amounts are integers: requests, tokens, or nano-dollars. Buckets count in millionths of their
  unit inside, so that refill is exact.
- What is reserved is held by a lease. A lease that expires is charged in full (but for places,
  which are only lent). A store MUST
  NOT lose a settled amount, nor a running reservation, when the process is killed (`memory`
  is the stated exception).
- Time is the store's own: callers never pass it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Protocol, runtime_checkable

NANO = 1_000_000_000
"""Nano-dollars in a dollar."""


# Claims and levels are made many times a call, and freezing a class makes that three times as dear.


@dataclass(slots=True, unsafe_hash=True)
class Claim:
    """What one rule wants to take for one call. Never changed.

    Attributes:
        key: policy, rule id, scope digest and window; never a position in a file.
        amount: what to take now. A budget reserves it, a bucket takes it out.
        limit: a budget's limit, a bucket's burst (its size).
        refill: (units, seconds): a token bucket gaining `units` every `seconds`; None: a budget.
        expires: unix seconds when the key may be forgotten (a budget's window ends, plus grace);
            None: never. Buckets are forgotten when they are full again, rolling budgets when
            nothing counts any more, places when nobody has one.
        shadow: take it, but never refuse because of it.
        lent: a place (of `limit` places) that is given back when the lease ends, whether it is
            settled, with whatever amount, or runs out.
        rolling: seconds of a budget's rolling window: what is settled counts for so long (up to
            a sixtieth longer, at least 1 s) and then leaves. 0: what is settled stays.
    """

    key: str
    amount: int
    limit: int
    refill: tuple[int, int] | None = None
    expires: int | None = None
    shadow: bool = False
    lent: bool = False
    rolling: int = 0


@dataclass(slots=True, unsafe_hash=True)
class Level:
    """A key's state right after the decision. Never changed.

    A bucket: `used` = limit - what is in it.
    A rolling budget: `used` is what counts now. Places: all that are taken are `reserved`.
    """

    used: int
    reserved: int
    limit: int


class Cause(StrEnum):
    """Why a claim was refused."""

    RATE = "rate"  # the bucket is empty for now
    SPENT = "spent"  # the budget cannot take it even if nobody else had reserved anything
    RESERVED = "reserved"  # it could, once what others have reserved is settled lower


@dataclass(frozen=True, slots=True)
class Refusal:
    """The first enforced claim that did not fit: its index, why, and seconds to wait.

    `retry_after` of SPENT: 0 where waiting does not help; else (a rolling budget) until enough
    has left the window.
    """

    index: int
    cause: Cause
    retry_after: float


@dataclass(frozen=True, slots=True)
class Admission:
    """The store's answer. `lease` is "" when refused or when nothing was claimed.

    `would_refuse` lists shadow claims that did not fit. `serial` grows by one with every
    admission and settlement of the store, so that a log of them can be replayed in order.
    `local`: decided without the store, by one process (`Standby`); `serial` is then 0.
    """

    lease: str
    levels: tuple[Level, ...]
    serial: int
    refusal: Refusal | None = None
    would_refuse: tuple[Refusal, ...] = ()
    local: bool = False


class StoreError(Exception):
    """The store did not answer or could not write."""


class Store(Protocol):
    """Counters, reservations and small values, shared by all workers of a machine or more."""

    name: str
    lease_seconds: float
    """How long a reservation lives without being renewed."""

    @property
    def away_since(self) -> float | None:
        """Unix seconds since when calls of this process fail, None while the last one went well.

        A store that is away is still to be asked: it fails at once, and is back by itself.
        """
        ...

    def watch(self, told: Callable[[bool], None]) -> None:
        """Have `told(True)` called when the store no longer answers, `told(False)` when it does."""
        ...

    async def open(self) -> None:
        """Make it ready. Raises StoreError with what to do about it."""
        ...

    async def close(self) -> None: ...

    async def admit(self, claims: Sequence[Claim]) -> Admission:
        """Take all claims, or none. Raises StoreError."""
        ...

    async def settle(self, lease: str, amounts: Sequence[int]) -> tuple[Level | None, ...]:
        """Put what was really used in the place of what was reserved, once, and end the lease.

        The levels stand in the order of the claims. That of a bucket which keeps what was taken is
        None: nothing of it changes, so it is not looked at.

        `amounts` stand in the order of the claims. A bucket gets back or loses the difference
        (it may go below zero). A lease that has expired changes nothing and gives no levels, for it
        was charged in full already, and so does one that this process never had. One that the
        store has lost is charged all the same, and gives no levels. Raises StoreError.
        """
        ...

    async def renew(self, leases: Sequence[str]) -> None:
        """Put off the expiry of running leases. Raises StoreError."""
        ...

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        """Keep a small value (up to 64 KiB) for `ttl` seconds."""
        ...

    async def get(self, key: str) -> bytes | None: ...

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        """Keep a value only if there is none; whether it was kept."""
        ...

    async def wait(self, key: str, deadline: float) -> bytes | None:
        """Wait up to `deadline` seconds for a key to have a value."""
        ...

    async def peek(self, key: str) -> Level | None:
        """A counter's state, for showing it. Never decides anything."""
        ...


@runtime_checkable
class Standby(Protocol):
    """A store that one process can do without for a while: see `state/standby.py`."""

    def take(self, claims: Sequence[Claim], shares: Sequence[Fraction | None]) -> Admission:
        """Take claims that the store did not answer for, all or none, from this process's own
        counters; what comes of them is charged to the store when it is back.

        Args:
            shares: of each claim: the part of its limit that this gateway may give away by
                itself; None: it is only counted.

        Returns:
            The admission; its levels have the limits that were decided on.

        Raises:
            StoreError: there is no room to count them.
        """
        ...
