"""One lane of a stream: what may leave, what is changed in it, who sees it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Surface, ToolCall
from gateway.policy.content import Edit, splice
from gateway.policy.lanes import LOOK_AT, CallLane, TextLane
from gateway.verdict import Action
from tests.policy.fakes import Broken, FakeRule, Words

BAD = FakeRule(Words("bad"), Action.REWRITE, "r")
GOOD = FakeRule(Words("good"), Action.FLAG, "w")


def lane(*, holders: tuple[FakeRule, ...] = (), watchers: tuple[FakeRule, ...] = ()) -> TextLane:
    return TextLane(Surface.OUTPUT, False, holders, watchers)


def test_a_lane_without_rules_lets_everything_go() -> None:
    free = lane()
    assert free.plain
    free.push("anything")
    assert free.settle(final=False) == ()
    assert free.decided == 8


def test_what_is_undecided_stays() -> None:
    one = lane(holders=(BAD,))
    one.push("so ba")
    one.settle(final=False)
    assert (one.decided, one.end) == (3, 5)
    one.push("d")
    (seen,) = one.settle(final=False)
    assert (seen.start, seen.end, one.decided) == (3, 6, 6)


def test_who_only_looks_sees_what_has_been_decided_and_no_more() -> None:
    one = lane(holders=(BAD,), watchers=(GOOD,))
    one.push("good " + " " * LOOK_AT + "ba")
    one.settle(final=False)
    assert [seen.start for seen in one.look(final=False)] == [0]
    one.push("good")  # "bagood": nothing grows any more
    one.settle(final=False)
    assert [seen.start for seen in one.look(final=True)] == [LOOK_AT + 7]


def test_who_only_looks_is_given_many_characters_at_a_time() -> None:
    one = lane(watchers=(GOOD,))
    told = [one.let_pass("good") for _ in range(LOOK_AT // 4)]
    assert told == [False] * (LOOK_AT // 4 - 1) + [True]
    assert (one.decided, one.end) == (LOOK_AT, LOOK_AT)
    assert len(one.look(final=False)) == LOOK_AT // 4
    assert not one.let_pass("good")
    assert one.look(final=False) == ()
    assert len(one.look(final=True)) == 1


def test_behind_a_block_nobody_looks() -> None:
    one = lane(holders=(BAD,), watchers=(GOOD,))
    one.push("good bad good")
    one.settle(final=False)
    one.stop(5)
    assert one.decided == 5
    assert [seen.start for seen in one.look(final=True)] == [0]


def test_rules_that_raise_are_handed_over() -> None:
    one = lane(holders=(FakeRule(Broken(), Action.BLOCK, "a"),), watchers=(GOOD,))
    one.push("x")
    one.settle(final=False)
    assert [rule.ref.id for rule, _ in one.failed] == ["a"]
    assert one.decided == 1


EDITS = st.lists(
    st.tuples(st.integers(0, 24), st.integers(1, 8), st.sampled_from(["", "X", "YY"])), max_size=5
).map(lambda some: sorted((start, start + size, text) for start, size, text in some))


@given(EDITS, st.lists(st.integers(1, 6), min_size=1, max_size=40))
def test_edits_come_out_the_same_however_the_text_is_cut(
    edits: list[tuple[int, int, str]], sizes: list[int]
) -> None:
    text = "abcdefghijklmnopqrstuvwxyz0123456789"
    made = sorted((Edit(*edit) for edit in edits), key=lambda edit: (edit.start, -edit.end))
    one = lane()
    for edit in made:
        one.edit(edit)
    out, at = [], 0
    for size in sizes:
        out.append(one.edited(text[at : at + size], at))
        at += size
    out.append(one.edited(text[at:], at))
    assert "".join(out) == splice(text, made)


def test_an_edit_stands_in_the_piece_in_which_it_begins() -> None:
    one = lane()
    one.edit(Edit(2, 7, "<>"))
    assert [one.edited("abcd", 0), one.edited("efg", 4), one.edited("hi", 7)] == ["ab<>", "", "hi"]


def test_a_call_counts_its_arguments() -> None:
    call = CallLane(ToolCall("c1", "f", ""))
    call.add('{"a"')
    call.add(": 1}")
    assert "".join(call.pieces) == '{"a": 1}'
    assert call.size == 8
