"""The text of a price table: exact numbers, what holds for a whole provider, no unknown keys."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from importlib.resources import files

import pytest

from gateway.upstream.price_table import Table, read_table

HEAD = "version: 2026-01-02\nproviders:\n  p:\n    source: https://x\n    date: 2026-01-01\n"


def table(model: str, *head: str) -> Table:
    lines = "".join(f"    {line}\n" for line in head)
    entry = f"m: {{{model}, context: 9, max_output: 3}}"
    return read_table(f"{HEAD}{lines}    models:\n      {entry}\n")


def test_dollars_become_nano_dollars_exactly() -> None:
    price = table("input: 0.0000375, output: 0.075").models["m"]
    assert (price.input, price.output) == (37_500, 75_000_000)


def test_a_price_that_is_no_whole_nano_dollar_is_an_error() -> None:
    with pytest.raises(ValueError, match="no whole nano-dollars"):
        table("input: 1.0e-10, output: 1")


def test_what_is_left_out_costs_as_the_head_says() -> None:
    price = table("input: 1, output: 2, cache_write: 3").models["m"]
    assert (price.cache_read, price.cache_write_1h) == (price.input, price.cache_write)
    assert (price.batch, price.modes, price.parts) == (1, (), {})


def test_a_models_own_word_wins_over_its_providers() -> None:
    head = ("batch: 0.5", "search: 0.01", "priority: 2", "checked: somebody")
    own = table('input: 1, output: 2, priority: "5/3", batch: 0.8, checked: else', *head)
    price = own.models["m"]
    assert price.modes[0].times == Fraction(5, 3)
    assert (price.batch, price.search) == (Fraction(4, 5), 10_000_000)
    assert (price.origin.url, price.origin.date, price.origin.checked) == (
        "https://x",
        "2026-01-01",
        "else",
    )


def test_an_unknown_key_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"m: no such key: \['inptu'\]"):
        table("input: 1, output: 2, inptu: 3")


def test_the_packaged_table_says_where_each_price_is_from() -> None:
    text = (files("gateway.upstream") / "prices.yaml").read_text(encoding="utf-8")
    found = read_table(text)
    assert date.fromisoformat(found.version) >= date(2026, 11, 21)
    for price in found.models.values():
        assert price.origin.url.startswith("https://")
        assert date.fromisoformat(price.origin.date) <= date.fromisoformat(found.version)
        assert price.origin.checked
