"""A small HTTP proxy as companies have one: CONNECT, requests with a whole URL, credentials."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from urllib.parse import urlsplit

from tests.proxy.wire import Message, Reader


class OutgoingProxy:
    """Serves on a free port of 127.0.0.1, a thread a connection. Use as a context manager.

    Args:
        credentials: `user:password` that it asks for, or nothing.
        says: what it answers to CONNECT in the place of its own answer.

    Attributes:
        asked: the requests that it got, in order.
    """

    def __init__(self, credentials: str = "", says: bytes = b"") -> None:
        self.asked: list[Message] = []
        self._credentials = credentials
        self._says = says
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> OutgoingProxy:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets.append(self._listener)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    @property
    def url(self) -> str:
        user = f"{self._credentials}@" if self._credentials else ""
        return f"http://{user}127.0.0.1:{self.port}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._sockets.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ConnectionError), sock:
            reader = Reader(sock)
            message = reader.head()
            if message is None:
                return
            self.asked.append(message)
            expected = f"Basic {base64.b64encode(self._credentials.encode()).decode()}"
            if self._credentials and message.get("proxy-authorization") != expected:
                sock.sendall(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
                )
            elif self._says:
                sock.sendall(self._says)
            elif message.line.startswith("CONNECT "):
                host, _, port = message.target.rpartition(":")
                far = self._connect(host, int(port))
                sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _pipe(sock, far)
            else:
                self._forward(sock, reader, message)

    def _forward(self, sock: socket.socket, reader: Reader, message: Message) -> None:
        body = reader.body(message, reply=False)
        url = urlsplit(message.target)
        far = self._connect(url.hostname or "", url.port or 80)
        method = message.line.split(" ")[0]
        lines = [f"{method} {url.path} HTTP/1.1", "Connection: close"]
        lines += [f"{n}: {v}" for n, v in message.headers if n.lower() != "proxy-authorization"]
        far.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        _pipe(sock, far)

    def _connect(self, host: str, port: int) -> socket.socket:
        far = socket.create_connection((host, port))
        self._sockets.append(far)
        return far


def _pipe(one: socket.socket, other: socket.socket) -> None:
    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    back = threading.Thread(target=copy, args=(other, one), daemon=True)
    back.start()
    copy(one, other)
    back.join()
