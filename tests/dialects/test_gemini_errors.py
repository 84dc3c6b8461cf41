"""Google's error object, as its SDK raises it."""

from __future__ import annotations

import json

import pytest
from google.genai import errors

from gateway.dialects.base import RateLimit
from gateway.dialects.gemini_errors import error_object, limit_headers


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (429, "RESOURCE_EXHAUSTED"),
        (503, "UNAVAILABLE"),
        (507, "INTERNAL"),
        (418, "FAILED_PRECONDITION"),
    ],
)
def test_every_status_has_googles_name(status: int, name: str) -> None:
    raised = errors.APIError(status, json.loads(error_object(status, "r", "m")))
    assert (raised.code, raised.status, raised.message) == (status, name, "m")


def test_the_reason_and_the_reference_stand_in_the_details() -> None:
    (info,) = json.loads(error_object(400, "secret_found", "m", "ptx_1"))["error"]["details"]
    assert info == {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "secret_found",
        "domain": "portcullis",
        "metadata": {"reference": "ptx_1"},
    }
    assert "metadata" not in error_object(400, "r", "m").decode()


def test_limits_are_told_in_the_headers_that_most_clients_know() -> None:
    headers = limit_headers([RateLimit("requests", 5, 2, 30)])
    assert headers.get("x-ratelimit-remaining-requests") == "2"
