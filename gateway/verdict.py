"""What a rule says of a call, and why. A verdict is a value, never an exception.

`Reason` is a closed enum. The same word stands in the reply's body, in the
`x-portcullis-reason` header, in the metric label and in the audit record, so a new
reason needs a line in docs/reasons.md and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Action(StrEnum):
    """What is done with a call, mildest first; the strictest of all rules is taken."""

    ALLOW = "allow"
    FLAG = "flag"
    REWRITE = "rewrite"
    HOLD = "hold"
    THROTTLE = "throttle"
    BLOCK = "block"

    @property
    def stops(self) -> bool:
        """Whether the call (or the rest of its answer) goes no further."""
        return self in (Action.THROTTLE, Action.BLOCK)


class Reason(StrEnum):
    """Why. Closed: the metric label and the audit record take no other word."""

    # what a rule found
    PII_FOUND = "pii_found"
    SECRET_FOUND = "secret_found"
    PATTERN_FOUND = "pattern_found"
    INJECTION_FOUND = "injection_found"
    UNSCANNABLE_CONTENT = "unscannable_content"
    MODEL_DENIED = "model_denied"
    EGRESS_ALLOWED = "egress_allowed"
    EGRESS_DENIED = "egress_denied"
    OUTPUT_CAPPED = "output_capped"
    FIELD_FORCED = "field_forced"
    SIZE_EXCEEDED = "size_exceeded"
    RATE_LIMITED = "rate_limited"
    CONCURRENCY_LIMITED = "concurrency_limited"
    BUDGET_EXCEEDED = "budget_exceeded"
    BUDGET_RESERVED = "budget_reserved"
    BUDGET_WARNING = "budget_warning"
    BUDGET_DOWNGRADED = "budget_downgraded"
    BUDGET_WRAP_UP = "budget_wrap_up"
    PRICE_UNKNOWN = "price_unknown"
    TOOL_DENIED = "tool_denied"
    TOOL_UNKNOWN = "tool_unknown"
    TOOL_LIMIT = "tool_limit"
    TOOL_BUSY = "tool_busy"
    LOOP_DETECTED = "loop_detected"
    SCOPE_MISSING = "scope_missing"
    # a rule or what it leans on could not do its work
    RULE_FAILED = "rule_failed"
    WINDOW_EXCEEDED = "window_exceeded"
    STORE_UNAVAILABLE = "store_unavailable"
    AUDIT_UNAVAILABLE = "audit_unavailable"
    # who calls
    KEY_INVALID = "key_invalid"
    KEY_EXPIRED = "key_expired"
    KEY_MISSING = "key_missing"
    ASSERTION_DENIED = "assertion_denied"
    HOST_DENIED = "host_denied"
    ORIGIN_DENIED = "origin_denied"
    # what was sent cannot be read
    BODY_MALFORMED = "body_malformed"
    BODY_TOO_LARGE = "body_too_large"
    REQUEST_TIMEOUT = "request_timeout"
    DUPLICATE_KEY = "duplicate_key"
    LONE_SURROGATE = "lone_surrogate"
    ENCODING_UNSUPPORTED = "encoding_unsupported"
    UPSTREAM_UNKNOWN = "upstream_unknown"
    TARGET_MALFORMED = "target_malformed"
    PROXY_OFF = "proxy_off"
    PROXY_UNSUPPORTED = "proxy_unsupported"
    UPGRADE_REFUSED = "upgrade_refused"
    MESSAGE_UNEXPECTED = "message_unexpected"
    PATH_AMBIGUOUS = "path_ambiguous"
    # the other side, and ourselves
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    ANSWER_MALFORMED = "answer_malformed"
    ADDRESS_DENIED = "address_denied"
    SNI_MISMATCH = "sni_mismatch"
    TUNNEL_IDLE = "tunnel_idle"
    TUNNELS_EXCEEDED = "tunnels_exceeded"
    CLIENT_GONE = "client_gone"
    DRAINING = "draining"
    INTERNAL_ERROR = "internal_error"


class Mode(StrEnum):
    """Whether a rule's verdict is carried out or only recorded."""

    ENFORCE = "enforce"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class RuleRef:
    """Which rule spoke: `policy/id` is how replies, metrics and records name it."""

    policy: str
    id: str
    kind: str

    def __str__(self) -> str:
        return f"{self.policy}/{self.id}"


GATEWAY = RuleRef("gateway", "gateway", "gateway")
"""Who speaks when no operator's rule does: a bad key, a body that cannot be read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a detector saw in one text: `[start, end)` in code points, score 0 to 1."""

    entity: str
    start: int
    end: int
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule's word on one call. Holds no content: `what` is made of names and numbers.

    Attributes:
        what: what was found, as the middle of a sentence, e.g. "found an AWS access key in
            the user message". Never the content itself.
        instead: what the agent can do, a full sentence.
        retry_after: seconds to wait, for THROTTLE.
        entities: how often each entity was found.
        surface, place: where (`user`, `messages[2].content`), where the rule knows.
        shadow: the rule is in shadow mode; its action was recorded, not taken.
        of_call: the block concerns one tool call of the answer: that call was taken out and
            the rest of the answer went on.
    """

    action: Action
    reason: Reason
    rule: RuleRef
    what: str = ""
    instead: str = ""
    retry_after: float | None = None
    entities: Mapping[str, int] = field(default_factory=dict)
    surface: str = ""
    place: str = ""
    shadow: bool = False
    of_call: bool = False

    @property
    def stops(self) -> bool:
        """Whether this verdict really ends the call."""
        return not self.of_call and self.enforced.stops

    @property
    def enforced(self) -> Action:
        """The action that this verdict really has on the call."""
        return Action.ALLOW if self.shadow else self.action
