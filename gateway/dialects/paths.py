"""Which dialect a path speaks. A path is matched in its plainest form, so that no spelling of a
content path (an escape, a doubled slash, dots, upper case) is taken for one that nobody reads.
"""

from __future__ import annotations

import functools
import re
from urllib.parse import unquote

from gateway.dialects.gemini_paths import is_gemini, is_kept

_DIALECTS = {
    "/chat/completions": "openai_chat",
    "/completions": "openai_completions",
    "/responses": "openai_responses",
    "/responses/compact": "openai_responses",
    "/responses/input_tokens": "openai_responses",
    "/embeddings": "openai_embeddings",
    "/messages": "anthropic_messages",
    "/messages/count_tokens": "anthropic_messages",
}
"""The end of a path, and what is spoken there: providers put versions and deployments before."""

_OLLAMA = {
    "/api/chat": "ollama",
    "/api/generate": "ollama",
    "/api/embed": "ollama",
    "/api/embeddings": "ollama",
}
"""Ollama's own API, beside the compatible ones that it serves under `/v1`."""

_LLM = frozenset({"openai", "anthropic", "gemini", "ollama", "azure_openai"})
"""Providers that serve models. Many speak more than one dialect, so each is asked for all."""

_UNREAD = frozenset({"HEAD", "OPTIONS", "DELETE", "TRACE"})
"""Methods whose answers hold nothing of a conversation; a body on one of them is unscannable."""

_KEPT = (
    (re.compile(r"/responses/[^/]+/cancel$"), "openai_stored"),
    (re.compile(r"/conversations(?:/[^/]+(?:/items)?)?$"), "openai_stored"),
    (re.compile(r"/chat/completions/[^/]+$"), "openai_stored"),
    (re.compile(r"/messages/batches(?:/[^/]+/cancel)?$"), "anthropic_batches"),
)
"""What is asked of things that a provider keeps."""

_GIVEN_BACK = (
    (re.compile(r"/messages/batches(?:/|$)"), "anthropic_batches"),
    (re.compile(r"/(?:responses|conversations|chat/completions)(?:/|$)"), "openai_stored"),
    (re.compile(r"/chat/deferred-completion/"), "openai_stored"),  # xAI's
)
"""What is fetched of them, at whatever path below them: nothing new there goes unread."""

_FILES = re.compile(r"/files(?:/[^/]+/content)?$")

_THREAD = re.compile(r"/threads/[^/]+/messages$")
"""OpenAI's Assistants keep messages at a path that ends like Anthropic's."""

_SLASHES = re.compile(r"[/\\]+")
_NAMED = ("deployments", "engines")
"""What stands before the name of a model in a path: Azure's word, and the API's first one."""


def plain_path(path: str) -> str:
    """A path without query, escapes, empty and dot segments, parameters, or a final slash, in
    lower case."""
    return _plain(path).lower()


@functools.lru_cache(maxsize=1024)
def model_of(path: str) -> str:
    """The model or deployment that a path names, "" where it names none.

    `/openai/deployments/my-gpt/chat/completions` names `my-gpt`, however it is spelled.
    """
    low = path.lower()
    if not any(word in low or "%" in low for word in _NAMED):
        return ""
    parts = _plain(path).split("/")[1:]
    for at in range(len(parts) - 2, 1, -1):  # the first part may be an upstream's name
        if parts[at - 1].lower() in _NAMED:
            return parts[at]
    return ""


def _plain(path: str) -> str:
    plain = path.partition("?")[0].partition("#")[0]
    for _ in range(4):  # an escape may hold another
        decoded = unquote(plain)
        if decoded == plain:
            break
        plain = decoded
    kept: list[str] = []
    for part in _SLASHES.split(plain):
        word = part.partition(";")[0].partition("?")[0].partition("#")[0].strip()
        if word == "..":
            if kept:
                kept.pop()
        elif word and word != ".":
            kept.append("".join(char for char in word if char.isprintable()))
    return "/" + "/".join(kept)


def dialect_for(provider: str, method: str, path: str) -> str:
    """The name of the dialect that a request to a provider speaks; `opaque` for no known one.

    Args:
        provider: `openai`, `anthropic`, ... as in the policy file.
        path: raw, with or without its query.
    """
    verb = method.upper()
    if provider not in _LLM or verb in _UNREAD:
        return "opaque"
    plain = plain_path(path)
    if _THREAD.search(plain):
        return "opaque"
    if verb == "GET":
        if provider == "gemini" and is_kept(plain):
            return "gemini"
        return _kept(provider, verb, plain)
    if provider == "gemini" and is_gemini(plain):
        return "gemini"
    for count in (2, 1):
        end = "/" + "/".join(plain.rsplit("/", count)[1:])
        if name := _DIALECTS.get(end):
            return name
        if provider == "ollama" and (name := _OLLAMA.get(end)):
            return name
    return _kept(provider, verb, plain)


def _kept(provider: str, verb: str, plain: str) -> str:
    """The dialect of what a provider keeps: answers, conversations, batches, files."""
    for pattern, name in _GIVEN_BACK if verb == "GET" else _KEPT:
        if pattern.search(plain):
            return name
    if provider == "gemini":  # its files are of another kind
        return "opaque"
    found = _FILES.search(plain)
    if found and (verb == "GET") == found[0].endswith("/content"):
        return "anthropic_files" if provider == "anthropic" else "openai_files"
    if verb != "GET" and plain.endswith("/batches"):
        return "openai_batches"
    return "opaque"
