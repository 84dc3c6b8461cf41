"""What the audit's tests share: heads in memory, a small log on disk, and the golden chain."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.audit.chain import NO_HASH, VERSION, Head, Seal, moment
from gateway.audit.record import make_digest
from gateway.audit.verify import Anchor
from gateway.audit.writer import AuditWriter
from gateway.exchange import Exchange
from gateway.state.store import StoreError
from gateway.testing import make_exchange

KEY = bytes(range(32))
OTHER_KEY = b"another key of thirty-two bytes!"
DIGEST = make_digest(b"d" * 32)
NOON = 1_700_000_000.0

GOLDEN = Path(__file__).parent / "golden" / "worker-0-6553f10000aa.000001.jsonl"
GOLDEN_CHAIN = "worker-0-6553f10000aa"


class MemoryHeads:
    """A head store without a store. `broken` makes every save fail."""

    def __init__(self) -> None:
        self.heads: dict[str, Head] = {}
        self.broken = False
        self.on_save: Callable[[Head], None] = lambda head: None

    async def load(self) -> list[Head]:
        return list(self.heads.values())

    async def save(self, head: Head) -> None:
        if self.broken:
            raise StoreError("away")
        self.on_save(head)
        self.heads[head.chain] = head

    def anchors(self) -> list[Anchor]:
        return [Anchor(head, "the state store") for head in self.heads.values()]


def make_writer(folder: Path, heads: MemoryHeads, **options: Any) -> AuditWriter:
    options.setdefault("name", "worker-0")
    options.setdefault("state", "sqlite:///state.db")
    options.setdefault("lock_wait", 0)
    options.setdefault("clock", lambda: NOON)
    return AuditWriter(folder, options.pop("key", KEY), heads, digest=DIGEST, **options)


def exchange_named(name: str) -> Exchange:
    exchange = make_exchange()
    exchange.id = name
    exchange.status = 200
    exchange.outcome = "answered"
    return exchange


async def write_log(folder: Path, heads: MemoryHeads, exchanges: int = 3, **options: Any) -> Path:
    """A log of one run that ended in order; gives its (last) file."""
    writer = make_writer(folder, heads, **options)
    await writer.start({"policy": "sha256:0"})
    for number in range(exchanges):
        exchange = exchange_named(f"x{number}")
        writer.open(exchange)
        writer.close(exchange)
    await writer.stop()
    return last_file(folder)


def last_file(folder: Path) -> Path:
    return sorted(folder.glob("*.jsonl"))[-1]


def golden_records(key: bytes = KEY) -> list[dict[str, Any]]:
    """The records of the golden chain, before they are sealed."""
    seal = Seal(key)
    payloads: list[dict[str, Any]] = [
        {"type": "genesis", "key": seal.key_id, "gateway": "0.1.0"},
        {"type": "started", "policy": "sha256:0", "state": "sqlite:///s.db", "pid": 1},
        {"type": "opened", "id": "x0", "who": {"tenant": "acme"}, "path": "/v1/messages"},
        {"type": "closed", "id": "x0", "who": {"tenant": "acme"}, "status": 200},
        {"type": "opened", "id": "x1", "who": {"tenant": "acme", "user": "Zoë"}},
        {"type": "closed", "id": "x1", "status": 400, "reason": "secret_found"},
        {"type": "reloaded", "before": "sha256:0", "policy": "sha256:1"},
        {"type": "stopped", "policy": "sha256:1"},
    ]
    for seq, payload in enumerate(payloads):
        payload.update(v=VERSION, chain=GOLDEN_CHAIN, seq=seq, time=moment(NOON + seq / 8))
    return payloads


def golden_lines(key: bytes = KEY) -> list[bytes]:
    seal = Seal(key)
    lines, prev = [], NO_HASH
    for record in golden_records(key):
        record["prev"] = prev
        line, prev = seal.line(record)
        lines.append(line)
    return lines


def golden_head() -> Head:
    lines = golden_lines()
    return Head(GOLDEN_CHAIN, len(lines) - 1, hash_of(lines[-1]))


def hash_of(line: bytes) -> str:
    return str(json.loads(line)["hash"])
