"""What becomes of findings: rewritten, flagged or blocked, whatever the order of rules."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.base import Call, Surface, Unscannable
from gateway.policy.content import REQUEST, ContentRules, Edit, effect, splice
from gateway.testing import make_call
from gateway.verdict import Action, Mode, Reason, Verdict
from tests.policy.fakes import Broken, DictCache, FakeRule, Words

FLAG, REWRITE, BLOCK = Action.FLAG, Action.REWRITE, Action.BLOCK


def judge(
    rules: list[FakeRule], *texts: tuple[str, str], stale: int = 0
) -> tuple[list[str], list[Verdict]]:
    call = make_call(texts, stale=stale)
    judged = ContentRules(rules).judge(call.segments, DictCache())
    assert [segment.text for segment in call.segments] == [said for _, said in texts]
    judged.apply()
    return [segment.text for segment in call.segments], judged.verdicts


def bad(action: Action, mark: str = "r", **keys: object) -> FakeRule:
    return FakeRule(Words("bad"), action, mark, **keys)


# --- edits ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edits", "result"),
    [
        ([], "0123456789"),
        ([(2, 4, "X")], "01X456789"),
        ([(6, 8, "Y"), (2, 4, "X")], "01X45Y89"),
        ([(2, 6, "X"), (4, 8, "Y")], "01XY89"),
        ([(2, 8, "X"), (4, 6, "Y")], "01X89"),
        ([(2, 4, "X"), (2, 6, "Y")], "01Y6789"),
        ([(0, 10, "")], ""),
    ],
)
def test_edits_are_merged(edits: list[tuple[int, int, str]], result: str) -> None:
    assert splice("0123456789", [Edit(*edit) for edit in edits]) == result


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 6)), max_size=6))
def test_nothing_that_an_edit_covers_stays_and_all_else_does(spans: list[tuple[int, int]]) -> None:
    text = "abcdefghijklmnopqrstuvwxyz"
    edits = [Edit(start, start + size, "#") for start, size in spans]
    covered = {at for edit in edits for at in range(edit.start, edit.end)}
    kept = [char for at, char in enumerate(text) if at not in covered]
    assert splice(text, edits).replace("#", "") == "".join(kept)


# --- one rule -------------------------------------------------------------------------------


def test_a_finding_is_rewritten_in_place_and_counted_over_the_whole_call() -> None:
    texts, (verdict,) = judge([bad(REWRITE)], ("user", "a bad bad day"), ("tool_result", "bad"))
    assert texts == ["a [r:BAD] [r:BAD] day", "[r:BAD]"]
    assert verdict.action is REWRITE
    assert verdict.entities == {"BAD": 3}
    assert (verdict.surface, verdict.place) == ("user", "texts[0]")
    assert "the user message" in verdict.what


def test_a_verdict_holds_no_content() -> None:
    for action in (FLAG, REWRITE, BLOCK):
        _, verdicts = judge([bad(action)], ("user", "bad hunter2"))
        assert "hunter2" not in repr(verdicts)


def test_only_watched_surfaces_are_read() -> None:
    texts, verdicts = judge([bad(REWRITE, surfaces=["user"])], ("user", "bad"), ("system", "bad"))
    assert texts == ["[r:BAD]", "bad"]
    assert [v.surface for v in verdicts] == ["user"]


def test_shadow_sees_everything_and_changes_nothing() -> None:
    for action in (REWRITE, BLOCK):
        texts, (verdict,) = judge([bad(action, mode=Mode.SHADOW)], ("user", "bad"))
        assert texts == ["bad"]
        assert verdict.action is action
        assert verdict.enforced is Action.ALLOW


def test_a_text_is_scanned_once_per_detector_version() -> None:
    scanned: list[str] = []

    class Counting(Words):
        def find(self, text: str, start: int = 0):  # type: ignore[no-untyped-def]
            scanned.append(text)
            return super().find(text, start)

    cache = DictCache()
    rules = ContentRules(
        [FakeRule(Counting("bad"), REWRITE, "a"), FakeRule(Counting("bad"), FLAG, "b")]
    )
    for _ in range(3):
        rules.judge(make_call([("user", "so bad"), ("user", "good")]).segments, cache)
    assert scanned == ["so bad", "good"]


# --- resent history -------------------------------------------------------------------------


def test_what_is_new_is_blocked_and_what_was_resent_is_struck_out() -> None:
    texts, (verdict,) = judge([bad(BLOCK)], ("user", "old bad"), ("user", "new"), stale=1)
    assert texts == ["old [removed by Portcullis: pattern_found]", "new"]
    assert (verdict.action, verdict.stops) == (REWRITE, False)
    texts, verdicts = judge([bad(BLOCK)], ("user", "old bad"), ("user", "new bad"), stale=1)
    assert [v.action for v in verdicts] == [REWRITE, BLOCK]
    assert verdicts[1].stops
    assert verdicts[1].place == "texts[1]"


def test_the_texts_that_block_are_named() -> None:
    call = make_call([("user", "bad"), ("user", "bad"), ("user", "good")], stale=1)
    for rule, count in ((bad(BLOCK), 1), (bad(BLOCK, mode=Mode.SHADOW), 0), (bad(REWRITE), 0)):
        judged = ContentRules([rule]).judge(call.segments, DictCache())
        assert judged.blocking == call.segments[1 : 1 + count]


def test_what_is_rewritten_is_rewritten_alike_in_resent_history() -> None:
    texts, _ = judge([bad(REWRITE)], ("user", "old bad"), ("user", "new bad"), stale=1)
    assert texts == ["old [r:BAD]", "new [r:BAD]"]


def test_signed_reasoning_is_never_rewritten() -> None:
    call = make_call([("reasoning", "bad"), ("reasoning", "bad")], stale=1)
    for segment in call.segments:
        segment.readonly = True
    for action, expected in ((REWRITE, [FLAG]), (BLOCK, [FLAG, BLOCK]), (FLAG, [FLAG])):
        judged = ContentRules([bad(action)]).judge(call.segments, DictCache())
        judged.apply()
        assert [v.action for v in judged.verdicts] == expected
        assert [segment.text for segment in call.segments] == ["bad", "bad"]
        assert not call.document.changed


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("readonly", [True, False])
@pytest.mark.parametrize("action", [FLAG, REWRITE, BLOCK])
def test_effect(action: Action, readonly: bool, fresh: bool) -> None:
    done = effect(bad(action), Surface.USER, readonly=readonly, fresh=fresh)
    if action is BLOCK and fresh:
        assert done is BLOCK
    elif action is FLAG or readonly:
        assert done is FLAG
    else:
        assert done is REWRITE


# --- several rules --------------------------------------------------------------------------


@given(st.text(alphabet="abcde ", max_size=30), st.permutations([0, 1, 2]))
@settings(max_examples=200)
def test_the_order_of_rules_changes_only_the_order_of_verdicts(text: str, order: list[int]) -> None:
    rules = [
        FakeRule(Words("abc", "e"), REWRITE, "x"),
        FakeRule(Words("cd"), REWRITE, "y"),
        FakeRule(Words("a b", "dd"), BLOCK, "z"),
    ]
    (one,), verdicts = judge(rules, ("user", text))
    (other,), again = judge([rules[number] for number in order], ("user", text))
    assert one == other
    assert sorted(map(repr, verdicts)) == sorted(map(repr, again))


def test_a_rule_reads_what_came_and_not_what_another_made_of_it() -> None:
    hides = FakeRule(Words("secret word"), REWRITE, "x")
    blocks = FakeRule(Words("word"), BLOCK, "y")
    for rules in permutations([hides, blocks]):
        _, verdicts = judge(list(rules), ("user", "a secret word"))
        assert {v.action for v in verdicts} == {REWRITE, BLOCK}


# --- rules that fail ------------------------------------------------------------------------


def test_a_rule_that_raises_follows_its_on_error_and_the_others_go_on() -> None:
    for on_error, action in (("block", BLOCK), ("allow", FLAG)):
        broken = FakeRule(Broken("x"), REWRITE, "broken", on_error=on_error)
        texts, verdicts = judge([broken, bad(REWRITE)], ("user", "x bad"), ("user", "x more bad"))
        assert texts == ["x [r:BAD]", "x more [r:BAD]"]
        assert [(v.action, v.reason) for v in verdicts] == [
            (action, Reason.RULE_FAILED),
            (REWRITE, Reason.PATTERN_FOUND),
        ]


def test_a_rule_that_raises_on_one_text_still_reads_the_others() -> None:
    class Picky(Words):
        def find(self, text: str, start: int = 0):  # type: ignore[no-untyped-def]
            if text == "odd":
                raise ValueError
            return super().find(text, start)

    rule = FakeRule(Picky("bad"), REWRITE, "r", on_error="allow")
    texts, verdicts = judge([rule], ("user", "odd"), ("user", "bad"))
    assert texts == ["odd", "[r:BAD]"]
    assert {v.reason for v in verdicts} == {Reason.RULE_FAILED, Reason.PATTERN_FOUND}


# --- what cannot be read --------------------------------------------------------------------


def unread(rule: FakeRule, *items: Unscannable, anywhere=REQUEST) -> list[Verdict]:  # type: ignore[no-untyped-def]
    return ContentRules([rule]).judge_unscannable(items, anywhere)


IMAGE = Unscannable("image", Surface.USER, "messages[1].content[0]")


def test_what_cannot_be_read_follows_each_rules_unscannable() -> None:
    (flagged,) = unread(bad(BLOCK, unscannable="flag"), IMAGE, IMAGE)
    assert (flagged.action, flagged.reason) == (FLAG, Reason.UNSCANNABLE_CONTENT)
    assert flagged.entities == {"image": 2}
    assert "cannot read an image in the user message" in flagged.what
    (blocked,) = unread(bad(FLAG, unscannable="block"), IMAGE)
    assert blocked.stops
    assert blocked.place == IMAGE.place
    assert unread(bad(BLOCK, unscannable="allow"), IMAGE) == []
    assert unread(bad(BLOCK, surfaces=["system"]), IMAGE) == []


def test_what_could_not_be_read_in_resent_history_blocks_nothing() -> None:
    old = Unscannable("image", Surface.USER, "messages[0]", fresh=False)
    (verdict,) = unread(bad(BLOCK, unscannable="block"), old)
    assert verdict.action is FLAG
    assert unread(bad(BLOCK, unscannable="block"), old, IMAGE)[0].place == IMAGE.place


def test_a_body_that_nobody_can_read_may_hold_any_surface() -> None:
    body = Unscannable("body", Surface.USER, "body")
    for surface in Surface:
        assert unread(bad(FLAG, surfaces=[surface.value]), body)
    answer = Unscannable("body", Surface.OUTPUT, "answer")
    assert unread(bad(FLAG, surfaces=["tool_call"]), answer, anywhere=Call.answer_surfaces)
    assert not unread(bad(FLAG, surfaces=["user"]), answer, anywhere=Call.answer_surfaces)
