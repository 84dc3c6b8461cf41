"""Names that lead to the same model, so that a rule that knows one knows the others.

Sources: Ollama's `types/model/name.go` (default host, namespace and tag; case does not count) and
`server/routes.go`; OpenRouter's docs ("Model variants").
"""

from __future__ import annotations

import re

_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_DEFAULTS = ("registry.ollama.ai/", "library/")
_TAG = ":latest"
_SOURCE = ":local"
_VARIANTS = (":online", ":nitro", ":floor", ":exacto")
"""OpenRouter's suffixes that change how a model is called, not which."""

HIDES_REASONING = re.compile(r"(?:.*/)?(?:o\d|gpt-[5-9])")
"""OpenAI's models that reason, and are charged for it, without showing it ("Reasoning models")."""


def ollama_names(model: str) -> tuple[str, ...]:
    """The names that Ollama takes for the same model, the shortest first: `qwen3`, and
    `qwen3:latest`, the name as it was given."""
    name = _SCHEME.sub("", model.strip())
    for prefix in _DEFAULTS:
        if name[: len(prefix)].lower() == prefix:
            name = name[len(prefix) :]
    if name.lower().endswith(_TAG):
        name = name[: -len(_TAG)]
    names = [name]
    if name.lower().endswith(_SOURCE):  # it says where the model runs, or is a tag like any other
        names.append(name[: -len(_SOURCE)])
    elif ":" not in name.rpartition("/")[2]:
        names.append(name + _TAG)
    return tuple(dict.fromkeys((*names, model)))


def variant_names(model: str) -> tuple[str, ...]:
    """Other names of a model whose name has a variant behind it; mostly none."""
    for suffix in _VARIANTS:
        if model.endswith(suffix):
            return (model.removesuffix(suffix),)
    return ()
