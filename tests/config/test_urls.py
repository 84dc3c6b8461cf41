"""What an address has to be, whatever it is for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.urls import split_url


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://api.example.com", "api.example.com", None),
        ("http://127.0.0.1:8484/v1?a=b", "127.0.0.1", 8484),
        ("http://[::1]:80/", "::1", 80),
    ],
)
def test_an_address_has_a_host_and_may_have_a_port(url: str, host: str, port: int | None) -> None:
    parts = split_url(url)
    assert parts is not None
    assert (parts.hostname, parts.port) == (host, port)


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "",
        "api.example.com",
        "ftp://example.com",
        "https://",
        "https://example.com:0",
        "https://example.com:70000",
        "https://example.com:x",
        "https://[::1",
        "https://example.com/a b",
        "https://example.com/\n",
        "https://exa\x00mple.com",
    ],
)
def test_anything_else_is_none(value: object) -> None:
    assert split_url(value) is None


@given(st.text())
def test_no_text_raises(text: str) -> None:
    for value in (text, f"http://{text}", f"https://example.com:{text}"):
        split_url(value)
