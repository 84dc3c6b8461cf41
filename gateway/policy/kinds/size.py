"""`size`: how large a request may be: tokens in, tokens asked for, bytes, tools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from gateway.config.rule_options import RuleOptions
from gateway.config.units import BytesField, CountField
from gateway.exchange import Exchange
from gateway.policy.rule import Rule, Stage, Workshop, call_of
from gateway.policy.unreadable import BODY, HISTORY, Unscannable, out_of_sight
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict


class SizeOptions(RuleOptions):
    """Keys of a `size` rule; what is left out is not limited."""

    kind: Literal["size"]
    max_input_tokens: CountField | None = None
    max_output_tokens: CountField | None = None
    max_body: BytesField | None = None
    max_tools: CountField | None = None
    unscannable: Unscannable = "flag"


class SizeRule(Rule):
    """Refuses a request that is too large, and says by how much."""

    kind: ClassVar[str] = "size"
    stage: ClassVar[Stage] = Stage.SIZE
    Options = SizeOptions

    def __init__(self, options: SizeOptions, ref: RuleRef, mode: Mode, workshop: Workshop) -> None:
        super().__init__(options, ref, mode, workshop)
        self._limits = options
        tokens, tools = options.max_input_tokens is not None, options.max_tools is not None
        # What is counted must be seen: tools stand in the body, tokens in the history too.
        self._needs = HISTORY if tokens else BODY if tools else frozenset()

    def on_request(self, exchange: Exchange) -> Sequence[Verdict]:
        exceeded = list(self._exceeded(exchange))
        if exceeded:
            return (
                self.verdict(
                    Action.BLOCK,
                    Reason.SIZE_EXCEEDED,
                    f"found {' and '.join(exceeded)}",
                    instead="Send less: a shorter conversation, fewer tools, or a smaller answer.",
                ),
            )
        return out_of_sight(self, call_of(exchange), self._needs, self._limits.unscannable)

    def _exceeded(self, exchange: Exchange) -> Iterator[str]:
        """Each limit that the request is over, as a phrase with both figures."""
        limits, call = self._limits, call_of(exchange)
        if limits.max_body is not None:
            size = max(len(exchange.request.body), len(call.document.raw))
            if size > limits.max_body:
                yield f"a body of {size} bytes (at most {limits.max_body})"
        if limits.max_tools is not None and len(call.tools) > limits.max_tools:
            yield f"{len(call.tools)} tools (at most {limits.max_tools})"
        if limits.max_output_tokens is not None and call.max_output is not None:
            asked = call.max_output * call.choices
            if asked > limits.max_output_tokens:
                yield f"{asked} output tokens asked for (at most {limits.max_output_tokens})"
        if limits.max_input_tokens is not None:
            tokens = call.input_estimate()
            if tokens > limits.max_input_tokens:
                yield f"about {tokens} input tokens (at most {limits.max_input_tokens})"
