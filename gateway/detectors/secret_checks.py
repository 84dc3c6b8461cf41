"""Whether what a format matched is a secret at all, and whether its provider's checksum proves it.

A check turns a match down. A proof never does by itself: a key that was mistyped, shortened for a
page or made up looks like what it is, so it stays a finding of a lower score (secrets.py).
"""

from __future__ import annotations

import base64
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable

import orjson

_PLACEHOLDER = re.compile(
    r"example|sample|dummy|fake|your|my[_-]?(?:secret|password|token|key)|change[_-]?me|replace"
    r"|placeholder|insert|redacted|removed|todo|\.\.\.|\*{3}|x{5}|0{8}|[<>{}]|^\$|\$\(|%\w+%"
    r"|env[._]|process\.|getenv|config\.|settings\.|self\.|vault:|secrets?\.|\w\(",
    re.IGNORECASE,
)
_WORD = re.compile(
    r"(?:none|null|true|false|undefined|string|number|test|pass(?:word|wd|phrase)?|secret|token"
    r"|user|admin|root|hunter2?|qwerty|foo|bar|xyz|\W*|x*)\d{0,6}",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(
    r"^\$\{?\w|\$\{|^<.*>$|\{\{|^%\w+%$|\*{3}|^\{.*\}$|^\[.*\]$|\.\.\.|\u2026|#\{"
)
_REFERENCE = re.compile(r"^(?:arn:|[#./][A-Za-z])|^\W+[A-Za-z_\-]+\W*$|://|::|^[^\d]*passw[^\d]*$")
"""Selectors, paths and names of other things, where a password would stand."""

_PIECE = re.compile(r"[A-Za-z0-9]+")
_RUN = re.compile(r"[A-Za-z]+|[0-9]+")
_HUMP = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_WORDS_AND_NUMBER = re.compile(r"[A-Za-z]+[0-9]{0,4}|[0-9]{1,4}[A-Za-z]+")
_PLAIN = re.compile(r"[A-Za-z]*[0-9]*|[0-9]+[A-Za-z]+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SIGN = re.compile(r"[!@#$%^&*]")
_CONSONANTS = re.compile(
    r"[B-DF-HJ-NP-TV-XZb-df-hj-np-tv-xz][b-df-hj-np-tv-xz]{4}|[B-DF-HJ-NP-TV-XZ]{5}"
)
"""Five consonants of one word: what cannot be spoken."""

_LONGEST_NUMBER = 64


def entropy(text: str) -> float:
    """Shannon entropy in bits a character."""
    size = len(text)
    return -sum(n / size * math.log2(n / size) for n in Counter(text).values())


def varied(secret: str) -> bool:
    """Not one character again and again, as in a template."""
    most = Counter(secret).most_common(1)[0][1]
    return most * 2 <= len(secret) and len(set(secret[4:])) > 5


def digits(secret: str) -> bool:
    return varied(secret) and any(char.isdigit() for char in secret)


def scrambled(secret: str) -> bool:
    """Varied, and not made of words."""
    return varied(secret) and _unordered(secret)


def random(secret: str) -> bool:
    """Letters and digits without an order to them, and no placeholder."""
    if _PLACEHOLDER.search(secret) or not _unordered(secret):
        return False
    return entropy(secret) >= (3.0 if len(secret) >= 20 else 2.8)


def _unordered(secret: str) -> bool:
    """Whether it is no name, path or version: these are words with a number, joined by signs.

    What is drawn by lot changes between letters, digits, cases and signs again and again.
    """
    if len(set(_SIGN.findall(secret))) >= 3 or _UUID.fullmatch(secret):
        return True
    pieces = _PIECE.findall(secret)
    if any(map(_scrambled, pieces)):
        return True
    mixed = [piece for piece in pieces if not _PLAIN.fullmatch(piece)]
    of_all = sum(map(len, pieces))
    return len(mixed) >= 2 and of_all >= 12 and sum(map(len, mixed)) * 2 >= of_all


def _scrambled(piece: str) -> bool:
    """The same, of the letters and digits between two signs alone."""
    size = len(piece)
    if piece.isdigit():
        return 24 <= size <= _LONGEST_NUMBER and len(set(piece)) > 5
    if piece.isalpha():
        return size >= 14 and not (piece.isupper() or piece.islower()) and not _wordy(piece)
    if size < 8:
        return False
    if _WORDS_AND_NUMBER.fullmatch(piece):
        return (size >= 10 and _jumping(piece)) or (size >= 20 and not _wordy(piece))
    if len(_RUN.findall(piece)) >= 4:
        return True
    return size >= 12 and (not _wordy(piece) or sum(map(str.isdigit, piece)) * 5 >= size * 2)


def _jumping(piece: str) -> bool:
    """Whether the case changes more often than where words are joined."""
    return len(_HUMP.findall(piece)) * 2.7 > sum(map(str.isalpha, piece))


def _wordy(piece: str) -> bool:
    """Whether its letters could be words: they can be spoken, and capitals begin them."""
    return not _jumping(piece) and _CONSONANTS.search(piece) is None


def password(secret: str) -> bool:
    """Not a word that stands for one, nor a variable."""
    return not (_WORD.fullmatch(secret) or _TEMPLATE.search(secret))


def chosen(secret: str) -> bool:
    """A password that somebody chose: not letters alone, which is what schemas and texts have."""
    return (
        password(secret)
        and not secret.isalpha()
        and not _PLACEHOLDER.search(secret)
        and not _REFERENCE.search(secret)
    )


def numbered(secret: str) -> bool:
    """A chosen password with a digit and a letter: where the surroundings say less."""
    has_both = any(map(str.isdigit, secret)) and any(map(str.isalpha, secret))
    return has_both and chosen(secret)


def jwt(secret: str) -> bool:
    """A header that is JSON and names an algorithm (RFC 7515, section 4.1)."""
    try:
        header = orjson.loads(_decoded(secret.partition(".")[0]))
    except ValueError:
        return False
    return isinstance(header, dict) and ("alg" in header or "typ" in header or "enc" in header)


def header(secret: str) -> bool:
    """What an `Authorization` header gives: `user:password` in base64 (RFC 7617), or a token."""
    try:
        text = _decoded(secret).decode("utf-8")
    except ValueError:
        return random(secret)
    return (":" in text and text.isprintable()) or random(secret)


CHECKS: dict[str, Callable[[str], bool]] = {
    "varied": varied,
    "digits": digits,
    "scrambled": scrambled,
    "random": random,
    "password": password,
    "chosen": chosen,
    "numbered": numbered,
    "jwt": jwt,
    "header": header,
}
"""Name -> whether what a format matched is a secret at all."""


_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_CRC_SUFFIX = re.compile(r"(?:gh[pousr]|npm)_([A-Za-z0-9]{30})([A-Za-z0-9]{6})")


def crc32_suffix(secret: str) -> bool:
    """The last six characters are the CRC-32 of the thirty before them, in base 62.

    Of GitHub's classic tokens (the GitHub blog, 5 April 2021, "Behind GitHub's new authentication
    token formats") and npm's, which follow them (GitHub changelog, 23 September 2021). A token of
    another length, as fine-grained ones are, has nothing to be checked by.
    """
    found = _CRC_SUFFIX.fullmatch(secret)
    if found is None:
        return True
    value = 0
    for char in found[2]:
        value = value * 62 + _BASE62.index(char)
    return value == zlib.crc32(found[1].encode())


def aws_key_id(secret: str) -> bool:
    """What follows the four letters is base32, with the account's number in it.

    The letters: AWS, IAM identifiers, "Understanding unique ID prefixes". Ids are written in the
    alphabet of RFC 4648, section 6.
    """
    return not set(secret[4:]) & set("0189")


def macaroon(secret: str) -> bool:
    """A PyPI token is a macaroon of version 2: packets, an end, and 32 bytes of signature.

    PyPI, "Introduction to API tokens"; libmacaroons, "doc/format.txt".
    """
    try:
        data = _decoded(secret.removeprefix("pypi-"))
    except ValueError:
        return False
    return data[:1] == b"\x02" and data[-34:-32] == b"\x06\x20"


def bech32(secret: str) -> bool:
    """The six characters at the end are the checksum of BIP 173, which age's keys use."""
    prefix, _, data = secret.lower().rpartition("1")
    values = [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]
    values += [_BECH32.find(char) for char in data]
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATORS):
            check ^= generator if (top >> bit) & 1 else 0
    return check == 1


_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
"""Of BIP 173."""


def discord(secret: str) -> bool:
    """The first part of a bot's token is its id, a number, in base64 (Discord, API reference)."""
    try:
        return _decoded(secret.partition(".")[0]).isdigit()
    except ValueError:
        return False


PROOFS: dict[str, Callable[[str], bool]] = {
    "crc32_suffix": crc32_suffix,
    "aws_key_id": aws_key_id,
    "macaroon": macaroon,
    "bech32": bech32,
    "discord": discord,
}
"""Name -> whether a key's own checksum, or what its provider writes into it, is right."""


def _decoded(text: str) -> bytes:
    """Base64 of either alphabet, padded or not. Raises ValueError."""
    text = text.rstrip("=").replace("+", "-").replace("/", "_")
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
