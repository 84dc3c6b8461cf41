"""One request and its answer, and all that is known about it: the only thing stations share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.message import Request
from gateway.verdict import Action, Reason, Verdict

if TYPE_CHECKING:
    from gateway.dialects.base import Call, Dialect, ToolCall, Usage
    from gateway.policy.pseudonyms import Pseudonyms
    from gateway.state.store import Admission, Claim


def _no_clock() -> int:
    return 0


_STRICTNESS = {action: rank for rank, action in enumerate(Action)}


@dataclass(slots=True)
class Identity:
    """Who calls. Empty strings where nobody said. `verified` names the fields that a key or
    token proves; the others are asserted by the caller."""

    tenant: str = ""
    agent: str = ""
    user: str = ""
    session: str = ""  # the session's key: an HMAC, never the caller's own id
    session_source: str = ""  # which header or field it came from; `derived` from the opening
    task: str = ""
    feature: str = ""
    outcome: str = ""  # what the session came to, where the caller says so
    key_name: str = ""
    key_id: str = ""
    credential: str = ""  # keyed digest of the caller's own provider key, "" without one
    verified: frozenset[str] = frozenset()


@dataclass(slots=True)
class Target:
    """Where a call goes. `path` is what upstream sees: raw path and query. `tool` is the HTTP tool
    whose path this is. `shown_as` stands for the request's path in records, where the path itself
    holds content."""

    upstream: str
    provider: str
    dialect: str
    path: str
    tool: str = ""
    shown_as: str = ""


@dataclass(slots=True)
class ToolTrace:
    """A tool call as the audit names it: digests, no content. `passed` is None when removed."""

    name: str
    asked: str
    passed: str | None


@dataclass(frozen=True, slots=True)
class Extension:
    """What was taken for a stream beside its admission, under a lease of its own. `claims` are by
    their place in `Exchange.claims`."""

    admission: Admission
    claims: Mapping[int, Claim]

    @property
    def lease(self) -> str:
        return self.admission.lease


@dataclass(slots=True)
class Exchange:
    """Made by `proxy/handler.py`, filled station by station, recorded at its end.

    `started` is unix time in seconds; `now` stands for the clock inside rules. `begun`, `left`
    (the last station was left), `first_byte` and `spent` (by station) are monotonic nanoseconds:
    see `telemetry/stations.py`.
    """

    id: str
    request: Request
    started: float
    monotonic: Callable[[], int] = _no_clock  # nanoseconds; handed in by who makes the exchange
    trace_id: str = ""
    trace: Any = None  # telemetry.tracing.Trace, where tracing is on
    attempt: int = 1  # more where the caller's SDK says that it asks again
    identity: Identity = field(default_factory=Identity)
    target: Target | None = None
    dialect: Dialect | None = None
    call: Call | None = None
    snapshot: Any = None  # policy.compile.Snapshot: kept from the first line to the last
    verdicts: list[Verdict] = field(default_factory=list)
    admission: Admission | None = None
    claims: list[Claim] = field(default_factory=list)
    claim_rules: list[Any] = field(default_factory=list)  # the rule of each claim, same order
    extensions: list[Extension] = field(default_factory=list)  # what a stream took on the way
    tried: list[tuple[Sequence[Claim], Admission]] = field(default_factory=list)  # and was refused
    ways_out: dict[Any, str] = field(default_factory=dict)  # the rules that changed a call to fit
    memo: dict[Any, Any] = field(default_factory=dict)  # what rules worked out of the request
    settled: bool = False  # what was reserved has been settled
    settled_amounts: tuple[int, ...] = ()  # what each claim came to, same order
    usage: Usage | None = None
    model_served: str = ""
    answer_id: str = ""
    finish: str = ""  # the provider's word for why its answer ended
    cost: int | None = None  # nano-dollars
    tool_calls: list[ToolCall] = field(default_factory=list)
    tools: list[ToolTrace] = field(default_factory=list)
    reasoning_digest: str = ""
    status: int = 0
    upstream_status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    held_peak: int = 0  # characters the stream window held at most
    streamed: bool = False  # the answer was a stream
    text_out: int = 0  # bytes of answer seen, for an estimate where the provider gave no usage
    sent: bool = False  # upstream was called
    peer: str = ""  # the address that a tunnel leads to
    closed: bool = False  # settled and recorded
    outcome: str = ""  # how it ended: see proxy/closing.py
    reason: Reason | None = None
    begun: int = 0
    left: int = 0
    first_byte: int = 0  # 0: nobody marked it
    spent: dict[str, int] = field(default_factory=dict)
    opened: dict[str, Any] | None = None  # what the audit's opening line said
    visit: Any = None  # identity.session_book.Visit: the call's place in its session
    active_seconds: float = 0.0  # work since the last human message, kept by identity/session_book
    release: Callable[[], None] | None = None  # gives a tool's slot back when the call is over
    pseudonyms: Pseudonyms | None = None  # stand-ins that were put into the request
    notices: dict[str, str] = field(default_factory=dict)  # extra reply headers (a loop warning)

    def mark(self, station: str) -> None:
        """Note that a station was left now. Each is left once."""
        now = self.monotonic()
        self.spent[station] = now - self.left
        self.left = now

    def mark_first_byte(self) -> None:
        """Note that the caller's first byte is handed over: a moment inside a station."""
        self.first_byte = self.monotonic()

    @property
    def now(self) -> float:
        """Unix seconds at which the exchange began: the only clock that rules see."""
        return self.started

    def decide(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)

    def decide_all(self, verdicts: Iterable[Verdict]) -> Verdict | None:
        """Record verdicts; the first one that stops the call, if any."""
        stopped: Verdict | None = None
        for verdict in verdicts:
            self.decide(verdict)
            if stopped is None and verdict.stops:
                stopped = verdict
        return stopped

    @property
    def stopped(self) -> Verdict | None:
        """The first enforced verdict that ends the call."""
        for verdict in self.verdicts:
            if verdict.stops:
                return verdict
        return None

    @property
    def action(self) -> Action:
        """The strictest enforced action: what was finally done."""
        if not self.verdicts:
            return Action.ALLOW
        taken = (verdict.enforced for verdict in self.verdicts)
        return max(taken, key=_STRICTNESS.__getitem__)
