"""What can go wrong that is not a rule's verdict, and whose fault it is.

    GatewayError
     ├─ CallerError        the request cannot be read or may not be made   4xx
     ├─ UpstreamError      the other side failed                            502, 504
     └─ OwnError           we failed: store, audit, a bug                   503

Every error has a `Reason`, an HTTP status and says whether a retry could help. The
message is for the caller; it never holds content.
"""

from __future__ import annotations

from gateway.verdict import Reason


class GatewayError(Exception):
    """Base of all: `status` for the reply, `retryable` whether the same call may work later."""

    status = 503
    retryable = False

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        status: int | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        if status is not None:
            self.status = status
        if retryable is not None:
            self.retryable = retryable


class CallerError(GatewayError):
    """The caller's fault; the same request will fail again."""

    status = 400


class UpstreamError(GatewayError):
    """The upstream did not answer, or not in time."""

    status = 502
    retryable = True


class OwnError(GatewayError):
    """The gateway's own failure."""

    status = 503


class ConfigError(Exception):
    """The policy or a setting cannot be used. `problems` are lines ready to print."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
