"""The start of a batch: what it names is with the provider."""

from __future__ import annotations

import pytest

from gateway.dialects.base import Surface
from gateway.dialects.openai_batches import OpenAIBatches
from gateway.errors import CallerError
from gateway.message import Headers, Request

DIALECT = OpenAIBatches()
POST = Request("POST", "/v1/batches", Headers())
BODY = (
    b'{"input_file_id":"file-1","endpoint":"/v1/responses","completion_window":"24h",'
    b'"metadata":{"note":"mine"}}'
)


def test_the_file_is_named_as_one_that_was_let_through_before() -> None:
    call = DIALECT.decode(POST, BODY)
    (item,) = call.unscannable
    assert (item.what, item.surface, item.fresh) == ("file", Surface.USER, False)
    assert (call.operation, call.billable, call.model) == ("batch_file", False, "")
    assert call.input_bound() == -1
    assert call.encode() == BODY


def test_metadata_is_the_users_and_ids_are_not_text() -> None:
    call = DIALECT.decode(POST, BODY)
    assert {segment.text for segment in call.segments} == {"mine", "note"}
    next(s for s in call.segments if s.text == "mine").replace("#")
    assert b'"note":"#"' in call.encode()


def test_what_is_said_of_a_batch_is_read() -> None:
    call = DIALECT.decode(POST, BODY)
    answer = DIALECT.decode_answer(call, b'{"id":"batch_1","metadata":{"note":"mine"}}')
    assert "mine" in [segment.text for segment in answer.segments]
    assert not any(segment.fresh for segment in answer.segments)


def test_a_body_that_is_no_object_is_refused() -> None:
    with pytest.raises(CallerError):
        DIALECT.decode(POST, b"[]")
