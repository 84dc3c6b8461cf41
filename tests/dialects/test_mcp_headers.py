"""Headers that repeat the body: read like it, and rewritten with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Surface
from gateway.dialects.mcp_headers import decode, encode
from gateway.message import Headers
from tests.dialects.mcp_samples import decode as call_of
from tests.dialects.mcp_samples import request, texts, tool_call


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_a_header(text: str) -> None:
    value = encode(text)
    assert value.isascii()
    assert value.isprintable()
    assert decode(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("=?base64?aGVsbG8=?=", "hello"),
        ("=?base64?!!?=", "=?base64?!!?="),
        ("=?base64?/w==?=", "=?base64?/w==?="),
    ],
)
def test_what_is_coded_wrongly_is_taken_as_it_stands(value: str, text: str) -> None:
    assert decode(value) == text


def test_arguments_in_headers_are_arguments() -> None:
    call = call_of(tool_call(city="Rome"), mcp_param_city="=?base64?Um9tZQ==?=", x_other="x")
    assert texts(call).count((Surface.TOOL_CALL, "Rome")) == 2
    assert all(text != "x" for _, text in texts(call))


def test_what_a_rule_rewrites_is_rewritten_in_header_and_body() -> None:
    call = call_of(
        tool_call(city="Rome"), mcp_name="read", Mcp_Param_City="Rome", mcp_param_other="Oslo"
    )
    for segment in call.segments:
        if segment.text == "Rome":
            segment.replace("<CITY> \u00e9")
    headers = Headers([("Mcp-Param-City", "Rome"), ("mcp-param-other", "Oslo"), ("a", "Rome")])
    call.mend_headers(headers)
    assert decode(headers.get("mcp-param-city")) == "<CITY> \u00e9"
    assert headers.get("mcp-param-other") == "Oslo"
    assert headers.get("a") == "Rome"
    assert b"Rome" not in call.encode()


def test_headers_that_do_not_travel_are_not_brought_back() -> None:
    call = call_of(tool_call(), mcp_param_city="Rome")
    next(s for s in call.segments if s.text == "Rome").replace("x")
    headers = Headers([("a", "b")])
    call.mend_headers(headers)
    assert headers.items == [("a", "b")]


def test_the_name_of_a_tool_is_never_rewritten_but_an_address_is() -> None:
    named = call_of(tool_call("read"), mcp_name="read")
    assert all(segment.readonly for segment in named.segments if segment.text == "read")
    address = call_of(request("resources/read", {"uri": "file:///a"}), mcp_name="file:///a")
    assert [s.readonly for s in address.segments if s.text == "file:///a"] == [False, False]


@pytest.mark.parametrize("message", [tool_call("read"), request("ping")])
def test_a_tool_that_only_the_headers_name_is_judged_too(message: object) -> None:
    call = call_of(message, mcp_method="tools/call", mcp_name="delete")
    assert "delete" in [invoked.name for invoked in call.invokes]


def test_headers_that_say_what_the_body_says_add_no_tool() -> None:
    call = call_of(tool_call("read"), mcp_method="tools/call", mcp_name="read")
    assert [invoked.name for invoked in call.invokes] == ["read"]
    prompt = call_of(request("prompts/get", {"name": "a"}), mcp_method="prompts/get", mcp_name="a")
    assert prompt.invokes == []
