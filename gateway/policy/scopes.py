"""Whom a limit counts for: the scopes of `per`, read from a call and digested for the store.

Rules of this file:
- A store never sees a user's name or a session's id: values are digested with a key (HMAC), all
  scopes of a rule together, each with its length, so that no value can pose as two.
- Models and tools are folded first: spelling one otherwise is no way to a fresh counter.
- A call of an LLM has as many tools as it declares; it counts for each of them. A call of a tool
  has the tools that it runs, and no model: what counts by model, or by tool where it runs none,
  does not count it.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidatorFunctionWrapHandler, WrapValidator

from gateway.config.rule_options import Scope
from gateway.exchange import Exchange
from gateway.policy.names import fold
from gateway.policy.rule import Rule
from gateway.verdict import Action, Reason, Verdict

Missing = Literal["shared", "block"]
SHARED = "-"
UNKNOWN_TOOL = "?"
MOST_TOOLS = 128
"""Tools of one call that are counted one by one; a call with more is refused."""
MOST_KNOWN = 2048
"""Digests that a rule remembers."""

_HOW_TO_SAY = {
    "user": "Name the user in the x-portcullis-user header, with a key that may assert users.",
    "agent": "Use a gateway key that names an agent.",
    "tenant": "Use a gateway key.",
    "session": "Name the session in the x-session-id header.",
    "model": "Name a model in the request.",
    "tool": "Declare the tools that may be called.",
}


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _unique(value: Any, handler: ValidatorFunctionWrapHandler) -> tuple[Scope, ...]:
    scopes: tuple[Scope, ...] = handler(value)
    if len(set(scopes)) < len(scopes):
        raise ValueError("expected each scope once")
    return scopes


PerField = Annotated[
    tuple[Scope, ...],
    Field(min_length=1),
    WrapValidator(_unique),
    BeforeValidator(_listed, json_schema_input_type=Scope | list[Scope]),
]
"""One scope or a list of them: `tenant`, `[user, model]`."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """Why a call cannot be counted: the scope it does not name, or names too often."""

    scope: Scope
    too_many: bool = False


class Scopes:
    """The scopes of one rule. `key` digests; `rule` and `policy` make the start of each key."""

    def __init__(self, per: Sequence[Scope], missing: Missing, rule: str, key: bytes) -> None:
        self.per = tuple(per)
        self.words = " and ".join(per)
        self._shared = missing == "shared"
        self._rule = rule
        self._key = key
        self._known: dict[str, str] = {}

    def lacking(self, exchange: Exchange) -> Lacking | None:
        """The first scope that keeps a call from being counted, None where all is well."""
        found = exchange.memo.get(self) or self._find(exchange)
        return found if isinstance(found, Lacking) else None

    def keys(self, exchange: Exchange) -> Sequence[str]:
        """The beginnings of a call's state keys, `policy:rule:digest`: one, one a tool, or none for
        a call that is no use of what is counted, or lacks a scope."""
        found = exchange.memo.get(self) or self._find(exchange)
        return () if isinstance(found, Lacking) else found

    def _find(self, exchange: Exchange) -> Lacking | Sequence[str]:
        """What a call lacks, or its keys; worked out once a call."""
        found = exchange.memo[self] = self._read(exchange)
        return found

    def _read(self, exchange: Exchange) -> Lacking | Sequence[str]:
        if self._is_apart(exchange):
            return []
        if "tool" not in self.per:
            return self._read_plain(exchange)
        texts = [""]
        for scope in self.per:
            values = _values(exchange, scope)
            if len(values) > MOST_TOOLS:
                return Lacking(scope, too_many=True)
            if not any(values):
                if not self._shared:
                    return Lacking(scope)
                values = (SHARED,)
            texts = [
                f"{text}{len(value or SHARED)}:{value or SHARED}"
                for text in texts
                for value in values
            ]
        known = self._known
        return [known.get(text) or self._begin(text) for text in texts]

    def _read_plain(self, exchange: Exchange) -> Lacking | Sequence[str]:
        """As `_read`, for scopes that have one value each."""
        text = ""
        for scope in self.per:
            value = _value(exchange, scope)
            if not value:
                if not self._shared:
                    return Lacking(scope)
                value = SHARED
            text += f"{len(value)}:{value}"
        return (self._known.get(text) or self._begin(text),)

    def _is_apart(self, exchange: Exchange) -> bool:
        """A call of a tool asks no model, and not every message to a tool's server runs a tool."""
        call = exchange.call
        if call is None or call.operation != "tool":
            return False
        return "model" in self.per or ("tool" in self.per and not call.invokes)

    def _begin(self, text: str) -> str:
        """The beginning of a key, kept for the next call: the same few come again and again."""
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        # A lone surrogate can stand in a model's name; it must not stop the rule.
        message = text.encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._key, message, "sha256").hex()[:32]
        begin = self._known[text] = f"{self._rule}:{digest}"
        return begin


def scope_verdict(rule: Rule, lacking: Lacking) -> Verdict:
    """The refusal of a call that a rule cannot count."""
    if lacking.too_many:
        what = f"counts each {lacking.scope} of a call, and this call names more than {MOST_TOOLS}"
        instead = f"Declare at most {MOST_TOOLS} tools."
    else:
        what = f"counts by {lacking.scope}, and this call names none"
        instead = _HOW_TO_SAY.get(lacking.scope, "")
    return rule.verdict(Action.BLOCK, Reason.SCOPE_MISSING, what, instead=instead)


def _value(exchange: Exchange, scope: Scope) -> str:
    """What a call says of a scope that has one value; "" where it says nothing."""
    if scope == "global":
        return "*"
    if scope == "model":
        if exchange.call is None:
            return ""
        # What fetches something stored cannot say which model made it: all of that counts as one.
        return fold(exchange.call.model) if exchange.call.names_model else SHARED
    if scope == "upstream":
        return exchange.target.upstream if exchange.target is not None else ""
    value: str = getattr(exchange.identity, scope)
    return value


def _values(exchange: Exchange, scope: Scope) -> Sequence[str]:
    """As `_value`; of tools as many as the call runs, or else declares."""
    if scope != "tool":
        return (_value(exchange, scope),)
    if exchange.call is None:
        return ()
    if invoked := exchange.call.invokes:
        # All that nobody declared is counted as one: a caller can name as much as it likes.
        names = (UNKNOWN_TOOL if tool.unknown else fold(tool.name) for tool in invoked)
        return tuple(dict.fromkeys(names))
    return tuple(dict.fromkeys(fold(tool.name) for tool in exchange.call.tools))
