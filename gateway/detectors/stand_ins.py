"""Stand-ins for personal data: how they are made, and how they are known again.

A stand-in names its entity and ends in a token of `LENGTH` letters that only the key can make:
`<EMAIL_ADDRESS_7KQ2M9XB>`. Where it is asked for, some entities have a form that looks like what it
stands for, in ranges that belong to nobody:

- e-mail addresses under `.example`, which RFC 2606 (section 3) keeps for documentation
- card numbers under 400000, a range that payment providers use in tests (Stripe's documentation,
  "Testing"), with a right Luhn digit
- North American phone numbers 555-0100 to 555-0199, which are kept for fiction (NANPA)
- social security numbers with area 000, which are never given out (SSA, POMS RM 10201.035)
- IPv4 addresses in 198.18.0.0/15, kept for benchmarks (RFC 2544; RFC 6890)

Models bend what they repeat: they change the case, drop the brackets, escape underscores as
Markdown does, or write a space for one. All of that is still known.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from gateway.detectors.matcher import Growing, Pattern

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O or U, so that what is misread is still known."""

LENGTH = 8
"""Letters of a token: 40 bits."""

_MISREAD = str.maketrans("OILU", "011V")
_BETWEEN = r"\\{0,2}[_\- ]"
_OPEN = r"(?:<|&lt;|%3C|(?<![0-9A-Za-z_]))"
_CLOSE = r"(?![0-9A-Za-z_])(?:>|&gt;|%3E)?"
_TOKEN = f"[0-9A-Za-z]{{{LENGTH}}}"


class Form(NamedTuple):
    """What stand-ins of one entity look like.

    `make` takes 16 random bytes and the value that is replaced; `regex` matches a stand-in however
    it is bent (ignoring case), `plain` brings a match back into one spelling.
    """

    entity: str
    make: Callable[[bytes, str], str]
    regex: str
    plain: Callable[[str], str]


def token(digest: bytes) -> str:
    """The first 40 bits as `LENGTH` letters."""
    number = int.from_bytes(digest[:5], "big")
    return "".join(ALPHABET[number >> shift & 31] for shift in range(35, -5, -5))


def luhn(digits: str) -> str:
    """The check digit of ISO/IEC 7812-1, annex B, for the digits before it."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 if place % 2 == 0 else 1)
        total += number - 9 if number > 9 else number
    return str(-total % 10)


@functools.cache
def form_of(entity: str, plausible: bool) -> Form:
    """The form of an entity's stand-ins; the typed one where it has no plausible one."""
    if plausible and entity in _PLAUSIBLE:
        return _PLAUSIBLE[entity]
    name = _BETWEEN.join(map(re.escape, entity.split("_")))
    return Form(
        entity,
        lambda digest, _: f"<{entity}_{token(digest)}>",
        f"{_OPEN}{name}{_BETWEEN}{_TOKEN}{_CLOSE}",
        _plain_token,
    )


_LAST_TOKEN = re.compile(f"({_TOKEN})(?:>|&gt;|%3E)?\\Z", re.IGNORECASE)


def _plain_token(text: str) -> str:
    found = _LAST_TOKEN.search(text)
    return found[1].upper().translate(_MISREAD) if found else ""


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdigit())


def _email(digest: bytes, _: str) -> str:
    return f"u{token(digest).lower()}@stand-in.example"


def _plain_email(text: str) -> str:
    return text[1 : 1 + LENGTH].upper().translate(_MISREAD)


def _card(digest: bytes, value: str) -> str:
    """Sixteen digits, grouped as the value is where that has sixteen too."""
    number = "400000" + str(int.from_bytes(digest[:6], "big") % 10**9).zfill(9)
    number += luhn(number)
    if len(_digits(value)) != len(number):
        return number
    rest = iter(number)
    return "".join(next(rest) if char.isdigit() else char for char in value)


def _phone(digest: bytes, _: str) -> str:
    number = int.from_bytes(digest[:6], "big")
    # Area codes have no 0 or 1 in front, and no 9 in the middle; x11 are services.
    areas = _areas()
    return f"+1-{areas[number % len(areas)]}-555-01{number // len(areas) % 100:02}"


@functools.cache
def _areas() -> tuple[int, ...]:
    return tuple(a for a in range(200, 1000) if a // 10 % 10 != 9 and a % 100 != 11)


def _ssn(digest: bytes, _: str) -> str:
    number = int.from_bytes(digest[:6], "big") % 10**6
    return f"000-{number // 10**4:02}-{number % 10**4:04}"


def _ipv4(digest: bytes, value: str) -> str:
    if ":" in value:
        return f"<IP_ADDRESS_{token(digest)}>"
    number = int.from_bytes(digest[:6], "big") % 2**17
    return f"198.{18 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def _plain_ip(text: str) -> str:
    return text if text[:1].isdigit() else _plain_token(text)


_TYPED_IP = f"{_OPEN}IP{_BETWEEN}ADDRESS{_BETWEEN}{_TOKEN}{_CLOSE}"
_PLAUSIBLE = {
    form.entity: form
    for form in (
        Form(
            "EMAIL_ADDRESS",
            _email,
            r"(?<![0-9A-Za-z._%+-])u[0-9A-Za-z]{8}@stand-in\.example(?![0-9A-Za-z-])",
            _plain_email,
        ),
        Form(
            "CREDIT_CARD",
            _card,
            r"(?<![0-9])4000[ -]?00[0-9]{2}[ -]?[0-9]{4}[ -]?[0-9]{4}(?![0-9])",
            _digits,
        ),
        Form(
            "PHONE_NUMBER",
            _phone,
            r"(?<![0-9])\+?1?[-. ]?\(?[2-9][0-8][0-9]\)?[-. ]?555[-. ]?01[0-9]{2}(?![0-9])",
            lambda text: _digits(text)[-10:],
        ),
        Form("US_SSN", _ssn, r"(?<![0-9])000[- ]?[0-9]{2}[- ]?[0-9]{4}(?![0-9])", _digits),
        Form(
            "IP_ADDRESS",
            _ipv4,
            rf"(?:(?<![0-9.])198\.1[89]\.[0-9]{{1,3}}\.[0-9]{{1,3}}(?![0-9])|{_TYPED_IP})",
            _plain_ip,
        ),
    )
}
PLAUSIBLE = frozenset(_PLAUSIBLE)
"""Entities whose stand-ins can look like what they stand for."""


@dataclass(frozen=True, slots=True)
class Known:
    """A stand-in in a text: `[start, end)`, its entity, and its one spelling."""

    entity: str
    plain: str
    start: int
    end: int


class Forms:
    """Several forms at once: where stand-ins stand, and where one may be growing."""

    def __init__(self, forms: Iterable[Form]) -> None:
        self._forms = [(form, re.compile(form.regex, re.IGNORECASE)) for form in forms]
        sources = [Pattern(form.regex, int(re.IGNORECASE)) for form, _ in self._forms]
        self.hold = Growing(sources).hold

    def find(self, text: str, start: int = 0) -> list[Known]:
        """All that look like stand-ins, by start, not overlapping."""
        found = [
            Known(form.entity, form.plain(match.group()), match.start(), match.end())
            for form, expression in self._forms
            for match in expression.finditer(text, start)
        ]
        found.sort(key=lambda known: (known.start, -known.end))
        kept: list[Known] = []
        for known in found:
            if not kept or known.start >= kept[-1].end:
                kept.append(known)
        return kept


@functools.lru_cache(maxsize=256)
def forms(kinds: frozenset[tuple[str, bool]]) -> Forms:
    """The forms of some (entity, plausible); policies with the same ones share them."""
    return Forms(form_of(entity, plausible) for entity, plausible in sorted(kinds))
