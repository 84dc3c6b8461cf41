"""Keys, tokens and passwords found by their format: one pass over all, then one by one.

Nothing here asks a provider whether a key is alive, and no checksum turns one down: a key that
was mistyped or made up is treated as what it looks like.
"""

from __future__ import annotations

import base64
import functools
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import orjson

from gateway.detectors.matcher import LOOK_BEHIND, Matcher, Pattern, Quick
from gateway.detectors.secret_formats import FORMATS, Format
from gateway.verdict import Finding

LONGEST = 4096
"""Characters: a private key is longer than what other detectors look for."""

_VERSION = "secrets-1"
_PLACEHOLDER = re.compile(
    r"example|sample|dummy|your|my[_-]?(?:secret|password|token|key)|change[_-]?me|replace"
    r"|placeholder|insert|redacted|removed|todo|\.\.\.|\*{3}|x{5}|0{8}|[<>{}]|\$\w|%\w+%"
    r"|env[._]|process\.|getenv|config\.|settings\.|self\.|vault:|secrets?\.|\w\(",
    re.IGNORECASE,
)
_WORD = re.compile(
    r"(?:none|null|true|false|undefined|string|number|test|pass(?:word|wd|phrase)?|secret|token"
    r"|user|admin|root|hunter2?|qwerty|foo|bar|xyz|\W*|x*)\d{0,6}",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(r"^\$\{?\w|^<.*>$|\{\{|^%\w+%$|\*{3}|^\{.*\}$|^\[.*\]$")


def _varied(secret: str) -> bool:
    """Not one character again and again, as in a template."""
    return len(set(secret[4:])) > 5


def _digits(secret: str) -> bool:
    return any(char.isdigit() for char in secret)


def entropy(text: str) -> float:
    """Shannon entropy in bits a character."""
    size = len(text)
    return -sum(n / size * math.log2(n / size) for n in Counter(text).values())


def _random(secret: str) -> bool:
    """Letters and digits without an order to them, and no placeholder."""
    if _PLACEHOLDER.search(secret) or not re.search(r"\d", secret):
        return False
    if not re.search(r"[A-Za-z]", secret):
        return False
    words = max((len(word) for word in re.findall(r"[a-z]+|[A-Z]+", secret)), default=0)
    return words <= 12 and entropy(secret) >= 3.0 + min(0.5, len(secret) / 100)


def _password(secret: str) -> bool:
    """Not a word that stands for one, nor a variable."""
    return not (_WORD.fullmatch(secret) or _TEMPLATE.search(secret))


def _chosen(secret: str) -> bool:
    """A password that somebody chose: not letters alone, which is what schemas and texts have."""
    return _password(secret) and not secret.isalpha() and not _PLACEHOLDER.search(secret)


def _jwt(secret: str) -> bool:
    """A header that is JSON and names an algorithm."""
    head = secret.partition(".")[0]
    try:
        header = orjson.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except ValueError:
        return False
    return isinstance(header, dict) and ("alg" in header or "typ" in header or "enc" in header)


CHECKS: dict[str, Callable[[str], bool]] = {
    "varied": _varied,
    "digits": _digits,
    "random": _random,
    "password": _password,
    "chosen": _chosen,
    "jwt": _jwt,
}
"""Name -> whether what a format matched is a secret at all."""

ENTITIES: dict[str, str] = {form.entity: form.name for form in FORMATS}
"""Entity -> what it is called in a message to a person."""


class SecretScanner:
    """Finds the given entities. Raises KeyError for one that is not in ENTITIES."""

    longest = LONGEST

    def __init__(self, entities: Iterable[str]) -> None:
        names = sorted(set(entities))
        self.version = f"{_VERSION}:{','.join(names)}"
        self._formats = [_compiled()[form] for form in FORMATS if form.entity in set(names)]
        if unknown := set(names) - ENTITIES.keys():
            raise KeyError(*unknown)
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
        found: list[tuple[int, int, int, str]] = []
        for number in hits:
            form, _, quick = self._formats[number]
            for begin, end in _spans(form, quick, text):
                if begin + cut >= start:
                    found.append((begin + cut, -end - cut, number, form.entity))
        return _first(sorted(found))

    def hold(self, text: str, start: int = 0) -> int:
        """See Scanner.hold."""
        return self._matcher.hold(text, start)


def _spans(form: Format, quick: Quick, text: str) -> list[tuple[int, int]]:
    check = CHECKS[form.check]
    spans = []
    for match in quick.finditer(text):
        group = match.lastgroup or 0  # the only groups that formats name are what is secret
        if check(match.group(group)):
            spans.append(match.span(group))
    return spans


def _first(found: Iterable[tuple[int, int, int, str]]) -> tuple[Finding, ...]:
    """Those that overlap as one, named after the first: the earliest, then the longest."""
    whole: list[Finding] = []
    for start, minus_end, _, entity in found:
        last = whole[-1] if whole else None
        if last is None or start >= last.end:
            whole.append(Finding(entity, start, -minus_end))
        elif -minus_end > last.end:
            whole[-1] = Finding(last.entity, last.start, -minus_end)
    return tuple(whole)


@functools.cache
def _compiled() -> dict[Format, tuple[Format, Pattern, Quick]]:
    made = {}
    for form in FORMATS:
        pattern = Pattern(form.regex)
        made[form] = (form, pattern, Quick(pattern, re.compile(form.regex)))
    return made


@functools.lru_cache(maxsize=64)
def scanner(entities: frozenset[str]) -> SecretScanner:
    """A scanner for these entities; rules and reloads with the same ones share it."""
    return SecretScanner(entities)
