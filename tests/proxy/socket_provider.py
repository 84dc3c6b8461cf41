"""A provider of Responses over WebSocket: real handshakes and frames, scripted answers."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from gateway.dialects.sse import EventReader
from gateway.testing.answers import Say, responses_stream


@dataclass
class Close:
    """Instead of an event: end the connection, in order or (1006) at once."""

    code: int = 1000


@dataclass
class Wait:
    """Instead of an event: wait for something."""

    until: threading.Event


Step = str | dict[str, Any] | bytes | Close | Wait


def events(say: Say) -> list[Step]:
    """What the provider says in a response, event by event."""
    reader = EventReader()
    return [event.data for piece in responses_stream(say) for event in reader.feed(piece)]


@dataclass
class SocketProvider:
    """Serves on a free port of 127.0.0.1, a thread a connection. Use as a context manager.

    Attributes:
        script: what is answered to a message, by the number of its connection.
        refuse: a status with which handshakes are refused, and its body.
        certificate: speak TLS with this.
        got: the messages, parsed, in order; `raw` as they came.
        asked: the handshakes.
        left: set when a connection ended.
    """

    script: Callable[[dict[str, Any], int], Sequence[Step]] = lambda got, number: events(Say())
    refuse: tuple[int, bytes] | None = None
    certificate: Path | None = None
    got: list[dict[str, Any]] = field(default_factory=list)
    raw: list[str | bytes] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)
    open: list[ServerConnection] = field(default_factory=list)

    def __enter__(self) -> SocketProvider:
        context = None
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
        self._server: Server = serve(
            self._serve,
            "127.0.0.1",
            0,
            ssl=context,
            process_request=self._process,
            compression=None,
        )
        self.port = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
        self._server.shutdown()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _process(self, connection: ServerConnection, request: Request) -> Response | None:
        self.asked.append(request)
        if self.refuse is None:
            return None
        status, body = self.refuse
        response = connection.respond(HTTPStatus(status), body.decode())
        del response.headers["content-type"]
        response.headers["content-type"] = "application/json"
        return response

    def _serve(self, connection: ServerConnection) -> None:
        number = len(self.open)
        self.open.append(connection)
        try:
            for message in connection:
                self.raw.append(message)
                found = orjson.loads(message) if isinstance(message, str) else {}
                self.got.append(found)
                for step in self.script(found, number):
                    if not self._play(connection, step):
                        return
        except ConnectionClosed:
            pass
        finally:
            self.left.set()

    def _play(self, connection: ServerConnection, step: Step) -> bool:
        """Whether the connection goes on."""
        if isinstance(step, Wait):
            step.until.wait(20)
        elif isinstance(step, Close):
            if step.code == 1006:
                connection.socket.shutdown(socket.SHUT_RDWR)
            else:
                connection.close(step.code)
            return False
        elif isinstance(step, dict):
            connection.send(orjson.dumps(step).decode())
        else:
            connection.send(step)
        return True
