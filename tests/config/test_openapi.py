"""OpenAPI documents as lists of tools."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import openapi
from gateway.config.openapi import OpenApi, is_name, read_openapi

PETS = """\
openapi: 3.0.3
servers:
  - url: "https://pets.example/{version}"
    variables: {version: {default: v2, enum: [v1, v2]}}
x-notes: [a]
paths:
  /pets:
    parameters: [{name: x, in: query}]
    get: {operationId: list_pets}
    post: {operationId: addPet}
  /pets/{petId}:
    servers: [{url: /other/}]
    delete: {}
  /shared: {$ref: "#/components/pathItems/Shared"}
  x-internal: {get: {operationId: hidden}}
components:
  pathItems:
    Shared: {patch: {operationId: shared}}
"""


def read(text: str, url: str = "https://pets.example") -> OpenApi:
    return read_openapi("api.yaml", text.encode(), url)


def problems(text: str) -> list[str]:
    return [f"{name}:{line}: {message}" for (name, line), message in read(text).problems]


def told(found: OpenApi) -> list[tuple[str, str, str]]:
    return [(each.name, each.method, each.path.text) for each in found.operations]


def test_every_operation_is_a_tool_with_its_method_and_path() -> None:
    found = read(PETS)
    assert found.problems == []
    assert told(found) == [
        ("list_pets", "GET", "/v2/pets"),
        ("addPet", "POST", "/v2/pets"),
        ("DELETE /pets/{petId}", "DELETE", "/other/pets/{petId}"),
        ("shared", "PATCH", "/v2/shared"),
    ]
    assert found.operations[1].mark == ("api.yaml", 10)


def test_a_path_that_the_upstreams_url_ends_in_is_not_put_before_again() -> None:
    assert told(read(PETS, "https://pets.example/api/v2"))[0] == ("list_pets", "GET", "/pets")


def test_json_is_read_with_tabs_too() -> None:
    document = {"openapi": "3.1.0", "paths": {"/a": {"get": {"operationId": "a"}}}}
    for indent in (None, 2, "\t"):
        assert told(read(json.dumps(document, indent=indent))) == [("a", "GET", "/a")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("swagger: '2.0'\npaths: {}", "api.yaml:1: expected an OpenAPI document"),
        ("[1]", "api.yaml:1: expected an OpenAPI document"),
        ("", "api.yaml:1: expected an OpenAPI document"),
        ("openapi: 3.0.0", "api.yaml:1: the document has no `paths`"),
        ("openapi: 3.0.0\npaths: {/a: {$ref: other.yaml}}", "api.yaml:2: 'other.yaml' cannot be"),
        ('openapi: 3.0.0\npaths:\n  "/a b": {get: {}}', "api.yaml:3: '/a b': a path pattern has"),
        ("openapi: 3.0.0\npaths:\n  a: {get: {}}", "api.yaml:3: 'a': expected a path"),
        ('openapi: 3.0.0\npaths:\n  /a: {get: {operationId: ""}}', "api.yaml:3: '' is no name"),
        ("openapi: 3.0.0\npaths:\n  /a: {get: {operationId: [x]}}", "api.yaml:3: ['x'] is no name"),
        ('openapi: 3.0.0\nservers: [{url: "/{x}"}]\npaths: {/a: {get: {}}}', "the server's URL"),
        ("openapi: 3.0.0\npaths: {/a: {get: {}}, /a: {}}", "api.yaml:2: the key '/a'"),
        ("{", "api.yaml:1: not YAML"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(text: str, problem: str) -> None:
    assert any(problem in each for each in problems(text)), problems(text)


def test_there_are_not_more_operations_than_anybody_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openapi, "MOST_OPERATIONS", 2)
    paths = "".join(f"  /a{number}: {{get: {{}}}}\n" for number in range(3))
    assert problems(f"openapi: 3.0.0\npaths:\n{paths}") == ["api.yaml:5: more than 2 operations"]


VALUES = st.recursive(
    st.sampled_from([None, 1, "x", "/a", "https://[", "{", "#/components/pathItems/x"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["get", "$ref", "operationId", "servers", "url", "variables", "/a"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(paths=VALUES, servers=VALUES)
def test_any_document_gives_tools_or_problems(paths: object, servers: object) -> None:
    document = {
        "openapi": "3.1.0",
        "paths": {"/x": paths, "/y": {"get": paths}},
        "servers": servers,
    }
    found = read(json.dumps(document))
    assert found.value == document


def test_names_of_tools_are_on_one_line() -> None:
    assert is_name("get /pets/{id}")
    assert not is_name("a\nb")
    assert not is_name(" ")
    assert not is_name("a" * 129)
