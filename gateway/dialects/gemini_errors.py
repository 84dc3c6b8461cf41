"""Google's error object, and the rate-limit headers."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from gateway.dialects import openai_errors
from gateway.dialects.base import RateLimit
from gateway.message import Headers

_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""Names of statuses by code, as google.rpc.Code maps them ("HTTP Mapping" in its definition)."""

_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


def error_object(status: int, code: str, message: str, request_id: str = "") -> bytes:
    """`{"error": {code, message, status, details}}`; `code`, ours, is the detail's reason."""
    name = _STATUS.get(status, "INTERNAL" if status >= 500 else "FAILED_PRECONDITION")
    info: dict[str, object] = {"@type": _INFO, "reason": code, "domain": "portcullis"}
    if request_id:
        info["metadata"] = {"reference": request_id}
    return orjson.dumps(
        {"error": {"code": status, "message": message, "status": name, "details": [info]}}
    )


def limit_headers(limits: Sequence[RateLimit]) -> Headers:
    """Google has no headers for this: those that most clients know, `x-ratelimit-*`."""
    return openai_errors.limit_headers(limits)
