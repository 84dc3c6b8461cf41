"""A tunnel (CONNECT): all that can be read of it is where it goes.

What travels inside is the caller's and the other side's own, most often encrypted; it is named as
`tunnel`, so that a content rule's `unscannable` decides about it.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.dialects.base import (
    Answer,
    AnswerStream,
    Call,
    Document,
    RateLimit,
    Surface,
    Unscannable,
)
from gateway.dialects.hosts import authority, split_authority
from gateway.dialects.no_model_call import NoModelCall
from gateway.dialects.opaque import OpaqueAnswer, OpaqueStream
from gateway.dialects.openai_errors import error_object, error_type, limit_headers
from gateway.errors import CallerError
from gateway.message import Headers, Request
from gateway.verdict import Reason


class Tunnel:
    """Reads the target of a CONNECT request. Errors are in OpenAI's shape, for people to read."""

    name = "tunnel"

    def decode(self, request: Request, body: bytes) -> Call:
        """Raises CallerError where the target is no `host:port`."""
        target = request.target
        try:
            host, port = split_authority(target.encode("latin-1").decode())
        except ValueError:
            raise CallerError(
                Reason.TARGET_MALFORMED,
                "CONNECT takes a host and a port, such as example.com:443. Nothing was connected.",
            ) from None
        return TunnelCall(host, port)

    def decode_answer(self, call: Call, body: bytes) -> Answer:
        return OpaqueAnswer(Document(None, body))

    def open_stream(self, call: Call) -> AnswerStream:
        return OpaqueStream()

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:
        return error_object(error_type(status), code, message)

    def limit_headers(self, limits: Sequence[RateLimit]) -> Headers:
        return limit_headers(limits)


class TunnelCall(NoModelCall):
    """A tunnel to `port` of `host`, a host in its plain form."""

    dialect = "tunnel"
    operation = "connect"
    party = "host"
    billable = readable_answer = False
    answer_surfaces = frozenset(Surface)

    def __init__(self, host: str, port: int) -> None:
        super().__init__(Document(None, b""))
        self.host = host
        self.port = port
        self.stream = True
        self.unscannable = [Unscannable("tunnel", Surface.USER, "body")]

    @property
    def authority(self) -> str:
        return authority(self.host, self.port)

    def encode(self) -> bytes:
        return b""
