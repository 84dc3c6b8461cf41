"""What `usageMetadata` means: cached tokens are in the prompt's count, thoughts are beside the
candidates'; media and searches are told apart."""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import Usage, UsageDetails
from gateway.dialects.gemini_usage import read_searches, read_usage

FULL = {
    "promptTokenCount": 1000,
    "cachedContentTokenCount": 600,
    "toolUsePromptTokenCount": 50,
    "candidatesTokenCount": 20,
    "thoughtsTokenCount": 30,
    "totalTokenCount": 1100,
}


def medium(name: str, tokens: int) -> dict[str, Any]:
    return {"modality": name, "tokenCount": tokens}


def test_each_token_is_counted_once() -> None:
    assert read_usage(None, FULL) == Usage(input=450, cache_read=600, output=50, reasoning=30)


def test_an_empty_report_changes_nothing() -> None:
    known = Usage(1)
    assert read_usage(known, {}) is known
    assert read_usage(known, None) is known


def test_audio_is_told_apart_from_text_and_what_was_cached_from_what_was_not() -> None:
    report = {
        **FULL,
        "promptTokensDetails": [medium("TEXT", 600), medium("AUDIO", 400)],
        "cacheTokensDetails": [medium("TEXT", 500), medium("AUDIO", 100)],
        "toolUsePromptTokensDetails": [medium("TEXT", 40), medium("AUDIO", 10)],
        "candidatesTokensDetails": [medium("TEXT", 5), medium("IMAGE", 15)],
    }
    usage = read_usage(None, report)
    assert usage is not None
    assert usage.details == UsageDetails(
        parts={"audio_input": 310, "audio_cache_read": 100, "image_output": 15}
    )


def test_no_part_is_more_than_the_count_that_it_is_in() -> None:
    report = {"promptTokenCount": 5, "promptTokensDetails": [medium("VIDEO", 9)]}
    usage = read_usage(None, report)
    assert usage is not None
    assert usage.detailed().parts == {"video_input": 5}


def test_plain_text_makes_no_details() -> None:
    usage = read_usage(None, {**FULL, "promptTokensDetails": [medium("TEXT", 1000)]})
    assert usage is not None
    assert usage.details is None


def test_how_it_was_served_is_told_in_vertex_words_and_in_snake_case() -> None:
    for report in ({**FULL, "trafficType": "ON_DEMAND_FLEX"}, {**FULL, "service_tier": "flex"}):
        usage = read_usage(None, report)
        assert usage is not None
        assert usage.detailed().served["service_tier"] in ("ON_DEMAND_FLEX", "flex")


def test_searches_repeated_by_later_chunks_are_counted_once() -> None:
    usage = read_usage(None, FULL)
    assert usage is not None
    two = {"groundingMetadata": {"webSearchQueries": ["a", "b"]}}
    read_searches(usage, [two])
    later = read_usage(usage, FULL)
    read_searches(later, [two])
    assert later is not None
    assert later.detailed().searches == 2
    read_searches(None, [two])


def test_an_answer_that_rests_on_no_search_has_none() -> None:
    usage = Usage(1)
    read_searches(usage, [{"groundingMetadata": {}}, {}, "x"])
    assert usage.details is None
