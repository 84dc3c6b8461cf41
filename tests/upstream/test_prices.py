"""The price table: the right model is found, the sums are exact, an unknown model is not free."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.prices import Price
from gateway.dialects.base import DeclaredTool, Surface, Unscannable, Usage, UsageDetails
from gateway.testing import make_call
from gateway.upstream.price_model import PARTS, ModelPrice
from gateway.upstream.prices import SEARCHES, PriceError, Prices, packaged_prices, read_prices

NANO = 10**9
PRICES = packaged_prices()
NAMES = sorted(PRICES.models)


def own(**given: str) -> Price:
    """A price as the policy file has it: `own(input="$1", output="$2")`."""
    return Price.model_validate(given)


def table(models: str) -> Prices:
    return read_prices(
        f"{{version: 1, providers: {{openai: {{source: s, date: d, models: {models}}}}}}}"
    )


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
    prices = table("{a: {input: 1, output: 2, context: 10, max_output: 5}}")
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
    tiny = table("{m: {input: 1.0e-7, output: 1.0e-7, context: 9, max_output: 9}}").models["m"]
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


# --- how it is served ---


def served(usage: Usage, **said: str) -> Usage:
    usage.details = UsageDetails(served=said)
    return usage


def test_priority_processing_is_dearer_by_model() -> None:
    call = make_call(model="gpt-4o")
    call.force_field("service_tier", "priority")
    assert PRICES.price_of(call, "openai").output == price("gpt-4o").output * 17 // 10
    call.model = "gpt-4o-mini"
    assert PRICES.price_of(call, "openai").input == NANO // 4  # five thirds of 15 cents
    call.force_field("service_tier", ["priority"])  # not a value the field can have
    assert PRICES.price_of(call, "openai") == price("gpt-4o-mini")


def test_what_the_answer_says_of_its_tier_wins_over_what_was_asked_for() -> None:
    call = make_call(model="gpt-5.1")
    call.force_field("service_tier", "priority")
    tokens = Usage(1000, output=100)
    plain = PRICES.cost(tokens, price("gpt-5.1"))

    def cost(usage: Usage) -> int:
        return PRICES.cost_of(call, "openai", "gpt-5.1", usage)

    assert cost(tokens) == 2 * plain  # nothing said
    assert cost(served(Usage(1000, output=100), service_tier="default")) == plain
    assert cost(served(Usage(1000, output=100), service_tier="flex")) * 2 == plain
    call.force_field("service_tier", "auto")
    assert cost(served(Usage(1000, output=100), service_tier="priority")) == 2 * plain
    assert cost(served(Usage(1000, output=100), service_tier="scale")) == plain


@pytest.mark.parametrize(
    "said", ["PRIORITY", "SERVICE_TIER_PRIORITY", "ON_DEMAND_PRIORITY", "priority"]
)
def test_googles_spellings_of_a_tier_are_one(said: str) -> None:
    usage = served(Usage(1000), service_tier=said)
    plain = PRICES.cost(Usage(1000), price("gemini-3.8-flash"))
    cost = PRICES.cost_of(make_call(model="gemini-3.8-flash"), "gemini", "", usage)
    assert cost == plain * 18 // 10


def test_a_cheaper_tier_is_not_counted_on_before_the_answer() -> None:
    call = make_call(model="gpt-5.1")
    call.force_field("service_tier", "flex")
    assert PRICES.price_of(call, "openai") == price("gpt-5.1")
    assert PRICES.price_of(call, "openai", "", Usage(1)).input * 2 == price("gpt-5.1").input


def test_speed_and_region_of_claude_multiply() -> None:
    call = make_call(model="claude-opus-5-5")
    call.force_field("speed", "fast")
    call.force_field("inference_geo", "us")
    dear = PRICES.price_of(call, "anthropic")
    assert dear.input == price("claude-opus-5-5").input * 2 * 11 // 10
    slow = served(Usage(1_000_000), speed="standard", inference_geo="us")
    assert PRICES.cost_of(call, "anthropic", "", slow) == 4 * NANO * 11 // 10


def test_a_batch_takes_its_share_of_a_tier() -> None:
    call = make_call(model="claude-opus-5-5")
    call.force_field("inference_geo", "us")
    call.batched = True
    assert PRICES.price_of(call, "anthropic").output == 20 * NANO * 11 // 20


def test_prices_of_tiers_are_worked_out_once_and_not_kept_for_ever() -> None:
    prices = table("{m: {input: 1, output: 2, context: 10, max_output: 5, priority: 2}}")
    call = make_call(model="m")
    call.force_field("service_tier", "priority")
    assert prices.price_of(call, "openai") is prices.price_of(call, "openai")
    for number in range(3000):
        prices._at(prices.models["m"], Fraction(number, 7))
    assert len(prices._scaled) <= 1024
    assert prices.price_of(call, "openai").input == 2 * NANO


# --- what few answers have ---


def test_several_inferences_are_charged_at_their_own_models_rates_and_rounded_once() -> None:
    steps = (("", Usage(1, output=1)), ("claude-opus-4-8", Usage(3, output=1)))
    usage = Usage(4, output=2, details=UsageDetails(steps=steps, searches=2))
    call = make_call(model="claude-haiku-5-5")
    # 0.10 and 0.50 a million of the one, 5 and 25 of the other, and two searches
    expected = Fraction(100 + 500 + 3 * 5000 + 25000) + 2 * 10_000_000
    assert PRICES.cost_of(call, "anthropic", "claude-haiku-5-5", usage) == expected


def test_each_inference_has_its_own_step_to_dearer_rates() -> None:
    step = Usage(150_000)
    usage = Usage(300_000, details=UsageDetails(steps=(("", step), ("", step))))
    call = make_call(model="claude-sonnet-4-5")
    assert PRICES.cost_of(call, "anthropic", "", usage) == 300_000 * 3000


def test_one_search_an_answer_is_charged_where_the_provider_says_so() -> None:
    usage = Usage(0, details=UsageDetails(searches=3))
    assert PRICES.cost(usage, price("gemini-2.5-flash")) == 35_000_000
    assert PRICES.cost(usage, price("gemini-3.8-flash")) == 3 * 14_000_000


# --- the operator's own prices ---


def test_an_override_wins_and_keeps_what_it_does_not_say() -> None:
    prices = PRICES.with_overrides(
        {
            "gpt-4o": own(input="$1", output="$2"),
            "house-*": own(input="$0", output="$0", max_output="100"),
            "house-large": own(input="$5", output="$6", cache_write="$7"),
            "claude-*": own(input="$11", output="$12"),
        }
    )
    mine = prices.find("gpt-4o-2024-08-06")
    assert mine is not None
    assert (mine.input, mine.cache_read, mine.output) == (NANO, NANO, 2 * NANO)
    assert (mine.context, mine.max_output) == (128_000, 16_384)
    assert mine.batch == Fraction(1, 2)
    free = prices.find("house-small")
    assert free is not None
    assert Prices.cost(Usage(input=10**9), free) == 0
    large = prices.find("house-large")
    assert large is not None
    assert (large.cache_write, large.cache_write_1h) == (7 * NANO, 7 * NANO)
    assert large.cache_read == 5 * NANO
    old = prices.find("gpt-4o-2024-05-13")  # the table has this snapshot; the operator still wins
    assert old is not None
    assert old.input == NANO
    claude = prices.find("claude-opus-5-5")
    assert claude is not None
    assert claude.output == 12 * NANO
    assert price("gpt-4o").input != NANO  # the packaged table is as it was


def test_overrides_of_overrides_keep_the_patterns() -> None:
    first = PRICES.with_overrides({"house-*": own(input="$1", output="$1")})
    second = first.with_overrides({"x": own(input="$2", output="$2")})
    assert second.find("house-a") is not None


def test_a_deployment_is_priced_like_the_model_behind_it() -> None:
    names = {"prod-*": own(like="gpt-5.5"), "eu": own(like="gpt-5.5-2026-04-23")}
    prices = PRICES.with_overrides(names)
    for name in ("prod-chat", "EU"):
        found = prices.find(name)
        assert found is not None
        assert found.input == price("gpt-5.5").input
        assert found.long is not None
        assert found.long.output == price("gpt-5.5").output * 3 // 2
        assert found.modes == price("gpt-5.5").modes


def test_like_a_model_that_nobody_knows_is_an_error_that_names_it() -> None:
    with pytest.raises(PriceError, match="prices: mine: there is no price for 'gpt-99'"):
        PRICES.with_overrides({"mine": own(like="gpt-99")})


def test_a_discount_is_taken_off_whatever_the_table_says() -> None:
    prices = PRICES.with_overrides({"gpt-*": own(discount="20%"), "gpt-4o": own(discount="50%")})
    five, four = prices.find("gpt-5.1-2025-11-13"), prices.find("gpt-4o")
    assert five is not None
    assert four is not None
    assert (five.name, five.input) == ("gpt-5.1", NANO)
    assert four.output == 5 * NANO
    assert prices.find("gpt-99") is None  # nothing to take it off
    claude = prices.find("claude-opus-5-5")
    assert claude is not None
    assert claude.input == 4 * NANO


@pytest.mark.parametrize(
    ("asked", "where", "name"),
    [
        ("gpt-4o-2024-08-06", "policy", "gpt-4o"),
        ("house-7", "policy", "house-*"),
        ("openai/gpt-4.1-2025-04-14", "table", "gpt-4.1"),
    ],
)
def test_how_a_name_was_found_can_be_told(asked: str, where: str, name: str) -> None:
    prices = PRICES.with_overrides(
        {"gpt-4o": own(input="$1", output="$1"), "house-*": own(input="$1", output="$1")}
    )
    match = prices.match(asked)
    assert match is not None
    assert (match.where, match.name) == (where, name)


# --- bounds ---


def test_input_is_bounded_by_what_the_model_takes() -> None:
    gpt = price("gpt-4o")
    assert PRICES.bound_input(1000, gpt) == 1000
    assert PRICES.bound_input(10**9, gpt) == 128_000
    assert PRICES.bound_input(-1, gpt) == 128_000  # the provider keeps a history
    unknown = PRICES.dearest("openai")
    assert PRICES.bound_input(10**9, unknown) == 10**9
    mine = PRICES.with_overrides({"mine": own(input="$1", output="$1")}).find("mine")
    assert mine is not None
    assert PRICES.bound_input(10**9, mine) == 10**9
    assert PRICES.bound_input(-1, mine) == PRICES.dearest().context


@given(
    st.sampled_from(NAMES),
    st.tuples(*[st.integers(0, 600_000)] * 4),
    st.integers(0, 200_000),
    st.integers(1, 5),
    st.sampled_from([None, "flex", "priority", "fast"]),
    st.sampled_from(["default", "flex", "priority", ""]),
    st.booleans(),
    st.dictionaries(st.sampled_from(sorted(PARTS)), st.floats(0, 1)),
    st.integers(0, 3),
)
def test_a_reservation_is_never_below_the_cost(
    name: str,
    tokens: tuple[int, ...],
    output: int,
    choices: int,
    asked: str | None,
    told: str,
    batched: bool,
    shares: dict[str, float],
    searches: int,
) -> None:
    call = make_call(
        model=name,
        max_output=output,
        unscannable=[Unscannable("audio", Surface.USER, "x")],
    )
    call.choices, call.batched = choices, batched
    call.tools = [DeclaredTool("web_search", hosted=True)]
    if asked:
        call.force_field("service_tier", asked)
        call.force_field("speed", asked)
    # As dear as the call may be: an answer in a dearer tier than was asked for is told apart.
    said = {"service_tier": told} if told and (told != "priority" or asked == "priority") else {}
    usage = Usage(*tokens, output=output * choices)
    counts = {"input": usage.input, "cache_read": usage.cache_read, "output": usage.output}
    parts: dict[str, int] = {}
    for part, share in shares.items():
        if part == "reasoning":
            usage.reasoning = int(share * usage.output)
            continue
        count = PARTS[part]
        parts[part] = int(share * counts[count])
        counts[count] -= parts[part]
    usage.details = UsageDetails(parts=parts, searches=searches, served=said)
    bound = usage.total_input
    call.input_bound = lambda: bound  # type: ignore[method-assign]
    price = PRICES.price_of(call, "openai")
    reserved = price.reserve(bound, output, choices, media=True, searches=SEARCHES)
    assert reserved >= PRICES.cost_of(call, "openai", "", usage)


@pytest.mark.parametrize(
    ("tools", "fields", "searches"),
    [
        ([], {}, 0),
        ([DeclaredTool("search_orders")], {}, 0),  # the agent's own
        ([DeclaredTool("web_search_preview", hosted=True)], {}, SEARCHES),
        ([DeclaredTool("web_search", hosted=True)], {"max_tool_calls": 3}, 3),
        ([DeclaredTool("googleSearch", hosted=True)], {"tools": [{"googleSearch": {}}]}, SEARCHES),
        (
            [DeclaredTool("web_search", hosted=True)],
            {"tools": [{"type": "web_search_20250305", "max_uses": 5}, {"type": "custom"}]},
            5,
        ),
        ([DeclaredTool("file_search", hosted=True)], {}, 0),
        ([DeclaredTool("tool_search_tool_bm25", hosted=True)], {}, 0),
    ],
)
def test_searches_that_a_provider_may_run_are_reserved(
    tools: list[DeclaredTool], fields: dict[str, Any], searches: int
) -> None:
    call = make_call(model="claude-opus-5-5", max_output=0)
    call.tools = tools
    for name, value in fields.items():
        call.force_field(name, value)
    opus = price("claude-opus-5-5")
    without = opus.reserve(call.input_bound(), 0, 1, media=False, searches=0)
    assert PRICES.most(call, opus) == without + searches * 10_000_000


def test_audio_is_reserved_where_the_request_may_hold_some() -> None:
    call = make_call([("user", "x" * 1000)], model="gemini-2.5-flash", max_output=0)
    flash = price("gemini-2.5-flash")
    assert PRICES.most(call, flash) == 1000 * 300
    call.unscannable = [Unscannable("image", Surface.USER, "x")]
    assert PRICES.most(call, flash) == 1000 * 300
    call.unscannable = [Unscannable("file", Surface.USER, "x")]
    assert PRICES.most(call, flash) == 1000 * 1000


def test_a_model_on_ones_own_machine_costs_nothing_until_somebody_prices_it() -> None:
    call = make_call(model="qwen3:8b")
    free = PRICES.price_of(call, "ollama", "qwen3:8b")
    assert free.known
    assert PRICES.cost(Usage(10**6, output=10**6), free) == 0
    assert PRICES.most(call, free) == 0
    assert free.max_output == PRICES.dearest().max_output
    assert not PRICES.price_of(call, "openai").known
    priced = PRICES.with_overrides({"qwen3*": own(input="$1", output="$1")})
    assert priced.cost(Usage(10**6), priced.price_of(call, "ollama")) == NANO


def test_a_name_that_the_table_knows_is_charged_wherever_it_runs() -> None:
    known = PRICES.price_of(make_call(model="gpt-4o-mini"), "ollama")
    assert known == price("gpt-4o-mini")


def test_no_bound_is_invented_for_a_model_of_unknown_context() -> None:
    free = PRICES.price_of(make_call(model="qwen3:8b"), "ollama")
    assert PRICES.bound_input(5_000, free) == 5_000
    assert PRICES.bound_input(-1, free) == PRICES.dearest().context
