"""HTTP by hand, on blocking sockets: what a library would tidy up, these tests want to see.

`Upstream` is a server that notes the bytes it was sent and answers with bytes it was given;
`Connection` a client that sends bytes and reads one reply after the other.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

WAIT = 20.0
"""Seconds after which a test that waits for bytes or an event has failed."""


@dataclass
class Message:
    """A request or a reply as it came over the wire; `body` without its transfer coding."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    @property
    def status(self) -> int:
        return int(self.line.split(" ")[1])

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def get(self, name: str, default: str = "") -> str:
        return next(iter(self.all(name)), default)

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))


class Reader:
    """Reads messages off a socket. Raises ConnectionError where it ends too early."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._rest = b""

    def more(self) -> bytes:
        """The next bytes, b"" at the end of the connection."""
        if self._rest:
            out, self._rest = self._rest, b""
            return out
        return self._sock.recv(65536)

    def head(self) -> Message | None:
        """Start line and headers; None where the connection ended before."""
        raw = self._until(b"\r\n\r\n", optional=True)
        if not raw:
            return None
        line, *fields = raw.decode("latin-1").split("\r\n")[:-2]
        pairs = [field.partition(":")[::2] for field in fields]
        return Message(line, [(name, value.strip(" ")) for name, value in pairs])

    def body(self, message: Message, *, reply: bool, to: str = "") -> bytes:
        """The body of the message whose head was read; `to` is the method that a reply is for."""
        if reply and (to == "HEAD" or message.status in (204, 304)):
            return b""
        if message.get("transfer-encoding").lower() == "chunked":
            return b"".join(iter(self.chunk, b""))
        if "content-length" in message:
            return self._exactly(int(message.get("content-length")))
        if not reply:
            return b""
        out = b""
        while piece := self.more():
            out += piece
        return out

    def chunk(self) -> bytes:
        """One chunk of a chunked body, b"" for the last one."""
        line = self._until(b"\r\n", most=80)
        size = int(line.split(b";")[0], 16)
        data = self._exactly(size + 2)
        return data[:-2]

    def _until(self, mark: bytes, *, optional: bool = False, most: int = 1_000_000) -> bytes:
        while mark not in self._rest:
            if len(self._rest) > most:
                raise AssertionError(f"no end of line in {self._rest!r}")
            piece = self._sock.recv(65536)
            if not piece:
                if optional and not self._rest:
                    return b""
                raise ConnectionError("the connection ended in the middle of a message")
            self._rest += piece
        head, _, self._rest = self._rest.partition(mark)
        return head + mark

    def _exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            piece = self._sock.recv(65536)
            if not piece:
                raise ConnectionError("the connection ended in the middle of a body")
            self._rest += piece
        out, self._rest = self._rest[:size], self._rest[size:]
        return out


class Connection:
    """A client's connection to `http://host:port`, or with `tls` to `https://host:port`."""

    def __init__(self, base: str, tls: ssl.SSLContext | None = None) -> None:
        host, _, port = base.partition("://")[2].rpartition(":")
        self.host = f"{host}:{port}"
        self.sock = socket.create_connection((host, int(port)), WAIT)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock, server_hostname=host)
        self.reader = Reader(self.sock)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """A request; Host and Content-Length are added unless `headers` has them."""
        pairs = list(headers)
        names = {name.lower() for name, _ in pairs}
        if "host" not in names:
            pairs.insert(0, ("Host", self.host))
        if body is not None and not names & {"content-length", "transfer-encoding"}:
            pairs.append(("Content-Length", str(len(body))))
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs)]
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))

    def head(self) -> Message:
        message = self.reader.head()
        if message is None:
            raise ConnectionError("the connection ended without a reply")
        return message

    def reply(self, method: str = "POST") -> Message:
        """The next whole reply."""
        message = self.head()
        message.body = self.reader.body(message, reply=True, to=method)
        return message

    def hang_up(self) -> None:
        """Reset the connection, as a killed process's would be."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def call(
    base: str,
    target: str,
    body: bytes | None = None,
    headers: Iterable[tuple[str, str]] = (),
    *,
    method: str = "POST",
    tls: ssl.SSLContext | None = None,
) -> Message:
    """One request on a connection of its own."""
    with Connection(base, tls) as connection:
        connection.send(method, target, body, headers)
        return connection.reply(method)


@dataclass
class Script:
    """An answer: bytes, and events that are waited for between them.

    `then`: `keep` the connection, `close` it, `reset` it, or `hang` until the other side ends it.
    """

    pieces: Sequence[bytes | threading.Event]
    then: str = "keep"


def answer(
    body: bytes = b"{}",
    status: str = "200 OK",
    headers: Iterable[tuple[str, str]] = (("Content-Type", "application/json"),),
) -> Script:
    """A whole answer with its length."""
    lines = [f"HTTP/1.1 {status}", *(f"{n}: {v}" for n, v in headers)]
    lines.append(f"Content-Length: {len(body)}")
    return Script(["\r\n".join([*lines, "", ""]).encode("latin-1") + body])


SSE_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def stream(
    pieces: Iterable[bytes | threading.Event], *, head: bytes = SSE_HEAD, then: str = "keep"
) -> Script:
    """A chunked answer, a chunk a piece; it has an end only where the connection is kept."""
    framed = [chunk(piece) if isinstance(piece, bytes) else piece for piece in pieces]
    return Script([head, *framed, *([b"0\r\n\r\n"] if then == "keep" else [])], then)


@dataclass
class Upstream:
    """A server on a free port of loopback, a thread a connection. Use as a context manager.

    Attributes:
        tls: its certificate, where it speaks TLS.
        got: the requests, in order.
        hung_up: set when the other side ended a connection whose answer was not complete.
        connections: how many were accepted.
    """

    script: Callable[[Message], Script] = lambda got: answer()
    got: list[Message] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    connections: int = 0
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    _sockets: list[socket.socket] = field(default_factory=list)

    def __enter__(self) -> Upstream:
        self._listener = socket.create_server((self.host, 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_away()

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://{self.host}:{self.port}"

    def go_away(self) -> None:
        """Take no more connections, and end those there are. May be called more than once."""
        for sock in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets.append(sock)
                self.connections += 1
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ConnectionError):
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
                self._sockets.append(sock)
            reader = Reader(sock)
            while message := reader.head():
                message.body = reader.body(message, reply=False)
                self.got.append(message)
                if not self._play(self.script(message), sock):
                    return

    def _play(self, script: Script, sock: socket.socket) -> bool:
        """Whether the connection goes on."""
        try:
            for piece in script.pieces:
                if isinstance(piece, bytes):
                    sock.sendall(piece)
                elif not piece.wait(WAIT):
                    raise TimeoutError
            if script.then == "hang" and not sock.recv(1):
                raise ConnectionError
        except (ConnectionError, TimeoutError):
            self.hung_up.set()
            sock.close()
            return False
        if script.then == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if script.then != "keep":
            sock.close()
            return False
        return True
