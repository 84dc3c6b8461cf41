"""Listening sockets, opened before anything starts: an address in use is known first."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from gateway.config.settings import Address, UnixSocket

BACKLOG = 1024
"""Connections that wait to be accepted; the system's own limit (somaxconn) may be lower."""


def listen(flag: str, where: Address | UnixSocket) -> socket.socket:
    """A listening socket that does not block. Raises OSError, in words that name the flag."""
    try:
        if isinstance(where, UnixSocket):
            return _unix(where.path)
        return _tcp(where)
    except OSError as error:
        raise OSError(f"{flag} {where}: {error.strerror or error}") from None


def bound(where: Address, sock: socket.socket) -> Address:
    """The address with the port that the system chose."""
    return Address(where.host, sock.getsockname()[1])


def _tcp(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return _opened(sock, (address.host, address.port))


def _unix(path: Path) -> socket.socket:
    """A socket file with mode 0600. One that nobody listens on any more is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(path)
    mask = os.umask(0o177)  # no moment at which others could connect
    try:
        return _opened(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), str(path))
    finally:
        os.umask(mask)


def _remove_stale(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "There is a file that is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    path.unlink()


def _opened(sock: socket.socket, address: object) -> socket.socket:
    try:
        sock.bind(address)  # type: ignore[arg-type]
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock
