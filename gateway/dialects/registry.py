"""All dialects by name. One instance of each serves all calls."""

from __future__ import annotations

from gateway.dialects.anthropic_messages import AnthropicMessages
from gateway.dialects.base import Dialect
from gateway.dialects.mcp import Mcp
from gateway.dialects.ollama import Ollama
from gateway.dialects.opaque import Opaque
from gateway.dialects.openai_chat import OpenAIChat
from gateway.dialects.openai_completions import OpenAICompletions
from gateway.dialects.openai_embeddings import OpenAIEmbeddings
from gateway.dialects.openai_responses import OpenAIResponses
from gateway.dialects.paths import dialect_for
from gateway.dialects.tunnel import Tunnel
from gateway.message import Headers

__all__ = ["DIALECTS", "caller_dialect", "dialect_for"]

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        OpenAIChat(),
        OpenAICompletions(),
        Ollama(),
        OpenAIResponses(),
        OpenAIEmbeddings(),
        AnthropicMessages(),
        Mcp(),
        Opaque(),
        Tunnel(),
    )
}


def caller_dialect(name: str, headers: Headers) -> Dialect:
    """The dialect in which a caller expects the gateway's own replies.

    On a path that no dialect reads, `anthropic-version` tells Anthropic's SDKs from the others.
    """
    if name == "opaque" and "anthropic-version" in headers:
        return DIALECTS["anthropic_messages"]
    return DIALECTS[name]
