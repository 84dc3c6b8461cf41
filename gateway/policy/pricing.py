"""What a call costs, worked out once for all rules that count it.

What is remembered is named by what may still change: a budget may send the call to another model,
or shorten its answer. Who changes the call otherwise clears `Exchange.memo`; so does the pipeline
when all rules have had their say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.dialects.base import Usage
from gateway.exchange import Exchange
from gateway.policy.rule import call_of

if TYPE_CHECKING:
    from gateway.upstream.price_model import ModelPrice
    from gateway.upstream.prices import Prices


def price_of(exchange: Exchange, prices: Prices) -> ModelPrice:
    """The price of the model that serves the call, or is asked for."""
    call = call_of(exchange)
    name = ("price", call.model, exchange.model_served)
    found: ModelPrice | None = exchange.memo.get(name)
    if found is None:
        provider = exchange.target.provider if exchange.target is not None else ""
        found = exchange.memo[name] = prices.price_of(call, provider, exchange.model_served)
    return found


def cost_of(exchange: Exchange, prices: Prices, usage: Usage) -> int:
    """What the call costs by what it has used, in nano-dollars."""
    provider = exchange.target.provider if exchange.target is not None else ""
    return prices.cost_of(call_of(exchange), provider, exchange.model_served, usage)


def most_of(exchange: Exchange, prices: Prices) -> int:
    """The most that the call can cost, in nano-dollars."""
    call = call_of(exchange)
    name = ("most", call.model, call.max_output)
    found: int | None = exchange.memo.get(name)
    if found is None:
        found = exchange.memo[name] = prices.most(call, price_of(exchange, prices))
    return found
