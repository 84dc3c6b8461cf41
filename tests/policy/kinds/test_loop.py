"""`loop`: what repeats is stopped, what gets on passes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Step, StepKind, Surface, ToolCall, Unscannable
from gateway.exchange import Exchange
from gateway.policy.kinds.loop import (
    WARNING_HEADER,
    LoopOptions,
    LoopRule,
    failures,
    model_steps,
    repetition,
)
from gateway.testing import make_call, make_exchange, make_workshop
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict

HUMAN = Step(StepKind.HUMAN)


def calls(*made: tuple[str, Any, str], error: bool | None = None) -> list[Step]:
    """One model step with its calls (tool, arguments, result), and their results."""
    calls.count = getattr(calls, "count", 0) + 1  # type: ignore[attr-defined]
    step, results = Step(StepKind.MODEL), []
    for number, (name, arguments, result) in enumerate(made):
        key = f"call_{calls.count}_{number}"  # type: ignore[attr-defined]
        raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
        step.calls.append(ToolCall(key, name, raw))
        results.append(Step(StepKind.RESULT, call_id=key, text=result, is_error=error))
    return [step, *results]


def same(times: int, result: str = "none") -> list[Step]:
    return [step for _ in range(times) for step in calls(("search", {"q": "x"}, result))]


def judge(
    steps: list[Step], *, mode: Mode = Mode.ENFORCE, active: float = 0.0, **keys: Any
) -> tuple[list[Verdict], Exchange]:
    options = LoopOptions.model_validate({"kind": "loop", **keys})
    rule = LoopRule(options, RuleRef("p", "loop", "loop"), mode, make_workshop())
    exchange = make_exchange(make_call(steps=steps))
    exchange.active_seconds = active
    return list(rule.on_request(exchange)), exchange


def test_it_warns_first_and_then_blocks() -> None:
    assert judge([HUMAN, *same(3)])[0] == []
    (warning,), exchange = judge([HUMAN, *same(4)])
    assert (warning.action, warning.reason) == (Action.FLAG, Reason.LOOP_DETECTED)
    assert "search" in exchange.notices[WARNING_HEADER]
    (block,), exchange = judge([HUMAN, *same(5)])
    assert (block.action, block.reason) == (Action.BLOCK, Reason.LOOP_DETECTED)
    assert "the tool search 5 times" in block.what
    assert block.instead
    assert WARNING_HEADER not in exchange.notices


def test_polling_passes() -> None:
    steps = [HUMAN]
    for percent in range(60):
        steps += calls(("status", {"job": 7}, f"{percent}% done"))
    assert judge(steps)[0] == []


def test_a_result_that_changes_starts_the_count_anew() -> None:
    assert repetition([HUMAN, *same(4), *same(1, "found"), *same(4)])[0] == 4


def test_the_order_of_keys_and_white_space_change_nothing() -> None:
    steps = [HUMAN]
    for arguments in ('{"a":1,"b":2}', '{ "b": 2, "a": 1 }', '{"b":2,"a":1}', '{"a": 1,"b":2}'):
        steps += calls(("f", arguments, "same"))
    assert repetition(steps) == (4, ("f",))


def test_arguments_that_are_no_json_are_compared_as_text() -> None:
    steps = [HUMAN, *calls(("sh", "ls -l", "x")), *calls(("sh", " ls -l ", "x"))]
    assert repetition(steps)[0] == 2
    assert repetition([*steps, *calls(("sh", "ls -a", "x"))])[0] == 1


@pytest.mark.parametrize("period", [1, 2, 3])
def test_a_round_of_up_to_three_calls_is_a_loop(period: int) -> None:
    steps = [HUMAN]
    for turn in range(5 * period):
        steps += calls((f"tool{turn % period}", {}, "same"))
    (verdict,), _ = judge(steps)
    assert verdict.action is Action.BLOCK
    assert all(f"tool{n}" in verdict.what for n in range(period))


def test_parallel_calls_repeat_as_a_step_in_any_order() -> None:
    made = [(f"t{n}", {"n": n}, "same") for n in range(6)]
    steps = [HUMAN]
    for turn in range(5):
        steps += calls(*(made if turn % 2 else reversed(made)))
    assert judge(steps)[0][0].action is Action.BLOCK
    assert judge(steps[: -len(made) - 1])[0][0].action is Action.FLAG


def test_the_same_call_many_times_in_one_step_is_a_loop() -> None:
    steps = [HUMAN, *calls(*[("search", {"q": "x"}, "none")] * 5)]
    assert judge(steps)[0][0].action is Action.BLOCK


def test_work_between_two_same_calls_is_no_loop() -> None:
    steps = [HUMAN]
    for turn in range(20):
        steps += calls(("edit", {"line": turn}, "ok"))
        steps += calls(("test", {}, "1 failed"))
    assert judge(steps)[0] == []


def test_a_human_message_starts_afresh() -> None:
    assert judge([HUMAN, *same(9), HUMAN])[0] == []
    assert judge([HUMAN, *same(9), HUMAN, *same(3)], max_steps=3, max_errors=5)[0][0].action is (
        Action.FLAG
    )


def test_calls_without_a_result_say_nothing() -> None:
    step = Step(StepKind.MODEL, calls=[ToolCall("x", "search", "{}")])
    assert repetition([HUMAN, *[step] * 9]) == (0, ())
    assert repetition([]) == (0, ())


def test_ids_that_providers_use_again_are_joined_to_the_right_call() -> None:
    steps = [HUMAN]
    for number in range(5):
        steps.append(Step(StepKind.MODEL, calls=[ToolCall("call_0", "f", "{}")]))
        steps.append(Step(StepKind.RESULT, call_id="call_0", text=str(number)))
    assert repetition(steps)[0] == 1


def test_steps_are_counted_since_the_last_human_message() -> None:
    steps = [HUMAN]
    for turn in range(50):
        steps += calls(("f", {"n": turn}, str(turn)))
    assert model_steps([*steps, HUMAN]) == 0
    assert judge(steps[:-10], max_steps=50)[0] == []
    (warning,), exchange = judge(steps, max_steps=50)
    assert warning.action is Action.FLAG
    assert "50 model steps" in exchange.notices[WARNING_HEADER]
    (block,), _ = judge([*steps, *calls(("f", {}, ""))], max_steps=50)
    assert block.action is Action.BLOCK


@pytest.mark.parametrize(
    ("text", "error", "fails"),
    [
        ("anything", True, True),
        ("Error: no", False, False),
        ("Error: no such file", None, True),
        ("Traceback (most recent call last):\n...", None, True),
        ('{"error": "not found"}', None, True),
        ('{"code": 5, "error": {"message": "x"}}', None, True),
        ('{"success": false}', None, True),
        ('{"is_error": true}', None, True),
        ('{"error": null, "rows": []}', None, False),
        ('{"errors": 0}', None, False),
        ("Errors were not found", None, False),
        ("the word error in a text", None, False),
        ("", None, False),
    ],
)
def test_a_failure_is_what_the_dialect_says_or_how_failures_look(
    text: str, error: bool | None, fails: bool
) -> None:
    steps = [HUMAN, *calls(("f", {}, text), error=error)]
    assert failures(steps) == int(fails)


def test_failures_in_a_row_are_stopped_whatever_was_called() -> None:
    steps = [HUMAN, *calls(("f", {}, "fine"))]
    for turn in range(6):
        steps += calls((f"f{turn}", {"n": turn}, f"Error: {turn}"))
    assert judge(steps)[0] == []
    assert judge(steps, max_errors=8)[0] == []
    assert judge(steps, max_errors=7)[0][0].action is Action.FLAG
    assert judge(steps, max_errors=6)[0][0].action is Action.BLOCK
    assert judge([*steps, *calls(("f", {}, "fine"))], max_errors=1)[0] == []
    assert judge(steps[:-8], max_errors=1)[0][0].action is Action.BLOCK


def test_active_time_warns_and_blocks() -> None:
    assert judge([HUMAN], max_active="10m", active=479.0)[0] == []
    assert judge([HUMAN], max_active="10m", active=480.0)[0][0].action is Action.FLAG
    assert judge([HUMAN], max_active="10m", active=600.0)[0][0].action is Action.FLAG
    assert judge([HUMAN], max_active="10m", active=601.0)[0][0].action is Action.BLOCK


def test_shadow_warns_nobody() -> None:
    (verdict,), exchange = judge([HUMAN, *same(4)], mode=Mode.SHADOW)
    assert verdict.enforced is Action.ALLOW
    assert not exchange.notices


def test_two_warnings_stand_side_by_side() -> None:
    verdicts, exchange = judge([HUMAN, *same(4)], max_steps=4)
    assert len(verdicts) == 2
    assert exchange.notices[WARNING_HEADER].count("p/loop:") == 2


def test_a_warning_is_a_safe_header_whatever_the_tool_is_called() -> None:
    steps = [HUMAN, *[s for _ in range(4) for s in calls(("a\r\nset-cookie: ä", {}, "x"))]]
    _, exchange = judge(steps)
    value = exchange.notices[WARNING_HEADER]
    assert value.isascii()
    assert value.isprintable()


def test_a_rule_for_some_tools_leaves_the_others_alone() -> None:
    assert judge([HUMAN, *same(9)], when={"tool": ["shell_*"]})[0] == []
    assert judge([HUMAN, *same(9)], when={"tool": ["sea*"]})[0]


def test_repeats_can_be_left_out() -> None:
    assert judge([HUMAN, *same(9)], repeats=None)[0] == []


def test_a_history_that_the_provider_keeps_follows_unscannable() -> None:
    def verdicts(**keys: Any) -> list[Verdict]:
        options = LoopOptions.model_validate({"kind": "loop", **keys})
        rule = LoopRule(options, RuleRef("p", "loop", "loop"), Mode.ENFORCE, make_workshop())
        hidden = Unscannable("history", Surface.USER, "previous_response_id")
        return list(rule.on_request(make_exchange(make_call(unscannable=[hidden]))))

    assert [v.action for v in verdicts()] == [Action.FLAG]
    assert [v.action for v in verdicts(unscannable="block")] == [Action.BLOCK]
    assert verdicts(unscannable="allow") == []


def test_embeddings_have_no_steps() -> None:
    call = make_call(steps=[HUMAN, *same(9)])
    call.operation = "embeddings"
    options = LoopOptions.model_validate({"kind": "loop"})
    rule = LoopRule(options, RuleRef("p", "loop", "loop"), Mode.ENFORCE, make_workshop())
    assert rule.on_request(make_exchange(call)) == ()


def test_loops_fail_open() -> None:
    assert LoopOptions.model_validate({"kind": "loop"}).on_error == "allow"


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xy")), max_size=40),
    st.integers(1, 3),
    st.integers(1, 8),
)
def test_any_cycle_is_counted_whatever_came_before(
    before: list[tuple[str, str]], period: int, times: int
) -> None:
    steps = [HUMAN]
    for name, result in before:
        steps += calls((name, {}, result))
    for turn in range(period * times):
        steps += calls((f"loop{turn % period}", {}, "same"))
    assert repetition(steps)[0] >= times
    assert repetition([*steps, HUMAN]) == (0, ())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.text(max_size=3)), max_size=30))
def test_no_count_is_above_how_often_the_rarest_was_made(made: list[tuple[str, str]]) -> None:
    steps = [HUMAN]
    for name, result in made:
        steps += calls((name, {}, result))
    count, _ = repetition(steps)
    pairs = [(name, result.strip()) for name, result in made]
    assert count <= max((pairs.count(pair) for pair in pairs), default=0)
