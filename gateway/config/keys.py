"""The master key, and the keys for each purpose that derive from it.

Derivation is HKDF-SHA256 (RFC 5869) without salt, `portcullis/<purpose>` as info: the master
key is 32 random bytes already, and two purposes never share a key.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path

from gateway.errors import ConfigError

LENGTH = 32
"""Bytes of the master key and of each derived one."""

_SHARE = (
    ". Gateways that share a Redis need the same master key: make one with "
    "`head -c 32 /dev/urandom | base64`, give its file mode 0600, and name it on every machine "
    "by PORTCULLIS_MASTER_KEY_FILE"
)


def derive(master: bytes, purpose: str) -> bytes:
    """The key for one purpose (`audit`, `session`, `scope` ...), 32 bytes."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    if len(master) < LENGTH:
        raise ValueError(f"a master key has at least {LENGTH} bytes")
    info = f"portcullis/{purpose}".encode()
    return HKDF(algorithm=SHA256(), length=LENGTH, salt=None, info=info).derive(master)


def load_master_key(path: Path, *, make: bool = False, shared: bool = False) -> bytes:
    """Read a master key: base64 of at least 32 bytes, or those bytes themselves.

    Args:
        make: write a new one (mode 0600) where there is none. Two processes that do so at the
            same time end up with the same key.
        shared: several gateways need the same one; said where it is missing.

    Raises:
        ConfigError: the file is missing, cannot be read or is no key. Never shows what is in it.
    """
    try:
        if make and not path.exists():
            _make(path)
        content = path.read_bytes()
    except OSError as error:
        advice = _SHARE if shared and isinstance(error, FileNotFoundError) else ""
        raise ConfigError([f"master key {path}: {error.strerror or error}{advice}"]) from None
    key = _decode(content)
    if len(key) < LENGTH:
        raise ConfigError([f"master key {path}: expected base64 of at least {LENGTH} bytes"])
    return key


def _decode(content: bytes) -> bytes:
    try:
        decoded = base64.b64decode(content.strip(), validate=True)
    except binascii.Error:
        return content
    # 32 raw bytes could be base64 letters by chance; as base64 they would be too short.
    return decoded if len(decoded) >= LENGTH else content


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    own = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(LENGTH)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        # A link appears whole or not at all, and never replaces a key that somebody else made.
        os.link(own, path)
    except FileExistsError:
        pass
    finally:
        own.unlink(missing_ok=True)
