"""Listening sockets: in use, stale, private, and in words that name the flag."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from gateway.config.settings import Address, UnixSocket
from gateway.sockets import bound, listen


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        return sock.connect_ex(str(path)) == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_the_system_may_choose_the_port(host: str) -> None:
    where = Address(host, 0)
    with listen("--listen", where) as sock:
        chosen = bound(where, sock)
        assert chosen.host == host
        assert chosen.port > 0
        with socket.create_connection((host, chosen.port), 5):
            pass


def test_an_address_in_use_is_named_with_its_flag() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(OSError, match=f"^--probes {where}: Address already in use$"):
            listen("--probes", where)


def test_a_host_that_is_not_this_machines_is_named() -> None:
    with pytest.raises(OSError, match=r"^--listen 192\.0\.2\.1:0: "):
        listen("--listen", Address("192.0.2.1", 0))


def test_a_socket_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "run" / "admin.sock"
    with listen("--admin", UnixSocket(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert connects(path)


def test_a_stale_socket_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    listen("--admin", UnixSocket(path)).close()
    assert not connects(path)
    with listen("--admin", UnixSocket(path)):
        assert connects(path)


def test_a_socket_file_that_somebody_listens_on_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with listen("--admin", UnixSocket(path)):
        with pytest.raises(OSError, match=f"^--admin unix:{path}: Address already in use$"):
            listen("--admin", UnixSocket(path))
        assert connects(path)


def test_a_file_that_is_no_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("keep me")
    with pytest.raises(OSError, match="no socket"):
        listen("--admin", UnixSocket(path))
    assert path.read_text() == "keep me"


def test_a_path_too_long_for_a_socket_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"^--admin unix:.*too long"):
        listen("--admin", UnixSocket(tmp_path / ("x" * 120)))
