"""Errors, limits and usage as the OpenAI SDKs read them."""

from __future__ import annotations

import orjson
import pytest

from gateway.dialects.base import RateLimit, Usage
from gateway.dialects.openai_errors import (
    chat_usage,
    duration,
    error_object,
    error_type,
    limit_headers,
    usage_limit,
)


def test_the_error_object() -> None:
    body = orjson.loads(error_object("invalid_request_error", "pii_found", "No."))
    assert body == {
        "error": {
            "message": "No.",
            "type": "invalid_request_error",
            "param": None,
            "code": "pii_found",
        }
    }


def test_a_wait_that_nobody_should_sit_out_is_told_as_codex_shows_it() -> None:
    said = "Portcullis is holding back this request.\r\nRule caf\u00e9/day. Reference ptx_1."
    headers, raw = usage_limit("rate_limited", said, 1_700_000_000.2)
    shown = "Portcullis is holding back this request.??Rule caf?/day. Reference ptx_1"
    assert headers.items == [("x-codex-promo-message", shown)]  # one line, ASCII
    assert orjson.loads(raw)["error"] == {
        "message": said,
        "type": "usage_limit_reached",
        "param": None,
        "code": "rate_limited",
        "resets_at": 1_700_000_001,
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (413, "invalid_request_error"),
        (429, "rate_limit_error"),
        (503, "server_error"),
    ],
)
def test_the_type_follows_the_status(status: int, kind: str) -> None:
    assert error_type(status) == kind


def test_limits_are_the_headers_of_the_api() -> None:
    headers = limit_headers([RateLimit("requests", 600, 599, 0.12), RateLimit("tokens", 9, -1, 90)])
    assert headers.items == [
        ("x-ratelimit-limit-requests", "600"),
        ("x-ratelimit-remaining-requests", "599"),
        ("x-ratelimit-reset-requests", "120ms"),
        ("x-ratelimit-limit-tokens", "9"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "1m30s"),
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.0124, "12ms"), (1, "1s"), (7.66, "7.66s"), (60, "1m0s"), (3723, "1h2m3s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_cached_and_reasoning_tokens_are_counted_once() -> None:
    usage = chat_usage(
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 20},
        }
    )
    assert usage == Usage(input=40, cache_read=60, output=50, reasoning=20)
    assert usage.total == 150


def test_reasoning_that_is_counted_apart_is_output_too() -> None:
    usage = chat_usage(
        {
            "prompt_tokens": 12,
            "completion_tokens": 2,
            "total_tokens": 354,
            "completion_tokens_details": {"reasoning_tokens": 340},
        }
    )
    assert usage == Usage(input=12, output=342, reasoning=340)


@pytest.mark.parametrize("value", [None, [], "x", 3])
def test_no_usage(value: object) -> None:
    assert chat_usage(value) is None


def test_bad_numbers_count_nothing() -> None:
    assert chat_usage({"prompt_tokens": -1, "completion_tokens": "9"}) == Usage()


def test_audio_is_told_apart_from_text() -> None:
    usage = chat_usage(
        {
            "prompt_tokens": 30,
            "completion_tokens": 20,
            "prompt_tokens_details": {"audio_tokens": 12, "cached_tokens": 8},
            "completion_tokens_details": {"audio_tokens": 15},
        },
        "default",
    )
    assert usage is not None
    assert (usage.input, usage.cache_read) == (22, 8)
    assert usage.detailed().parts == {"audio_input": 12, "audio_output": 15}
    assert usage.detailed().served == {"service_tier": "default"}
