"""Calls as the script reads them, and its answers; see scripts/batch.lua.

Rules of this file:
- What nearly every call is has a packed form (scripts/codec.lua): an admission and a settlement
  whose numbers are all below 2^50. What never changes of a claim, its shape, is sent once a batch.
- All else is JSON. Amounts beyond 2^53 travel as strings of digits there, because JSON numbers
  become doubles in Lua. An answer's numbers are whole and below 2^63, but for waits, which are such
  strings.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import orjson

from gateway.state import ledger
from gateway.state.journal import Entry
from gateway.state.ledger import MICRO
from gateway.state.store import Admission, Cause, Claim, Level, Refusal

_EXACT = 2**53
_SAFE = 2**50
_MOST_PACKED = 200
"""Claims of a packed call: Lua's stack is not endless."""
_SHAPE = struct.Struct("<HBQdddd")
_KNOWN_SHAPES = 8192
_PARTS = ("exact.lua", "ledger.lua", "codec.lua", "batch.lua")


@cache
def script() -> tuple[str, str]:
    """The script's text, and the SHA-1 by which a server knows it."""
    folder = files("gateway.state") / "scripts"
    text = "\n".join((folder / name).read_text() for name in _PARTS)
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a batch. `text` is what the script gets.

    A packed call has shapes, one for each claim, or in a settlement for each that it changes:
    `text` is then only its beginning, `numbers` is the rest, and between them come the places of
    the shapes in the batch.
    """

    kind: str
    text: bytes
    lease: str = ""
    claims: tuple[Claim, ...] = ()
    amounts: tuple[int, ...] = ()
    leases: tuple[str, ...] = ()
    shapes: tuple[bytes, ...] | None = None
    numbers: bytes = b""


def admit(lease: str, claims: tuple[Claim, ...]) -> Call:
    amounts = [claim.amount for claim in claims]
    shapes = _shapes_of(claims)
    if shapes is not None and max(amounts) < _SAFE:
        return Call("a", _beginning("a", lease), lease, claims, (), (), shapes, _doubles(amounts))
    text = orjson.dumps(["a", lease, [_packed(claim) for claim in claims]])
    return Call("a", text, lease, claims)


def settle(lease: str, amounts: Sequence[int], admission: Call | None = None) -> Call:
    """`admission`: the call that got the lease, where that is known.

    Raises ValueError where it has another number of claims than there are amounts.
    """
    told = tuple(amounts)
    claims: tuple[Claim, ...] = ()
    if admission is not None:
        claims = admission.claims
        if len(claims) != len(told):
            raise ValueError(f"{len(told)} amounts for {len(claims)} claims")
        if admission.shapes is not None and max(told) < _SAFE:
            each = zip(claims, told, admission.shapes, strict=True)
            changed = [it for it in each if it[0].refill is None or it[0].amount != it[1]]
            numbers = [claim.amount for claim, _, _ in changed]
            numbers += [amount for _, amount, _ in changed]
            shapes = tuple([shape for _, _, shape in changed])
            begins = _beginning("s", lease)
            return Call("s", begins, lease, claims, told, (), shapes, _doubles(numbers))
    text = orjson.dumps(["s", lease, [_number(n) for n in told]])
    return Call("s", text, lease, claims, told)


def arguments_of(calls: Sequence[Call]) -> list[bytes]:
    """The shapes of a batch as one argument, for each costs both sides; and then its calls."""
    places: dict[bytes, int] = {}
    texts: list[bytes] = []
    for call in calls:
        if call.shapes is None:
            texts.append(call.text)
            continue
        each = [places.setdefault(shape, len(places)) for shape in call.shapes]
        texts.append(call.text + _places(len(each)).pack(*each) + call.numbers)
    return [b"".join(places), *texts]


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


def nothing(instead_of: Call | None = None) -> Call:
    """In the place of a call that shall have no effect any more, if it has had none yet."""
    return Call("n", orjson.dumps(["n"]), claims=instead_of.claims if instead_of else ())


def try_out() -> Call:
    """All that is done later, once, so that what is forbidden is known at the start."""
    return Call("t", orjson.dumps(["t"]))


@dataclass(frozen=True, slots=True)
class Answers:
    """A batch's answer: microseconds of unix time, leases that ran out, one answer a call.

    `last` is the number of the sender's latest batch that changed anything; `replicated`: whether
    as many replicas as were asked for have it.
    """

    now: int
    last: int
    expired: list[Any]
    each: list[Any]
    replicated: bool = True


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The server did nothing, for it has lost all of this sender's batches after the `last`."""

    last: int


def read_answers(raw: bytes, calls: Sequence[Call]) -> Answers | Forgotten:
    ends = 4 + int.from_bytes(raw[:4], "little")
    told = orjson.loads(raw[4:ends])
    if len(told) == 1:
        return Forgotten(*told)
    each = told[3]
    for number, (call, answer) in enumerate(zip(calls, each, strict=True)):
        if answer == 0 and call.shapes is not None:
            packed = _standing(len(call.shapes))
            each[number] = _unpacked(call, packed.unpack_from(raw, ends))
            ends += packed.size
    return Answers(*told)


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
        return _settled(call, answer[1])
    if call.kind == "p":
        return Level(*answer) if answer is not None else None
    return None


def entries_of(calls: Sequence[Call], answers: Answers) -> list[Entry]:
    """The journal of a batch that was told to report claims."""
    entries = [_ended("expire", answers.now, each, None, nothing()) for each in answers.expired]
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
            entries.append(_ended("settle", answers.now, answer, amounts, call))
    return entries


def _brought_back(call: Call, now: int, serial: int | None, settled: Any = None) -> Iterator[Entry]:
    if serial is not None:
        yield Entry(serial, now, "restore", call.lease, call.claims)
    if settled is not None:
        yield _ended("settle", now, settled, call.amounts, call)


def _ended(op: Any, now: int, answer: Any, amounts: tuple[int, ...] | None, call: Call) -> Entry:
    """What ended a lease; the answer says what it held, unless the call knew that."""
    if len(answer) == 2:
        assert amounts is not None
        return Entry(answer[0], now, op, call.lease, call.claims, amounts)
    serial, _, lease, held = answer
    claims = _claims_of_held(held)
    told = tuple(ledger.amounts_of(claims)) if amounts is None else amounts
    return Entry(serial, now, op, lease, claims, told)


# --- the packed form ---


def _beginning(kind: str, lease: str) -> bytes:
    name = lease.encode()
    return kind.encode() + bytes((len(name),)) + name


@cache
def _places(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}I")


@cache
def _standing(count: int) -> struct.Struct:
    return struct.Struct(f"<{1 + 2 * count}Q")


def _doubles(numbers: Sequence[int]) -> bytes:
    return _row(len(numbers)).pack(*numbers)


@cache
def _row(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}d")


def _shapes_of(claims: tuple[Claim, ...]) -> tuple[bytes, ...] | None:
    """None where one of them does not fit."""
    if not 0 < len(claims) <= _MOST_PACKED:
        return None
    shapes = tuple(
        [_shape(c.key, c.limit, c.refill, c.expires, c.shadow, c.lent, c.rolling) for c in claims]
    )
    return shapes if all(shapes) else None


@lru_cache(_KNOWN_SHAPES)
def _shape(
    key: str,
    limit: int,
    refill: tuple[int, int] | None,
    expires: int | None,
    shadow: bool,
    lent: bool,
    rolling: int,
) -> bytes:
    """What never changes of a claim; b"" where a number is too large."""
    name = key.encode()
    units, seconds = refill or (0, 1)
    ends = -1 if expires is None else expires * MICRO
    if ends >= _EXACT or len(name) > 2**15:
        return b""
    size = _SHAPE.size + len(name)
    return _SHAPE.pack(size, shadow, limit, units, seconds, ends, -1 if lent else rolling) + name


def _unpacked(call: Call, numbers: tuple[int, ...]) -> tuple[Any, ...]:
    """The answer to a packed call, as the JSON form would have it."""
    used, reserved = numbers[1::2], numbers[2::2]
    if call.kind == "s":
        return numbers[0], tuple(zip(used, reserved, strict=True))
    limits = [claim.limit for claim in call.claims]
    return numbers[0], tuple(map(Level, used, reserved, limits)), None, ()


def _settled(call: Call, levels: Sequence[Sequence[int] | None]) -> tuple[Level | None, ...]:
    """The levels of a settlement: None for what it did not change, which a packed one left out."""
    if call.shapes is None:
        return tuple([Level(*each) if each is not None else None for each in levels])
    rest = iter(levels)
    told: list[Level | None] = []
    for claim, amount in zip(call.claims, call.amounts, strict=True):
        if claim.refill is None or claim.amount != amount:
            used, reserved, *_ = next(rest) or (0, 0)
            told.append(Level(used, reserved, claim.limit))
        else:
            told.append(None)
    return tuple(told)


def _claims_of_held(held: Any) -> tuple[Claim, ...]:
    if not isinstance(held, str):
        return tuple(_claim(*each) for each in held[2])
    raw = bytes.fromhex(held)
    count = int.from_bytes(raw[1:3], "little")
    at = 3 + 8 * count
    claims = []
    for amount in _row(count).unpack_from(raw, 3):
        size, shadow, limit, units, seconds, ends, rolling = _SHAPE.unpack_from(raw, at)
        key = raw[at + _SHAPE.size : at + size].decode()
        whole = (int(amount), limit, int(units), int(seconds), int(ends))
        claims.append(_claim(key, *whole, shadow, int(rolling)))
        at += size
    return tuple(claims)


# --- JSON ---


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


def _levels(levels: list[list[int]] | tuple[Level, ...]) -> tuple[Level, ...]:
    if isinstance(levels, tuple):
        return levels
    return tuple([Level(*each) for each in levels])


def _refusal(packed: list[Any]) -> Refusal:
    index, cause, wait = packed
    return Refusal(index, Cause(cause), int(wait) / MICRO)
