"""What the OpenAI dialects share beside bodies: the error object and the rate-limit headers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import orjson

from gateway.dialects.base import RateLimit, Usage
from gateway.dialects.reading import mapping, whole_number
from gateway.message import Headers

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}

_LIMIT_UNITS = frozenset({"requests", "tokens"})


def error_type(status: int) -> str:
    """The `type` of an error object; the SDKs choose their exception by the status."""
    return _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")


def error_object(kind: str, code: str, message: str) -> bytes:
    """`{"error": {message, type, param, code}}`, the API's error object."""
    return orjson.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})


def usage_limit(code: str, message: str, until: float) -> tuple[Headers, bytes]:
    """Headers and body of a 429 that tells of a wait that nobody should sit out.

    Codex sits out any `retry-after` in silence, an hour too, unless the error's type is this one
    (openai/codex, codex-rs/codex-api/src/api_bridge.rs). Then it ends and shows a sentence of its
    own, with the text of this header in it and the time of `resets_at` (epoch seconds).
    """
    headers = Headers([("x-codex-promo-message", _header_text(message).removesuffix("."))])
    error = {"message": message, "type": "usage_limit_reached", "param": None, "code": code}
    return headers, orjson.dumps({"error": {**error, "resets_at": math.ceil(until)}})


def _header_text(text: str) -> str:
    """A text as one header line can carry it (RFC 9110, 5.5): visible ASCII and spaces."""
    return "".join(char if " " <= char <= "~" else "?" for char in text)


def limit_headers(limits: Sequence[RateLimit]) -> Headers:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`; a reset reads `6m0s` or `120ms`."""
    headers = Headers()
    for limit in limits:
        if limit.unit not in _LIMIT_UNITS:
            continue
        headers.add(f"x-ratelimit-limit-{limit.unit}", str(limit.limit))
        headers.add(f"x-ratelimit-remaining-{limit.unit}", str(max(limit.remaining, 0)))
        headers.add(f"x-ratelimit-reset-{limit.unit}", duration(limit.reset))
    return headers


def duration(seconds: float) -> str:
    """Seconds as the API writes them in a reset header: `120ms`, `7.66s`, `6m0s`, `1h2m3s`."""
    if seconds < 1:
        return f"{max(round(seconds * 1000), 0)}ms"
    whole = round(seconds, 2)
    if whole < 60:
        return f"{whole:g}s"
    minutes, rest = divmod(round(whole), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s"


def chat_usage(value: object, tier: object = None) -> Usage | None:
    """The `usage` object of Chat Completions and Embeddings; None where there is none.

    `prompt_tokens` has the cached ones in it. `completion_tokens` has the reasoning in it at
    OpenAI; xAI counts it beside them, which `total_tokens` shows. `tier` is the answer's
    `service_tier`, which tells how it was served, whatever was asked for.
    """
    if type(value) is not dict:
        return None
    prompt = whole_number(value.get("prompt_tokens"))
    output = whole_number(value.get("completion_tokens"))
    usage = Usage(prompt, output=max(output, whole_number(value.get("total_tokens")) - prompt))
    read = whole_number(value.get("prompt_cache_hit_tokens"))  # DeepSeek's name for it
    written = 0
    if given := mapping(value.get("prompt_tokens_details")):
        read = whole_number(given.get("cached_tokens")) or read
        written = whole_number(given.get("cache_write_tokens"))  # OpenRouter's
        if heard := whole_number(given.get("audio_tokens")):
            usage.detailed().parts["audio_input"] = min(heard, max(prompt - read - written, 0))
    if read or written:
        usage.input = max(prompt - read - written, 0)
        usage.cache_read = read
        usage.cache_write = written
    if made := mapping(value.get("completion_tokens_details")):
        usage.reasoning = whole_number(made.get("reasoning_tokens"))
        if spoken := whole_number(made.get("audio_tokens")):
            usage.detailed().parts["audio_output"] = min(spoken, usage.output)
    if type(tier) is str:
        usage.detailed().served["service_tier"] = tier
    return usage
