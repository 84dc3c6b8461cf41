"""The pinned names are those of OpenTelemetry's own package, and none is of our invention."""

from __future__ import annotations

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, mcp_attributes
from opentelemetry.semconv.attributes import (
    error_attributes,
    http_attributes,
    server_attributes,
    url_attributes,
)
from opentelemetry.semconv.schemas import Schemas

from gateway.dialects.base import ToolCall
from gateway.telemetry import semconv
from gateway.testing import make_call

THEIRS = {
    value
    for module in (
        gen_ai_attributes,
        mcp_attributes,
        error_attributes,
        http_attributes,
        server_attributes,
        url_attributes,
    )
    for value in vars(module).values()
    if isinstance(value, str)
}
NAMES = [
    value
    for name, value in vars(semconv).items()
    if name.isupper() and isinstance(value, str) and "." in value
    if name not in ("VERSION", "SCHEMA")
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_theirs_or_says_that_it_is_ours(name: str) -> None:
    assert name.startswith("portcullis.") or name in THEIRS


def test_the_schema_is_one_that_exists() -> None:
    assert semconv.SCHEMA in {schema.value for schema in Schemas}
    assert semconv.VERSION in semconv.SCHEMA


def test_providers_and_operations_are_named_in_their_words_where_they_have_one() -> None:
    providers = {each.value for each in gen_ai_attributes.GenAiProviderNameValues}
    operations = {each.value for each in gen_ai_attributes.GenAiOperationNameValues}
    assert set(semconv.PROVIDERS.values()) <= providers
    assert set(semconv.OPERATIONS.values()) <= operations


@pytest.mark.parametrize(
    ("dialect", "operation", "invokes", "word"),
    [
        ("openai_chat", "chat", False, "chat"),
        ("openai_completions", "chat", False, "text_completion"),
        ("gemini", "chat", False, "generate_content"),
        ("gemini", "embeddings", False, "embeddings"),
        ("http_tool", "tool", True, "execute_tool"),
        ("mcp", "tool", True, "execute_tool"),
        ("mcp", "tool", False, "tool"),
    ],
)
def test_what_a_call_asks_for_has_one_word(
    dialect: str, operation: str, invokes: bool, word: str
) -> None:
    call = make_call()
    call.dialect, call.operation = dialect, operation
    call.invokes = [ToolCall("1", "search", "{}")] if invokes else []
    assert semconv.operation_of(call) == word
