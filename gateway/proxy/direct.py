"""The short way of a stream: from upstream to the caller through the window, without waking a task
while nothing is held back.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from gateway.dialects.base import Reader
from gateway.exchange import Exchange
from gateway.policy.message_window import MessageWindow
from gateway.policy.meter import Meter
from gateway.policy.stream_window import StreamWindow
from gateway.proxy.body import StreamUnpacker

Window = StreamWindow | MessageWindow


class Direct:
    """Upstream's pieces through the window, one at a time; while nothing is held back, straight on
    to the caller, without a task between the two sockets.

    Attributes:
        write: sends to the caller; whether it may be given more. None while pieces go by the task.
        meter: watches that the answer does not outgrow what is reserved for it.
        out, error: what the last piece left for the task to send, or to raise.
    """

    __slots__ = ("_events", "_exchange", "_unpacker", "_window", "error", "meter", "out", "write")

    def __init__(
        self,
        events: Reader,
        unpacker: StreamUnpacker,
        window: Window,
        exchange: Exchange,
        meter: Meter | None = None,
    ) -> None:
        self._events = events
        self._unpacker = unpacker
        self._window = window
        self._exchange = exchange
        self.meter = meter
        self.write: Callable[[bytes], bool] | None = None
        self.out = b""
        self.error: Exception | None = None

    @property
    def halted(self) -> bool:
        """Whether something is held back, or nothing more may leave."""
        return self._window.waits or self._window.blocked is not None

    @property
    def due(self) -> bool:
        """Whether more must be reserved before the answer goes on."""
        window = self._window
        return self.meter is not None and self.meter.due(window.text_out, window.stream.usage)

    def through(self, piece: bytes) -> bytes:
        """What may leave once a piece has come."""
        found = self._events.feed(self._unpacker.feed(piece))
        if len(found) == 1:
            return self._window.feed(found[0])
        return b"".join([self._window.feed(event) for event in found])

    def end(self) -> bytes:
        """What may leave once everything has come."""
        return b"".join([self._window.feed(e) for e in self._events.end()]) + self._window.end()

    def __call__(self, piece: bytes) -> bool:
        """Take a piece to the caller; False where the task must look after what follows."""
        window = self._window
        try:
            out = self.through(piece)
            if window.stream.finished or self.halted or self.due:
                self.out = out
                return False
            assert self.write is not None
            self._exchange.bytes_out += len(out)
            return self.write(out) if out else True
        except Exception as error:  # noqa: BLE001  the task raises it
            self.error = error
            return False


class Chain:
    """The first piece, and then the rest; what lies in between may be sent by `direct`."""

    __slots__ = ("_first", "_rest", "direct")

    def __init__(
        self, first: bytes, rest: AsyncGenerator[bytes, None], direct: Direct | None
    ) -> None:
        self._first = first
        self._rest = rest
        self.direct = direct

    def write_by(self, write: Callable[[bytes], bool]) -> None:
        """What follows the first piece may be sent by `write`, which says whether more may be."""
        if self.direct is not None:
            self.direct.write = write

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    def __anext__(self) -> Awaitable[bytes]:
        first, self._first = self._first, b""
        return _ready(first) if first else self._rest.__anext__()

    async def aclose(self) -> None:
        await self._rest.aclose()


async def _ready(piece: bytes) -> bytes:
    return piece
