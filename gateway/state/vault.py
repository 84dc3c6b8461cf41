"""Values that a store keeps encrypted, so that whoever reads the store learns nothing.

AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits, which goes before the ciphertext. The
context under which a value was sealed is authenticated: one put under another key does not open.
"""

from __future__ import annotations

import os

_NONCE = 12


class Vault:
    """Seals and opens under one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, context: str) -> bytes:
        """The value as it may be stored; 28 bytes longer."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """What was sealed. Raises ValueError for anything that was not, under this context."""
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], context.encode())
        except InvalidTag:
            raise ValueError("not sealed with this key for this place") from None
