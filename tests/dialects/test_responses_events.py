"""The events that the gateway writes itself are those of the API."""

from __future__ import annotations

from gateway.dialects import responses_events as events
from gateway.dialects.base import Surface
from gateway.dialects.responses_answer import notice_item
from tests.dialects.driving import openai_events, openai_response, payloads_of


def test_a_stream_of_nothing_but_own_events_is_read_by_the_sdk() -> None:
    response = events.skeleton("resp_9", "gpt-x")
    item = notice_item("resp_9", "Blocked.")
    shown, count = events.notice_events(item, 0, 1)
    done = {"type": "response.completed", "response": {**response, "output": [item]}}
    raw = (
        events.event({"type": "response.created", "response": response}, 0)
        + shown
        + events.event(done, count + 1)
    )
    assert openai_response(raw).output_text == "Blocked."
    assert [each["sequence_number"] for each in payloads_of(raw)] == list(range(count + 2))


def test_a_failed_response_keeps_what_is_known_of_it() -> None:
    response = events.skeleton("resp_9", "gpt-x")
    raw = events.event({"type": "response.created", "response": response}, 0)
    raw += events.event(events.failed(response, "Blocked.", []), 1)
    last = openai_events(raw)[-1].response
    assert (last.id, last.model, last.status) == ("resp_9", "gpt-x", "failed")
    assert (last.error.code, last.error.message) == ("invalid_prompt", "Blocked.")


def test_events_are_numbered_only_where_the_providers_are() -> None:
    assert b"sequence_number" not in events.event({"type": "x"}, None)
    assert b"sequence_number" not in events.notice_events(notice_item("r", "t"), 0, None)[0]


def test_what_was_judged_of_a_call_is_what_came_unless_replaced() -> None:
    item = events.Item(2, "function_call", pieces=['{"a":', "1}"], prefix="r1/")
    assert (item.judged, item.lane, item.group) == ('{"a":1}', "r1/2/call", "r1/2")
    item.arguments = "{}"
    assert item.judged == "{}"


def test_a_lane_begins_empty() -> None:
    lane = events.Lane("0/0", Surface.OUTPUT)
    assert (lane.came, lane.went, lane.edited) == ([], [], False)
