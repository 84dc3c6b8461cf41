"""Calls as the script reads them, and its answers; see scripts/batch.lua.

Amounts beyond 2^53 travel as strings of digits, because JSON numbers become doubles in Lua. The
answer's numbers are whole and below 2^63, but for waits, which are such strings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from gateway.state import ledger
from gateway.state.journal import Entry
from gateway.state.ledger import MICRO
from gateway.state.store import Admission, Cause, Claim, Level, Refusal

_EXACT = 2**53
_PARTS = ("exact.lua", "ledger.lua", "batch.lua")


@cache
def script() -> tuple[str, str]:
    """The script's text, and the SHA-1 by which a server knows it."""
    folder = files("gateway.state") / "scripts"
    text = "\n".join((folder / name).read_text() for name in _PARTS)
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a batch. `text` is what the script gets."""

    kind: str
    text: bytes
    lease: str = ""
    claims: tuple[Claim, ...] = ()
    amounts: tuple[int, ...] = ()
    leases: tuple[str, ...] = ()


def admit(lease: str, claims: tuple[Claim, ...]) -> Call:
    return Call(
        "a", orjson.dumps(["a", lease, [_packed(claim) for claim in claims]]), lease, claims
    )


def settle(lease: str, amounts: Sequence[int]) -> Call:
    told = tuple(amounts)
    return Call("s", orjson.dumps(["s", lease, [_number(n) for n in told]]), lease, (), told)


def undo(lease: str) -> Call:
    return Call("u", orjson.dumps(["u", lease]), lease)


def renew(leases: Sequence[str]) -> Call:
    return Call("r", orjson.dumps(["r", list(leases)]), leases=tuple(leases))


def peek(key: str) -> Call:
    return Call("p", orjson.dumps(["p", key]))


def bring_back(
    lease: str, claims: tuple[Claim, ...], left: int, amounts: Sequence[int] | None
) -> Call:
    """Take again what the server no longer knows, for `left` microseconds, or settled at once."""
    packed = [_packed(claim) for claim in claims]
    told = None if amounts is None else tuple(amounts)
    numbers = None if told is None else [_number(n) for n in told]
    text = orjson.dumps(["b", lease, packed, left, numbers])
    return Call("b", text, lease, claims, told or ())


def nothing() -> Call:
    """In the place of a call that shall have no effect any more."""
    return Call("n", orjson.dumps(["n"]))


def try_out() -> Call:
    """All that is done later, once, so that what is forbidden is known at the start."""
    return Call("t", orjson.dumps(["t"]))


@dataclass(frozen=True, slots=True)
class Answers:
    """A batch's answer: microseconds of unix time, leases that ran out, one answer a call.

    `last` is the number of the sender's latest batch that changed anything.
    """

    now: int
    last: int
    expired: list[Any]
    each: list[Any]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The server did nothing, for it has lost all of this sender's batches after the `last`."""

    last: int


def read_answers(raw: bytes) -> Answers | Forgotten:
    told = orjson.loads(raw)
    return Forgotten(*told) if len(told) == 1 else Answers(*told)


def result_of(call: Call, answer: Any) -> Any:
    """What the store's caller gets. Raises ValueError for amounts that do not fit the lease."""
    if call.kind == "a":
        serial, levels, refusal, would = answer
        return Admission(
            lease="" if refusal else call.lease,
            levels=_levels(levels),
            serial=serial,
            refusal=_refusal(refusal) if refusal else None,
            would_refuse=tuple([_refusal(each) for each in would]),
        )
    if call.kind == "s":
        if not answer:
            return ()
        if len(answer) == 1:
            raise ValueError(f"{len(call.amounts)} amounts for {answer[0]} claims")
        return _levels(answer[1])
    if call.kind == "p":
        return Level(*answer) if answer is not None else None
    return None


def entries_of(calls: Sequence[Call], answers: Answers) -> list[Entry]:
    """The journal of a batch that was told to report claims."""
    entries = [_ended("expire", answers.now, each, None) for each in answers.expired]
    for call, answer in zip(calls, answers.each, strict=True):
        if not answer:
            continue
        if call.kind == "a":
            refusal = _refusal(answer[2]) if answer[2] else None
            lease = "" if refusal else call.lease
            entries.append(Entry(answer[0], answers.now, "admit", lease, call.claims, (), refusal))
        elif call.kind == "b":
            entries += _brought_back(call, answers.now, *answer)
        elif call.kind in "su" and len(answer) > 1:
            amounts = call.amounts or (0,) * len(answer[1])
            entries.append(_ended("settle", answers.now, answer, amounts))
    return entries


def _brought_back(call: Call, now: int, serial: int | None, settled: Any = None) -> Iterator[Entry]:
    if serial is not None:
        yield Entry(serial, now, "restore", call.lease, call.claims)
    if settled is not None:
        yield _ended("settle", now, settled, call.amounts)


def _ended(op: Any, now: int, answer: Any, amounts: tuple[int, ...] | None) -> Entry:
    serial, _, (_, lease, packed, *_) = answer
    claims = tuple(_claim(*each) for each in packed)
    told = tuple(ledger.amounts_of(claims)) if amounts is None else amounts
    return Entry(serial, now, op, lease, claims, told)


def _packed(claim: Claim) -> list[Any]:
    units, seconds = claim.refill or (0, 1)
    expires = -1 if claim.expires is None else _number(claim.expires * MICRO)
    return [
        claim.key,
        _number(claim.amount),
        _number(claim.limit),
        units,
        seconds,
        expires,
        int(claim.shadow),
        -1 if claim.lent else claim.rolling,
    ]


def _claim(
    key: str,
    amount: int | str,
    limit: int | str,
    units: int,
    seconds: int,
    expires: int | str,
    shadow: int,
    rolling: int,
) -> Claim:
    refill = (units, seconds) if units else None
    ends = None if expires == -1 else int(expires) // MICRO
    lent = rolling < 0
    return Claim(
        key, int(amount), int(limit), refill, ends, bool(shadow), lent, 0 if lent else rolling
    )


def _number(number: int) -> int | str:
    return number if number < _EXACT else str(number)


def _levels(levels: list[list[int]]) -> tuple[Level, ...]:
    return tuple([Level(*each) for each in levels])


def _refusal(packed: list[Any]) -> Refusal:
    index, cause, wait = packed
    return Refusal(index, Cause(cause), int(wait) / MICRO)
