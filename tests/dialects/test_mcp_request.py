"""What a client sends: which tool it runs, what rules read of it, and how it is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Surface
from gateway.dialects.jsonrpc import STOPPED
from gateway.dialects.mcp import Mcp
from gateway.dialects.mcp_carrier import carried
from gateway.dialects.mcp_request import ENVELOPE
from gateway.errors import CallerError, UpstreamError
from gateway.message import Headers, Request
from tests.dialects.mcp_samples import (
    PATH,
    decode,
    listening,
    notice,
    request,
    result,
    text,
    texts,
    tool_call,
)


def refusal(message: Any) -> Any:
    told = decode(message).refused("tool_denied", "No.")
    assert told is not None
    assert told[0] == 200
    return json.loads(told[1])


def test_a_call_runs_one_tool_with_its_arguments() -> None:
    call = decode(tool_call("read", 7, path="/a", deep=[{"n": 1}]))
    (invoked,) = call.invokes
    assert (invoked.id, invoked.name) == ("7", "read")
    assert json.loads(invoked.arguments) == {"path": "/a", "deep": [{"n": 1}]}
    assert (call.operation, call.billable, call.party) == ("tool", False, "tool")
    assert (Surface.TOOL_CALL, "/a") in texts(call)


def test_the_record_sees_the_arguments_that_go_upstream() -> None:
    call = decode(tool_call("read", path="secret"))
    next(s for s in call.segments if s.text == "secret").replace("gone")
    (invoked,) = call.invokes
    assert json.loads(call.arguments_now(invoked)) == {"path": "gone"}
    assert json.loads(invoked.arguments) == {"path": "secret"}
    assert json.loads(call.encode())["params"]["arguments"] == {"path": "gone"}


def test_a_call_without_arguments_has_none() -> None:
    call = decode(request("tools/call", {"name": "now"}))
    assert call.invokes[0].arguments == call.arguments_now(call.invokes[0]) == "{}"


def test_each_call_of_a_batch_is_a_tool_of_its_own() -> None:
    call = decode([tool_call("a", 1), notice("cancelled", requestId=9), tool_call("b", 2, x="y")])
    assert [(each.name, each.arguments) for each in call.invokes] == [
        ("a", "{}"),
        ("b", '{"x":"y"}'),
    ]
    assert json.loads(call.arguments_now(call.invokes[1])) == {"x": "y"}


@pytest.mark.parametrize(
    "params",
    [
        None,
        ["read"],
        {},
        {"name": ""},
        {"name": 7},
        {"name": ["read"]},
        {"name": "read", "arguments": [1]},
        {"name": "read", "arguments": "{}"},
        {"name": "read", "Name": "delete"},
        {"name": "read", "ARGUMENTS": {}},
    ],
)
def test_a_call_that_servers_may_read_in_another_way_is_refused(params: Any) -> None:
    with pytest.raises(CallerError):
        decode(request("tools/call", params))


@pytest.mark.parametrize("method", ["Tools/Call", "tools/call ", "TOOLS/CALL", "tool\u017f/call"])
def test_a_call_by_another_spelling_is_refused(method: str) -> None:
    """A server that does not look so closely would run a tool that nobody judged."""
    with pytest.raises(CallerError):
        decode(request(method, {"name": "read"}))


def test_traces_and_ids_are_not_text() -> None:
    meta = {"traceparent": "00-quokka", "progressToken": "quokka"}
    call = decode(
        request("tools/call", {"name": "read", "_meta": meta, "task": {"ttl": 9_000_000}})
    )
    assert texts(call) == [(Surface.TOOL_CALL, "read")]
    assert texts(decode(request("tools/list", {"cursor": "quokka"}))) == []
    assert texts(decode(notice("progress", progressToken="quokka", progress=9_000_000))) == []


@pytest.mark.parametrize("meta", [{"note": "quokka"}, {"a": [{"quokka": 1}]}, "quokka", ["quokka"]])
def test_what_a_client_says_in_metadata_is_seen_and_never_rewritten(meta: Any) -> None:
    """It is for programs, but it reaches the server."""
    for body in (
        request("tools/call", {"name": "read", "_meta": meta}),
        request("ping", {"_meta": meta}),
        b'{"jsonrpc":"2.0","id":1,"result":{"_meta":%s}}' % json.dumps(meta).encode(),
    ):
        seen = [s for s in decode(body).segments if s.text == "quokka"]
        assert [(s.surface, s.readonly) for s in seen] == [(Surface.TOOL_CALL, True)]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("/srv", []),
        ("/srv/mcp", []),
        ("/srv/?q=quokka+a", ["q", "quokka a"]),
        ("/srv/mcp?qu%6Fkka", ["quokka"]),
        ("/srv/notes/qu%6Fkka", ["notes", "quokka"]),
        (
            "/srv/@sse/messages/?session_id=0193f0c2a0b14c3d8e5f6a7b8c9d0e1f",
            ["messages", "session_id"],
        ),
        ("/srv/@sse/messages?sessionId=quokka", ["messages", "sessionId", "quokka"]),
    ],
)
def test_words_in_an_address_are_seen(target: str, words: list[str]) -> None:
    call = Mcp("/mcp").decode(Request("GET", target, Headers()), b"")
    assert [s.text for s in call.segments] == words
    assert all(s.readonly and s.surface is Surface.TOOL_CALL for s in call.segments)


def test_what_no_rule_changed_goes_as_it_came() -> None:
    body = b' {"id":1, "jsonrpc":"2.0","method":"ping"}\n'
    assert decode(body).encode() == body
    assert listening().encode() == b""


def test_pictures_that_a_client_sends_are_named() -> None:
    said = {"type": "image", "data": "AAAA", "mimeType": "image/png"}
    call = decode(result({"role": "assistant", "model": "m", "content": [said]}, "s1"))
    assert [(item.what, item.surface) for item in call.unscannable] == [
        ("image", Surface.ASSISTANT)
    ]


def test_the_record_names_methods_but_no_content() -> None:
    call = decode([tool_call(), notice("roots/list_changed"), result({}, "s1")])
    assert call.rpc == ["tools/call", "notifications/roots/list_changed", "response"]
    assert decode(request("my card is 4111 1111")).rpc == ["*"]
    assert listening().rpc == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_nobody_around_the_gateway(status: int) -> None:
    with pytest.raises(UpstreamError, match="url"):
        decode(tool_call()).heard(status, Headers([("Location", "http://127.0.0.1:3001/mcp/")]))


def test_what_is_no_redirect_is_passed_on() -> None:
    decode(tool_call()).heard(304, Headers())
    decode(tool_call()).heard(201, Headers([("Location", "/x")]))


# --- refusals -----------------------------------------------------------------------------------


def test_a_blocked_tool_call_is_a_result_that_the_model_reads() -> None:
    told = refusal(tool_call("read", "a"))
    assert told == {
        "jsonrpc": "2.0",
        "id": "a",
        "result": {"content": [{"type": "text", "text": "No."}], "isError": True},
    }


def test_a_result_of_the_newest_version_says_that_it_is_complete() -> None:
    meta = {ENVELOPE: "2026-07-28"}
    told = refusal(request("tools/call", {"name": "read", "_meta": meta}))
    assert told["result"]["resultType"] == "complete"


@pytest.mark.parametrize(
    "message",
    [
        request("tools/list"),
        request("initialize", {}),
        request("tools/call", {"name": "slow", "task": {"ttl": 1}}),
    ],
)
def test_any_other_blocked_request_is_an_error_of_the_protocol(message: Any) -> None:
    error = refusal(message)["error"]
    assert error == {"code": STOPPED, "message": "No.", "data": {"reason": "tool_denied"}}


@pytest.mark.parametrize("message", [notice("initialized"), result({}, "s1")])
def test_a_blocked_message_that_nobody_waits_for_is_accepted_and_dropped(message: Any) -> None:
    assert decode(message).refused("pii_found", "No.") == (202, b"")
    assert decode([message]).refused("pii_found", "No.") == (202, b"")
    assert decode(message).failed("upstream_unreachable", "No.") is None


def test_of_a_blocked_batch_every_request_is_answered() -> None:
    told = refusal([tool_call("a", 1), notice("cancelled"), request("ping", None, "p")])
    assert [(each["id"], "error" in each) for each in told] == [(1, False), ("p", True)]


def test_without_a_message_the_refusal_is_one_of_http() -> None:
    call = listening()
    assert call.refused("rate_limited", "No.") is None
    assert call.failed("upstream_unreachable", "No.") is None
    assert call.carried("rate_limited", "ptx_1", 0) is None


def test_a_failure_answers_the_request_that_failed() -> None:
    body = decode(tool_call("read", 7)).failed("upstream_unreachable", "It is away.")
    assert body is not None
    told = json.loads(body)
    assert told["id"] == 7
    assert told["error"]["data"] == {"reason": "upstream_unreachable"}


# --- transports -------------------------------------------------------------------------------


def test_a_get_opens_a_stream_without_an_end() -> None:
    call = listening("/github?a=b")
    assert (call.endless, call.stream, call.prefix) == (True, True, "/github")
    assert not decode(tool_call()).endless
    assert decode(request("subscriptions/listen", {})).endless


def test_where_answers_come_on_another_stream_the_refusal_goes_there() -> None:
    path = f"{PATH}/@sse/messages/?session_id=1"
    body = decode(tool_call("read", 7), path).carried("tool_denied", "ptx_1", 3)
    assert body is not None
    told = carried(json.loads(body)["id"])
    assert told is not None
    assert (told.id, told.party, told.wait) == (7, "tool", 3)
    assert decode(notice("initialized"), path).carried("pii_found", "ptx_1", 0) is None
    assert decode(tool_call()).carried("tool_denied", "ptx_1", 0) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "arguments",
                    "content",
                    "type",
                    "role",
                    "_meta",
                    "inputResponses",
                    "Name",
                    "x",
                ]
            ),
            inner | st.sampled_from(["text", "image", "tool_use", "resource"]),
            max_size=5,
        )
    ),
    max_leaves=10,
)
METHODS = st.sampled_from(
    ["tools/call", "prompts/get", "completion/complete", "initialize", "odd", "resources/read"]
)


@given(METHODS, JSON, st.booleans())
def test_any_message_is_read_or_refused(method: str, value: Any, answers: bool) -> None:
    message = {"jsonrpc": "2.0", "id": 1, **({"result": value} if answers else {"method": method})}
    if not answers:
        message["params"] = value
    body = json.dumps(message).encode()
    try:
        call = decode(body)
    except CallerError:
        return
    assert call.encode() == body
    for segment in call.segments:
        if not segment.readonly:
            segment.replace("[gone]")
    json.loads(call.encode())
    assert call.refused("pii_found", "No.") is not None


def test_a_text_block_of_the_clients_model_is_its_answer() -> None:
    call = decode(result({"role": "assistant", "model": "m", "content": text("hi")}, "s1"))
    assert (Surface.ASSISTANT, "hi") in texts(call)
    assert call.party == "server"
