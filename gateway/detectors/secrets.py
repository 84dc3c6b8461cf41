"""Keys, tokens and passwords found by their format: one pass over all, then one by one.

Nobody is asked whether a key is alive. A key whose own checksum fails is still found, with the
score DOUBTFUL: mistyped or made up, it is treated as what it looks like.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence

from gateway.detectors.matcher import LOOK_BEHIND, Matcher, Pattern, Quick
from gateway.detectors.secret_checks import CHECKS, PROOFS
from gateway.detectors.secret_contexts import SURROUNDED
from gateway.detectors.secret_formats import MARKED, Format
from gateway.verdict import Finding

LONGEST = 4096
"""Characters: a private key is longer than what other detectors look for."""

DOUBTFUL = 0.6
"""The score of a key whose checksum fails; of all others it is 1."""

FORMATS: tuple[Format, ...] = (*MARKED, *SURROUNDED)
"""All formats, the surest first: of two that find the same span the first one names it."""

ENTITIES: dict[str, str] = {form.entity: form.name for form in FORMATS}
"""Entity -> what it is called in a message to a person."""

_VERSION = "secrets-2"
_NAME = 32  # characters before a match in which a name may say that the value is no secret
_SECRET_NAME = re.compile(
    r"key|token|secret|pass(?:w|phrase|$)|pwd|credential|authorization|pat$", re.IGNORECASE
)
_PUBLIC = re.compile(
    r"(?:public|csrf|xsrf|(?<![a-z])(?:(?:next|prev|previous)?[_\-]?(?:page|continuation|sync|cursor)"
    r"[_\-]?token|bucket|primary|foreign|partition|sort|cache|object|row|idempotency))"
    r"[\w\- ]{0,20}\W{0,8}$",
    re.IGNORECASE,
)


class SecretScanner:
    """Finds the given entities. Raises KeyError for one that is not in ENTITIES.

    `strict` leaves out what fails its own checksum.
    """

    longest = LONGEST

    def __init__(self, entities: Iterable[str], *, strict: bool = False) -> None:
        names = sorted(set(entities))
        self.version = f"{_VERSION}:{'strict:' if strict else ''}{','.join(names)}"
        self._formats = [_compiled()[form] for form in FORMATS if form.entity in set(names)]
        if unknown := set(names) - ENTITIES.keys():
            raise KeyError(*unknown)
        self._least = 1.0 if strict else 0.0
        self._matcher = Matcher([pattern for _, pattern, _ in self._formats])
        self._matcher.warm()

    def find(self, text: str, start: int = 0) -> Sequence[Finding]:
        """All findings, by start; of those that overlap the first stands, as a whole."""
        cut = max(0, start - LOOK_BEHIND)
        if cut:
            text = text[cut:]
        hits = self._matcher.hits(text)
        if not hits:
            return ()
        found: list[tuple[int, int, int, float]] = []
        for number in hits:
            form, _, quick = self._formats[number]
            for begin, end, score in _spans(form, quick, text):
                if begin + cut >= start and score >= self._least:
                    found.append((begin + cut, -end - cut, number, score))
        return self._first(sorted(found))

    def hold(self, text: str, start: int = 0) -> int:
        """See Scanner.hold."""
        return self._matcher.hold(text, start)

    @staticmethod
    @functools.lru_cache(maxsize=1024)  # asked of each value in an object, turn after turn
    def tells(name: str) -> bool:
        """Whether a value of this name may be a secret that it is not by itself."""
        return _SECRET_NAME.search(name) is not None

    def _first(self, found: Iterable[tuple[int, int, int, float]]) -> tuple[Finding, ...]:
        """Those that overlap as one, named after the first: the earliest, then the longest."""
        whole: list[Finding] = []
        for start, minus_end, number, score in found:
            last = whole[-1] if whole else None
            if last is None or start >= last.end:
                entity = self._formats[number][0].entity
                whole.append(Finding(entity, start, -minus_end, score))
            elif -minus_end > last.end:
                whole[-1] = Finding(last.entity, last.start, -minus_end, last.score)
        return tuple(whole)


def _spans(form: Format, quick: Quick, text: str) -> list[tuple[int, int, float]]:
    check = CHECKS[form.check]
    proof = PROOFS.get(form.proof)
    spans = []
    for match in quick.finditer(text):
        group = match.lastgroup or 0  # the only groups that formats name are what is secret
        secret = match.group(group)
        begin, end = match.span(group)
        if not check(secret):
            continue
        if form.public and _PUBLIC.search(text[max(0, match.start() - _NAME) : begin]):
            continue
        spans.append((begin, end, 1.0 if proof is None or proof(secret) else DOUBTFUL))
    return spans


@functools.cache
def _compiled() -> dict[Format, tuple[Format, Pattern, Quick]]:
    made = {}
    for form in FORMATS:
        pattern = Pattern(form.regex)
        made[form] = (form, pattern, Quick(pattern, re.compile(form.regex)))
    return made


@functools.lru_cache(maxsize=64)
def scanner(entities: frozenset[str], *, strict: bool = False) -> SecretScanner:
    """A scanner for these entities; rules and reloads with the same ones share it."""
    return SecretScanner(entities, strict=strict)
