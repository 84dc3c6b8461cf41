"""What the policy file says of an upstream."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from gateway.config.documents import is_path
from gateway.config.openapi import is_name
from gateway.config.rule_options import Strict
from gateway.config.units import CountField, DollarsField, DurationField, shown
from gateway.config.urls import split_url
from gateway.dialects.http_tool_path import PathTemplate
from gateway.dialects.paths import model_of
from gateway.upstream.tools import METHODS
from gateway.upstream.way import parse_proxy

Provider = Literal["openai", "anthropic", "gemini", "ollama", "azure_openai", "mcp", "http"]


def parse_url(value: object) -> str:
    """An http or https base URL."""
    expected = 'expected a base URL, such as "https://api.openai.com"'
    parts = split_url(value)
    if parts is None:
        raise ValueError(expected)
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"{expected}, without a user, a query or a fragment")
    return str(value)


UrlField = Annotated[
    str,
    PlainValidator(parse_url),
    WithJsonSchema({"type": "string", "examples": ["https://api.openai.com"]}),
]


def parse_methods(value: object) -> tuple[str, ...]:
    """`GET`, a list of methods, or `any`."""
    listed = value if isinstance(value, list) else [value]
    found = []
    for each in listed:
        name = each.upper() if isinstance(each, str) else ""
        if name not in METHODS and (name != "ANY" or len(listed) > 1):
            known = ", ".join(METHODS)
            raise ValueError(f"expected methods ({known}) or any, not {shown(each)}")
        found.append(name if name in METHODS else "any")
    if not found:
        raise ValueError("expected a method, a list of them, or any")
    return tuple(found)


def parse_path(value: object) -> PathTemplate:
    """A path with `{name}` for what differs from call to call."""
    if isinstance(value, PathTemplate):
        return value
    if not isinstance(value, str):
        raise ValueError(f'expected a path, such as "/v1/weather/{{city}}", not {shown(value)}')
    return PathTemplate(value)


def _tool_name(value: str) -> str:
    if not is_name(value):
        raise ValueError(f"{shown(value)} is no name of a tool: one line of up to 128 characters")
    return value


def _document(value: str) -> str:
    if not is_path(value):
        raise ValueError(
            f'expected a file beside the policy, such as "tools.yaml", not {shown(value)}'
        )
    return value


def _pem(value: str) -> str:
    if not is_path(value):
        raise ValueError(f'expected a PEM file, such as "/run/tls/ca.crt", not {shown(value)}')
    return value


def _some(value: int) -> int:
    if value < 1:
        raise ValueError("expected at least 1")
    return value


def _credential(value: SecretStr) -> SecretStr:
    if any(ord(c) < 32 or ord(c) == 127 for c in value.get_secret_value()):
        raise ValueError(
            "a line break or another control character is in it: no header can hold it"
        )
    return value


_NOT_A_KEY = re.compile(
    r"host|connection|content-.*|transfer-encoding|te|trailer|upgrade|expect|keep-alive|proxy-.*"
    r"|x-portcullis-.*",
    re.IGNORECASE,
)


def _key_header(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", value) is None or _NOT_A_KEY.fullmatch(
        value
    ):
        raise ValueError(f'expected the name of a header, such as "x-api-key", not {shown(value)}')
    return value.lower()


MethodsField = Annotated[
    tuple[str, ...],
    PlainValidator(parse_methods),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": [*METHODS, "any"]},
                {"type": "array", "items": {"enum": list(METHODS)}, "minItems": 1},
            ]
        }
    ),
]
"""`GET`, `[GET, POST]` or `any`."""

PathField = Annotated[
    Any,
    PlainValidator(parse_path),
    WithJsonSchema({"type": "string", "examples": ["/v1/weather/{city}"]}),
]
"""A `PathTemplate`, from `/v1/weather/{city}`."""


PemFile = Annotated[str, AfterValidator(_pem)]
"""A file, absolute or beside the policy."""

ProxyField = Annotated[
    Any,
    PlainValidator(parse_proxy),
    WithJsonSchema({"type": "string", "examples": ["http://proxy.internal:3128"]}),
]
"""A `Proxy`, from `http://USER:PASSWORD@HOST:PORT`."""


class ToolOptions(Strict):
    """A tool of an upstream: what runs it, what a call costs, how it is called.

    One of an MCP upstream is known by its name; one of an HTTP upstream by method and path, which
    an OpenAPI document may give.
    """

    name: Annotated[str, AfterValidator(_tool_name)]
    method: MethodsField | None = None
    path: PathField | None = None
    price: DollarsField | None = None
    timeout: DurationField | None = None
    concurrency: Annotated[CountField, AfterValidator(_some)] | None = None


class Upstream(Strict):
    """What the gateway forwards to. Without a credential the caller's own key passes through."""

    provider: Provider
    url: UrlField
    credential: Annotated[SecretStr, AfterValidator(_credential)] | None = None
    default: bool = False
    timeout: DurationField = 600.0
    trace_context: Literal["pass", "drop"] = "pass"
    credential_header: Annotated[str, AfterValidator(_key_header)] | None = None
    tools: tuple[ToolOptions, ...] = Field(default=(), max_length=1000)
    openapi: Annotated[str, AfterValidator(_document)] | None = None
    ca: PemFile | None = None
    cert: PemFile | None = None
    key: PemFile | None = None
    proxy: ProxyField | None = None

    @model_validator(mode="after")
    def _tls(self) -> Upstream:
        named = [key for key in ("ca", "cert", "key") if getattr(self, key) is not None]
        if named and not self.url.startswith("https:"):
            raise ValueError(f"{named[0]}: there is no TLS without an https URL")
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key go together: name both files, or none")
        return self

    @field_validator("url")
    @classmethod
    def _base(cls, value: str, info: ValidationInfo) -> str:
        """Paths are put behind it. Of an MCP server it is the whole address, to the last slash.

        A deployment in Azure's would answer whatever model a body names, past every rule.
        """
        provider = info.data.get("provider")
        if provider == "azure_openai" and model_of(f"{urlsplit(value).path}/-/"):
            raise ValueError(
                "expected the URL of the resource, without a deployment: callers name it in "
                "their path, where rules can read it"
            )
        return value if provider == "mcp" else value.rstrip("/")
