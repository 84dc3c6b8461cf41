"""Names of one model."""

from __future__ import annotations

import pytest

from gateway.dialects.model_names import ollama_names, variant_names


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("qwen3", ("qwen3", "qwen3:latest")),
        ("qwen3:latest", ("qwen3", "qwen3:latest")),
        ("Qwen3:LATEST", ("Qwen3", "Qwen3:latest", "Qwen3:LATEST")),
        ("qwen3:8b", ("qwen3:8b",)),
        ("library/qwen3:8b", ("qwen3:8b", "library/qwen3:8b")),
        ("registry.ollama.ai/library/qwen3", None),
        ("https://registry.ollama.ai/library/qwen3:latest", None),
        (" qwen3", None),
        ("someone/qwen3", ("someone/qwen3", "someone/qwen3:latest")),
        ("localhost:5000/a/qwen3:8b", ("localhost:5000/a/qwen3:8b",)),
        ("qwen3:local", ("qwen3:local", "qwen3")),
        ("", ("", ":latest")),
    ],
)
def test_ollama_takes_many_names_for_one_model(given: str, names: tuple[str, ...] | None) -> None:
    found = ollama_names(given)
    assert found == (names or ("qwen3", "qwen3:latest", given))


def test_a_variant_is_the_same_model() -> None:
    assert variant_names("openai/gpt-4o:nitro") == ("openai/gpt-4o",)
    assert variant_names("openai/gpt-4o") == ()
    assert variant_names("ft:gpt-4o:acme") == ()
