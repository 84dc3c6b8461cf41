"""Whose fault an error is, and what a caller can make of it."""

from __future__ import annotations

import pytest

from gateway.errors import CallerError, ConfigError, GatewayError, OwnError, UpstreamError
from gateway.verdict import Reason

WHOSE = [
    pytest.param(CallerError, 400, False, id="the caller's: the same request fails again"),
    pytest.param(UpstreamError, 502, True, id="upstream's: it may have recovered"),
    pytest.param(OwnError, 503, False, id="ours: a retry would only add load"),
]


@pytest.mark.parametrize(("kind", "status", "retryable"), WHOSE)
def test_who_is_at_fault_decides_the_status_and_whether_to_retry(
    kind: type[GatewayError], status: int, retryable: bool
) -> None:
    error = kind(Reason.INTERNAL_ERROR, "It failed.")
    assert isinstance(error, GatewayError)
    assert (error.status, error.retryable) == (status, retryable)
    assert (error.reason, error.message, str(error)) == (
        Reason.INTERNAL_ERROR,
        "It failed.",
        "It failed.",
    )


@pytest.mark.parametrize(("kind", "status", "retryable"), WHOSE)
def test_one_error_may_differ_from_its_kind_and_the_kind_stays(
    kind: type[GatewayError], status: int, retryable: bool
) -> None:
    error = kind(Reason.DRAINING, "Later.", status=413, retryable=not retryable)
    assert (error.status, error.retryable) == (413, not retryable)
    assert (kind.status, kind.retryable) == (status, retryable)


def test_an_error_may_be_made_not_retryable_by_a_false() -> None:
    assert not UpstreamError(Reason.ANSWER_MALFORMED, "No.", retryable=False).retryable


def test_a_policy_that_cannot_be_used_names_all_its_problems() -> None:
    error = ConfigError(["a.yaml:1: no kind", "a.yaml:9: no tenant"])
    assert error.problems == ["a.yaml:1: no kind", "a.yaml:9: no tenant"]
    assert str(error) == "a.yaml:1: no kind\na.yaml:9: no tenant"
    assert not isinstance(error, GatewayError)  # never an answer to a call
