"""All dialects by name. One instance of each serves all calls."""

from __future__ import annotations

from gateway.dialects.anthropic_batches import AnthropicBatches
from gateway.dialects.anthropic_messages import AnthropicMessages
from gateway.dialects.base import Dialect
from gateway.dialects.files import ANTHROPIC_FILES, OPENAI_FILES
from gateway.dialects.gemini import Gemini
from gateway.dialects.http_tool import HttpTool
from gateway.dialects.mcp import Mcp
from gateway.dialects.ollama import Ollama
from gateway.dialects.opaque import Opaque
from gateway.dialects.openai_batches import OpenAIBatches
from gateway.dialects.openai_chat import OpenAIChat
from gateway.dialects.openai_completions import OpenAICompletions
from gateway.dialects.openai_embeddings import OpenAIEmbeddings
from gateway.dialects.openai_responses import OpenAIResponses
from gateway.dialects.openai_stored import OpenAIStored
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
        OpenAIStored(),
        OpenAIBatches(),
        OPENAI_FILES,
        AnthropicMessages(),
        Gemini(),
        AnthropicBatches(),
        ANTHROPIC_FILES,
        Mcp(),
        HttpTool(),
        Opaque(),
        Tunnel(),
    )
}


def caller_dialect(name: str, headers: Headers, provider: str = "", path: str = "") -> Dialect:
    """The dialect in which a caller expects the gateway's own replies.

    On a path that no dialect reads, `anthropic-version` tells Anthropic's SDKs from the others, and
    `x-goog-api-key` Google's. Ollama's clients are known by where they call.
    """
    if name == "opaque" and "anthropic-version" in headers:
        return DIALECTS["anthropic_messages"]
    if name == "opaque" and "x-goog-api-key" in headers:
        return DIALECTS["gemini"]
    if name == "opaque" and provider == "ollama" and path.startswith("/api/"):
        return DIALECTS["ollama"]
    return DIALECTS[name]
