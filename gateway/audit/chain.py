"""The audit log's line format: how records are sealed and chained.

Rules of this file:
- Pure. No I/O, no clock: time is handed in. Writer and verifier share this file and nothing else.
- A line is ``<body without its last brace>,"hash":"<hash>","mac":"<mac>"}\\n`` where the body is
  one JSON object with sorted keys (orjson, `OPT_SORT_KEYS`), `hash` is the SHA-256 of the body's
  bytes and `mac` the HMAC-SHA256 (RFC 2104), under the audit key, of the 32 bytes of that hash;
  both in lower-case hex. So every byte of a line counts, whatever field it belongs to.
- Every body holds `v` (schema version), `chain`, `seq` (from 0, without gaps), `prev` (the hash
  of the line before; 64 zeros for the first), `type` and `time` (RFC 3339, UTC, microseconds).
- What stands on disk MUST NOT be read in any other format under the same `v`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson

from gateway.keyed import Keyed

VERSION = 1
"""Schema version of the records, the `v` of every line."""

NO_HASH = "0" * 64
"""`prev` of a chain's first line."""

SEAL_BYTES = len(',"hash":"') + 64 + len('","mac":"') + 64 + len('"}')

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z
_KEY_ID = b"portcullis audit key id"
_SHA256 = hashlib.sha256()  # copied for each line: looking the algorithm up costs more than that


class RecordType(StrEnum):
    """What a line says. Closed: docs/audit.md describes each."""

    GENESIS = "genesis"  # a chain begins
    STARTED = "started"  # a process begins to write
    STOPPED = "stopped"  # it ended in order
    OPENED = "opened"  # an exchange is about to be sent to upstream
    CLOSED = "closed"  # an exchange ended, and how
    RELOADED = "reloaded"  # another policy is in force
    KEY_CHANGED = "key_changed"  # a gateway key was made, expired or withdrawn
    STORE_LOST = "store_lost"  # the state store no longer answers
    STORE_FOUND = "store_found"  # it does again
    OUTCOME = "outcome"  # an operator said what a session came to
    RECOVERED = "recovered"  # a torn last line was cut off after a crash
    ROTATED = "rotated"  # the chain goes on in this file
    GAP = "gap"  # lines could not be written before this one


class Seal:
    """The audit key at work: seals lines, checks them, and signs heads.

    `key_id` tells keys apart without giving them away: 16 hex characters.
    """

    __slots__ = ("_keyed", "key_id")

    def __init__(self, key: bytes) -> None:
        self._keyed = Keyed(key)
        self.key_id = self._keyed.hex(_KEY_ID)[:16]

    def line(self, record: dict[str, Any]) -> tuple[bytes, str]:
        """A record as its line (newline included) and the line's hash."""
        try:
            body = orjson.dumps(record, option=_OPTIONS)
        except orjson.JSONEncodeError:  # a lone surrogate, an integer beyond 64 bits
            body = orjson.dumps(_plain(record), option=_OPTIONS)
        digest = _SHA256.copy()
        digest.update(body)
        hashed = digest.hexdigest()
        mac = self._keyed.hex(digest.digest())
        return body[:-1] + f',"hash":"{hashed}","mac":"{mac}"}}\n'.encode(), hashed

    def mac(self, hashed: str) -> str:
        """The MAC that belongs to a line with that hash (hex)."""
        return self._keyed.hex(bytes.fromhex(hashed))

    def head_mac(self, chain: str, seq: int, hashed: str) -> str:
        """The MAC of a chain's head as the state store keeps it."""
        return self._keyed.hex(f"head {chain} {seq} {hashed}".encode())


@dataclass(frozen=True, slots=True)
class Head:
    """How far a chain is known to have come: its last line's `seq` and `hash`."""

    chain: str
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line taken apart. `computed` is the hash that its body really has."""

    record: dict[str, Any]
    hash: str
    mac: str
    computed: str


def read_line(line: bytes) -> Line | None:
    """Take a line (without its newline) apart; None where it has not the format of one.

    Checks the form only: compare `computed` with `hash`, and `mac` with `Seal.mac`.
    """
    cut = len(line) - SEAL_BYTES
    if cut < 2:
        return None
    tail = line[cut:]
    hashed, mac = tail[9:73], tail[82:146]
    if tail != b',"hash":"%b","mac":"%b"}' % (hashed, mac) or not (
        _is_hex(hashed) and _is_hex(mac)
    ):
        return None
    body = line[:cut] + b"}"
    try:
        record = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not _has_frame(record):
        return None
    return Line(record, hashed.decode(), mac.decode(), hashlib.sha256(body).hexdigest())


def _is_hex(text: bytes) -> bool:
    return not text.strip(b"0123456789abcdef")


def _has_frame(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and isinstance(record.get("v"), int)
        and isinstance(record.get("seq"), int)
        and all(isinstance(record.get(name), str) for name in ("chain", "prev", "type", "time"))
    )


def _plain(value: Any) -> Any:
    """The same value with everything that JSON cannot hold in a form that it can."""
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool | float | datetime) or value is None:
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    return str(value).encode("utf-8", "backslashreplace").decode()


def moment(seconds: float) -> datetime:
    """Unix seconds as the value of a record's `time`."""
    return datetime.fromtimestamp(seconds, UTC)
