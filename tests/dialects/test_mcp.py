"""MCP as one of the gateway's dialects."""

from __future__ import annotations

import json

import pytest

from gateway.dialects.base import MessageStream, RateLimit
from gateway.dialects.mcp import Mcp
from gateway.dialects.mcp_request import McpCall
from gateway.dialects.registry import DIALECTS
from tests.dialects.mcp_samples import answer, decode, tool_call


def test_it_is_registered() -> None:
    assert isinstance(DIALECTS["mcp"], Mcp)


@pytest.mark.parametrize("raw", [b"", b" \n"])
def test_an_accepted_message_has_no_answer(raw: bytes) -> None:
    told = answer(raw)
    assert (told.segments, told.encode()) == ([], raw)


def test_a_stream_is_one_of_messages() -> None:
    assert isinstance(Mcp().open_stream(decode(tool_call())), MessageStream)
    assert isinstance(decode(tool_call()), McpCall)


@pytest.mark.parametrize(
    ("reason", "code"),
    [("body_malformed", -32600), ("duplicate_key", -32600), ("key_invalid", -32603)],
)
def test_what_could_not_be_read_is_an_error_without_an_id(reason: str, code: int) -> None:
    told = json.loads(Mcp().error_body(400, reason, "No.", "ptx_1"))
    assert told == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": code, "message": "No.", "data": {"reason": reason}},
    }


def test_there_are_no_headers_for_limits() -> None:
    assert Mcp().limit_headers([RateLimit("requests", 1, 0, 1.0)]).items == []
