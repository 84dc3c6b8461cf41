"""Where the heads of the audit chains lie besides the log: in the state store, signed.

A head says how many lines a chain had. Cutting the log's tail then shows, unless whoever cuts
can also put an older signed head into the state store.
"""

from __future__ import annotations

from typing import Protocol

import orjson

from gateway.audit.chain import Head, Seal
from gateway.state.store import Store

TEN_YEARS = 10 * 366 * 86400.0
"""How long a head is kept, in seconds: as good as for ever, for stores that want a number."""

MOST_CHAINS = 10_000
"""Chains that one state store knows at most; the search for a free slot ends there."""


class HeadStore(Protocol):
    """Keeps the heads of one folder's chains. Called off the path of calls."""

    async def load(self) -> list[Head]:
        """The heads of all chains that were ever written in this folder. Raises StoreError."""
        ...

    async def save(self, head: Head) -> None:
        """Remember a chain's head. MUST NOT be called for a line that is not on disk yet."""
        ...


class StoreHeads:
    """Heads in a `Store`: `audit/head/<chain>`, and the chains' names under `audit/chain/<n>`.

    `folder` is the resolved path of the audit folder: one store may serve several. Without one the
    chains are on a stream: nobody goes on with them, so that their names are not kept.
    A head whose signature is wrong is not a head; `forged` counts them.
    """

    def __init__(self, store: Store, seal: Seal, folder: str) -> None:
        self._store = store
        self._seal = seal
        self._folder = folder
        self._known: set[str] = set()
        self.forged: list[str] = []

    async def load(self) -> list[Head]:
        heads: list[Head] = []
        self.forged = []
        if not self._folder:
            return heads
        for number in range(MOST_CHAINS):
            entry = await self._store.get(f"audit/chain/{number}")
            if entry is None:
                break
            chain, _, folder = entry.decode().partition("\n")
            if folder != self._folder:
                continue
            self._known.add(chain)
            head = await self.head(chain)
            if head is not None:
                heads.append(head)
        return heads

    async def head(self, chain: str) -> Head | None:
        """The head of one chain, whatever folder it was written in."""
        value = await self._store.get(f"audit/head/{chain}")
        if value is None:
            return None
        head = self._read(chain, value)
        if head is None:
            self.forged.append(chain)
        return head

    def _read(self, chain: str, value: bytes) -> Head | None:
        try:
            seq, hashed, mac = orjson.loads(value)
        except (ValueError, TypeError):
            return None
        if not isinstance(seq, int) or mac != self._seal.head_mac(chain, seq, hashed):
            return None
        return Head(chain, seq, hashed)

    async def save(self, head: Head) -> None:
        value = [head.seq, head.hash, self._seal.head_mac(head.chain, head.seq, head.hash)]
        await self._store.put(f"audit/head/{head.chain}", orjson.dumps(value), TEN_YEARS)
        if self._folder and head.chain not in self._known:
            await self._register(head.chain)

    async def _register(self, chain: str) -> None:
        """Put the chain's name into the first free slot; `add` keeps two writers apart."""
        entry = f"{chain}\n{self._folder}".encode()
        for number in range(MOST_CHAINS):
            if await self._store.add(f"audit/chain/{number}", entry, TEN_YEARS):
                break
        self._known.add(chain)
