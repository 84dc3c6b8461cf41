"""What leaves a stream's window, when, and what never does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.dialects.base import Event
from gateway.policy import stream_window
from gateway.policy.content import ContentRules
from gateway.policy.rule import Rule
from gateway.testing import make_call
from gateway.verdict import Action, Mode, Reason
from tests.policy.fakes import (
    Broken,
    DenyTools,
    DictCache,
    FakeRule,
    Numbers,
    Quotes,
    Run,
    Words,
    args,
    end,
    event,
    text,
    texts_of,
    tool,
    tool_end,
)

FLAG, REWRITE, BLOCK = Action.FLAG, Action.REWRITE, Action.BLOCK
TEXT = st.text(alphabet="abc1<> ", max_size=50)
CUTS = st.lists(st.integers(0, 50), max_size=10)

SCANNERS = [Words("abc", "abcab", "cab"), Numbers(), Quotes(), Words("bb", "a1")]


@st.composite
def rule_sets(draw: st.DrawFn, actions: Sequence[Action] = (FLAG, REWRITE, BLOCK)) -> list[Rule]:
    chosen = draw(st.lists(st.sampled_from(SCANNERS), min_size=1, max_size=3, unique=True))
    return [
        FakeRule(
            scanner,
            draw(st.sampled_from(list(actions))),
            f"r{number}",
            mode=draw(st.sampled_from([Mode.ENFORCE, Mode.ENFORCE, Mode.SHADOW])),
        )
        for number, scanner in enumerate(chosen)
    ]


def split(whole: str, cuts: Sequence[int]) -> list[str]:
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    return [whole[a:b] for a, b in pairwise(places)]


def stream(parts: Sequence[str], *, ends: bool = True) -> list[Event]:
    opening = [event(start=True)]
    return [*opening, *(event(text(part)) for part in parts), *([event(end())] if ends else [])]


def whole_answer(rules: Sequence[Rule], said: str) -> tuple[str, list[Any]]:
    """The text and the verdicts that a whole answer with that text gets."""
    call = make_call([("output", said)])
    (segment,) = call.segments
    judged = ContentRules(rules).judge([segment], DictCache())  # type: ignore[arg-type]
    judged.apply()
    plain = [
        (v.action.value, v.reason.value, v.rule.id, tuple(sorted(v.entities.items())))
        for v in judged.verdicts
    ]
    return segment.text, plain


# --- the same whatever the split -------------------------------------------------------------


@given(TEXT, CUTS, rule_sets(actions=(FLAG, REWRITE)))
@settings(max_examples=500, deadline=None)
def test_a_split_answer_is_rewritten_as_a_whole_one(
    said: str, cuts: list[int], rules: list[Rule]
) -> None:
    run = Run(rules, stream(split(said, cuts))).end()
    rewritten, verdicts = whole_answer(rules, said)
    assert run.text == rewritten
    assert run.verdicts == verdicts


@given(TEXT, CUTS, rule_sets())
@settings(max_examples=500, deadline=None)
def test_a_block_falls_at_the_same_place_with_the_same_verdicts_however_the_text_is_split(
    said: str, cuts: list[int], rules: list[Rule]
) -> None:
    run = Run(rules, stream(split(said, cuts))).end()
    once = Run(rules, stream([said])).end()
    single = Run(rules, stream(list(said))).end()
    assert (run.window.blocked is None) == (once.window.blocked is None)
    assert run.verdicts == once.verdicts == single.verdicts
    if run.window.blocked is None:
        assert run.text == once.text
    elif run.window.begun:
        assert single.text.startswith(run.text)
        assert run.text == single.text
        assert run.said[-1] == {"stop": "pattern_found"}
    else:
        assert run.out == b""


@given(TEXT, CUTS, rule_sets())
@settings(max_examples=300, deadline=None)
def test_whether_an_answer_is_blocked_does_not_depend_on_streaming(
    said: str, cuts: list[int], rules: list[Rule]
) -> None:
    run = Run(rules, stream(split(said, cuts))).end()
    _, verdicts = whole_answer(rules, said)
    enforced = {rule.ref.id for rule in rules if not rule.shadow}
    blocked = any(action == "block" and rule in enforced for action, _, rule, _ in verdicts)
    assert (run.window.blocked is not None) == blocked


@given(TEXT, CUTS, rule_sets(actions=(FLAG,)))
@settings(max_examples=200, deadline=None)
def test_where_nothing_acts_every_frame_leaves_at_once_as_it_came(
    said: str, cuts: list[int], rules: list[Rule]
) -> None:
    events = stream(split(said, cuts))
    run = Run(rules)
    for one in events:
        run.feed(one)
        assert run.pieces[-1] == one.raw
    assert run.end().pieces[-1] == b""


@given(TEXT, CUTS, rule_sets(actions=(REWRITE, BLOCK)))
@settings(max_examples=200, deadline=None)
def test_where_nothing_is_found_what_leaves_is_what_came(
    said: str, cuts: list[int], rules: list[Rule]
) -> None:
    assume(not any(rule.scanner.find(said) for rule in rules))  # type: ignore[attr-defined]
    events = stream(split(said, cuts))
    run = Run(rules, events).end()
    assert run.out == b"".join(one.raw for one in events)
    assert run.exchange.verdicts == []


@given(TEXT, CUTS, rule_sets(actions=(FLAG, REWRITE)))
@settings(max_examples=200, deadline=None)
def test_what_is_decided_leaves_in_the_same_call(
    said: str, cuts: list[int], rules: list[Rule]
) -> None:
    """A frame stays only if one of its characters, or of a frame before it, is undecided."""
    run = Run(rules)
    sent = 0
    waiting: list[tuple[bytes, int]] = []
    for one, part in zip(stream(split(said, cuts)), ["", *split(said, cuts), ""], strict=True):
        sent += len(part)
        run.feed(one)
        lane = run.window._texts.get("t")
        decided = sent if lane is None else lane.decided
        waiting.append((one.raw, sent))
        gone = len(run.said)
        silent = 1 if run.window._opening else 0
        free = [raw for raw, upto in waiting if upto <= decided]
        assert gone in (len(free), 0) if silent else gone == len(free)


# --- edits ----------------------------------------------------------------------------------


def test_a_rewrite_across_frames_comes_out_once_where_it_begins() -> None:
    rule = FakeRule(Words("secret"), REWRITE, "r")
    events = [event(text(part)) for part in ("a se", "cr", "et b", " c")]
    run = Run([rule], events).end()
    assert [payload["parts"][0][2] for payload in run.said] == ["a [r:SECRET]", "", " b", " c"]


def test_two_rules_that_overlap_leave_nothing_of_what_they_found() -> None:
    rules = [FakeRule(Words("abc"), REWRITE, "x"), FakeRule(Words("cde"), REWRITE, "y")]
    run = Run(rules, stream(["ab", "cd", "e f"])).end()
    assert run.text == "[x:ABC][y:CDE] f"


def test_every_part_of_a_frame_is_rewritten_in_its_own_lane() -> None:
    rule = FakeRule(Words("bad"), REWRITE, "r")
    run = Run([rule], [event(text("bad one", "t"), text("no bad", "u"))]).end()
    assert texts_of(run.out, "t") == "[r:BAD] one"
    assert texts_of(run.out, "u") == "no [r:BAD]"


# --- blocks ---------------------------------------------------------------------------------


def test_a_block_before_the_first_content_leaves_no_bytes_at_all() -> None:
    rule = FakeRule(Words("bad"), BLOCK, "r")
    run = Run([rule], stream(["ba", "d news"])).end()
    assert run.out == b""
    assert not run.window.begun
    assert run.window.blocked is not None
    assert "The answer was not delivered" in run.window.message


def test_a_block_in_the_middle_ends_the_stream_in_the_dialects_way() -> None:
    rule = FakeRule(Words("bad"), BLOCK, "r")
    run = Run([rule], stream(["good ", "and ba", "d news", "more"])).end()
    assert run.text == "good and "
    assert run.said[-1] == {"stop": "pattern_found"}
    assert "rest of the answer was not delivered" in run.window.message
    assert run.window.feed(event(text("more"))) == b""


def test_a_stream_can_be_cut_for_what_is_not_in_it_and_what_is_held_back_never_leaves() -> None:
    rule = FakeRule(Words("bad"), BLOCK, "r")
    run = Run([rule], stream(["good ", "and ba"], ends=False))
    verdict = rule.verdict(BLOCK, Reason.BUDGET_EXCEEDED, "is spent")
    ending = run.window.cut(verdict)
    assert run.text == "good "
    assert b"budget_exceeded" in ending
    assert b"ba" not in ending
    assert run.window.blocked is verdict
    assert run.window.feed(event(text("more"))) == b""
    unopened = Run([rule], stream(["ba"], ends=False))
    assert unopened.window.cut(verdict) == b""
    assert not unopened.window.begun


def test_the_opening_waits_only_where_a_rule_may_end_the_stream() -> None:
    opening = event(start=True)
    assert Run([FakeRule(Words("bad"), FLAG, "r")]).feed(opening) == ""
    for action, left in ((FLAG, opening.raw), (REWRITE, b""), (BLOCK, b"")):
        run = Run([FakeRule(Words("bad"), action, "r")], [opening])
        assert run.out == left
    assert Run([DenyTools("x")], [opening]).out == opening.raw


def test_the_opening_leaves_with_the_first_content_or_with_the_end() -> None:
    rule = FakeRule(Words("bad"), BLOCK, "r")
    opening, ping = event(start=True), event(ping=True)
    run = Run([rule], [opening, ping])
    assert run.waits_then(event(text("hello"))) == opening.raw + ping.raw + event(text("hello")).raw
    assert Run([rule], [opening]).end().out == opening.raw
    closing = event(closing=True)
    assert Run([rule], [opening, closing]).out == opening.raw + closing.raw


def test_a_call_that_nothing_holds_ends_the_opening() -> None:
    rule = FakeRule(Words("bad"), BLOCK, "r", surfaces=["output"])
    run = Run([rule], [event(start=True), event(tool("c1", "f"))])
    assert run.out == event(start=True).raw + event(tool("c1", "f")).raw


def test_a_long_opening_leaves_by_itself() -> None:
    rule = FakeRule(Words("bad"), BLOCK, "r")
    pings = [event(ping=number) for number in range(12)]
    run = Run([rule], pings)
    assert run.out == b"".join(one.raw for one in pings)


def test_after_the_opening_was_let_go_a_block_cuts_the_stream() -> None:
    rule = FakeRule(Words("bad"), BLOCK, "r")
    run = Run([rule], [event(start=True), event(text("ba"))])
    assert run.window.waits
    assert run.window.open() == event(start=True).raw
    assert run.window.begun
    run.feed(event(text("d")))
    assert run.said == [{"stop": "pattern_found"}]


def test_nothing_of_another_lane_that_is_undecided_leaves_with_a_block() -> None:
    rule = FakeRule(Words("bad", "verylong"), BLOCK, "r")
    run = Run([rule], [event(text("ok", "t")), event(text("very", "u", "h"))])
    run.feed(event(text(" bad", "t")))
    run.end()
    assert texts_of(run.out, "t") == "ok"
    assert texts_of(run.out, "u") == ""


def test_a_frame_in_which_a_later_part_is_blocked_does_not_leave() -> None:
    rule = FakeRule(Words("bad"), BLOCK, "r")
    run = Run([rule], [event(text("fine", "t")), event(text("fine", "t"), text("bad", "u"))])
    assert run.text == "fine"
    assert run.said[-1] == {"stop": "pattern_found"}


# --- tool calls -----------------------------------------------------------------------------

CALL = [event(tool("c1", "shell")), *(event(args("c1", piece)) for piece in ('{"a', '": 1}'))]


def test_a_call_is_let_through_whole_once_it_is_judged() -> None:
    run = Run([DenyTools("other")])
    for one in CALL:
        assert run.window.feed(one) == b""
        assert run.window.waits
    done = event(tool_end("c1"))
    assert run.window.feed(done) == b"".join(one.raw for one in [*CALL, done])
    (call,) = run.exchange.tool_calls
    assert call.arguments == '{"a": 1}'
    assert run.exchange.tools[0].passed == '{"a": 1}'
    assert run.exchange.held_peak == len('{"a": 1}')


def test_nothing_of_a_forbidden_call_leaves() -> None:
    allowed = [event(tool("c2", "search")), event(args("c2", "{}")), event(tool_end("c2"))]
    run = Run([DenyTools("shell")], [*CALL, event(tool_end("c1")), *allowed]).end()
    assert b"shell" not in run.out
    assert run.out == b"".join(one.raw for one in allowed)
    assert "'shell'" in run.stream.removed["c1"]
    assert run.exchange.tools[0].passed is None
    (verdict,) = run.exchange.verdicts
    assert verdict.of_call
    assert run.window.blocked is None


def test_arguments_that_a_rule_rewrites_are_let_through_rewritten() -> None:
    rule = FakeRule(Words("bad"), REWRITE, "r")
    events = [event(tool("c1", "f")), event(args("c1", '{"q": "b')), event(args("c1", 'ad"}'))]
    run = Run([rule], [*events, event(tool_end("c1"))]).end()
    assert '"[r:BAD]"' in run.out.decode().replace("\\", "")
    assert run.exchange.tools[0].passed != run.exchange.tools[0].asked


def test_a_call_that_breaks_off_is_judged_at_the_end() -> None:
    assert Run([DenyTools("shell")], CALL).end().out == b""
    assert Run([DenyTools("other")], CALL).end().out == b"".join(one.raw for one in CALL)


def test_arguments_of_a_call_that_never_began_are_judged_too() -> None:
    run = Run([FakeRule(Words("bad"), BLOCK, "r")], [event(args("c1", '"bad"'))]).end()
    assert b"bad" not in run.out
    assert "c1" in run.stream.removed


def test_arguments_behind_a_call_that_was_judged_stop_the_stream() -> None:
    run = Run([DenyTools("other")], [*CALL, event(tool_end("c1"))])
    run.feed(event(args("c1", "rm -rf")))
    assert b"rm -rf" not in run.out
    assert run.said[-1] == {"stop": "window_exceeded"}


def test_a_tool_rule_that_raises_follows_its_on_error() -> None:
    events = [event(tool("c1", "raise")), event(tool_end("c1"))]
    assert Run([DenyTools(on_error="block")], events).end().out == b""
    allowed = Run([DenyTools(on_error="allow")], events).end()
    assert allowed.out == b"".join(one.raw for one in events)
    assert [v.reason for v in allowed.exchange.verdicts] == [Reason.RULE_FAILED]


@pytest.mark.parametrize(
    "rule",
    [
        DenyTools("shell", mode=Mode.SHADOW),
        FakeRule(Words("1"), BLOCK, "r", mode=Mode.SHADOW),
        FakeRule(Words("1"), FLAG, "r"),
        FakeRule(Words("1"), BLOCK, "r", surfaces=["output"]),
    ],
)
def test_calls_wait_only_for_rules_that_may_change_them(rule: Rule) -> None:
    run = Run([rule])
    run.window.open()
    for one in [*CALL, event(tool_end("c1"))]:
        assert run.window.feed(one) == one.raw
    assert run.exchange.tools[0].passed == '{"a": 1}'


def test_text_of_another_group_goes_on_while_a_call_is_assembled() -> None:
    run = Run([DenyTools("other")], [event(text("a", "t", "g1"))])
    run.feed(event(tool("c1", "shell", "g2")))
    assert run.feed(event(text("b", "t", "g1"))) == "b"
    assert run.feed(event(text("new lane", "u", "g3"))) == ""
    run.feed(event(structure=1))
    assert run.feed(event(text("c", "t", "g1"))) == "c"
    assert run.feed(event(text("same group", "v", "g2"))) == ""
    run.feed(event(tool_end("c1", "g2")))
    kinds = [p["parts"][0][0] if "parts" in p else "structure" for p in run.said]
    order = ["text", "text", "text", "tool_start", "text", "structure", "text", "tool_end"]
    assert kinds == order


@given(st.lists(st.sampled_from("abAB12xX"), max_size=40))
@settings(max_examples=300, deadline=None)
def test_whatever_overtakes_each_group_keeps_its_own_order(script: list[str]) -> None:
    """Letters are text of groups a and b, capitals open and close calls there, digits text of
    calls, x structure."""
    open_calls: dict[str, str] = {}
    events: list[Event] = []
    for number, step in enumerate(script):
        group = "a" if step in "aA1x" else "b"
        if step in "ab":
            events.append(event(text(f"{number} ", f"t{group}", group)))
        elif step in "AB" and group in open_calls:
            events.append(event(tool_end(open_calls.pop(group), group)))
        elif step in "AB":
            open_calls[group] = f"c{number}"
            events.append(event(tool(f"c{number}", "f", group)))
        elif step in "12" and group in open_calls:
            events.append(event(args(open_calls[group], str(number), group)))
        else:
            events.append(event(structure=number))
    run = Run([DenyTools("other"), FakeRule(Words("zz"), REWRITE, "r")], events).end()
    came = b"".join(one.raw for one in events).splitlines()
    left = run.out.splitlines()
    assert sorted(came) == sorted(left)
    for group in ("a", "b"):
        mark = f'"{group}", '.encode()
        assert [line for line in came if mark in line] == [line for line in left if mark in line]


# --- what cannot be read, rules that fail, signed reasoning ------------------------------------


def test_what_cannot_be_read_is_judged_once_a_stream() -> None:
    rule = FakeRule(Words("bad"), FLAG, "r", unscannable="flag")
    images = [event(image=n, unscannable=[["image", "output"]]) for n in range(50)]
    run = Run([rule], [*images, event(unscannable=[["audio", "output"]])]).end()
    assert [v.reason for v in run.exchange.verdicts] == [Reason.UNSCANNABLE_CONTENT] * 2
    assert len(run.said) == 51


def test_what_cannot_be_read_is_blocked_where_the_rule_says_so() -> None:
    rule = FakeRule(Words("bad"), FLAG, "r", unscannable="block")
    image = event(image=1, unscannable=[["image", "output"]])
    assert Run([rule], [event(start=True), image]).end().out == b""
    run = Run([rule], [event(text("hello")), image]).end()
    assert run.text == "hello"
    assert run.said[-1] == {"stop": "unscannable_content"}


@pytest.mark.parametrize("hold_too", [False, True])
@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.SHADOW])
def test_a_scanner_that_raises_follows_the_rules_on_error(hold_too: bool, mode: Mode) -> None:
    good = FakeRule(Words("good"), REWRITE, "good")
    for on_error in ("block", "allow"):
        broken = FakeRule(
            Broken("x", hold_too=hold_too), REWRITE, "broken", on_error=on_error, mode=mode
        )
        run = Run([broken, good], stream(["a good ", "x good", " end"])).end()
        stopped = on_error == "block" and mode is Mode.ENFORCE
        assert run.text == ("a [good:GOOD] " if stopped else "a [good:GOOD] x [good:GOOD] end")
        assert [v.reason for v in run.exchange.verdicts].count(Reason.RULE_FAILED) == 1
        assert (run.window.blocked is not None) == stopped


def test_a_replacement_that_raises_follows_the_rules_on_error() -> None:
    class Raising(FakeRule):
        def replacement(self, text: str, finding: object) -> str:
            raise KeyError("broken")

    blocked = Run([Raising(Words("bad"), REWRITE, "r")], stream(["so ", "bad"])).end()
    assert blocked.text == "so "
    assert blocked.window.blocked is not None
    rule = Raising(Words("bad"), REWRITE, "r", on_error="allow")
    passed = Run([rule], stream(["so ", "bad bad"])).end()
    assert passed.text == "so bad bad"
    assert [v.reason for v in passed.exchange.verdicts].count(Reason.RULE_FAILED) == 1


def test_signed_reasoning_is_flagged_or_blocked_and_never_rewritten() -> None:
    def signed(action: Action) -> Run:
        events = [event(text(part, "t", "g", "reasoning", True)) for part in ("so b", "ad ", "x")]
        return Run([FakeRule(Words("bad"), action, "r")], events).end()

    rewriting = signed(REWRITE)
    assert rewriting.text == "so bad x"
    assert [v.action for v in rewriting.exchange.verdicts] == [FLAG]
    assert signed(BLOCK).window.blocked is not None


# --- matches longer than the window -------------------------------------------------------------


def test_a_match_longer_than_the_window_follows_on_error_and_is_not_rewritten_in_part() -> None:
    said = "<" + "x" * 600 + "> end"
    for on_error in ("block", "allow"):
        rule = FakeRule(Quotes(), REWRITE, "r", on_error=on_error)
        run = Run([rule], stream(list(said))).end()
        assert (run.window.blocked is not None) == (on_error == "block")
        assert [v.reason for v in run.exchange.verdicts] == [Reason.WINDOW_EXCEEDED]
        assert run.exchange.held_peak <= 512
        if on_error == "allow":
            assert run.text == said


def test_a_longer_match_that_a_rule_blocks_is_blocked_all_the_same() -> None:
    rule = FakeRule(Quotes(), BLOCK, "r", on_error="allow")
    run = Run([rule], stream(list("<" + "x" * 600 + "> end"))).end()
    assert run.window.blocked is not None
    assert run.window.blocked.reason is Reason.PATTERN_FOUND


# --- bounds -------------------------------------------------------------------------------------


def test_a_stream_that_makes_the_window_hold_too_much_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_window, "MAX_HELD", 2000)
    run = Run([DenyTools("other")], [event(text("hi"))])
    run.feed(event(tool("c1", "f")))
    for _ in range(100):
        run.feed(event(args("c1", "x" * 50)))
    assert run.window._queue.size == 0
    assert run.said[-1] == {"stop": "window_exceeded"}
    assert b"xxx" not in run.out


def test_a_stream_with_too_many_lanes_is_stopped_where_rules_act(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_window, "MAX_LANES", 20)
    events = [event(text("x", f"t{n}")) for n in range(30)]
    acting = Run([FakeRule(Words("bad"), REWRITE, "r")], events)
    assert acting.window.blocked is not None
    looking = Run([FakeRule(Words("bad"), FLAG, "r")], [*events, event(text("bad", "t40"))]).end()
    assert len(looking.window._texts) == 20
    assert looking.out == b"".join(one.raw for one in events) + event(text("bad", "t40")).raw
    assert [v.action for v in looking.exchange.verdicts] == [FLAG]


def test_lanes_that_have_ended_are_forgotten() -> None:
    rule = FakeRule(Words("bad"), REWRITE, "r")
    run = Run([rule])
    for number in range(50):
        run.feed(event(text("x", f"t{number}"), end(f"t{number}")))
    assert run.window._texts == {}


def test_a_stream_that_no_rule_watches_passes_untouched_and_is_noted() -> None:
    events = [event(start=True), event(text("né")), *CALL, event(tool_end("c1"))]
    run = Run([])
    for one in events:
        assert run.window.feed(one) == one.raw
    assert run.window.text_out == 3 + len('{"a": 1}')
    assert run.exchange.tools[0].passed == '{"a": 1}'
    assert not run.window.waits


def test_arguments_that_nobody_holds_are_kept_up_to_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_window, "MAX_HELD", 100)
    run = Run([], [event(tool("c1", "f")), *(event(args("c1", "x" * 30)) for _ in range(99))])
    run.end()
    assert len(run.exchange.tool_calls[0].arguments) <= 130


def test_the_cost_of_a_frame_does_not_grow_with_what_waits() -> None:
    """Counted in steps, not in seconds: how often a waiting frame is looked at."""
    looked = 0
    real = stream_window.Held.ready.fget
    assert real is not None

    class Counting(stream_window.Held):
        @property
        def ready(self) -> bool:
            nonlocal looked
            looked += 1
            return bool(real(self))

    original = stream_window.Held
    stream_window.Held = Counting  # type: ignore[misc]
    try:
        run = Run([DenyTools("other")], [event(text("a", "t", "g2")), event(tool("c1", "f"))])
        for number in range(3000):
            run.feed(event(args("c1", "x")))
            run.feed(event(text("b", "t", "g2") if number % 2 else text("c", "u", "g3")))
        run.feed(event(tool_end("c1")))
        run.end()
    finally:
        stream_window.Held = original  # type: ignore[misc]
    assert looked < 8 * 6000
    assert not run.window.waits
