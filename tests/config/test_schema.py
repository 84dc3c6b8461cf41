"""The JSON Schema: sound by itself, and it knows every key of every kind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.config.policy_file import PolicyFile
from gateway.config.schema import policy_schema
from gateway.policy.kinds import KINDS

# The keywords of draft 2020-12 that pydantic uses for models like ours.
KEYWORDS = {
    *("$schema", "$defs", "$ref", "title", "description", "default", "examples", "format"),
    *("type", "enum", "const", "anyOf", "oneOf", "properties", "required", "items"),
    *("additionalProperties", "propertyNames", "patternProperties", "pattern", "writeOnly"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength"),
    *("minItems", "maxItems", "minProperties", "uniqueItems", "prefixItems"),
}
TYPES = {"object", "array", "string", "integer", "number", "boolean", "null"}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return policy_schema()


def schemas(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema inside a schema."""
    if not isinstance(schema, dict):
        return
    yield schema
    for keyword in ("properties", "$defs", "patternProperties"):
        for inner in schema.get(keyword, {}).values():
            yield from schemas(inner)
    for keyword in ("items", "additionalProperties", "propertyNames"):
        yield from schemas(schema.get(keyword))
    for keyword in ("anyOf", "oneOf", "prefixItems"):
        for inner in schema.get(keyword, ()):
            yield from schemas(inner)


def test_it_is_a_schema_of_the_draft_that_it_names(schema: dict[str, Any]) -> None:
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(schema)) == schema
    for each in schemas(schema):
        assert set(each) <= KEYWORDS
        assert each.get("type", "object") in TYPES
        if "$ref" in each:
            assert each["$ref"].removeprefix("#/$defs/") in schema["$defs"]
        if "pattern" in each:
            re.compile(each["pattern"])


def test_every_definition_is_used(schema: dict[str, Any]) -> None:
    used = {each["$ref"].removeprefix("#/$defs/") for each in schemas(schema) if "$ref" in each}
    assert used == set(schema["$defs"])


def test_every_key_of_the_file_is_in_it_and_no_other_passes(schema: dict[str, Any]) -> None:
    assert set(schema["properties"]) == set(PolicyFile.model_fields)
    for each in schemas(schema):
        if "properties" in each:
            assert each["additionalProperties"] is False


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_rule_of_a_kind_has_the_keys_of_its_kind(schema: dict[str, Any], kind: str) -> None:
    rules = schema["$defs"]["Rule"]["oneOf"]
    bodies = [schema["$defs"][rule["$ref"].removeprefix("#/$defs/")] for rule in rules]
    (body,) = [body for body in bodies if body["properties"]["kind"] == {"const": kind}]
    fields = KINDS[kind].Options.model_fields
    assert set(body["properties"]) == {field.alias or name for name, field in fields.items()}
    assert "kind" in body["required"]


def test_units_have_patterns_that_their_examples_and_variables_match(
    schema: dict[str, Any],
) -> None:
    seen = 0
    for each in schemas(schema):
        if "pattern" in each and "examples" in each:
            seen += 1
            for example in [*each["examples"], "${NAME}"]:
                assert re.search(each["pattern"], example)
            assert not re.search(each["pattern"], "nonsense")
    assert seen > 5
