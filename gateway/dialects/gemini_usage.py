"""What an answer of the Gemini API tells of its use: tokens, media among them, searches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.dialects.base import Usage
from gateway.dialects.gemini_fields import field, listed, whole
from gateway.dialects.reading import string

_COUNTS = (
    "promptTokenCount",
    "toolUsePromptTokenCount",
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "totalTokenCount",
)
_MEDIA = {"AUDIO": "audio", "IMAGE": "image", "VIDEO": "video"}


def read_usage(known: Usage | None, report: Any) -> Usage | None:
    """`usageMetadata` laid over what earlier chunks said; the counts are totals so far.

    `promptTokenCount` has the cached tokens in it; what the provider's tools put into the prompt
    (`toolUsePromptTokenCount`) and the thoughts stand beside it and beside the answer's tokens
    ("GenerateContentResponse", "UsageMetadata" in the API's reference). `totalTokenCount` counts
    where it is more than their sum.
    """
    if type(report) is not dict:
        return known
    prompt, tools, cached, said, thought, total = [_count(report, name) for name in _COUNTS]
    if not (prompt or tools or cached or said or thought or total):
        return known
    usage = Usage(
        input=max(prompt - cached, 0) + tools,
        cache_read=cached,
        output=max(said + thought, total - max(prompt, cached) - tools),
        reasoning=thought,
        details=known.details if known is not None else None,
    )
    _read_media(usage, report)
    # Vertex tells it as ON_DEMAND, ON_DEMAND_PRIORITY, PROVISIONED_THROUGHPUT.
    served = field(report, "serviceTier") or field(report, "trafficType")
    if type(served) is str:
        usage.detailed().served["service_tier"] = served
    return usage


def read_searches(usage: Usage | None, candidates: Iterable[Any]) -> None:
    """Take the searches that an answer rests on to its usage; chunks repeat them."""
    if usage is None:
        return
    searches = 0
    for candidate in candidates:
        grounding = field(candidate, "groundingMetadata")
        if grounding is not None:
            searches += len(listed(grounding, "webSearchQueries"))
    if searches:
        details = usage.detailed()
        details.searches = max(details.searches, searches)


def _read_media(usage: Usage, report: dict[str, Any]) -> None:
    """Tokens of media, of which some models have rates of their own."""
    asked = _media(report, "promptTokensDetails")
    for name, tokens in _media(report, "toolUsePromptTokensDetails").items():
        asked[name] = asked.get(name, 0) + tokens
    cached = _media(report, "cacheTokensDetails")
    if asked or cached:
        parts = usage.detailed().parts
        for name, tokens in asked.items():
            parts[f"{name}_input"] = min(max(tokens - cached.get(name, 0), 0), usage.input)
        if "audio" in cached:
            parts["audio_cache_read"] = min(cached["audio"], usage.cache_read)
    for name, tokens in _media(report, "candidatesTokensDetails").items():
        if name != "video":
            usage.detailed().parts[f"{name}_output"] = min(tokens, usage.output)


def _media(report: dict[str, Any], name: str) -> dict[str, int]:
    """Tokens by medium in one of the report's breakdowns, text left out."""
    found: dict[str, int] = {}
    for entry in listed(report, name):
        medium = _MEDIA.get(string(field(entry, "modality")))
        if medium is not None:
            found[medium] = found.get(medium, 0) + _count(entry, "tokenCount")
    return found


def _count(report: dict[str, Any], name: str) -> int:
    value = report.get(name)
    if type(value) is not int:
        value = whole(field(report, name)) or 0
    return value if value > 0 else 0
