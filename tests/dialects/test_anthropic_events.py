"""The events that the gateway writes itself are those of the API."""

from __future__ import annotations

from gateway.dialects import anthropic_events as events
from gateway.dialects.base import Usage
from tests.dialects.driving import anthropic_message, payloads_of


def test_a_stream_of_nothing_but_own_events_is_read_by_the_sdk() -> None:
    raw = (
        events.message_start("msg_9", "claude-x", Usage(input=3))
        + events.text_block(0, "Blocked.")
        + events.message_delta("end_turn", Usage(output=5))
        + events.MESSAGE_STOP
    )
    message = anthropic_message(raw)
    assert (message.id, message.content[0].text, message.stop_reason) == (
        "msg_9",
        "Blocked.",
        "end_turn",
    )
    assert (message.usage.input_tokens, message.usage.output_tokens) == (3, 5)


def test_an_error_has_our_code_and_message() -> None:
    (payload,) = payloads_of(events.error("pii_found", "Blocked."))
    assert payload["error"] == {
        "type": "invalid_request_error",
        "message": "Blocked.",
        "code": "pii_found",
    }


def test_a_dropped_block_is_remembered_for_what_hangs_on_it() -> None:
    out = events.Written()
    for number in range(2):
        block = events.Block(f"b{number}", number, "tool_use", id=f"toolu_{number}", notice="No.")
        out.drop(block)
    assert (out.dropped, out.removed_ids, out.notices) == (2, {"toolu_0", "toolu_1"}, ["No."])
