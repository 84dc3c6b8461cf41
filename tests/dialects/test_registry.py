"""The registry: every dialect under its own name, and the caller's own for our replies."""

from __future__ import annotations

import pytest

from gateway.dialects.registry import DIALECTS, caller_dialect, dialect_for
from gateway.message import Headers


@pytest.mark.parametrize(
    "name",
    [
        "openai_chat",
        "openai_completions",
        "openai_responses",
        "openai_embeddings",
        "anthropic_messages",
        "ollama",
        "opaque",
    ],
)
def test_every_dialect_is_known_by_its_name(name: str) -> None:
    assert DIALECTS[name].name == name


def test_a_path_leads_to_a_dialect_that_is_there() -> None:
    for path in ("/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/embeddings", "/x"):
        assert dialect_for("openai", "POST", path) in DIALECTS


def test_an_unread_path_answers_anthropic_s_sdk_in_its_own_shape() -> None:
    headers = Headers([("Anthropic-Version", "2023-06-01")])
    assert caller_dialect("opaque", headers).name == "anthropic_messages"
    assert caller_dialect("opaque", Headers()).name == "opaque"
    assert caller_dialect("openai_chat", headers).name == "openai_chat"


def test_an_unread_path_of_ollama_answers_its_clients_in_their_own_shape() -> None:
    assert caller_dialect("opaque", Headers(), "ollama", "/api/show").name == "ollama"
    assert caller_dialect("opaque", Headers(), "ollama", "/v1/images").name == "opaque"
    assert caller_dialect("opaque", Headers(), "openai", "/api/show").name == "opaque"


def test_an_unread_path_answers_google_s_sdk_in_its_own_shape() -> None:
    assert caller_dialect("opaque", Headers([("X-Goog-Api-Key", "k")])).name == "gemini"
