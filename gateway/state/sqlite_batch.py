"""What one transaction knows: counters and leases read once, changed in memory, written once.

Rules of this file:
- Lives inside one `BEGIN IMMEDIATE` transaction; nothing of it is kept afterwards, for another
  process may write next.
- The arithmetic is `ledger.py`'s. Here is only what is read and written.
- The serial number is taken inside the transaction, so that it is in the order of the decisions
  of all processes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import orjson

from gateway.state import ledger
from gateway.state.journal import Entry, Op
from gateway.state.ledger import LEASE, MICRO, Counter
from gateway.state.rolling import Slots
from gateway.state.store import Admission, Claim, Level

_WIDEST = 2**63 - 1
_SWEPT_AT_ONCE = 256

_READ_COUNTER = (
    "SELECT used, reserved, at, rest, expires, most, units, seconds, rolling, slots"
    " FROM counter WHERE key = ?"
)
_WRITE_COUNTER = "INSERT OR REPLACE INTO counter VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_READ_LEASE = "SELECT expires, claims FROM lease WHERE serial = ? AND nonce = ?"
_EXPIRED = "SELECT serial, nonce, claims FROM lease WHERE expires <= ? ORDER BY serial LIMIT ?"


class _Counters(dict[str, Counter]):
    """The counters of this transaction; one that was not asked for yet is read from the file."""

    __slots__ = ("_now", "_read", "dirty")

    def __init__(self, connection: sqlite3.Connection, now: int) -> None:
        self._read = connection.execute
        self._now = now
        self.dirty: dict[str, None] = {}  # the keys to write, in order

    def get(self, key: str, default: Any = None) -> Any:
        found = super().get(key)
        if found is None:
            row = self._read(_READ_COUNTER, (key,)).fetchone()
            if row is None:
                return default
            found = self[key] = Counter(*row)
            # What time alone has changed a refused call must leave behind, too.
            if found.rolling:
                found.slots = _slots_of(row[-1])
                if ledger.roll(found, self._now):
                    self.dirty[key] = None
            elif found.units and found.at > self._now:  # the clock was set back
                found.at = self._now
                self.dirty[key] = None
        return found


class Batch:
    """One transaction's worth of work. `nonce` marks the leases of the process that makes it."""

    def __init__(
        self, connection: sqlite3.Connection, now: int, nonce: str, *, journal: bool
    ) -> None:
        self.entries: list[Entry] = []
        self.new_values: list[tuple[str, bytes]] = []
        self.written = 0  # rows that may have to be forgotten one day
        self._connection = connection
        self._now = now
        self._nonce = nonce
        self._keeps_entries = journal
        self._counters = _Counters(connection, now)
        self._new_leases: dict[int, tuple[Claim, ...]] = {}
        self._ended: dict[int, None] = {}
        self._first = self._serial = int(
            connection.execute("SELECT value FROM serial").fetchone()[0]
        )

    # --- the store's calls ---

    def admit(self, claims: tuple[Claim, ...]) -> Admission:
        decision = ledger.admit(self._counters, claims, self._now)
        self._serial += 1
        lease = ""
        if decision.refusal is None:
            lease = f"{self._serial}.{self._nonce}"
            self._new_leases[self._serial] = claims
            self._mark(claims)
        self._note("admit", lease, claims, (), decision)
        return Admission(
            lease, decision.levels, self._serial, decision.refusal, decision.would_refuse
        )

    def settle(self, lease: str, amounts: Sequence[int]) -> tuple[Level | None, ...]:
        serial, nonce = _parse(lease)
        claims = self._take_lease(serial, nonce, amounts)
        if claims is None:
            return ()
        return self._end(lease, claims, amounts, "settle")

    def renew(self, leases: Sequence[str]) -> None:
        self._connection.executemany(
            "UPDATE lease SET expires = ? WHERE serial = ? AND nonce = ? AND expires > ?",
            [(self._now + LEASE, *_parse(lease), self._now) for lease in leases],
        )

    def put(self, key: str, value: bytes, ttl: float) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO value VALUES (?, ?, ?)",
            (key, value, self._now + int(ttl * MICRO)),
        )
        self.new_values.append((key, value))
        self.written += 1

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        held = self._connection.execute(
            "SELECT 1 FROM value WHERE key = ? AND expires > ?", (key, self._now)
        ).fetchone()
        if held is not None:
            return False
        self.put(key, value, ttl)
        return True

    def peek(self, key: str) -> Level | None:
        return ledger.shown(self._counters, key, self._now)

    # --- around them ---

    def sweep(self) -> None:
        """Charge leases that ran out, in full. Those of dead processes too."""
        rows = self._connection.execute(_EXPIRED, (self._now, _SWEPT_AT_ONCE)).fetchall()
        for serial, nonce, packed in rows:
            claims = _unpack(packed)
            self._ended[serial] = None
            self._end(f"{serial}.{nonce}", claims, ledger.amounts_of(claims), "expire")

    def write(self) -> None:
        """Put everything that was decided into the file; the caller commits."""
        run = self._connection.executemany
        if self._new_leases:
            expires = self._now + LEASE
            run(
                "INSERT INTO lease VALUES (?, ?, ?, ?)",
                [
                    (serial, self._nonce, expires, _pack(claims))
                    for serial, claims in self._new_leases.items()
                ],
            )
        if self._ended:
            run("DELETE FROM lease WHERE serial = ?", [(serial,) for serial in self._ended])
        if dirty := self._counters.dirty:
            run(_WRITE_COUNTER, [_row(key, self._counters[key]) for key in dirty])
            self.written += len(dirty)
        if self._serial != self._first:
            self._connection.execute("UPDATE serial SET value = ?", (self._serial,))

    # --- inside ---

    def _take_lease(
        self, serial: int, nonce: str, amounts: Sequence[int]
    ) -> tuple[Claim, ...] | None:
        claims = self._new_leases.get(serial) if nonce == self._nonce else None
        if claims is None:
            row = self._connection.execute(_READ_LEASE, (serial, nonce)).fetchone()
            if row is None or row[0] <= self._now or serial in self._ended:
                return None
            claims = _unpack(row[1])
        if len(claims) != len(amounts):
            raise ValueError(f"{len(amounts)} amounts for {len(claims)} claims")
        if self._new_leases.pop(serial, None) is None:
            self._ended[serial] = None
        return claims

    def _end(
        self, lease: str, claims: tuple[Claim, ...], amounts: Sequence[int], op: Op
    ) -> tuple[Level | None, ...]:
        levels = ledger.settle(self._counters, claims, amounts, self._now)
        self._serial += 1
        changed = zip(claims, levels, strict=True)
        self._mark([claim for claim, level in changed if level is not None])
        self._note(op, lease, claims, tuple(amounts), None)
        return levels

    def _mark(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            self._counters.dirty[claim.key] = None

    def _note(
        self,
        op: Op,
        lease: str,
        claims: tuple[Claim, ...],
        amounts: tuple[int, ...],
        decision: ledger.Decision | None,
    ) -> None:
        if self._keeps_entries:
            refusal = decision.refusal if decision is not None else None
            self.entries.append(Entry(self._serial, self._now, op, lease, claims, amounts, refusal))


def _row(key: str, counter: Counter) -> tuple[str | int | bytes | None, ...]:
    return (
        key,
        min(counter.used, _WIDEST),
        min(counter.reserved, _WIDEST),
        counter.at,
        counter.rest,
        counter.expires,
        counter.limit,
        counter.units,
        counter.seconds,
        counter.rolling,
        orjson.dumps(list(counter.slots.items())) if counter.slots is not None else None,
    )


def _slots_of(packed: bytes) -> Slots:
    return dict(orjson.loads(packed))


def _pack(claims: Sequence[Claim]) -> bytes:
    return orjson.dumps([_fields(claim) for claim in claims])


def _fields(claim: Claim) -> tuple[Any, ...]:
    plain = (claim.key, claim.amount, claim.limit, claim.refill, claim.expires, claim.shadow)
    return (*plain, claim.lent, claim.rolling) if claim.lent or claim.rolling else plain


def _unpack(packed: bytes) -> tuple[Claim, ...]:
    return tuple(
        Claim(key, amount, limit, refill and (refill[0], refill[1]), *rest)
        for key, amount, limit, refill, *rest in orjson.loads(packed)
    )


def _parse(lease: str) -> tuple[int, str]:
    serial, _, nonce = lease.partition(".")
    return (int(serial), nonce) if serial.isdecimal() and len(serial) < 19 else (0, "")
