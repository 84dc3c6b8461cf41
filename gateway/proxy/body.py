"""Reading bodies: content encodings, with a limit on what they unpack to."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from gateway.errors import CallerError, UpstreamError
from gateway.verdict import Reason

_SLICE = 64 * 1024
_MOST_LAYERS = 4
_MOST_MEMBERS = 4096
"""Each new member of a gzip body copies what is left of a slice: that must not be for free."""

_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def too_large(limit: int) -> CallerError:
    return CallerError(
        Reason.BODY_TOO_LARGE,
        f"The request body is larger than the {limit:,} bytes this gateway takes. "
        "Nothing was sent to the provider. Send less, or ask the operator for a higher "
        "`limits.max_body`.",
        status=413,
    )


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its content-encoding.

    Args:
        encoding: the header's value; several encodings are undone from last to first.
        limit: bytes that the result may have at most.

    Raises:
        CallerError: an encoding this gateway cannot read, broken data, or over the limit.
    """
    names = [part.strip().lower() for part in encoding.split(",")]
    if len(names) > _MOST_LAYERS:
        raise _unsupported(encoding)
    for name in reversed(names):
        if name in ("", "identity"):
            continue
        if name not in _WINDOW:
            raise _unsupported(name)
        if body:
            body = _inflate(body, _WINDOW[name], limit)
    return body


def _unsupported(encoding: str) -> CallerError:
    return CallerError(
        Reason.ENCODING_UNSUPPORTED,
        f"The body's content-encoding {encoding[:32]!r} cannot be read by this gateway. "
        "Nothing was sent to the provider. Send it as gzip, deflate or without an encoding.",
    )


def _inflate(body: bytes, window: int, limit: int) -> bytes:
    try:
        return _inflate_all(body, window, limit)
    except zlib.error:
        if window != zlib.MAX_WBITS:
            raise _broken() from None
    try:  # some clients send `deflate` without the zlib frame
        return _inflate_all(body, -zlib.MAX_WBITS, limit)
    except zlib.error:
        raise _broken() from None


def _inflate_all(body: bytes, window: int, limit: int) -> bytes:
    unpacker = _Unpacker(window)
    out: list[bytes] = []
    size = 0
    for at in range(0, len(body), _SLICE):
        for piece in unpacker.feed(body[at : at + _SLICE], limit + 1):
            size += len(piece)
            if size > limit:
                raise too_large(limit)
            out.append(piece)
    if not unpacker.done:
        raise zlib.error("cut off")
    return b"".join(out)


class _Unpacker:
    """The members of a gzip body, one behind another, or the one stream of a deflate body."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._member = zlib.decompressobj(window)
        self._members = 1

    @property
    def done(self) -> bool:
        """Whether what came ends where a member ends."""
        return self._member.eof

    def feed(self, data: bytes, most: int = 0) -> Iterator[bytes]:
        """What `data` unpacks to, in pieces of at most `most` bytes. Raises zlib.error."""
        while data:
            if self._member.eof:
                if self._window <= zlib.MAX_WBITS or self._members >= _MOST_MEMBERS:
                    raise zlib.error("data behind the end")
                self._member = zlib.decompressobj(self._window)
                self._members += 1
            yield self._member.decompress(data, most)
            data = self._member.unconsumed_tail or self._member.unused_data


def _broken() -> CallerError:
    return CallerError(
        Reason.BODY_MALFORMED,
        "The request body is not what its content-encoding says. Nothing was sent to the provider.",
    )


class StreamUnpacker:
    """Undoes the content-encoding of a streamed answer piece by piece."""

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        self.readable = name in ("", "identity") or name in _WINDOW
        self.plain = name in ("", "identity")
        self._unpacker = _Unpacker(_WINDOW[name]) if name in _WINDOW else None

    def feed(self, piece: bytes) -> bytes:
        """The text of the next piece. Raises UpstreamError where it is not what it says."""
        if self._unpacker is None:
            return piece
        try:
            return b"".join(self._unpacker.feed(piece))
        except zlib.error:
            raise UpstreamError(
                Reason.ANSWER_MALFORMED,
                "The provider's stream is not what its content-encoding says.",
                retryable=False,
            ) from None
