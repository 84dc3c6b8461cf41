"""What was found in texts that were scanned before: agents resend their history each turn.

Rules of this file:
- No text is kept, only its keyed digest: without the key nobody can say what was scanned. (But
  for the text asked for last, whose digest serves all rules that read it.)
- Bounded: the findings that were not asked for longest make room for new ones. Texts with
  many findings count for more, so that the memory is bounded too.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

from gateway.verdict import Finding

WORTHWHILE = 256
"""Characters from which a text is remembered: measured, a digest and its look-up take one
microsecond, as a scan of a shorter clean text does, and 2.6 at 2 KB, where four rules scan for
eighteen."""

MAX_ENTRIES = 65_536  # some 20 MB: an entry without findings takes about 300 bytes
_MANY = 64  # findings from which an entry is not worth its memory

_Key = tuple[bytes, str]


class ScanCache:
    """Findings by text and detector version, least recently used first out.

    Attributes:
        hits, misses, evictions: counters since the start; telemetry reads them. Texts that are
            too short to be remembered are not counted.
    """

    def __init__(self, key: bytes, max_entries: int = MAX_ENTRIES) -> None:
        self._key = key[:64]
        self._max = max_entries
        self._found: OrderedDict[_Key, tuple[Finding, ...]] = OrderedDict()
        self._last = ""
        self._last_digest = b""
        self.hits = 0
        self.misses = 0
        self.evictions = 0

    def key(self, text: str) -> bytes:
        """The keyed digest that stands for a text."""
        if text is not self._last:
            data = text.encode("utf-8", "surrogatepass")
            self._last_digest = blake2b(data, key=self._key, digest_size=16).digest()
            self._last = text
        return self._last_digest

    def get(self, text: str, version: str) -> tuple[Finding, ...] | None:
        """What that version of a detector found, None where it must look."""
        if len(text) < WORTHWHILE:
            return None
        place = (self.key(text), version)
        found = self._found.get(place)
        if found is None:
            self.misses += 1
            return None
        self._found.move_to_end(place)
        self.hits += 1
        return found

    def put(self, text: str, version: str, findings: tuple[Finding, ...]) -> None:
        """Remember what was found."""
        if len(text) < WORTHWHILE or len(findings) >= _MANY:
            return
        self._found[self.key(text), version] = findings
        while len(self._found) > self._max:
            self._found.popitem(last=False)
            self.evictions += 1

    def __len__(self) -> int:
        return len(self._found)
