"""The price table: the right model is found, the sums are exact, an unknown model is not free."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Usage
from gateway.testing import make_call
from gateway.upstream.prices import ModelPrice, Prices, packaged_prices, read_prices

NANO = 10**9
PRICES = packaged_prices()
NAMES = sorted(PRICES.models)


@dataclass
class Override:
    input: int
    output: int
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    max_output: int | None = None


def price(name: str) -> ModelPrice:
    found = PRICES.find(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("GPT-4o-Mini", "gpt-4o-mini"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),  # this snapshot has a price of its own
        ("gpt-4-0613", "gpt-4"),
        ("gpt-5-chat-latest", "gpt-5-chat"),
        ("openai/gpt-4o", "gpt-4o"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
        ("ft:gpt-4o-mini-2024-07-18:acme:helper:abc", "ft:gpt-4o-mini"),
        ("text-embedding-3-small", "text-embedding-3-small"),
        ("models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("gemini-2.5-flash-preview-09-2025", "gemini-2.5-flash"),
        ("google/gemini-2.0-flash-001", "gemini-2.0-flash"),
        ("gemini-embedding-001", "gemini-embedding-001"),
    ],
)
def test_a_model_is_found_by_its_aliases_and_snapshots(asked: str, found: str) -> None:
    assert price(asked).name == found


@pytest.mark.parametrize(
    "asked", ["", "gpt-5-ultra", "gpt-5.9", "claude-opus-9", "my-deployment", "ft:gpt-9:x"]
)
def test_a_cheaper_relative_never_stands_in_for_an_unknown_model(asked: str) -> None:
    assert PRICES.find(asked) is None


def test_a_name_made_to_be_slow_is_just_unknown() -> None:
    assert PRICES.find("gpt-4o" + "-2024-01-01" * 100_000) is None


def test_look_ups_of_made_up_names_are_forgotten() -> None:
    prices = read_prices(
        "openai: {source: s, date: 2026-01-01, models: "
        "{a: {input: 1, output: 2, context: 10, max_output: 5}}}"
    )
    for number in range(5000):
        prices.find(f"model-{number}")
    assert len(prices._found) <= 1024


def test_every_entry_is_plausible_and_dated() -> None:
    for each in PRICES.models.values():
        assert each.input > 0
        assert each.cache_read <= each.input
        assert each.cache_write >= each.input
        assert each.cache_write_1h >= each.cache_write
        assert each.output >= each.input or each.max_output == 0
        assert each.context > 0
    for source in PRICES.sources:
        assert source.url.startswith("https://")
        assert len(source.date) == len("2026-11-20")


def test_cached_and_reasoning_tokens_cost_what_the_provider_says() -> None:
    usage = Usage(input=1000, cache_read=8000, cache_write=500, output=300, reasoning=200)
    # 1000 x $4 + 8000 x $0.20 + 500 x $5 + 300 x $20, a million each; reasoning is output
    dollars = (1000 * 4 + 8000 * Fraction("0.2") + 500 * 5 + 300 * 20) / 1_000_000
    assert PRICES.cost(usage, price("claude-opus-5-5")) == dollars * NANO


def test_a_long_prompt_moves_the_whole_request_to_the_dearer_rates() -> None:
    sonnet = price("claude-sonnet-4-5")
    short = PRICES.cost(Usage(input=200_000, output=1000), sonnet)
    long = PRICES.cost(Usage(input=150_000, cache_read=50_001, output=1000), sonnet)
    assert short == (200_000 * 3 + 1000 * 15) * 1000
    assert long == (150_000 * 6 + 50_001 * Fraction("0.6") + 1000 * Fraction("22.5")) * 1000


def test_a_long_prompt_of_gemini_costs_twice_and_half_as_much_again() -> None:
    pro = price("gemini-2.5-pro")
    assert PRICES.cost(Usage(input=200_000, output=10), pro) == (200_000 * 5 // 4 + 10 * 10) * 1000
    assert (
        PRICES.cost(Usage(input=200_001, output=10), pro)
        == (200_001 * 5 // 2 + 10 * 15) * 1000 + 500
    )


def test_a_cost_is_rounded_up_once() -> None:
    tiny = read_prices(
        "p: {source: s, date: d, models: "
        "{m: {input: 0.0000001, output: 0.0000001, context: 9, max_output: 9}}}"
    ).models["m"]
    assert tiny.input == 100  # nano-dollars for a million tokens
    assert Prices.cost(Usage(input=1, output=1), tiny) == 1
    assert Prices.cost(Usage(input=5000, output=5001), tiny) == 2
    assert Prices.cost(Usage(), tiny) == 0


def test_an_unknown_model_costs_as_much_as_the_dearest_of_its_provider() -> None:
    dearest = PRICES.dearest("anthropic")
    assert not dearest.known
    assert dearest.output == max(
        each.long.output if each.long else each.output
        for each in PRICES.models.values()
        if each.provider == "anthropic"
    )
    assert PRICES.dearest("ollama").output == price("o1-pro").output


def test_a_request_of_a_batch_costs_half() -> None:
    call = make_call(model="gpt-4o")
    call.batched = True
    assert PRICES.price_of(call, "openai").input * 2 == price("gpt-4o").input
    assert PRICES.price_of(call, "openai").output * 2 == price("gpt-4o").output


def test_the_model_that_served_is_what_is_charged() -> None:
    call = make_call(model="some-alias")
    assert PRICES.price_of(call, "openai").known is False
    assert PRICES.price_of(call, "openai", "gpt-4o-2024-08-06").name == "gpt-4o"
    assert PRICES.price_of(make_call(model="gpt-4o"), "openai", "who-knows").name == "gpt-4o"


def test_priority_processing_is_dearer() -> None:
    call = make_call(model="gpt-4o")
    call.force_field("service_tier", "priority")
    assert PRICES.price_of(call, "openai").output == 2 * price("gpt-4o").output
    call.force_field("service_tier", ["priority"])  # not a value the field can have
    assert PRICES.price_of(call, "openai").output == price("gpt-4o").output


def test_an_override_wins_and_keeps_what_it_does_not_say() -> None:
    prices = PRICES.with_overrides(
        {
            "gpt-4o": Override(input=NANO, output=2 * NANO),
            "house-*": Override(input=0, output=0, max_output=100),
            "house-large": Override(input=5, output=6, cache_write=7),
            "claude-*": Override(input=11, output=12),
        }
    )
    mine = prices.find("gpt-4o-2024-08-06")
    assert mine is not None
    assert (mine.input, mine.cache_read, mine.output) == (NANO, NANO, 2 * NANO)
    assert (mine.context, mine.max_output) == (128_000, 16_384)
    free = prices.find("house-small")
    assert free is not None
    assert Prices.cost(Usage(input=10**9), free) == 0
    large = prices.find("house-large")
    assert large is not None
    assert (large.cache_write, large.cache_write_1h, large.cache_read) == (7, 7, 5)
    old = prices.find("gpt-4o-2024-05-13")  # the table has this snapshot; the operator still wins
    assert old is not None
    assert old.input == NANO
    claude = prices.find("claude-opus-5-5")
    assert claude is not None
    assert claude.output == 12
    assert price("gpt-4o").input != NANO  # the packaged table is as it was


def test_overrides_of_overrides_keep_the_patterns() -> None:
    first = PRICES.with_overrides({"house-*": Override(input=1, output=1)})
    assert first.with_overrides({"x": Override(input=2, output=2)}).find("house-a") is not None


def test_input_is_bounded_by_what_the_model_takes() -> None:
    gpt = price("gpt-4o")
    assert PRICES.bound_input(1000, gpt) == 1000
    assert PRICES.bound_input(10**9, gpt) == 128_000
    assert PRICES.bound_input(-1, gpt) == 128_000  # the provider keeps a history
    unknown = PRICES.dearest("openai")
    assert PRICES.bound_input(10**9, unknown) == 10**9
    mine = PRICES.with_overrides({"mine": Override(input=1, output=1)}).find("mine")
    assert mine is not None
    assert PRICES.bound_input(10**9, mine) == 10**9
    assert PRICES.bound_input(-1, mine) == PRICES.dearest().context


@given(
    st.sampled_from(NAMES),
    st.tuples(*[st.integers(0, 600_000)] * 4),
    st.integers(0, 200_000),
    st.integers(1, 5),
    st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
)
def test_a_reservation_is_never_below_the_cost(
    name: str, tokens: tuple[int, ...], output: int, choices: int, slack: tuple[int, int]
) -> None:
    usage = Usage(*tokens, output=output * choices)
    reserved = Prices.reserve(
        usage.total_input + slack[0], output + slack[1], choices, PRICES.models[name]
    )
    assert reserved >= Prices.cost(usage, PRICES.models[name])


def test_a_model_on_ones_own_machine_costs_nothing_until_somebody_prices_it() -> None:
    call = make_call(model="qwen3:8b")
    free = PRICES.price_of(call, "ollama", "qwen3:8b")
    assert free.known
    assert PRICES.cost(Usage(10**6, output=10**6), free) == 0
    assert PRICES.reserve(10**6, free.max_output, 3, free) == 0
    assert free.max_output == PRICES.dearest().max_output
    assert not PRICES.price_of(call, "openai").known
    own = PRICES.with_overrides({"qwen3*": Override(NANO, NANO)})
    assert own.cost(Usage(10**6), own.price_of(call, "ollama")) == NANO


def test_a_name_that_the_table_knows_is_charged_wherever_it_runs() -> None:
    known = PRICES.price_of(make_call(model="gpt-4o-mini"), "ollama")
    assert known == price("gpt-4o-mini")


def test_no_bound_is_invented_for_a_model_of_unknown_context() -> None:
    free = PRICES.price_of(make_call(model="qwen3:8b"), "ollama")
    assert PRICES.bound_input(5_000, free) == 5_000
    assert PRICES.bound_input(-1, free) == PRICES.dearest().context
