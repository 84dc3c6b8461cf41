"""Which stand-in stands for which value in one call, there and back.

Rules of this file:
- A stand-in is made by a key from the value: the same value gets the same one, turn after turn, so
  that the provider's prompt cache still hits. A key belongs to a scope (a session, a tenant), so
  that another scope's stand-ins are not even alike.
- What may be put back is what this very call put away: agents resend their history, so a model can
  only repeat stand-ins whose values came with the same request. (Where the provider keeps the
  history, the session's own map is loaded besides: `load`.)
- A stand-in is never given one of its own.
- Two values never share one: the second gets another, whatever the odds.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence

from gateway.detectors.stand_ins import Forms, Known, form_of, forms
from gateway.verdict import Finding

MOST = 10_000
"""Values of one call that get stand-ins; for one with more the rule's `on_error` decides."""

Key = tuple[str, str]
"""An entity, and a stand-in's one spelling (`Known.plain`)."""

Kind = tuple[str, bool]
"""An entity, and whether its stand-ins are plausible ones."""

Entry = tuple[str, bool, str, str]
"""What is kept of a stand-in: its entity, whether it is plausible, its one spelling, the value."""


class TooManyError(Exception):
    """A call holds more values than may be kept apart."""


class Pseudonyms:
    """The map of one call.

    Attributes:
        made: stand-ins by what they stand for, in this call.
        entries: all that were put away, in their order; what `load` takes.
        restored: stand-ins that were put back into the answer.
    """

    def __init__(self) -> None:
        self.made: dict[tuple[str, str, bool, bytes], str] = {}
        self._values: dict[Key, str] = {}
        self._kinds: set[Kind] = set()
        self.entries: list[Entry] = []
        self.restored = 0

    def __bool__(self) -> bool:
        return bool(self._values)

    def stand_in(self, entity: str, value: str, key: bytes, *, plausible: bool) -> str:
        """What stands for a value. `key` is the scope's, 32 bytes. Raises TooManyError."""
        known = self.made.get((entity, value, plausible, key))
        if known is not None:
            return known
        if len(self._values) >= MOST:
            raise TooManyError
        form = form_of(entity, plausible)
        attempt = 0
        while True:
            made = form.make(_digest(key, entity, value, attempt), value)
            if self._values.setdefault((entity, form.plain(made)), value) == value:
                break
            attempt += 1
        self.made[entity, value, plausible, key] = made
        self._kinds.add((entity, plausible))
        self.entries.append((entity, plausible, form.plain(made), value))
        return made

    # --- a map that outlives the call ---

    def load(self, kept: Iterable[Entry]) -> None:
        """Take in what earlier calls put away; what this call put away itself stands."""
        for entry in kept:
            entity, plausible, plain, value = entry
            if self._values.setdefault((entity, plain), value) == value:
                self._kinds.add((entity, plausible))
                self.entries.append(entry)

    # --- in the answer ---

    def scanner(self, kinds: frozenset[Kind]) -> StandInScanner | None:
        """Finds the stand-ins of this call that are of these kinds; None where it has none."""
        ours = kinds.intersection(self._kinds)
        return StandInScanner(self._values, forms(ours)) if ours else None


def _digest(key: bytes, entity: str, value: str, attempt: int) -> bytes:
    said = f"{entity}\0{attempt}\0{value}".encode("utf-8", "surrogatepass")
    return hmac.digest(key, said, "sha256")[:16]


class StandInScanner:
    """Finds stand-ins whose value is known; see `policy/content_rule.py` for what a scanner is."""

    longest = 512
    version = ""  # what it finds depends on the call: never remembered

    def __init__(self, values: dict[Key, str], looks: Forms) -> None:
        self._values = values
        self._looks = looks
        self.hold = looks.hold

    def known(self, text: str, start: int = 0) -> list[Known]:
        """The stand-ins in a text, with what they are the stand-ins of."""
        found = self._looks.find(text, start)
        return [known for known in found if (known.entity, known.plain) in self._values]

    def find(self, text: str, start: int = 0) -> Sequence[Finding]:
        return [Finding(known.entity, known.start, known.end) for known in self.known(text, start)]

    def value(self, text: str) -> str:
        """What a found stand-in stands for; `text` is all of it."""
        for known in self.known(text):
            return self._values[known.entity, known.plain]
        return text


def without_stand_ins(
    text: str, findings: Sequence[Finding], kinds: frozenset[Kind]
) -> Sequence[Finding]:
    """Findings that do not touch anything that looks like a stand-in of these kinds."""
    if not findings:
        return findings
    taken = forms(kinds).find(text)
    if not taken:
        return findings
    return [f for f in findings if not any(k.start < f.end and f.start < k.end for k in taken)]
