"""What the policy file says of an upstream."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import PlainValidator, SecretStr, WithJsonSchema

from gateway.config.rule_options import Strict
from gateway.config.units import DurationField

Provider = Literal["openai", "anthropic", "gemini", "ollama", "azure_openai", "mcp", "http"]


def parse_url(value: object) -> str:
    """An http or https base URL, without a trailing slash."""
    expected = 'expected a base URL, such as "https://api.openai.com"'
    if not isinstance(value, str) or any(c.isspace() or ord(c) < 33 for c in value):
        raise ValueError(expected)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError(expected) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError(expected)
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"{expected}, without a user, a query or a fragment")
    return value.rstrip("/")


UrlField = Annotated[
    str,
    PlainValidator(parse_url),
    WithJsonSchema({"type": "string", "examples": ["https://api.openai.com"]}),
]


class Upstream(Strict):
    """What the gateway forwards to. Without a credential the caller's own key passes through."""

    provider: Provider
    url: UrlField
    credential: SecretStr | None = None
    default: bool = False
    timeout: DurationField = 600.0
