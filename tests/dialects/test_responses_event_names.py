"""Every event of the API is known by what it carries."""

from __future__ import annotations

import typing
from typing import Any

import pytest
from openai.types.responses import ResponseStreamEvent

from gateway.dialects.responses_event_names import (
    ARGUMENT_DELTAS,
    ARGUMENT_DONE,
    BEGUN_BY,
    CLOSING,
    LIFE,
    PART_EVENTS,
    PROGRESS,
    TEXT_DELTAS,
    TEXT_DONE,
)

TABLES: tuple[Any, ...] = (
    *(ARGUMENT_DELTAS, ARGUMENT_DONE, CLOSING, LIFE, PART_EVENTS, PROGRESS),
    *(TEXT_DELTAS, TEXT_DONE),
)
MODELS = typing.get_args(typing.get_args(ResponseStreamEvent)[0])
BY_ITSELF = {"annotation", "delta", "item", "message", "output", "partial_image_b64"}
"""Fields with content that the reader looks at by their own events."""

PLAIN = {
    "item_id",
    "output_index",
    "content_index",
    "annotation_index",
    "command_index",
    "sequence_number",
    "type",
}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_an_event_is_in_one_table_or_says_nothing_new(model: Any) -> None:
    (kind,) = typing.get_args(model.model_fields["type"].annotation)
    tables = sum(kind in table for table in TABLES)
    assert tables <= 1
    if not tables:
        assert model.model_fields.keys() - PLAIN <= BY_ITSELF | {
            *("code", "param", "partial_image_index"),
            *("background", "output_format", "quality", "size"),  # closed words of a picture
        }


def test_whatever_comes_in_pieces_can_be_taken_up_in_its_midst() -> None:
    pieces = {*TEXT_DELTAS, *TEXT_DONE, *ARGUMENT_DELTAS, *ARGUMENT_DONE, *PART_EVENTS, *PROGRESS}
    assert {kind.rpartition(".")[0] for kind in pieces} <= BEGUN_BY.keys()
