"""`egress`: which hosts a caller may reach through the forward proxy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, model_validator

from gateway.config.rule_options import RuleOptions
from gateway.dialects.hosts import authority, is_address, plain_host, split_authority
from gateway.dialects.tunnel import TunnelCall
from gateway.exchange import Exchange
from gateway.policy.rule import Rule, Stage, Workshop
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict

ANY_PORT = 0
DEFAULT_PORT = 443

_EXPECTED = "expected a host, such as api.github.com, *.wikipedia.org:443, [2001:db8::1]:443 or *"


def split_pattern(text: str, port: int) -> tuple[str, int]:
    """A host pattern as (plain host, port); `*` or `*.` before a name stand for any; a port `*`
    is `ANY_PORT`.

    Args:
        port: the port of a pattern that names none.

    Raises:
        ValueError: it is no pattern.
    """
    if text.endswith(":*"):
        text, port = text[:-2], ANY_PORT
    star = ""
    if text == "*" or text.startswith("*:"):
        star, text = "*", "any.invalid" + text[1:]
    elif text.startswith("*."):
        star, text = "*.", text[2:]
    try:
        if port == ANY_PORT and (text.endswith("]") or ":" not in text or text.count(":") > 1):
            host, number = plain_host(text), ANY_PORT
        else:
            host, number = split_authority(text, port)
    except ValueError:
        raise ValueError(_EXPECTED) from None
    if star == "*.":
        if is_address(host):
            raise ValueError(_EXPECTED)
        return star + host, number
    return star or host, number


def _checked(text: str) -> str:
    split_pattern(text, DEFAULT_PORT)
    return text


HostPattern = Annotated[str, AfterValidator(_checked)]
"""`host`, `*.host` (every name below it) or `*`; and a port: 443 if none is named, `*` for any."""


class EgressOptions(RuleOptions):
    """Keys of an `egress` rule. `deny` wins over `allow`; without `allow` the rule allows no host,
    and refuses those it denies."""

    kind: Literal["egress"]
    allow: tuple[HostPattern, ...] | None = None
    deny: tuple[HostPattern, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.allow is None and not self.deny:
            raise ValueError("expected `allow`, `deny` or both")
        return self


class _Hosts:
    """Patterns, asked whether they cover a host."""

    def __init__(self, patterns: Sequence[str], port: int) -> None:
        split = [split_pattern(pattern, port) for pattern in patterns]
        self._exact = {each for each in split if not each[0].startswith("*")}
        self._below = [(host[1:], port) for host, port in split if host.startswith("*.")]
        self._all = {port for host, port in split if host == "*"}

    def have(self, host: str, port: int) -> bool:
        if port in self._all or ANY_PORT in self._all:
            return True
        if (host, port) in self._exact or (host, ANY_PORT) in self._exact:
            return True
        return any(host.endswith(end) and own in (port, ANY_PORT) for end, own in self._below)


class EgressRule(Rule):
    """Judges where a tunnel goes to."""

    kind: ClassVar[str] = "egress"
    stage: ClassVar[Stage] = Stage.MODEL
    Options = EgressOptions
    judges = "tunnels"

    def __init__(
        self, options: EgressOptions, ref: RuleRef, mode: Mode, workshop: Workshop
    ) -> None:
        super().__init__(options, ref, mode, workshop)
        self._allow = _Hosts(options.allow, DEFAULT_PORT) if options.allow is not None else None
        self._deny = _Hosts(options.deny, ANY_PORT)

    def on_request(self, exchange: Exchange) -> Sequence[Verdict]:
        call = exchange.call
        if not isinstance(call, TunnelCall):
            return ()
        where = authority(call.host, call.port)
        if self._deny.have(call.host, call.port):
            return (self._refused(f"forbids connections to {where}"),)
        if self._allow is None:
            return ()
        if not self._allow.have(call.host, call.port):
            return (self._refused(f"allows connections to some hosts only, not to {where}"),)
        return (self.verdict(Action.ALLOW, Reason.EGRESS_ALLOWED, f"allows {where}"),)

    def _refused(self, what: str) -> Verdict:
        return self.verdict(
            Action.BLOCK,
            Reason.EGRESS_DENIED,
            what,
            instead="Do without this host, or ask the operator of the gateway to allow it.",
        )
