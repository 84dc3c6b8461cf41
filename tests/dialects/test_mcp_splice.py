"""Another `_meta` in a body, and not one other byte changed."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.mcp_request import McpCall
from gateway.dialects.mcp_splice import splice
from gateway.message import Headers, Request

META = {"traceparent": "00-1"}
WRITTEN = b'{"traceparent":"00-1"}'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"id":1}', b'{"params":{"_meta":%s},"id":1}'),
        (b'{"params" : {}, "id":1}', b'{"params" : {"_meta":%s}, "id":1}'),
        (b'{"params": null}', b'{"params": {"_meta":%s}}'),
        (b'{"params":{ "a":1}}', b'{"params":{"_meta":%s, "a":1}}'),
        (b'{"params":{"_meta" :\n{"x":[{}]}, "a":1}}', b'{"params":{"_meta" :\n%s, "a":1}}'),
        (b'{"p\\u0061rams":{"_m\\u0065ta":{}}}', b'{"p\\u0061rams":{"_m\\u0065ta":%s}}'),
        # What looks like it, and is not: in a text, deeper, or beside it.
        (
            b'{"a":"params\\":{","b":{"params":{"_meta":{}}},"params":{"_metb":{},"c":{"_meta":1}}}',
            (
                b'{"a":"params\\":{","b":{"params":{"_meta":{}}},'
                b'"params":{"_meta":%s,"_metb":{},"c":{"_meta":1}}}'
            ),
        ),
        (
            b'{"params":{"arguments":{"n":12345678901234567890123,"f":1.10,"e":1E5}}}',
            b'{"params":{"_meta":%s,"arguments":{"n":12345678901234567890123,"f":1.10,"e":1E5}}}',
        ),
    ],
)
def test_only_the_meta_is_written(before: bytes, after: bytes) -> None:
    assert splice(before, {0: META}, batch=False) == after.replace(b"%s", WRITTEN)


def test_messages_of_a_batch_are_told_apart() -> None:
    raw = b'[{"id":1},{"params":{"_meta":{}}},{"id":3, "params":{"x":[{"_meta":{}}]}}]'
    assert (
        splice(raw, {1: META, 2: META}, batch=True)
        == (
            b'[{"id":1},{"params":{"_meta":' + WRITTEN + b'}},{"id":3, "params":{"_meta":' + WRITTEN
        )
        + b',"x":[{"_meta":{}}]}}]'
    )


KEYS = st.sampled_from(["params", "_meta", "a", 'q"\\', "{", "arguments", "id", "é"])
VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=6) | st.sampled_from(["{", '"', "\\", "]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
MESSAGES = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "method": st.just("x")},
    optional={
        "params": st.none()
        | st.dictionaries(KEYS.filter(lambda key: key != "_meta"), VALUES, max_size=4)
        | st.fixed_dictionaries(
            {"_meta": st.dictionaries(KEYS, VALUES, max_size=3)}, optional={"a": VALUES}
        ),
        "more": VALUES,
    },
)


@given(st.lists(MESSAGES, min_size=1, max_size=3), st.booleans(), st.booleans())
def test_what_is_read_afterwards_is_the_message_with_its_meta(
    messages: list[dict[str, Any]], spaced: bool, escaped: bool
) -> None:
    for batch in (True, False):
        chosen = messages if batch else messages[:1]
        body = chosen if batch else chosen[0]
        raw = json.dumps(body, indent=1 if spaced else None, ensure_ascii=escaped).encode()
        expected = copy.deepcopy(chosen)
        for each in expected:
            each["params"] = {**(each.get("params") or {}), "_meta": META}
        written = json.loads(splice(raw, dict.fromkeys(range(len(chosen)), META), batch=batch))
        assert written == (expected if batch else expected[0])


def test_a_call_that_carries_a_trace_keeps_its_numbers() -> None:
    arguments = b'{"n":12345678901234567890123,"f":1.10}'
    raw = (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":'
        + arguments
        + b"}}"
    )
    call = McpCall(Request("POST", "/search", Headers(), raw), raw)
    assert call.encode() == raw
    call.carry("00-1", "")
    assert call.document.changed
    assert arguments in call.encode()
    assert json.loads(call.encode())["params"]["_meta"] == META
