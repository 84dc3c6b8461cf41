"""Whole answers, and what streams share with them."""

from __future__ import annotations

import json
from typing import Any

from gateway.dialects.base import Surface, ToolCall, Unscannable
from gateway.dialects.registry import DIALECTS
from gateway.message import Headers, Request
from gateway.policy.answer_guard import AnswerGuard, AnswerRules
from gateway.policy.content import ContentRules
from gateway.policy.rule import Rule
from gateway.policy.text_window import Seen
from gateway.testing import make_exchange
from gateway.verdict import Action, Finding, Mode, Reason
from tests.policy.fakes import DenyTools, FakeRule, Quotes, Words, make_guard

FLAG, REWRITE, BLOCK = Action.FLAG, Action.REWRITE, Action.BLOCK
CHAT = DIALECTS["openai_chat"]
ASKED = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()


def answer(content: str | None, *calls: tuple[str, str], finish: str = "stop") -> Any:
    tools = [
        {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": said}}
        for n, (name, said) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": content, **({"tool_calls": tools} if tools else {})}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
    call = CHAT.decode(Request("POST", "/v1/chat/completions", Headers(), ASKED), ASKED)
    return CHAT.decode_answer(call, json.dumps(body).encode())


def message_of(made: Any) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(made.encode())["choices"][0]["message"]
    return message


def bad(action: Action, **keys: Any) -> FakeRule:
    return FakeRule(Words("bad"), action, "r", **keys)


# --- which rules matter ---------------------------------------------------------------------


def rules(*some: Rule) -> AnswerRules:
    return AnswerRules(some, ContentRules(r for r in some if isinstance(r, FakeRule)))


def test_rules_are_sorted_out_by_what_they_may_do() -> None:
    none, looking, acting = rules(), rules(bad(FLAG)), rules(bad(BLOCK))
    assert (none.idle, looking.idle, acting.idle) == (True, False, False)
    assert (none.only_look, looking.only_look, acting.only_look) == (True, True, False)
    assert acting.hold_calls
    assert acting.may_stop
    assert not rules(bad(BLOCK, mode=Mode.SHADOW)).may_stop
    assert rules(bad(FLAG, unscannable="block")).may_stop
    tools = rules(DenyTools("x"))
    assert (tools.hold_calls, tools.may_stop) == (True, False)
    assert not rules(DenyTools("x", mode=Mode.SHADOW)).hold_calls
    assert not rules(bad(BLOCK, surfaces=["output"])).hold_calls
    assert not rules(bad(BLOCK, surfaces=["tool_call"])).may_stop


def test_only_rules_on_what_an_answer_can_have_make_its_opening_wait() -> None:
    answers = frozenset({Surface.OUTPUT, Surface.TOOL_CALL})
    assert rules(bad(BLOCK, surfaces=["output"])).may_stop_on(answers)
    assert not rules(bad(BLOCK, surfaces=["user"])).may_stop_on(answers)
    assert rules(bad(FLAG, unscannable="block")).may_stop_on(answers)
    assert not rules(bad(FLAG, unscannable="block", surfaces=["user"])).may_stop_on(answers)
    assert rules(bad(BLOCK, surfaces=["tool_result"])).may_stop_on(answers | {Surface.TOOL_RESULT})


def test_signed_text_is_held_only_for_rules_that_block() -> None:
    some = rules(bad(REWRITE), bad(BLOCK), bad(FLAG))
    assert len(some.holders(Surface.REASONING, readonly=False)) == 2
    assert [r.action_on(Surface.REASONING) for r in some.holders(Surface.REASONING, readonly=True)]
    assert len(some.watchers(Surface.REASONING, readonly=True)) == 2


# --- whole answers --------------------------------------------------------------------------


def test_an_answer_that_nothing_objects_to_keeps_its_bytes() -> None:
    made = answer("fine", ("f", "{}"))
    before = made.encode()
    guard = make_guard([bad(BLOCK), DenyTools("x")])
    assert guard.on_answer(made) is None
    assert made.encode() == before
    assert guard.exchange.verdicts == []
    assert [trace.name for trace in guard.exchange.tools] == ["f"]


def test_text_is_rewritten_or_blocked() -> None:
    made = answer("so bad")
    assert make_guard([bad(REWRITE)]).on_answer(made) is None
    assert message_of(made)["content"] == "so [r:BAD]"
    guard = make_guard([bad(BLOCK)])
    verdict = guard.on_answer(answer("so bad"))
    assert verdict is not None
    assert "The answer was not delivered." in guard.blocked_message(verdict)
    assert guard.exchange.stopped is verdict


def test_a_forbidden_call_is_taken_out_and_the_rest_goes_on() -> None:
    made = answer("I do both", ("rm", "{}"), ("ls", "{}"), finish="tool_calls")
    guard = make_guard([DenyTools("rm")])
    assert guard.on_answer(made) is None
    assert [c["function"]["name"] for c in message_of(made)["tool_calls"]] == ["ls"]
    assert [trace.passed for trace in guard.exchange.tools] == [None, "{}"]
    assert guard.exchange.stopped is None
    assert guard.exchange.action is BLOCK


def test_the_only_call_leaves_a_text_that_says_why() -> None:
    made = answer(None, ("rm", "{}"), finish="tool_calls")
    make_guard([DenyTools("rm")]).on_answer(made)
    message = message_of(made)
    assert "tool_calls" not in message
    assert "'rm'" in message["content"]


def test_arguments_are_read_as_a_parser_would() -> None:
    made = answer(None, ("f", '{"q": "b\\u0061d", "bad": 1}'))
    guard = make_guard([bad(REWRITE)])
    guard.on_answer(made)
    arguments = message_of(made)["tool_calls"][0]["function"]["arguments"]
    assert json.loads(arguments)["q"] == "[r:BAD]"
    assert guard.exchange.tools[0].asked != guard.exchange.tools[0].passed
    (verdict,) = guard.exchange.verdicts
    assert verdict.surface == "tool_call"


def test_arguments_that_a_rule_blocks_take_the_call_out() -> None:
    made = answer("ok", ("f", '{"q": "bad"}'))
    guard = make_guard([bad(BLOCK, surfaces=["tool_call"])])
    assert guard.on_answer(made) is None
    assert "tool_calls" not in message_of(made)
    (verdict,) = guard.exchange.verdicts
    assert verdict.of_call


def test_calls_that_were_taken_out_do_not_count_as_earlier_ones() -> None:
    seen: list[list[str]] = []

    class Watching(DenyTools):
        def on_tool_call(self, exchange, call, earlier):  # type: ignore[no-untyped-def]
            seen.append([each.name for each in earlier])
            return super().on_tool_call(exchange, call, earlier)

    make_guard([Watching("rm")]).on_answer(answer(None, ("rm", "{}"), ("a", "{}"), ("b", "{}")))
    assert seen == [[], [], ["a"]]


def test_shadow_rules_change_nothing_of_an_answer() -> None:
    made = answer("bad", ("rm", '{"q": "bad"}'))
    before = made.encode()
    some = [bad(BLOCK, mode=Mode.SHADOW), DenyTools("rm", mode=Mode.SHADOW)]
    guard = make_guard(some)
    assert guard.on_answer(made) is None
    assert made.encode() == before
    assert len(guard.exchange.verdicts) == 3
    assert guard.exchange.action is Action.ALLOW


def test_what_an_answer_hides_follows_unscannable() -> None:
    for setting, stops in (("block", True), ("flag", False)):
        guard = make_guard([bad(FLAG, unscannable=setting)])
        image = Unscannable("image", Surface.OUTPUT, "x")
        assert (guard.on_unscannable([image]) is not None) == stops
        assert (guard.on_unreadable() is not None) == stops
        assert guard.on_unscannable([]) is None


# --- what a stream asks ----------------------------------------------------------------------


def seen(rule: FakeRule, *, late: bool = False, unfinished: bool = False) -> Seen:
    return Seen(rule, None if unfinished else Finding("BAD", 0, 3), "bad", 0, 3, late)


def output(guard: AnswerGuard, what: Seen) -> Any:
    return guard.on_text(what, Surface.OUTPUT, False)


def test_findings_of_a_stream_become_one_verdict_a_rule_and_action() -> None:
    first, second = bad(REWRITE), FakeRule(Words("x"), FLAG, "s")
    guard = make_guard([first, second])
    for rule in (second, first, first):
        assert output(guard, seen(rule)) is None
    assert guard.exchange.verdicts == []
    guard.finish()
    guard.finish()
    assert [(v.rule.id, v.entities) for v in guard.exchange.verdicts] == [
        ("r", {"BAD": 2}),
        ("s", {"BAD": 1}),
    ]


def test_a_match_of_which_a_part_has_gone_follows_on_error_once() -> None:
    for on_error in ("block", "allow"):
        rule = FakeRule(Quotes(), REWRITE, "r", on_error=on_error)
        guard = make_guard([rule])
        for what in (seen(rule, late=True), seen(rule, late=True), seen(rule, unfinished=True)):
            output(guard, what)
        (verdict,) = guard.exchange.verdicts
        assert verdict.reason is Reason.WINDOW_EXCEEDED
        assert verdict.stops == (on_error == "block")


def test_what_only_may_have_been_a_match_is_no_finding_for_a_rule_that_flags() -> None:
    guard = make_guard([])
    assert output(guard, seen(bad(FLAG), unfinished=True)) is None
    assert output(guard, seen(bad(FLAG), late=True)) is None
    assert guard.exchange.verdicts == []


def test_a_rule_that_raises_in_a_stream_is_heard_once() -> None:
    for on_error in ("block", "allow"):
        rule = bad(REWRITE, on_error=on_error)
        guard = make_guard([rule])
        verdict = guard.on_rule_error(rule, ValueError())
        assert (verdict is not None) == (on_error == "block")
        assert guard.on_rule_error(rule, ValueError()) is None
        assert len(guard.exchange.verdicts) == 1


def test_an_overflow_names_a_rule_that_is_enforced() -> None:
    guard = make_guard([DenyTools("x", mode=Mode.SHADOW), bad(BLOCK)])
    verdict = guard.overflow()
    assert (verdict.rule.id, verdict.reason) == ("r", Reason.WINDOW_EXCEEDED)
    assert verdict.stops


def test_the_record_gets_digests_of_arguments_and_no_content() -> None:
    exchange = make_exchange()
    some = rules()
    guard = AnswerGuard(exchange, some, None, lambda said: f"d{len(said)}")  # type: ignore[arg-type]
    guard.on_call(ToolCall("c", "f", '{"a": 1}'))
    assert [(t.name, t.asked, t.passed) for t in exchange.tools] == [("f", "d8", "d8")]


# --- what a server offers -------------------------------------------------------------------


def offered(**descriptions: str) -> Any:
    tools = [{"name": name, "description": text} for name, text in descriptions.items()]
    body = {"jsonrpc": "2.0", "id": 1, "result": {"tools": tools, "nextCursor": "2"}}
    mcp = DIALECTS["mcp"]
    call = mcp.decode(Request("POST", "/up", Headers(), LISTING), LISTING)
    return mcp.decode_answer(call, json.dumps(body).encode())


def names_of(made: Any) -> list[str]:
    return [tool["name"] for tool in json.loads(made.encode())["result"]["tools"]]


LISTING = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'


def test_of_a_list_only_the_tool_is_lost_whose_words_are_blocked() -> None:
    guard = make_guard([bad(BLOCK, surfaces=["tool_definition"])])
    made = offered(a="fine", b="this is bad", c="fine")
    assert guard.on_answer(made) is None
    assert names_of(made) == ["a", "c"]
    (verdict,) = guard.exchange.verdicts
    assert (verdict.action, verdict.of_call, verdict.instead) == (BLOCK, True, "")
    assert verdict.entities == {"BAD": 1}
    assert json.loads(made.encode())["result"]["nextCursor"] == "2"


def test_a_rule_in_shadow_takes_no_tool_out() -> None:
    rule = FakeRule(Words("bad"), BLOCK, "r", surfaces=["tool_definition"], mode=Mode.SHADOW)
    guard = make_guard([rule])
    made = offered(b="this is bad")
    assert guard.on_answer(made) is None
    assert names_of(made) == ["b"]
    assert [v.action for v in guard.exchange.verdicts] == [BLOCK]


class Broken(DenyTools):
    def on_offer(self, exchange: Any, tools: Any) -> Any:
        raise KeyError("gone")


def test_a_list_that_a_rule_could_not_judge_is_lost_unless_the_rule_lets_it_pass() -> None:
    stopped = make_guard([Broken("x")]).on_answer(offered(a="fine"))
    assert stopped is not None
    assert stopped.reason is Reason.RULE_FAILED
    assert make_guard([Broken("x", on_error="allow")]).on_answer(offered(a="fine")) is None


def test_what_is_wrong_with_an_answer_is_nothing_to_remove_from_the_request() -> None:
    made = make_guard([bad(BLOCK, surfaces=["tool_result"])])
    body = b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"bad"}]}}'
    call = DIALECTS["mcp"].decode(Request("POST", "/up", Headers(), LISTING), LISTING)
    stopped = made.on_answer(DIALECTS["mcp"].decode_answer(call, body))
    assert stopped is not None
    assert stopped.instead == "Ask in another way, or go on without it."
