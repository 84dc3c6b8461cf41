"""Addresses as an operator writes them: what every one of them has to be."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit


def split_url(value: object) -> SplitResult | None:
    """The parts of an http or https URL with a host and, where it names one, a usable port; None
    for anything else, spaces and control characters among it. Says nothing of what stood there:
    an address may be a secret."""
    if not isinstance(value, str) or any(c.isspace() or ord(c) < 33 for c in value):
        return None
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return None
    return parts
