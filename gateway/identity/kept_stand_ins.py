"""Stand-ins of conversations whose history the provider keeps: their values are not resent.

Rules of this file:
- Kept under the answer's id (or the conversation's), bound to the caller: only who got an answer,
  with the credential that asked for it, has its stand-ins put back in what continues it.
- Kept sealed; the store learns neither values nor ids.
- A store that does not answer is told of (`failed`): stand-ins of earlier calls then stay.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import orjson

from gateway.exchange import Exchange
from gateway.identity.mac import mac
from gateway.policy.pseudonymize import pseudonyms_of
from gateway.state.store import Store, StoreError
from gateway.state.vault import Vault

PIECE = 60_000
"""Bytes of one stored value; a store takes 64 KiB."""

MOST_PIECES = 32

CONVERSATION = "conv_"
"""How the ids of OpenAI's conversations begin: what is added to one is kept under the same id."""


class KeptStandIns:
    """The maps of one worker's calls, in its store. `failed` hears which operation failed."""

    def __init__(self, store: Store, key: bytes, failed: Callable[[str], None]) -> None:
        self._store = store
        self._key = key
        self._vault = Vault(key)
        self._failed = failed

    async def load(self, exchange: Exchange) -> None:
        """Take up what the call continues."""
        call = exchange.call
        if call is None or not call.previous_id:
            return
        place = self._place(exchange, call.previous_id)
        try:
            packed = await self._read(place)
        except StoreError:
            self._failed("stand_ins")
            return
        if packed:
            entries = orjson.loads(zlib.decompress(packed))
            pseudonyms_of(exchange).load(tuple(entry) for entry in entries)

    async def _read(self, place: str) -> bytes:
        pieces: list[bytes] = []
        while len(pieces) < MOST_PIECES:
            name = f"{place}:{len(pieces)}"
            sealed = await self._store.get(name)
            if sealed is None:
                return b""  # never kept, or forgotten by now
            try:
                piece = self._vault.open(sealed, name)
            except ValueError:  # of another master key
                return b""
            pieces.append(piece[1:])
            if piece[:1] == b"\x01":  # the last one
                break
        return b"".join(pieces)

    async def keep(self, exchange: Exchange, ttl: float) -> None:
        """Keep what a later call may need, for `ttl` seconds."""
        places = self._places(exchange)
        if not places or exchange.pseudonyms is None:
            return
        packed = zlib.compress(orjson.dumps(exchange.pseudonyms.entries))
        pieces = [packed[at : at + PIECE] for at in range(0, len(packed), PIECE)]
        try:
            for place in places:
                for number, piece in enumerate(pieces):
                    name = f"{place}:{number}"
                    flag = b"\x01" if number == len(pieces) - 1 else b"\x00"
                    await self._store.put(name, self._vault.seal(flag + piece, name), ttl)
        except StoreError:
            self._failed("stand_ins")

    def _places(self, exchange: Exchange) -> list[str]:
        """Where a later call will look: under this answer's id, and the conversation's."""
        call = exchange.call
        if call is None or not exchange.pseudonyms or not call.continuable:
            return []
        ids = [exchange.answer_id] if exchange.answer_id else []
        if call.previous_id.startswith(CONVERSATION):
            ids.append(call.previous_id)
        return [self._place(exchange, one) for one in ids]

    def _place(self, exchange: Exchange, answer_id: str) -> str:
        identity = exchange.identity
        principal = identity.key_id or identity.credential
        said = ("stand-ins", identity.tenant, principal, identity.user, answer_id)
        return "stand-ins:" + mac(self._key, *said)
