"""Tokens are counted once, and details are made where something has to be told."""

from __future__ import annotations

from gateway.dialects.base import Usage, UsageDetails


def test_reasoning_is_a_part_of_the_output_and_the_cache_of_the_input() -> None:
    usage = Usage(1, 2, 4, 8, output=16, reasoning=5)
    assert (usage.total_input, usage.total) == (15, 31)


def test_details_are_made_once_and_kept() -> None:
    usage = Usage()
    assert usage.details is None
    usage.detailed().searches = 3
    assert usage.detailed() is usage.details
    assert usage.details == UsageDetails(searches=3)


def test_details_of_one_answer_are_no_others() -> None:
    one, other = Usage(), Usage()
    one.detailed().parts["audio_input"] = 1
    assert other.detailed().parts == {}
