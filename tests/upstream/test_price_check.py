"""What is wrong with a table of prices: each fault is found, and the packaged table has none."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from gateway.config.prices import Price
from gateway.upstream.price_check import Fault, faults, unpriced
from gateway.upstream.prices import Prices, packaged_prices, read_prices

DAY = date(2026, 11, 21)


def table(entry: str) -> Prices:
    return read_prices(
        "{version: 1, providers: {p: {source: s, date: 2026-11-01, models: "
        f"{{m: {{{entry}}}}}}}}}}}"
    )


def test_the_packaged_table_has_no_fault_on_the_day_it_was_read() -> None:
    prices = packaged_prices()
    assert faults(prices, date.fromisoformat(prices.version), 90) == []


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("cache_read: 2", "cache_read is dearer than input"),
        ("cache_write: 0.5", "cache_write is cheaper than input"),
        ("cache_write: 3, cache_write_1h: 2", "cache_write_1h is cheaper than cache_write"),
        ("output: 0.5", "output is cheaper than input"),
        ("context: 0", "no context: what a call may read is bounded by its body alone"),
        ("max_output: 0", "no max_output: a call without max_tokens reserves no output"),
        ("audio_input: 2, audio_cache_read: 3", "audio_cache_read is dearer than audio_input"),
        ("batch: 1.5", "a batch is dearer than the usual price"),
        ("flex: 1.5", "flex is dearer than the usual price"),
        ("priority: 0.5", "priority is cheaper than the usual price"),
        ("above: {tokens: 5, input: 1, output: 0.5}", "output is cheaper above 5 tokens"),
        (
            "above: {tokens: 9, input: 2, output: 2}",
            "the step to dearer rates is above the context",
        ),
    ],
)
def test_each_fault_is_named(entry: str, what: str) -> None:
    keys = {"input": "1", "output": "2", "context": "9", "max_output": "3"}
    first = entry.partition(":")[0]
    whole = [f"{key}: {value}" for key, value in keys.items() if key != first]
    assert faults(table(", ".join([*whole, entry])), DAY, 90) == [Fault("m", what)]


def test_parts_that_are_cheaper_in_long_requests_are_a_fault() -> None:
    entry = "input: 1, output: 2, context: 99, max_output: 3, audio_input: 5"
    found = faults(table(entry + ", above: {tokens: 9, input: 0.5, output: 1}"), DAY, 90)
    assert Fault("m", "audio_input is cheaper above 9 tokens") in found


def test_old_prices_are_one_fault_a_day_and_provider() -> None:
    prices = table("input: 1, output: 2, context: 9, max_output: 3")
    assert faults(prices, DAY, 20) == []
    [old] = faults(prices, DAY, 19)
    assert old == Fault("p/*", "1 prices were read 20 days ago, on 2026-11-01")


def own(**keys: Any) -> Price:
    return Price.model_validate(keys)


def test_the_operators_prices_are_checked_too() -> None:
    prices = packaged_prices().with_overrides(
        {
            "gpt-4o": own(input="$1", output="$2", cache_read="$3"),
            "gpt-5*": own(discount="10%"),
            "nobody-*": own(discount="10%"),
            "mine": own(input="$1", output="$2"),
        }
    )
    assert [(each.model, each.what.partition(":")[0]) for each in faults(prices, DAY, 90)] == [
        ("gpt-4o", "cache_read is dearer than input"),
        ("nobody-*", "a discount on a model that the table does not have"),
        ("mine", "no context"),
    ]


def test_names_that_rules_speak_of_want_a_price() -> None:
    names = ["gpt-4o-2024-08-06", "gpt-99", "gpt-*", "gpt-99"]
    assert unpriced(packaged_prices(), names) == [
        Fault("gpt-99", "a rule names it, and it has no price")
    ]
