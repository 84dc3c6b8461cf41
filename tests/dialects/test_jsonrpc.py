"""JSON-RPC: one reading of what a caller sends, all of what a server sends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.dialects import jsonrpc
from gateway.dialects.jsonrpc import Kind, Message, read_answer, read_messages
from gateway.errors import CallerError
from gateway.verdict import Reason

REQUEST = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
REFUSALS = {Reason.BODY_MALFORMED, Reason.DUPLICATE_KEY, Reason.LONE_SURROGATE}
NOTICE = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}


def read(value: Any) -> list[Message]:
    return read_messages(json.dumps(value).encode())[1]


def refused(value: Any) -> CallerError:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    with pytest.raises(CallerError) as caught:
        read_messages(body)
    return caught.value


@pytest.mark.parametrize(
    ("value", "kind", "number", "method"),
    [
        (REQUEST, Kind.REQUEST, 1, "ping"),
        ({**REQUEST, "id": "a"}, Kind.REQUEST, "a", "ping"),
        ({**REQUEST, "params": [1]}, Kind.REQUEST, 1, "ping"),
        ({**REQUEST, "params": None}, Kind.REQUEST, 1, "ping"),
        (NOTICE, Kind.NOTIFICATION, None, "notifications/cancelled"),
        ({"jsonrpc": "2.0", "id": 0, "result": {}}, Kind.RESULT, 0, ""),
        ({"jsonrpc": "2.0", "id": 3, "error": {"code": 1}}, Kind.ERROR, 3, ""),
        ({"jsonrpc": "2.0", "id": None, "error": {"code": 1}}, Kind.ERROR, None, ""),
    ],
)
def test_a_message_is_what_its_keys_say(value: Any, kind: Kind, number: Any, method: str) -> None:
    (message,) = read(value)
    assert (message.kind, message.id, message.method) == (kind, number, method)
    assert [each.kind for each in read([value])] == [kind]


@pytest.mark.parametrize(
    "value",
    [
        "ping",
        7,
        None,
        [],
        [[REQUEST]],
        [REQUEST, 7],
        [REQUEST] * 2,
        [REQUEST, {**REQUEST, "id": "1"}],
        [{**REQUEST, "id": number} for number in range(jsonrpc.MAX_BATCH + 1)],
        {"id": 1, "method": "ping"},
        {**REQUEST, "jsonrpc": "1.0"},
        {**REQUEST, "jsonrpc": 2.0},
        {**REQUEST, "id": None},
        {**REQUEST, "id": 1.0},
        {**REQUEST, "id": True},
        {**REQUEST, "id": [1]},
        {**REQUEST, "id": {}},
        {**REQUEST, "id": 2**53},
        {**REQUEST, "id": -(2**53)},
        {**REQUEST, "id": "x" * (jsonrpc.MAX_ID + 1)},
        {**REQUEST, "method": 7},
        {**REQUEST, "method": ""},
        {**REQUEST, "params": "x"},
        {**REQUEST, "result": {}},
        {**REQUEST, "error": {}},
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "id": 1, "result": {}, "error": {}},
        {"jsonrpc": "2.0", "id": 1, "result": {}, "params": {}},
        {"jsonrpc": "2.0", "id": None, "result": {}},
        {"jsonrpc": "2.0", "result": {}},
        {"jsonrpc": "2.0", "id": 1, "error": "no"},
    ],
    ids=lambda value: json.dumps(value)[:50],
)
def test_what_could_be_read_in_two_ways_is_refused(value: Any) -> None:
    assert refused(value).reason is Reason.BODY_MALFORMED


@pytest.mark.parametrize("key", ["Method", "PARAMS", "Id", "Result", "JSONRPC", "eRror"])
def test_a_key_of_another_case_is_refused(key: str) -> None:
    assert refused({**REQUEST, key: "tools/call"}).reason is Reason.BODY_MALFORMED


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}',
        b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","\\u006dethod":"tools/call"}',
    ],
)
def test_a_key_twice_is_refused(body: bytes) -> None:
    assert refused(body).reason is Reason.DUPLICATE_KEY


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["jsonrpc", "id", "method", "params", "result", "error", "Method", "x"]
            ),
            inner | st.sampled_from(["2.0", "ping", 1]),
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
@example(b"\xef\xbb\xbf{}")
@example(b"[" * 400)
@example(b'{"jsonrpc":"2.0","id":1e400,"method":"a"}')
@example(b'{"jsonrpc":"2.0","id":1,"error":{"a":NaN}}')
def test_any_bytes_are_messages_or_a_callers_fault(body: bytes) -> None:
    try:
        document, messages = read_messages(body)
    except CallerError as error:
        if error.reason not in REFUSALS:
            raise
        return
    again = json.loads(body)
    nodes = again if isinstance(again, list) else [again]
    assert document.encode() == body
    assert len(nodes) == len(messages)
    for node, message in zip(nodes, messages, strict=True):
        assert node.get("method", "") == message.method
        assert node.get("id") == message.id
        assert type(node.get("id")) is type(message.id)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 400)
@example(b'{"result":' * 300)
@example(b"\xff")
def test_any_bytes_of_a_server_are_read_or_a_value_error(body: bytes) -> None:
    try:
        document, messages = read_answer(body)
    except ValueError:
        return
    assert document.changed or document.encode() == body
    assert all(isinstance(message, Message) for message in messages)


def test_of_a_servers_double_key_the_caller_reads_what_the_rules_read() -> None:
    raw = b'{"jsonrpc":"2.0","id":1,"result":{"a":1},"result":{"b":2}}'
    document, (message,) = read_answer(raw)
    assert message.node["result"] == {"b": 2}
    assert json.loads(document.encode()) == message.node
    assert document.encode().count(b"result") == 1


@pytest.mark.parametrize("value", [{"detail": "Not found"}, [1, 2], "no", [], [[{"result": 1}]]])
def test_a_server_may_answer_what_is_no_json_rpc(value: Any) -> None:
    raw = json.dumps(value).encode()
    document, messages = read_answer(raw)
    assert (document.root, messages, document.encode()) == (value, [], raw)


def test_what_we_say_is_json_rpc() -> None:
    told = [jsonrpc.result(1, {}), jsonrpc.error("a", jsonrpc.STOPPED, "No.", "tool_denied")]
    assert jsonrpc.write([]) == b""
    assert json.loads(jsonrpc.write(told[1:]))["error"]["data"] == {"reason": "tool_denied"}
    kinds = [message.kind for message in read_messages(jsonrpc.write(told, batch=True))[1]]
    assert kinds == [Kind.RESULT, Kind.ERROR]
