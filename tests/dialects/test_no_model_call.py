"""A call that asks no model takes no model's settings, and is bounded by its bytes."""

from __future__ import annotations

from gateway.dialects.base import Document
from gateway.dialects.no_model_call import NoModelCall


class Bytes(NoModelCall):
    dialect = "opaque"

    def encode(self) -> bytes:
        return self.document.raw


def test_no_setting_of_a_model_changes_it() -> None:
    call = Bytes(Document(None, b"12345"))
    call.set_max_output(7)
    call.force_field("store", False)
    call.remove_tools(frozenset({"read"}))
    assert call.encode() == b"12345"
    assert not call.document.changed
    assert call.max_output is None


def test_its_tokens_are_bounded_by_its_bytes() -> None:
    call = Bytes(Document(None, b"12345"))
    assert (call.input_bound(), call.input_estimate()) == (5, 2)
