"""What a call costs is worked out once, and anew where what it depends on has changed."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.base import Usage
from gateway.policy.pricing import cost_of, most_of, price_of
from gateway.testing import make_call, make_exchange
from gateway.upstream import prices as table
from gateway.upstream.prices import packaged_prices

PRICES = packaged_prices()


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that were looked up."""
    found: list[str] = []
    real = table.Prices.price_of

    def price_of(self: Any, call: Any, *more: Any) -> Any:
        found.append(call.model)
        return real(self, call, *more)

    monkeypatch.setattr(table.Prices, "price_of", price_of)
    return found


def test_ten_rules_look_a_price_up_once(looked_up: list[str]) -> None:
    exchange = make_exchange(make_call([("user", "hello")], max_output=10))
    assert len({price_of(exchange, PRICES).name for _ in range(10)}) == 1
    assert len({most_of(exchange, PRICES) for _ in range(10)}) == 1
    assert len(looked_up) == 1


def test_another_model_has_another_price(looked_up: list[str]) -> None:
    exchange = make_exchange(make_call([("user", "hello")], max_output=10))
    assert exchange.call is not None
    before = most_of(exchange, PRICES)
    exchange.call.model = "claude-opus-4-1"
    assert most_of(exchange, PRICES) > before
    exchange.model_served = "gpt-4o-mini"
    assert price_of(exchange, PRICES).name == "gpt-4o-mini"
    assert len(looked_up) == 3


def test_a_shorter_answer_costs_less() -> None:
    exchange = make_exchange(make_call([("user", "hello")], max_output=1000))
    assert exchange.call is not None
    before = most_of(exchange, PRICES)
    exchange.call.max_output = 10
    assert most_of(exchange, PRICES) < before


def test_the_cost_is_that_of_the_model_that_served() -> None:
    exchange = make_exchange(make_call([("user", "hello")]))
    exchange.model_served = "gpt-4o-mini"
    cheap = cost_of(exchange, PRICES, Usage(1000, output=1000))
    exchange.model_served = "claude-opus-4-1"
    assert cost_of(exchange, PRICES, Usage(1000, output=1000)) > cheap
