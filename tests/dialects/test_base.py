"""What all dialects share: segments write where they were read, and usage counts a token once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Call, Document, Segment, Surface, Unscannable, Usage


def segment(holder: Any, key: Any) -> Segment:
    document = Document(holder, b"the caller's own bytes")
    return Segment(document, holder, key, holder[key], Surface.USER, "messages[0].content")


@pytest.mark.parametrize(
    ("holder", "key"), [({"content": "old", "x": 1}, "content"), (["a", "old"], 1)]
)
def test_a_replaced_text_stands_where_the_old_one_was_read(holder: Any, key: Any) -> None:
    piece = segment(holder, key)
    piece.replace("new")
    assert holder[key] == "new"
    assert len(holder) == 2
    assert piece.text == "new"  # the next rule reads what this one left
    assert piece.document.changed


def test_a_document_nobody_touched_is_unchanged_and_keeps_its_bytes() -> None:
    piece = segment(["old"], 0)
    assert not piece.document.changed
    assert piece.document.raw == b"the caller's own bytes"


def test_a_text_is_new_and_may_be_rewritten_unless_a_dialect_says_otherwise() -> None:
    piece = segment(["old"], 0)
    assert piece.fresh
    assert not piece.readonly
    assert Unscannable("image", Surface.USER, "messages[0]").fresh


@given(
    plain=st.integers(0, 10**9),
    read=st.integers(0, 10**9),
    written=st.integers(0, 10**9),
    hour=st.integers(0, 10**9),
    output=st.integers(0, 10**9),
    data=st.data(),
)
def test_every_token_is_counted_once_and_reasoning_within_output(
    plain: int, read: int, written: int, hour: int, output: int, data: st.DataObject
) -> None:
    reasoning = data.draw(st.integers(0, output))
    usage = Usage(plain, read, written, hour, output, reasoning)
    assert usage.total_input == plain + read + written + hour
    assert usage.total == usage.total_input + output


class Bare(Call):
    """A dialect's call that can do nothing but be sent."""

    dialect = "bare"

    def encode(self) -> bytes:
        return self.document.raw


def test_a_dialect_that_cannot_do_what_a_rule_asks_says_so() -> None:
    """Silence would let a call pass uncapped; an error goes by the rule's `on_error`."""
    call = Bare(Document({}, b"{}"))
    for ask in (
        lambda: call.set_max_output(5),
        lambda: call.force_field("store", False),
        lambda: call.remove_tools(frozenset({"a"})),
        call.input_bound,
        call.input_estimate,
    ):
        with pytest.raises(NotImplementedError):
            ask()
    assert call.get_field("store") is None


def test_two_calls_share_nothing() -> None:
    one, other = Bare(Document({}, b"{}")), Bare(Document({}, b"{}"))
    one.unscannable.append(Unscannable("image", Surface.USER, "x"))
    one.segments.append(segment(["a"], 0))
    assert other.unscannable == []
    assert other.segments == []
