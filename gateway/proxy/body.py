"""Reading bodies: content encodings, with a limit on what they unpack to."""

from __future__ import annotations

import zlib

from gateway.errors import CallerError, UpstreamError
from gateway.verdict import Reason

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
    for name in reversed([part.strip().lower() for part in encoding.split(",")]):
        if name in ("", "identity"):
            continue
        if name not in _WINDOW:
            raise CallerError(
                Reason.ENCODING_UNSUPPORTED,
                f"The body's content-encoding {name[:32]!r} cannot be read by this gateway. "
                "Nothing was sent to the provider. Send it as gzip or deflate, or as it is.",
            )
        body = _inflate(body, _WINDOW[name], limit)
    return body


def _inflate(body: bytes, window: int, limit: int) -> bytes:
    try:
        unpacked = _inflate_all(body, window, limit)
    except zlib.error:
        if window != zlib.MAX_WBITS:
            raise _broken() from None
        try:  # some clients send `deflate` without the zlib frame
            unpacked = _inflate_all(body, -zlib.MAX_WBITS, limit)
        except zlib.error:
            raise _broken() from None
    return unpacked


def _inflate_all(body: bytes, window: int, limit: int) -> bytes:
    """All members of a gzip body, or the one stream of a deflate body."""
    out: list[bytes] = []
    size = 0
    rest = body
    while rest:
        unpacker = zlib.decompressobj(window)
        piece = unpacker.decompress(rest, limit - size + 1)
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        out.append(piece)
        if not unpacker.eof:
            raise _broken()
        rest = unpacker.unused_data if window > zlib.MAX_WBITS else b""
    return b"".join(out)


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
        self._unpacker = (
            None if self.plain or not self.readable else zlib.decompressobj(_WINDOW[name])
        )

    def feed(self, piece: bytes) -> bytes:
        """The text of the next piece. Raises UpstreamError where it is not what it says."""
        if self._unpacker is None:
            return piece
        try:
            return self._unpacker.decompress(piece)
        except zlib.error:
            raise UpstreamError(
                Reason.ANSWER_MALFORMED,
                "The provider's stream is not what its content-encoding says.",
                retryable=False,
            ) from None
