"""The JSON Schema (draft 2020-12) of the policy file, for editors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from gateway.config.policy_file import PolicyFile
from gateway.policy.kinds import KINDS

_REF = "#/$defs/"


class _Generator(GenerateJsonSchema):
    """Without the titles that pydantic makes up of names: editors show the key already."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def policy_schema() -> dict[str, Any]:
    """The schema of the whole file: every key, and of each kind of rule its own keys."""
    options: dict[str, type[BaseModel]] = {kind: rule.Options for kind, rule in KINDS.items()}
    models: list[type[BaseModel]] = [PolicyFile, *options.values()]
    by_model, shared = models_json_schema(
        [(model, "validation") for model in models],
        ref_template=f"{_REF}{{model}}",
        schema_generator=_Generator,
    )
    definitions: dict[str, Any] = shared["$defs"]
    rules = []
    for kind, model in options.items():
        reference = by_model[model, "validation"]["$ref"]
        body = definitions[reference.removeprefix(_REF)]
        body["properties"]["kind"] = {"const": kind}
        body["required"] = sorted({*body.get("required", ()), "kind"})
        rules.append({"$ref": reference})
    definitions["Rule"] = {"oneOf": rules}
    top = definitions.pop(by_model[PolicyFile, "validation"]["$ref"].removeprefix(_REF))
    used = _used(top, definitions, set())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Portcullis policy file",
        **_without_titles(top),
        "$defs": {name: _without_titles(definitions[name]) for name in sorted(used)},
    }


def _used(schema: Any, definitions: dict[str, Any], seen: set[str]) -> set[str]:
    """The names of the definitions that a schema needs; pydantic leaves others behind, of types
    that stand in the file in their written form (`Rate`)."""
    if isinstance(schema, list):
        for each in schema:
            _used(each, definitions, seen)
    if isinstance(schema, dict):
        name = str(schema.get("$ref", "")).removeprefix(_REF)
        if name and name not in seen:
            seen.add(name)
            _used(definitions[name], definitions, seen)
        _used(list(schema.values()), definitions, seen)
    return seen


def _without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "title"}
