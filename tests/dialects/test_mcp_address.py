"""Which path of the caller is which of an MCP server's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.mcp_address import (
    has_dots,
    is_carried,
    is_well_known,
    told_address,
    upstream_path,
    well_known_of,
)


@pytest.mark.parametrize("endpoint", ["/mcp", "/mcp/", "/api/v1/mcp", "/sse"])
@pytest.mark.parametrize("ends", ["", "/", "{endpoint}", "{last}", "{last}/"])
def test_every_way_to_call_a_server_is_exactly_the_configured_url(endpoint: str, ends: str) -> None:
    last = "/" + endpoint.rstrip("/").rpartition("/")[2]
    assert upstream_path(endpoint, ends.format(endpoint=endpoint, last=last)) == endpoint


def test_a_url_without_a_path_is_the_root() -> None:
    assert upstream_path("", "") == upstream_path("/", "/") == upstream_path("", "/") == "/"
    assert upstream_path("/", "/messages/") == "/messages/"


@pytest.mark.parametrize(
    ("endpoint", "rest", "path"),
    [
        ("/sse", "/messages/", "/messages/"),
        ("/sse", "/@sse/messages/", "/messages/"),
        ("/sse", "/@sse/sse", "/sse"),
        ("/api/sse", "/api/messages", "/api/messages"),
        ("/api/sse", "/messages", None),
        ("/api/sse", "/admin/delete", None),
        ("/api/sse", "/@sse/admin/delete", None),
        ("/api/sse", "/apis", None),
        ("/api/mcp", "/.well-known/oauth-authorization-server", "{rest}"),
        ("/api/mcp", "/.well-known/oauth-protected-resource/api/mcp", "{rest}"),
        ("/api/mcp", "/.well-known/other", None),
        ("/api/sse", "/api/../admin", None),
        ("/api/sse", "/api/%2e%2e/admin", None),
        ("/api/sse", "/api/%252E%252e/admin", None),
        ("/api/sse", "/api/x/..%2f..%2fadmin", None),
        ("/api/sse", "/api/..\\admin", None),
        ("/api/sse", "/api/..;x/admin", None),
        ("/mcp", "/.well-known/oauth-authorization-server/../../admin", None),
    ],
)
def test_beside_the_url_only_its_folder_is_reached(
    endpoint: str, rest: str, path: str | None
) -> None:
    assert upstream_path(endpoint, rest) == (path.format(rest=rest) if path else path)


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/.well-known/oauth-protected-resource/github", ("github", "")),
        ("/.well-known/oauth-protected-resource/github/mcp", ("github", "/mcp")),
        ("/.well-known/oauth-authorization-server/git%20hub/", ("git hub", "/")),
        ("/.well-known/openid-configuration/github", ("github", "")),
        ("/.well-known/oauth-protected-resource", None),
        ("/.well-known/oauth-protected-resource/", None),
        ("/.well-known/acme-challenge/github", None),
        ("/.well-known/oauth-protected-resource/github/../x", None),
        ("/github/.well-known/oauth-protected-resource", None),
    ],
)
def test_a_document_at_the_root_names_its_upstream(
    path: str, parts: tuple[str, str] | None
) -> None:
    found = well_known_of(path)
    assert (found[1:] if found else None) == parts
    assert found is None or is_well_known(found[0])


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/messages/?session_id=1", "/github/@sse/messages/?session_id=1"),
        ("messages?s=1", "/github/@sse/api/messages?s=1"),
        ("?s=1", "/github/@sse/api/sse?s=1"),
        ("http://127.0.0.1:3001/messages?s=1", "/github/@sse/messages?s=1"),
        ("http://elsewhere.example/messages", "/github/@sse/messages"),
        ("//elsewhere.example/messages", "/github/@sse/messages"),
        ("http://[broken", "/github/@sse/"),
        ("", "/github/@sse/api/sse"),
        ("javascript:alert(1)", "/github/@sse/alert(1)"),
        ("/messages#part", "/github/@sse/messages"),
    ],
)
def test_a_client_is_told_a_path_of_the_gateway_and_no_other(address: str, path: str) -> None:
    assert told_address("/github", "/api/sse", address) == path
    assert is_carried(path)


@given(st.text())
def test_whatever_a_server_says_the_client_posts_to_the_gateway(address: str) -> None:
    assert told_address("/github", "/sse", address).startswith("/github/@sse/")


def test_only_addresses_that_we_gave_out_are_answered_on_another_stream() -> None:
    assert is_carried("/github/@sse/messages/")
    assert not any(map(is_carried, ("/github", "/github/messages/", "/github/x/@sse/", "/@sse/x")))


@given(st.text(alphabet="./\\%25eE;a", max_size=24))
def test_what_has_no_dots_has_none_however_often_it_is_unescaped(path: str) -> None:
    from urllib.parse import unquote

    if has_dots(path):
        return
    for _ in range(8):
        assert not {".", ".."} & set(path.replace("\\", "/").split("/"))
        path = unquote(path)
