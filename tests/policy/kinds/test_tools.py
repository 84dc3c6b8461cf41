"""`tools`: what a request may declare, what the model may call, and how often."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import DeclaredTool, Step, StepKind, Surface, ToolCall, Unscannable
from gateway.policy.kinds.tools import ToolsOptions, ToolsRule
from gateway.testing import PlainCall, make_call, make_exchange, make_workshop
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict


def make(mode: Mode = Mode.ENFORCE, **keys: Any) -> ToolsRule:
    options = ToolsOptions.model_validate({"kind": "tools", **keys})
    return ToolsRule(options, RuleRef("p", "tools", "tools"), mode, make_workshop())


def declared(call: PlainCall, mode: Mode = Mode.ENFORCE, **keys: Any) -> list[Verdict]:
    return list(make(mode, **keys).on_request(make_exchange(call)))


def called(
    name: str,
    *,
    tools: list[str | DeclaredTool] | None = None,
    earlier: int = 0,
    steps: list[Step] | None = None,
    hosted: bool = False,
    knows_tools: bool = True,
    **keys: Any,
) -> Verdict | None:
    call = make_call(steps=steps or [])
    call.knows_tools = knows_tools
    call.tools = [DeclaredTool(tool) if isinstance(tool, str) else tool for tool in tools or [name]]
    before = [ToolCall(f"e{n}", "earlier", "{}") for n in range(earlier)]
    one = ToolCall("c", name, "{}", hosted=hosted)
    return make(**keys).on_tool_call(make_exchange(call), one, before)


def test_a_forbidden_tool_is_taken_out_of_the_request() -> None:
    call = make_call(tools=["search", "Shell_Exec", "delete_database"])
    (verdict,) = declared(call, deny=["shell_*", "delete_database"])
    assert (verdict.action, verdict.reason) == (Action.REWRITE, Reason.TOOL_DENIED)
    assert "Shell_Exec, delete_database" in verdict.what
    assert [tool.name for tool in call.tools] == ["search"]


def test_a_request_with_a_forbidden_tool_is_refused_where_the_rule_says_so() -> None:
    call = make_call(tools=["search", "shell_exec"])
    (verdict,) = declared(call, deny=["shell_*"], on_declared="block")
    assert verdict.action is Action.BLOCK
    assert not call.document.changed


def test_what_is_not_allowed_is_forbidden() -> None:
    call = make_call(tools=["search", "write"])
    declared(call, allow=["search", "read_*"])
    assert [tool.name for tool in call.tools] == ["search"]


def test_allowed_tools_pass_untouched() -> None:
    call = make_call(tools=["search", "read_file"])
    assert declared(call, allow=["search", "read_*"], deny=["shell"]) == []
    assert not call.document.changed


def test_shadow_takes_nothing_out() -> None:
    call = make_call(tools=["shell"])
    (verdict,) = declared(call, Mode.SHADOW, deny=["shell"])
    assert verdict.enforced is Action.ALLOW
    assert len(call.tools) == 1


@pytest.mark.parametrize(
    ("keys", "stays"),
    [
        ({"deny": ["web_search_2025*"]}, False),
        ({"deny": ["web_search"]}, False),
        ({"allow": ["web_search"]}, True),
        ({"allow": ["web_search_2025*"]}, True),
        ({"allow": ["other"]}, False),
    ],
)
def test_a_hosted_tool_goes_by_its_type_and_its_names(keys: dict[str, Any], stays: bool) -> None:
    call = make_call()
    call.tools = [DeclaredTool("web_search_20250305", hosted=True, covers=("web_search",))]
    declared(call, **keys)
    assert bool(call.tools) is stays


def test_a_toolset_goes_as_a_whole() -> None:
    call = make_call()
    call.tools = [DeclaredTool("mcp", hosted=True, covers=("read_issue", "delete_repo"))]
    declared(call, allow=["read_*"])
    assert call.tools == []


@pytest.mark.parametrize(
    ("keys", "stays"),
    [
        ({"allow": ["github"]}, True),
        ({"allow": ["mcp"]}, True),
        ({"allow": ["list_*"]}, True),
        ({"allow": ["search"]}, False),
        ({"deny": ["mcp"]}, False),
        ({"deny": ["list_issues"]}, False),
    ],
)
def test_a_server_of_tools_goes_by_label_type_or_tools(keys: dict[str, Any], stays: bool) -> None:
    call = make_call()
    call.tools = [DeclaredTool("github", hosted=True, covers=("mcp", "list_issues"))]
    declared(call, **keys)
    assert bool(call.tools) is stays
    if "allow" in keys:
        verdict = called(
            "list_issues",
            tools=[DeclaredTool("github", hosted=True, covers=("mcp", "list_issues"))],
            hosted=True,
            **keys,
        )
        assert (verdict is None) is stays


def test_calls_of_an_allowed_server_may_have_any_name_but_a_forbidden_one() -> None:
    server: list[str | DeclaredTool] = [DeclaredTool("github", hosted=True, covers=("mcp",))]
    assert called("any", tools=server, hosted=True, allow=["github"]) is None
    assert called("any", tools=server, hosted=True, allow=["other"]) is not None
    assert called("any", tools=server, hosted=True, allow=["github"], deny=["any"]) is not None


def test_a_forbidden_call_is_taken_out() -> None:
    verdict = called("delete_database", deny=["delete_*"])
    assert verdict is not None
    assert (verdict.action, verdict.reason) == (Action.BLOCK, Reason.TOOL_DENIED)
    assert verdict.instead


def test_an_allowed_call_passes() -> None:
    assert called("search", allow=["search"], deny=["shell"]) is None


def test_a_call_outside_the_allowed_ones_is_taken_out() -> None:
    verdict = called("write", allow=["search"])
    assert verdict is not None
    assert verdict.reason is Reason.TOOL_DENIED


@pytest.mark.parametrize("name", ["SHELL", " shell ", "sh\u0435ll", "ｓhell", "she\u200dll"])
def test_no_trick_of_spelling_gets_a_call_through(name: str) -> None:
    verdict = called(name, deny=["shell"])
    assert verdict is not None
    assert verdict.action is Action.BLOCK


@pytest.mark.parametrize(
    ("setting", "action"), [("block", Action.BLOCK), ("flag", Action.FLAG), ("allow", None)]
)
def test_an_undeclared_call_follows_unknown(setting: str, action: Action | None) -> None:
    verdict = called("ghost", tools=["search"], unknown=setting)
    assert (verdict.action if verdict else None) is action
    assert verdict is None or verdict.reason is Reason.TOOL_UNKNOWN


def test_an_undeclared_call_is_flagged_unless_the_rule_says_otherwise() -> None:
    verdict = called("ghost", tools=["search"])
    assert verdict is not None
    assert verdict.action is Action.FLAG


def test_of_an_answer_that_was_made_earlier_nobody_knows_what_was_declared() -> None:
    assert called("ghost", tools=["search"], unknown="block", knows_tools=False) is None
    assert called("ghost", tools=["search"], deny=["ghost"], knows_tools=False) is not None
    assert called("ghost", tools=["search"], allow=["search"], knows_tools=False) is not None
    hosted = {"tools": ["search"], "hosted": True, "knows_tools": False}
    assert called("list_issues", allow=["github"], **hosted) is None  # judged as its server was


def test_a_tool_that_a_provider_defines_goes_by_its_type() -> None:
    editor = DeclaredTool("str_replace", types=("text_editor_20250728", "text_editor"))
    for deny in ("text_editor", "text_editor_2025*", "str_replace"):
        call = make_call()
        call.tools = [editor]
        assert declared(call, deny=[deny])
        assert not call.tools
    for allow in ("text_editor", "str_replace"):
        assert called("str_replace", tools=[editor], allow=[allow], unknown="block") is None
    assert called("other", tools=[editor], allow=["text_editor"]) is not None


def test_hosted_toolsets_count_as_declared() -> None:
    editor = DeclaredTool("text_editor_20250728", hosted=True, covers=("str_replace_based_edit",))
    server = DeclaredTool("mcp", hosted=True)
    assert called("str_replace_based_edit", tools=[editor], unknown="block") is None
    assert called("list_issues", tools=[server], hosted=True, unknown="block") is None
    assert called("list_issues", tools=[server], unknown="block") is not None
    assert called("list_issues", tools=["search"], hosted=True, unknown="block") is not None


def test_a_call_belongs_to_the_toolset_that_is_allowed() -> None:
    editor = DeclaredTool("text_editor_20250728", hosted=True, covers=("edit",))
    assert called("edit", tools=[editor], allow=["text_editor_*"]) is None
    assert called("other", tools=[editor], allow=["text_editor_*"]) is not None


def test_an_answer_may_make_so_many_calls() -> None:
    limit = {"max_calls": {"answer": 2}}
    assert called("a", earlier=1, **limit) is None
    verdict = called("a", earlier=2, **limit)
    assert verdict is not None
    assert (verdict.action, verdict.reason) == (Action.BLOCK, Reason.TOOL_LIMIT)


def run_of(calls: int) -> list[Step]:
    """An older run, then one with so many calls in its history."""
    made = [ToolCall(str(n), "a", "{}") for n in range(calls)]
    return [
        Step(StepKind.HUMAN),
        Step(StepKind.MODEL, calls=made * 3),
        Step(StepKind.HUMAN),
        Step(StepKind.MODEL, calls=made),
    ]


def test_a_run_may_make_so_many_calls() -> None:
    limit = {"max_calls": {"run": 5}}
    assert called("a", steps=run_of(3), earlier=1, **limit) is None
    verdict = called("a", steps=run_of(3), earlier=2, **limit)
    assert verdict is not None
    assert verdict.reason is Reason.TOOL_LIMIT
    assert "call 6" in verdict.what


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_limits_are_exact(limit: int, history: int, earlier: int) -> None:
    verdict = called(
        "a", steps=run_of(history), earlier=earlier, max_calls={"run": limit}, unknown="allow"
    )
    assert (verdict is not None) == (history + earlier + 1 > limit)


def test_forbidden_calls_in_the_resent_history_do_not_stop_the_session() -> None:
    steps = [
        Step(StepKind.HUMAN),
        Step(StepKind.MODEL, calls=[ToolCall("1", "shell", "{}")]),
        Step(StepKind.RESULT, call_id="1", text="done"),
    ]
    call = make_call(tools=["search"], steps=steps)
    assert declared(call, deny=["shell"], max_calls={"run": 1}) == []


def test_a_rule_for_some_tools_leaves_the_others_alone() -> None:
    keys: dict[str, Any] = {"when": {"tool": ["mcp__*"]}, "allow": ["mcp__read"]}
    call = make_call(tools=["shell", "mcp__read", "mcp__write"])
    declared(call, **keys)
    assert [tool.name for tool in call.tools] == ["shell", "mcp__read"]
    assert called("shell", **keys) is None
    assert called("mcp__write", **keys) is not None


def test_what_is_out_of_sight_follows_unscannable() -> None:
    hidden = Unscannable("history", Surface.USER, "previous_response_id")
    call = make_call(tools=["shell"], unscannable=[hidden])
    assert [v.action for v in declared(call, deny=["x"])] == []
    flag, removed = declared(call, deny=["shell"], max_calls={"run": 9})
    assert (flag.reason, removed.action) == (Reason.UNSCANNABLE_CONTENT, Action.REWRITE)
    (block,) = declared(call, max_calls={"run": 9}, unscannable="block")
    assert block.action is Action.BLOCK


@pytest.mark.parametrize(
    ("setting", "action"), [("block", Action.BLOCK), ("flag", Action.FLAG), ("allow", None)]
)
def test_a_request_that_runs_nothing_its_upstream_has_follows_unknown(
    setting: str, action: Action | None
) -> None:
    call = make_call()
    name = "GET /users/4111111111111111"
    call.invokes = [ToolCall("", name, "{}", unknown=True, shown_as="GET /users/*")]
    verdict = make(unknown=setting).on_tool_call(make_exchange(call), call.invokes[0], [])
    assert (verdict.action if verdict else None) == action
    if verdict:
        assert verdict.reason is Reason.TOOL_UNKNOWN
        assert "'GET /users/*'" in verdict.what
        assert "4111" not in verdict.what
    denied = make(deny=["get /users/*"]).on_tool_call(make_exchange(call), call.invokes[0], [])
    assert denied is not None
    assert denied.reason is Reason.TOOL_DENIED
    assert "4111" not in denied.what
