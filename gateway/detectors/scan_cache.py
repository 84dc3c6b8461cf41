"""What was found in texts that were scanned before: agents resend their history each turn.

Rules of this file:
- No text is kept, only its keyed digest: without the key nobody can say what was scanned. (But
  for the text asked for last, whose digest and findings serve all rules that read it.)
- Short texts are remembered too: a digest takes one microsecond, three rules take five to read ten
  characters, and a request has hundreds of such texts (the schemas of its tools).
- Bounded in texts and in bytes: what was not asked for longest makes room for what is new.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256

from gateway.verdict import Finding

MAX_ENTRIES = 65_536
MAX_BYTES = 64 << 20

# Bytes in CPython 3.11, rounded up: of a text's entry, a detector's word on it, a finding.
_ENTRY, _WORD, _FINDING = 500, 120, 200

_Entry = dict[str, tuple[Finding, ...]]


class ScanCache:
    """Findings by text and detector version, least recently used text first out.

    Attributes:
        hits, misses: answers of `get`.
        evictions: texts forgotten for want of room.
        size: bytes that it takes, about.
    """

    def __init__(
        self, key: bytes, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES
    ) -> None:
        self._keyed = sha256(key.ljust(64, b"\0"))  # one block of it: what follows is only copied
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        # The text asked for last, its digest, and what is known of it.
        self._text = ""
        self._digest = b""
        self._entry: _Entry | None = None
        self.size = 0
        self.hits = 0
        self.misses = 0
        self.evictions = 0

    def get(self, text: str, version: str) -> tuple[Finding, ...] | None:
        """What that version of a detector found, None where it must look."""
        if text is not self._text:
            self._turn_to(text)
        found = self._entry.get(version) if self._entry is not None else None
        if found is None:
            self.misses += 1
        else:
            self.hits += 1
        return found

    def put(self, text: str, version: str, findings: tuple[Finding, ...]) -> None:
        """Remember what was found."""
        if text is not self._text:
            self._turn_to(text)
        entry = self._entry
        if entry is None:
            entry = self._entry = self._entries[self._digest] = {}
            self.size += _ENTRY
        if version not in entry:
            entry[version] = findings
            self.size += _WORD + _FINDING * len(findings)
            while self.size > self._max_bytes or len(self._entries) > self._max_entries:
                self._forget()

    def __len__(self) -> int:
        """How many texts are remembered."""
        return len(self._entries)

    def _turn_to(self, text: str) -> None:
        keyed = self._keyed.copy()
        keyed.update(text.encode("utf-8", "surrogatepass"))
        self._text, self._digest = text, keyed.digest()
        self._entry = self._entries.get(self._digest)
        if self._entry is not None:
            self._entries.move_to_end(self._digest)

    def _forget(self) -> None:
        _, entry = self._entries.popitem(last=False)
        self.size -= _ENTRY + sum(_WORD + _FINDING * len(found) for found in entry.values())
        self.evictions += 1
        if entry is self._entry:
            self._entry = None
