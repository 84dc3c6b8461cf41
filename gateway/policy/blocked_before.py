"""Texts that were blocked earlier in a conversation and come back without an answer between.

An agent that keeps a blocked message in its history sends it again in front of the next one. No
answer of the model stands between them, so both look new, and the first would block every later
turn. Here it is known again: it was blocked once, and the conversation has gone on. It then counts
as resent (docs/adr/0002-resent-history.md).

Rules of this file:
- The same request again is blocked again: what was last in it is remembered along.
- Only messages and results of tools count; a system prompt does not get through by insisting.
- White space around a text does not count: Claude Code puts a line end behind a message when it
  joins it with the next one.
- Kept are keyed digests. A store that does not answer changes nothing: the text stays new.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.dialects.base import Segment, Surface
from gateway.exchange import Exchange
from gateway.state.store import Store, StoreError

KEPT = 24 * 3600.0
"""Seconds: the longest that a session lasts by default."""

MOST = 16
"""Texts of one request that are remembered."""

_SPOKEN = frozenset({Surface.USER, Surface.ASSISTANT, Surface.TOOL_CALL, Surface.TOOL_RESULT})


class BlockedBefore:
    """What was blocked in the session of one exchange. `digest` is keyed."""

    def __init__(self, exchange: Exchange, store: Store, digest: Callable[[str], str]) -> None:
        self._session = exchange.identity.session
        self._store = store
        self._digest = digest

    async def among(self, blocking: Sequence[Segment], all_: Sequence[Segment]) -> list[Segment]:
        """Those of `blocking` that were blocked before in a request that ended otherwise."""
        last = self._last(all_)
        old: list[Segment] = []
        try:
            for segment in self._spoken(blocking):
                known = await self._store.get(self._key(segment))
                if known is not None and known != last:
                    old.append(segment)
        except StoreError:
            return []
        return old

    async def note(self, blocking: Sequence[Segment], all_: Sequence[Segment]) -> None:
        """Remember what is blocked now."""
        last = self._last(all_)
        try:
            for segment in self._spoken(blocking):
                await self._store.put(self._key(segment), last, KEPT)
        except StoreError:
            return  # then it will block again

    def _spoken(self, segments: Sequence[Segment]) -> list[Segment]:
        if not self._session:
            return []
        return [segment for segment in segments if segment.surface in _SPOKEN][:MOST]

    def _last(self, segments: Sequence[Segment]) -> bytes:
        """What the request ends with."""
        for segment in reversed(segments):
            if segment.surface in _SPOKEN:
                return self._digest(segment.text.strip()).encode()
        return b""

    def _key(self, segment: Segment) -> str:
        return f"blocked:{self._session}:{self._digest(segment.text.strip())}"
