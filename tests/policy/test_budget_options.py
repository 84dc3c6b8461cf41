"""What a budget can be told, and what makes no sense is an error that says what would."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.policy.budget_options import BudgetOptions


def options(**keys: Any) -> BudgetOptions:
    return BudgetOptions.model_validate(
        {"kind": "budget", "per": "session", "limit": "$1.00", **keys}
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, "budget-session"),
        ({"per": "tenant", "window": "day"}, "budget-tenant-day"),
        ({"per": ["user", "model"]}, "budget-user-model-total"),
        ({"per": "session", "window": "hour"}, "budget-session-hour"),
        ({"per": "user", "rolling": "24h"}, "budget-user-rolling"),
    ],
)
def test_the_id_says_what_it_is(keys: dict[str, Any], expected: str) -> None:
    assert options(**keys).default_id() == expected


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"limit": "5"}, "\\$5.00"),
        ({"window": "year"}, "month"),
        ({"window": "day", "rolling": "24h"}, "not both"),
        ({"rolling": "1s"}, "1m"),
        ({"rolling": "90.5s"}, "whole number"),
        ({"timezone": "Europe/Berlin"}, "window: hour"),
        ({"window": "day", "timezone": "Europe/Bärlin"}, "did you mean 'Europe/Berlin'"),
        ({"on_exhausted": "downgrade"}, "needs `downgrade_to`"),
        ({"on_exhausted": "downgrade", "downgrade_to": "gpt-*"}, "pattern"),
        ({"downgrade_to": "gpt-4o-mini"}, "holds for `on_exhausted: downgrade`"),
        (
            {"limit": "1k tokens", "on_exhausted": "downgrade", "downgrade_to": "gpt-4o-mini"},
            "in dollars",
        ),
        ({"keep_back": "10%"}, "downgrade` or `wrap_up"),
        ({"on_exhausted": "wrap_up", "keep_back": "0%"}, "keeps something back"),
        ({"on_exhausted": "wrap_up", "keep_back": "100%"}, "less than 100%"),
        ({"reserve_output": "100"}, "at least 256"),
        ({"warn_at": ["1.5"]}, "50%"),
        ({"unknown_model": "free"}, "dearest"),
    ],
)
def test_options_that_make_no_sense_are_errors(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        options(**keys)


def test_something_is_kept_back_for_a_last_answer() -> None:
    assert options().kept_back == 0
    assert options(on_exhausted="wrap_up").kept_back == 0.1
    assert options(on_exhausted="wrap_up", keep_back="25%").kept_back == 0.25
    cheaper = {"on_exhausted": "downgrade", "downgrade_to": "gpt-4o-mini"}
    assert options(**cheaper).kept_back == 0
    assert options(**cheaper, keep_back="5%").kept_back == 0.05


def test_cheaper_models_are_one_or_a_list() -> None:
    one = options(on_exhausted="downgrade", downgrade_to="gpt-4o-mini")
    assert one.downgrade_to == ("gpt-4o-mini",)
    two = options(on_exhausted="downgrade", downgrade_to=["gpt-4o-mini", "claude-haiku-4-5"])
    assert two.downgrade_to == ("gpt-4o-mini", "claude-haiku-4-5")
