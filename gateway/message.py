"""The gateway's own small types for what travels over HTTP.

Every station but the server file (`proxy/server.py`) and the client file
(`upstream/client.py`) sees only these, so that either can be exchanged.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol


class Headers:
    """An ordered header list that keeps the sender's spelling and repeats."""

    __slots__ = ("_index", "items")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self.items: list[tuple[str, str]] = list(items)
        self._index: dict[str, str] | None = None

    def get(self, name: str, default: str = "") -> str:
        """The first value of a header; `name` in lower case."""
        index = self._index
        if index is None:
            index = self._build_index()
        return index.get(name, default)

    def __contains__(self, name: str) -> bool:
        index = self._index
        if index is None:
            index = self._build_index()
        return name in index

    def has_any(self, names: frozenset[str]) -> bool:
        """Whether one of these is there, in lower case: one look for many that seldom are."""
        index = self._index
        if index is None:
            index = self._build_index()
        return not names.isdisjoint(index)

    def _build_index(self) -> dict[str, str]:
        # From the last to the first, so that the first of a name stands.
        index = {key.lower(): value for key, value in reversed(self.items)}
        self._index = index
        return index

    def all(self, names: frozenset[str]) -> list[tuple[str, str]]:
        """Every header that has one of these names, with its name in lower case; those of one
        name in their order."""
        index = self._index
        if index is None:
            index = self._build_index()
        found = names.intersection(index)
        if not found:
            return []
        if len(index) == len(self.items):  # none repeats
            return [(name, index[name]) for name in found]
        return [(low, value) for key, value in self.items if (low := key.lower()) in names]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.items)

    def set(self, name: str, value: str) -> None:
        """Replace every header of that name by one."""
        self.remove(name)
        self.add(name, value)

    def add(self, name: str, value: str) -> None:
        self.items.append((name, value))
        self._index = None

    def extend(self, more: Iterable[tuple[str, str]]) -> None:
        self.items += more
        self._index = None

    def remove(self, name: str) -> None:
        lowered = name.lower()
        self.items = [pair for pair in self.items if pair[0].lower() != lowered]
        self._index = None


@dataclass(slots=True)
class Request:
    """One request as it came: `target` is the raw path and query, `body` the raw bytes.

    `switches`: it asks for another protocol (CONNECT, a WebSocket) and its connection can be handed
    over with a `Switch`.
    """

    method: str
    target: str
    headers: Headers
    body: bytes = b""
    switches: bool = False

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


class Duplex(Protocol):
    """Bytes both ways over a connection that is no longer HTTP. One reader, any number of writers.

    `read` and `write` raise ConnectionError where the connection broke. A cancelled `read` loses
    nothing; what was given to `write` is handed over before it waits.
    """

    async def read(self) -> bytes:
        """What has come, b"" once the other side said that nothing more will."""
        ...

    async def write(self, data: bytes) -> None:
        """Hand bytes over; waits while too many of them have not left."""
        ...

    def end(self) -> None:
        """Say that nothing more will be written; reading goes on."""
        ...

    def close(self) -> None:
        """End the connection once everything written has left."""
        ...

    def abort(self) -> None:
        """End the connection at once, both ways."""
        ...


@dataclass(frozen=True, slots=True)
class Switch:
    """A reply's body that takes the caller's connection over, once the head has left.

    `run` is called in any case, with a broken duplex where the caller is gone; the connection ends
    with it.
    """

    run: Callable[[Duplex], Awaitable[None]]


@dataclass(slots=True)
class Reply:
    """What the caller gets. A body that is an iterator is streamed, piece by piece.

    `phrase` stands behind the status; "": the usual one.
    """

    status: int
    headers: Headers = field(default_factory=Headers)
    body: bytes | AsyncIterator[bytes] | Switch = b""
    phrase: str = ""


@dataclass(slots=True)
class UpstreamReply:
    """What upstream sent: the head, and a body that has not been read yet.

    `read()` gives the whole body (raises UpstreamError over the limit or on a broken
    connection), `next_piece()` gives it as it comes, b"" at its end (cancelling it loses
    nothing), `close()` ends the connection without reading the rest. The bytes are as on the
    wire: a content-encoding is kept. `be_patient()` lets it be silent for as long as it likes.
    `duplex` is the connection itself, where upstream agreed to another protocol (status 101).

    `pass_on(take)`, where there is one, hands pieces to `take` as they come, without waking a task
    for each. It returns once `take` says False (that piece is taken too), or where what comes next
    is for `next_piece`: the rest of the body, its end or its error.
    """

    status: int
    headers: Headers
    read: Callable[[], Awaitable[bytes]]
    next_piece: Callable[[], Awaitable[bytes]]
    close: Callable[[], None]
    duplex: Duplex | None = None
    pass_on: Callable[[Callable[[bytes], bool]], Awaitable[None]] | None = None
    be_patient: Callable[[], None] = lambda: None
