"""`when`: which calls a rule watches, decided as early as it can be.

The tenant and the environment are known when the policy is compiled, so a rule that does not
watch them is not in the tenant's plan at all. Rules on tools ask themselves which `tool` they
watch, call by call; for every other kind it means the tool that the request itself runs.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.config.rule_options import When
from gateway.exchange import Exchange
from gateway.policy.globs import compile_globs
from gateway.policy.names import Names

Test = Callable[[Exchange], bool]
_Matcher = Callable[[str], bool]


def watches_tenant(when: When | None, tenant: str, environment: str | None) -> bool:
    """Whether a rule watches any call of this tenant in this environment."""
    if when is None:
        return True
    if when.tenant is not None and not compile_globs(when.tenant)(tenant):
        return False
    return when.environment is None or (
        environment is not None and compile_globs(when.environment)(environment)
    )


def watches_upstream(when: When | None, upstream: str) -> bool:
    """Whether a rule watches any call to this upstream."""
    return when is None or when.upstream is None or compile_globs(when.upstream)(upstream)


def compile_when(when: When | None, *, of_tools: bool = False) -> Test | None:
    """A test of what only the call itself can tell; None where there is nothing to test.

    What a call does not say is the empty text: only `*` matches it. A call that runs no tool
    itself matches no `tool` at all.

    Args:
        of_tools: the rule is one on tools, and tests `tool` itself.
    """
    if when is None:
        return None
    tests = [
        make(compile_globs(globs))
        for make, globs in (
            (_upstream, when.upstream),
            (_agent, when.agent),
            (_user, when.user),
            (_task, when.task),
        )
        if globs is not None
    ]
    if when.model is not None:
        # Compared like the models of a `model` rule: spelling it otherwise is no way around.
        tests.append(_model(Names(when.model).has))
    if when.tool is not None and not of_tools:
        tests.append(_tool(Names(when.tool).has))
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]
    return lambda exchange: all(test(exchange) for test in tests)


def describe_when(when: When | None) -> str:
    """The condition as a line for people: `model gpt-*, user alice|bob`; "" without one."""
    if when is None:
        return ""
    given = when.model_dump(exclude_none=True)
    return ", ".join(f"{key} {'|'.join(globs)}" for key, globs in given.items())


def _upstream(matches: _Matcher) -> Test:
    return lambda exchange: exchange.target is not None and matches(exchange.target.upstream)


def _model(matches: _Matcher) -> Test:
    """A call that cannot say which model it is about is watched, whatever the rule asks for."""

    def test(exchange: Exchange) -> bool:
        call = exchange.call
        return (
            matches("")
            if call is None
            else not call.names_model or any(map(matches, (call.model, *call.aliases)))
        )

    return test


def _tool(matches: _Matcher) -> Test:
    return lambda exchange: (
        exchange.call is not None
        and any(matches(invoked.name) for invoked in exchange.call.invokes)
    )


def _agent(matches: _Matcher) -> Test:
    return lambda exchange: matches(exchange.identity.agent)


def _user(matches: _Matcher) -> Test:
    return lambda exchange: matches(exchange.identity.user)


def _task(matches: _Matcher) -> Test:
    return lambda exchange: matches(exchange.identity.task)
