"""What the policy file may say of an upstream."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import ValidationError

from gateway.config.upstreams import Provider, Upstream, parse_methods, parse_path, parse_url
from gateway.upstream.way import Proxy


@pytest.mark.parametrize("provider", get_args(Provider))
def test_every_provider_of_the_design_is_known(provider: str) -> None:
    slash = "/" if provider == "mcp" else ""  # the whole address of an MCP server
    upstream = Upstream.model_validate({"provider": provider, "url": "https://x/"})
    assert upstream.url == f"https://x{slash}"


def test_a_provider_that_this_version_does_not_have_is_an_error() -> None:
    with pytest.raises(ValidationError, match="'openai', 'anthropic'"):
        Upstream.model_validate({"provider": "opanai", "url": "https://x"})


@pytest.mark.parametrize(
    "url",
    [
        *("api.openai.com", "ftp://x", "https://", "https://u:p@x", "https://x?q", "https://x#f"),
        *("https://x y", "https://x:99999", "https://[::1", "http://x\n", None, 3),
    ],
)
def test_what_is_no_base_url_is_refused(url: object) -> None:
    with pytest.raises(ValueError, match="base URL"):
        parse_url(url)


def upstream(**keys: object) -> Upstream:
    return Upstream.model_validate({"provider": "http", "url": "https://x", **keys})


@pytest.mark.parametrize(
    ("written", "methods"),
    [
        ("get", ("GET",)),
        (["GET", "delete"], ("GET", "DELETE")),
        ("any", ("any",)),
        ("ANY", ("any",)),
    ],
)
def test_methods_are_one_a_list_or_any(written: object, methods: tuple[str, ...]) -> None:
    assert parse_methods(written) == methods


@pytest.mark.parametrize("written", ["fetch", [], ["GET", "any"], 3, None, "GET POST", [["GET"]]])
def test_what_is_no_method_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_methods(written)


def test_a_path_is_read_once() -> None:
    path = parse_path("/a/{b}")
    assert parse_path(path) is path
    with pytest.raises(ValueError, match="expected a path"):
        parse_path(3)


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        ({}, "Field required"),
        ({"name": "a\nb"}, "no name of a tool"),
        ({"name": ""}, "no name of a tool"),
        ({"name": "a", "concurrency": 0}, "at least 1"),
        ({"name": "a", "price": "free"}, "expected dollars"),
        ({"name": "a", "path": "a"}, "expected a path"),
        ({"name": "a", "retries": 3}, "Extra inputs"),
    ],
)
def test_what_is_no_tool_is_refused(tool: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        upstream(tools=[tool])


@pytest.mark.parametrize(
    "name", ["", "a b", "a:b", "host", "Content-Length", "x-portcullis-user", "proxy-authorization"]
)
def test_a_key_goes_into_no_header_that_has_another_meaning(name: str) -> None:
    assert upstream(credential_header="X-Api-Key").credential_header == "x-api-key"
    assert upstream(credential_header="Authorization").credential_header == "authorization"
    with pytest.raises(ValidationError, match="the name of a header"):
        upstream(credential_header=name)


@pytest.mark.parametrize("written", ["", "${API}", "a\nb"])
def test_a_document_is_a_file(written: str) -> None:
    assert upstream(openapi="api/notes.yaml").openapi == "api/notes.yaml"
    with pytest.raises(ValidationError, match="beside the policy"):
        upstream(openapi=written)


@pytest.mark.parametrize("path", ["/openai/deployments/dear", "/openai/%64eployments/dear/"])
def test_a_deployment_stands_in_the_callers_path_not_in_the_url(path: str) -> None:
    with pytest.raises(ValidationError, match="without a deployment"):
        Upstream(provider="azure_openai", url=f"https://res.openai.azure.com{path}")
    assert Upstream(provider="azure_openai", url="https://res.openai.azure.com/").url
    assert Upstream(provider="openai", url=f"https://example.org{path}").url


def test_certificates_and_a_proxy_are_named() -> None:
    made = upstream(ca="tls/ca.crt", cert="/run/tls.crt", key="/run/tls.key", proxy="http://p:3128")
    assert (made.ca, made.cert, made.key) == ("tls/ca.crt", "/run/tls.crt", "/run/tls.key")
    assert made.proxy == Proxy("p", 3128)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"url": "http://x", "ca": "ca.crt"}, "ca: there is no TLS without an https URL"),
        ({"cert": "a"}, "cert and key go together"),
        ({"key": "a"}, "cert and key go together"),
        ({"ca": "${file:ca}"}, "expected a PEM file"),
        ({"ca": ""}, "expected a PEM file"),
        ({"proxy": "http://p"}, "with its port"),
        ({"no_proxy": "x"}, "Extra inputs"),
    ],
)
def test_what_cannot_be_a_way_to_an_upstream_is_refused(keys: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        upstream(**keys)
