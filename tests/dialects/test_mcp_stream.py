"""Streams of an MCP server: each message by itself, and how its event came."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Event
from gateway.dialects.jsonrpc import STOPPED
from gateway.dialects.mcp_carrier import ping
from gateway.dialects.mcp_stream import BLOCKED
from gateway.dialects.sse import EventReader
from tests.dialects.mcp_samples import (
    decode,
    event,
    listening,
    notice,
    request,
    result,
    stream,
    text,
    told,
    tool_call,
)

CALLED = result({"content": [text("a secret")]})


def test_an_event_that_no_rule_changed_leaves_as_it_came() -> None:
    made, came = stream(), event(CALLED)
    answer = made.read(came)
    assert answer is not None
    assert made.write(came, answer) == came.raw


def test_of_a_rewritten_event_all_but_the_data_stays() -> None:
    made, came = stream(), event(CALLED)
    answer = made.read(came)
    assert answer is not None
    answer.segments[0].replace("gone")
    out = made.write(came, answer)
    assert out.startswith(b"id: 7\nevent: message\ndata: ")
    assert out.endswith(b"\nretry: 50\n\n")
    assert told(out)["result"]["content"] == [text("gone")]


@pytest.mark.parametrize(
    "raw", [b"id: 1\ndata: \n\n", b": ping\n\n", b"retry: 5\n\n", b"id: 2\n\n"]
)
def test_an_event_without_data_passes(raw: bytes) -> None:
    for came in EventReader().feed(b"data: x\n\n" + raw)[1:]:
        assert stream().read(came) is None


def test_a_stream_that_answers_is_finished_with_its_last_answer() -> None:
    made = stream(decode([tool_call("a", 1), tool_call("b", "b"), notice("cancelled")]))
    made.read(event(notice("progress", progressToken=1, progress=1)))
    made.read(event(result({}, 1)))
    assert not made.finished
    made.read(event({"jsonrpc": "2.0", "id": "b", "error": {"code": 1, "message": "no"}}))
    assert made.finished


def test_a_stream_that_only_listens_is_never_finished() -> None:
    made = stream(listening())
    made.read(event(result({}, 1)))
    assert not made.finished


# --- what comes in the place of a message that was stopped ----------------------------------------


def test_a_blocked_result_is_one_that_the_model_reads() -> None:
    out = told(stream().refuse(event(CALLED), "pii_found", "No."))
    assert out == result({"content": [text("No.")], "isError": True})
    modern = {**CALLED, "result": {**CALLED["result"], "resultType": "complete"}}
    out = told(stream().refuse(event(modern), "pii_found", "No."))
    assert out["result"]["resultType"] == "complete"


def test_any_other_blocked_answer_is_an_error() -> None:
    out = told(stream().refuse(event(result({"contents": []}, "a")), "pii_found", "No."))
    assert (out["id"], out["error"]["code"]) == ("a", STOPPED)
    assert out["error"]["data"] == {"reason": "pii_found"}


def test_a_blocked_request_of_the_server_is_one_that_the_client_answers_with_an_error() -> None:
    """So that the server does not wait for an answer that never comes."""
    asked = request("sampling/createMessage", {"messages": []}, 9)
    out = told(stream().refuse(event(asked), "injection_found", "No."))
    assert (out["id"], out["method"]) == (9, BLOCKED)
    assert out["params"] == {"reason": "injection_found", "message": "No."}


def test_a_blocked_notice_is_dropped_but_its_id_stays() -> None:
    raw = stream().refuse(event(notice("message", data="x")), "pii_found", "No.")
    assert raw == b"id: 7\nevent: message\ndata: \nretry: 50\n\n"


def test_of_a_blocked_batch_each_message_has_its_own_end() -> None:
    batch = [CALLED, notice("message", data="x"), request("ping", None, 5)]
    out = told(stream().refuse(event(batch), "pii_found", "No."))
    assert [each["id"] for each in out] == [1, 5]


def test_data_that_is_no_json_is_dropped_where_it_is_stopped() -> None:
    assert b"secret" not in stream().refuse(event("a secret"), "pii_found", "No.")


# --- the older transport ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("/messages/?session_id=1", "/github/@sse/messages/?session_id=1"),
        ("http://127.0.0.1:3001/messages", "/github/@sse/messages"),
        ("messages?s=1", "/github/@sse/api/messages?s=1"),
    ],
)
def test_a_client_is_told_to_post_through_the_gateway(said: str, address: str) -> None:
    made = stream(listening("/github/sse"), "/api/sse")
    came = event(said, head="", name="endpoint")
    answer = made.read(came)
    assert answer is not None
    assert made.write(came, answer) == (f"event: endpoint\ndata: {address}\nretry: 50\n\n".encode())


def test_only_a_stream_that_listens_tells_an_address() -> None:
    came = event("/messages/", head="", name="endpoint")
    answer = stream(decode(tool_call())).read(came)
    assert answer is not None
    assert not answer.document.changed


def carrier(number: Any, party: str, **ends: Any) -> Event:
    asked = json.loads(ping(number, party, "tool_denied", "ptx_1", 0))["id"]
    return event({"jsonrpc": "2.0", "id": asked, **(ends or {"result": {}})})


def test_the_answer_to_our_ping_becomes_the_refusal() -> None:
    made, came = stream(listening()), carrier(7, "tool")
    answer = made.read(came)
    assert answer is not None
    out = told(made.write(came, answer))
    assert (out["id"], out["result"]["isError"]) == (7, True)
    said = out["result"]["content"][0]["text"]
    assert said == (
        "Portcullis stopped this request (tool_denied). Nothing was sent to the tool. "
        "Reference ptx_1."
    )


def test_a_server_that_refuses_our_ping_tells_of_the_refusal_too() -> None:
    made = stream(listening())
    came = carrier("a", "server", error={"code": -32600, "message": "not yet"})
    answer = made.read(came)
    assert answer is not None
    out = told(made.write(came, answer))
    assert (out["id"], out["error"]["code"]) == ("a", STOPPED)


def test_on_a_stream_that_answers_no_id_means_more_than_it_says() -> None:
    answer = stream(decode(tool_call())).read(carrier(7, "tool"))
    assert answer is not None
    assert not answer.document.changed


@given(st.text(max_size=80), st.sampled_from(["message", "endpoint", "other"]), st.booleans())
def test_any_event_is_read(data: str, name: str, listens: bool) -> None:
    made = stream(listening() if listens else None)
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    for came in EventReader().feed(f"id: 1\nevent: {name}\n{lines}\n".encode("utf-8", "replace")):
        try:
            answer = made.read(came)
        except ValueError:
            answer = None
        if answer is not None:
            made.write(came, answer)
        made.refuse(came, "pii_found", "No.")
