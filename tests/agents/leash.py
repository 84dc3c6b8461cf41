"""What an agent under test asks of the world outside: nothing, and this would show it."""

from __future__ import annotations

import socket
import threading


class Leash:
    """A proxy on loopback that lets nothing through; `asked` holds the first line of each request.

    Agents are told to use it for every host but loopback. Use as a context manager.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._refuse, name="leash", daemon=True)

    def __enter__(self) -> Leash:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._socket.close()
        self._thread.join(10)

    @property
    def environment(self) -> dict[str, str]:
        url = "http://{}:{}".format(*self._socket.getsockname())
        here = "127.0.0.1,localhost"
        made = {"http_proxy": url, "https_proxy": url, "all_proxy": url, "no_proxy": here}
        return made | {name.upper(): value for name, value in made.items()}

    def _refuse(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # closed
                return
            with connection:
                connection.settimeout(5)
                try:
                    head = connection.recv(4096)
                except OSError:
                    head = b"(nothing was said)"
                self.asked.append(head.partition(b"\r\n")[0].decode(errors="replace"))
