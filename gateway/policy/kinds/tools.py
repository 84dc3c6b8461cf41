"""`tools`: which tools a request may declare and the model may call, and how many calls.

Rules of this file:
- A forbidden tool is taken out of the request; a forbidden call is taken out of the answer. The
  rest of both goes on.
- Calls that stand in the resent history are counted, never judged again: what was once let
  through must not brick the session.
- Names are compared folded (`policy/names.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Literal

from gateway.config.rule_options import RuleOptions, Strict
from gateway.config.units import CountField
from gateway.dialects.base import Call, DeclaredTool, StepKind, ToolCall
from gateway.exchange import Exchange
from gateway.policy.names import Glob, Names, fold, listed, shown
from gateway.policy.rule import Rule, Stage, Workshop, call_of
from gateway.policy.unreadable import BODY, HISTORY, Unscannable, out_of_sight
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict

_MCP = "mcp"  # the type of a toolset whose calls may have any name

# Among what a declared tool covers: the type of a hosted tool, not the name of a call.
_TYPE = re.compile(r"mcp|.*_20\d{6}")

_INSTEAD = "Go on without it: use another tool, or ask a person to do this step."


class MaxCalls(Strict):
    """How many tool calls: in one `answer`, and in one `run`, which is since the last human
    message."""

    answer: CountField | None = None
    run: CountField | None = None


class ToolsOptions(RuleOptions):
    """Keys of a `tools` rule. `deny` wins over `allow`; without `allow` every tool is."""

    kind: Literal["tools"]
    allow: tuple[Glob, ...] | None = None
    deny: tuple[Glob, ...] = ()
    on_declared: Literal["remove", "block"] = "remove"
    unknown: Literal["block", "flag", "allow"] = "flag"
    max_calls: MaxCalls = MaxCalls()
    unscannable: Unscannable = "flag"


class ToolsRule(Rule):
    """Judges the tools that a request declares and the calls that the model makes."""

    kind: ClassVar[str] = "tools"
    stage: ClassVar[Stage] = Stage.TOOLS
    Options = ToolsOptions

    def __init__(self, options: ToolsOptions, ref: RuleRef, mode: Mode, workshop: Workshop) -> None:
        super().__init__(options, ref, mode, workshop)
        self._allow = Names(options.allow) if options.allow is not None else None
        self._deny = Names(options.deny)
        self._declared = options.on_declared
        self._unknown = options.unknown
        self._max = options.max_calls
        self._unscannable: Unscannable = options.unscannable
        self._needs = HISTORY if options.max_calls.run is not None else BODY
        only = options.when.tool if options.when is not None else None
        self._only = Names(only) if only is not None else None

    # --- what the request declares ---

    def on_request(self, exchange: Exchange) -> Sequence[Verdict]:
        call = call_of(exchange)
        if call.unscannable:
            hidden = out_of_sight(self, call, self._needs, self._unscannable)
            if hidden and hidden[0].action is Action.BLOCK:
                return hidden
        else:
            hidden = ()
        denied = [tool for tool in call.tools if self._forbids_tool(tool)]
        if not denied:
            return hidden
        names = listed(tool.name for tool in denied)
        if self._declared == "block":
            what = f"forbids tools that the request declares: {names}"
            instead = "Send the request without them."
            verdict = self.verdict(Action.BLOCK, Reason.TOOL_DENIED, what, instead=instead)
        else:
            if not self.shadow:
                call.remove_tools(frozenset(tool.name for tool in denied))
            what = f"took forbidden tools out of the request: {names}"
            verdict = self.verdict(Action.REWRITE, Reason.TOOL_DENIED, what)
        return (*hidden, verdict)

    def _forbids_tool(self, tool: DeclaredTool) -> bool:
        """A hosted toolset goes as a whole: it is forbidden where a part of it is."""
        names = (tool.name, *tool.covers, *tool.types)
        if self._only is not None and not any(self._only.has(name) for name in names):
            return False
        if any(self._deny.has(name) for name in names):
            return True
        return self._allow is not None and not self._allows_tool(self._allow, tool)

    @staticmethod
    def _allows_tool(allow: Names, tool: DeclaredTool) -> bool:
        """By its name, by its type, or because every call that it covers is allowed."""
        if allow.has(tool.name) or any(map(allow.has, tool.types)):
            return True
        members = []
        for name in tool.covers:
            if _TYPE.fullmatch(name) is None:
                members.append(name)
            elif allow.has(name):
                return True
        return bool(members) and all(map(allow.has, members))

    def forbids(self, name: str) -> bool:
        """Whether it forbids a tool by its name alone, wherever it stands."""
        return self._deny.has(name) or (self._allow is not None and not self._allow.has(name))

    # --- what a server offers ---

    def on_offer(
        self, exchange: Exchange, tools: Sequence[DeclaredTool]
    ) -> tuple[frozenset[str], Verdict] | None:
        denied = frozenset(tool.name for tool in tools if self._forbids_tool(tool))
        if not denied:
            return None
        what = f"took forbidden tools out of the server's list: {listed(sorted(denied))}"
        return denied, self.verdict(Action.REWRITE, Reason.TOOL_DENIED, what)

    # --- what the model calls, or the request runs ---

    def on_tool_call(
        self, exchange: Exchange, call: ToolCall, earlier: Sequence[ToolCall]
    ) -> Verdict | None:
        if self._only is not None and not self._only.has(call.name):
            return None
        request = call_of(exchange)
        if self._deny.has(call.name) or not self._allows_call(call, request):
            what = f"forbids the tool {shown(call.label)!r}"
            return self.verdict(Action.BLOCK, Reason.TOOL_DENIED, what, instead=_INSTEAD)
        return self._over_limit(request, len(earlier) + 1) or self._undeclared(call, request)

    def _allows_call(self, call: ToolCall, request: Call) -> bool:
        """By its name, or because it belongs to a toolset that is allowed."""
        allow = self._allow
        if allow is None or allow.has(call.name):
            return True
        if call.hosted and not request.knows_tools:
            return True  # it was judged where it was declared
        folded = fold(call.name)
        return any(
            (
                folded in map(fold, (tool.name, *tool.covers))
                or (call.hosted and _MCP in tool.covers)
            )
            and self._allows_tool(allow, tool)
            for tool in request.tools
        )

    def _over_limit(self, request: Call, here: int) -> Verdict | None:
        limits = self._max
        if limits.answer is not None and here > limits.answer:
            what = f"lets an answer make {limits.answer} tool calls, and this is call {here}"
            instead = "Make fewer calls at a time."
        elif (
            limits.run is not None
            and not request.invokes
            and (run := _calls_of_run(request) + here) > limits.run
        ):
            what = (
                f"lets the agent make {limits.run} tool calls for one human message, and this is"
                f" call {run}"
            )
            instead = "Report what was done so far, and ask a person how to go on."
        else:
            return None
        return self.verdict(Action.BLOCK, Reason.TOOL_LIMIT, what, instead=instead)

    def _undeclared(self, call: ToolCall, request: Call) -> Verdict | None:
        if self._unknown == "allow":
            return None
        if call.unknown:
            return self._no_tool(call)
        if request.invokes or _is_declared(call, request.tools):
            return None  # a request that runs a tool declares none: its server knows its own
        if not request.knows_tools:
            return None
        what = f"does not know the tool {shown(call.label)!r}: the request did not declare it"
        if self._unknown == "flag":
            return self.verdict(Action.FLAG, Reason.TOOL_UNKNOWN, what)
        instead = "Call only tools that the request declares."
        return self.verdict(Action.BLOCK, Reason.TOOL_UNKNOWN, what, instead=instead)

    def _no_tool(self, call: ToolCall) -> Verdict:
        """On a request that runs nothing that its upstream has."""
        what = f"knows no tool for the request {shown(call.label)!r}"
        if self._unknown == "flag":
            return self.verdict(Action.FLAG, Reason.TOOL_UNKNOWN, what)
        instead = "Call only the tools of this upstream, by their methods and paths."
        return self.verdict(Action.BLOCK, Reason.TOOL_UNKNOWN, what, instead=instead)


def _calls_of_run(request: Call) -> int:
    """Tool calls in the history since the last human message."""
    calls = 0
    for step in reversed(request.steps):
        if step.kind is StepKind.HUMAN:
            break
        calls += len(step.calls)
    return calls


def _is_declared(call: ToolCall, tools: Sequence[DeclaredTool]) -> bool:
    """Whether the request declares a tool; what the provider runs by itself belongs to whatever
    toolset it hosts, even one whose names only the provider knows."""
    folded = fold(call.name)
    return any(
        folded == fold(tool.name)
        or folded in map(fold, tool.covers)
        or (call.hosted and tool.hosted)
        for tool in tools
    )
