"""Streamed tool calls: put together in the right order, and taken out cleanly."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.openai_chat_calls import (
    Entry,
    StreamedCall,
    StreamedChoice,
    argument_field,
    read_piece,
)
from gateway.errors import UpstreamError


def entry(index: int | None = 0, ident: str = "", name: str = "", text: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"function": {"name": name, "arguments": text}}
    if index is not None:
        made["index"] = index
    if ident:
        made["id"] = ident
    return made


def feed(choice: StreamedChoice, piece: dict[str, Any]) -> StreamedCall:
    call = choice.find(piece) or choice.begin(piece, piece.get("index"))
    read_piece(call, piece)
    return call


def test_a_name_in_pieces_is_put_together_and_a_repeated_one_is_not() -> None:
    choice = StreamedChoice("c0")
    call = feed(choice, entry(0, "a", "get_"))
    assert feed(choice, entry(0, "", "weather")) is call
    assert call.call.name == "get_weather"
    feed(choice, entry(0, "a", "get_weather"))
    assert call.call.name == "get_weather"


def test_an_id_may_come_later() -> None:
    choice = StreamedChoice("c0")
    feed(choice, entry(0, "", "f"))
    assert feed(choice, entry(0, "late")).call.id == "late"


def test_two_calls_with_one_index_are_two() -> None:
    choice = StreamedChoice("c0")
    first = feed(choice, entry(0, "a", "f"))
    second = feed(choice, entry(0, "b", "g"))
    assert first.lane != second.lane
    assert [call.call.name for call in choice.calls] == ["f", "g"]


def test_calls_without_an_index_follow_their_ids() -> None:
    choice = StreamedChoice("c0")
    first = feed(choice, entry(None, "a", "f"))
    assert feed(choice, entry(None, "", "", "{")) is first
    assert feed(choice, entry(None, "b", "g")).index == 1


def test_arguments_may_be_an_object() -> None:
    choice = StreamedChoice("c0")
    piece = entry(0, "a", "f")
    piece["function"]["arguments"] = {"a": 1}
    call = choice.begin(piece, 0)
    assert read_piece(call, piece) == '{"a":1}'


def test_a_complete_call_cannot_go_on() -> None:
    choice = StreamedChoice("c0")
    call = feed(choice, entry(0, "a", "f"))
    choice.end(call)
    assert read_piece(call, entry(0)) == ""
    with pytest.raises(UpstreamError):
        read_piece(call, entry(0, "", "", "more"))
    with pytest.raises(UpstreamError):
        read_piece(call, entry(0, "", "x"))


def test_where_arguments_stand() -> None:
    assert argument_field({"function": {"a": 1}}) == ({"a": 1}, "arguments")
    assert argument_field({"custom": {"a": 1}}) == ({"a": 1}, "input")
    assert argument_field({"name": "f"}) == ({"name": "f"}, "arguments")


def test_what_follows_a_removed_call_moves_up() -> None:
    choice = StreamedChoice("c0")
    calls = [feed(choice, entry(n, f"i{n}", "f")) for n in range(3)]
    calls[1].removed = True
    last = entry(2, "", "", "x")
    delta = {"tool_calls": [entry(1), last]}
    assert choice.apply(Entry(calls[1], delta, "tool_calls", delta["tool_calls"][0]))
    assert choice.apply(Entry(calls[2], delta, "tool_calls", last))
    assert delta == {"tool_calls": [last]}
    assert last["index"] == 1
    assert not choice.apply(Entry(calls[0], delta, "tool_calls", entry(0)))


def test_other_arguments_go_out_once() -> None:
    choice = StreamedChoice("c0")
    call = feed(choice, entry(0, "a", "f", "{"))
    call.arguments = '{"safe":1}'
    first, second = entry(0, "a", "f", "{"), entry(0, "", "", "}")
    for piece in (first, second):
        choice.apply(Entry(call, {"tool_calls": [piece]}, "tool_calls", piece))
    assert first["function"]["arguments"] == '{"safe":1}'
    assert second["function"]["arguments"] == ""


def test_a_notice_is_given_once_and_only_where_no_call_is_left() -> None:
    choice = StreamedChoice("c0")
    assert choice.take_notice() == ""
    for number in range(3):
        call = feed(choice, entry(number, f"i{number}", "f"))
        call.notice = "removed f"
    choice.calls[0].removed = choice.calls[1].removed = True
    assert choice.take_notice() == ""
    choice.calls[2].removed = True
    choice.texted = True
    assert choice.take_notice() == "\n\nremoved f"
    assert choice.take_notice() == ""


@pytest.mark.parametrize("index", [None, 0])
def test_another_name_behind_arguments_is_another_call(index: int | None) -> None:
    choice = StreamedChoice("c0")
    feed(choice, entry(index, "", "weather", '{"city":'))
    feed(choice, entry(index, "", "", '"Bonn"}'))
    feed(choice, entry(index, "", "delete_table", "{}"))
    assert [call.call.name for call in choice.calls] == ["weather", "delete_table"]


def test_a_name_that_is_repeated_with_every_piece_is_the_same_call() -> None:
    choice = StreamedChoice("c0")
    first = feed(choice, entry(0, "", "weather", '{"city":'))
    assert feed(choice, entry(0, "", "weather", '"Bonn"}')) is first
    assert first.call.name == "weather"


def test_other_arguments_keep_the_shape_of_the_first_piece() -> None:
    choice = StreamedChoice("c0")
    piece = entry(0, "a", "f")
    piece["function"]["arguments"] = {"to": "ann"}
    call = feed(choice, piece)
    call.arguments = '{"to":"x"}'
    assert choice.apply(Entry(call, {"tool_calls": [piece]}, "tool_calls", piece))
    assert piece["function"]["arguments"] == {"to": "x"}
