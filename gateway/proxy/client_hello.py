"""The first thing a TLS client says, read for the name of the host that it wants.

The layout is that of RFC 8446 (records: 5.1, ClientHello: 4.1.2) and RFC 6066, section 3
(server_name). Pure: bytes in, a name out.
"""

from __future__ import annotations

MAX_HELLO = 16 * 1024
"""Bytes of a ClientHello; those of today have up to 3 KiB."""

_HANDSHAKE = 22
_CLIENT_HELLO = 1
_SERVER_NAME = 0
_HOST_NAME = 0
_MAX_RECORD = 2**14


class NotTlsError(ValueError):
    """The bytes are no ClientHello, or a broken one."""


def server_name(data: bytes) -> str | None:
    """The host that a ClientHello names, "" where it names none; None while it is not complete.

    Raises:
        NotTlsError: however it goes on, it will not be a ClientHello.
    """
    message = _message(data)
    if message is None:
        return None
    reader = _Reader(message)
    reader.take(2 + 32)  # version, random
    reader.take(reader.number(1))  # session
    reader.take(reader.number(2))  # cipher suites
    reader.take(reader.number(1))  # compression
    if reader.empty:
        return ""
    extensions = _Reader(reader.take(reader.number(2)))
    found: list[str] = []
    while not extensions.empty:
        kind = extensions.number(2)
        body = extensions.take(extensions.number(2))
        if kind == _SERVER_NAME:
            found.append(_host(body))
    if len(found) > 1:
        raise NotTlsError("two server names")
    return found[0] if found else ""


def _message(data: bytes) -> bytes | None:
    """The ClientHello out of its records; None while some of it is missing."""
    message = bytearray()
    at = 0
    while True:
        head = data[at : at + 5]
        if head[:1] not in (b"", bytes([_HANDSHAKE])) or head[1:2] not in (b"", b"\3"):
            raise NotTlsError("no handshake record")
        if len(head) < 5:
            return None
        size = int.from_bytes(head[3:5], "big")
        if not 0 < size <= _MAX_RECORD:
            raise NotTlsError("a record of no possible size")
        message += data[at + 5 : at + 5 + size]
        if message and message[0] != _CLIENT_HELLO:
            raise NotTlsError("another handshake message")
        if len(message) >= 4:
            wanted = int.from_bytes(message[1:4], "big")
            if wanted > MAX_HELLO:
                raise NotTlsError("a ClientHello of no likely size")
            if len(message) >= 4 + wanted:
                return bytes(message[4 : 4 + wanted])
        at += 5 + size
        if at >= len(data):
            return None


def _host(body: bytes) -> str:
    names = _Reader(body)
    names = _Reader(names.take(names.number(2)))
    found: list[bytes] = []
    while not names.empty:
        kind = names.number(1)
        name = names.take(names.number(2))
        if kind == _HOST_NAME:
            found.append(name)
    if len(found) != 1:
        raise NotTlsError("not one host name")
    try:
        return found[0].decode("ascii")
    except UnicodeDecodeError:
        raise NotTlsError("a host name that is not ASCII") from None


class _Reader:
    """Takes bytes off the front. Raises NotTlsError where there are too few."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def empty(self) -> bool:
        return self._at == len(self._data)

    def take(self, size: int) -> bytes:
        if self._at + size > len(self._data):
            raise NotTlsError("cut short")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")
