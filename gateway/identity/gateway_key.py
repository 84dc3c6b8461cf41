"""What a gateway key looks like, how one is made, and what is kept of it.

`ptc_<id>_<random>`: `id` is 8 characters that name the key in records, `random` 43 base62
characters, which hold 43 * log2(62) = 256 bits. The policy file keeps only the SHA-256 of the
whole key: a key of 256 random bits needs no salt and no slow hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string

PREFIX = "ptc_"

_ID_LETTERS = string.ascii_lowercase + string.digits
_RANDOM_LETTERS = string.ascii_letters + string.digits
_ID_LENGTH = 8
_RANDOM_LENGTH = 43
_SHAPE = re.compile(r"ptc_([a-z0-9]{4,16})_([A-Za-z0-9_-]{43,128})")


def new_key() -> str:
    """A fresh key from the operating system's random source."""
    name = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
    return f"{PREFIX}{name}_" + "".join(
        secrets.choice(_RANDOM_LETTERS) for _ in range(_RANDOM_LENGTH)
    )


def hash_of(key: str) -> str:
    """What the policy file keeps of a key: `sha256:<64 hex digits>`."""
    return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def id_of(key: str) -> str:
    """The key's public id, "" where the text does not have the shape of a key."""
    shape = _SHAPE.fullmatch(key)
    return shape[1] if shape else ""


def bare(value: str) -> str:
    """A credential header's value without its scheme: `Bearer abc` -> `abc`."""
    value = value.strip()
    scheme, _, rest = value.partition(" ")
    return rest.strip() if rest and scheme.lower() == "bearer" else value


def is_gateway_key(value: str) -> bool:
    """Whether a credential header's value is meant as a gateway key, a broken one too.

    Such a value is checked here and never sent on, whatever header it stands in.
    """
    return bare(value).startswith(PREFIX)
