"""`model`: which models may be asked, how much they may write, which fields a request must have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from gateway.config.rule_options import RuleOptions
from gateway.config.units import CountField
from gateway.dialects.base import Call
from gateway.exchange import Exchange
from gateway.policy.names import Glob, Names, listed, shown
from gateway.policy.rule import Rule, Stage, Workshop, call_of
from gateway.policy.unreadable import BODY, Unscannable, out_of_sight
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict

Value = bool | int | float | str

# What the other parts lean on: forcing one of these would change what was judged or counted.
_NOT_FORCED = frozenset(
    {"model", "models", "fallbacks", "messages", "input", "instructions", "system", "tools"}
    | {"stream", "n"}
    | {"max_tokens", "max_completion_tokens", "max_output_tokens"}
    | {"contents", "systemInstruction", "generationConfig", "cachedContent", "toolConfig"}
    | {"system_instruction", "generation_config", "cached_content", "tool_config"}
    | {"maxOutputTokens", "candidateCount", "candidate_count"}
    | {"num_predict", "n_predict", "best_of", "prompt", "suffix", "context", "options"}
)

# A provider refuses fields that it does not have, so these go only where the dialect has them.
_HAVE_FIELD = {
    "store": frozenset({"openai_chat", "openai_responses", "gemini"}),
    "background": frozenset({"openai_responses"}),
    "truncation": frozenset({"openai_responses"}),
    "parallel_tool_calls": frozenset({"openai_chat", "openai_responses"}),
    "service_tier": frozenset({"openai_chat", "openai_responses", "anthropic_messages", "gemini"}),
    "safety_identifier": frozenset({"openai_chat", "openai_responses"}),
    "reasoning_effort": frozenset({"openai_chat"}),
    "seed": frozenset({"openai_chat", "openai_completions", "ollama", "gemini"}),
    "top_k": frozenset({"anthropic_messages", "ollama", "gemini"}),
    "inference_geo": frozenset({"anthropic_messages"}),
}

_OTHERS = ("models", "fallbacks")
"""Fields that name further models."""


class ModelOptions(RuleOptions):
    """Keys of a `model` rule. `deny` wins over `allow`; without `allow` any model may be asked."""

    kind: Literal["model"]
    allow: tuple[Glob, ...] | None = None
    deny: tuple[Glob, ...] = ()
    max_output: CountField | None = None
    force: dict[str, Value] = Field(default_factory=dict)
    unscannable: Unscannable = "flag"

    @field_validator("max_output")
    @classmethod
    def _some_output(cls, value: int | None) -> int | None:
        if value == 0:
            raise ValueError("expected at least 1 token")
        return value

    @field_validator("force")
    @classmethod
    def _forcible(cls, value: dict[str, Value]) -> dict[str, Value]:
        for name in value:
            if name in _NOT_FORCED:
                raise ValueError(f"{name!r} cannot be forced: rules judge by it")
            if "." in name or not name:
                raise ValueError(f"{name!r}: expected the name of a top-level field")
        return value


class ModelRule(Rule):
    """Judges the model that a request names; writes caps and forced fields into the request."""

    kind: ClassVar[str] = "model"
    stage: ClassVar[Stage] = Stage.MODEL
    Options = ModelOptions

    def __init__(self, options: ModelOptions, ref: RuleRef, mode: Mode, workshop: Workshop) -> None:
        super().__init__(options, ref, mode, workshop)
        self._unscannable: Unscannable = options.unscannable
        self._allow = Names(options.allow) if options.allow is not None else None
        self._deny = Names(options.deny)
        self._max_output = options.max_output
        self._force = tuple(options.force.items())

    def on_request(self, exchange: Exchange) -> Sequence[Verdict]:
        call = call_of(exchange)
        if call.operation == "opaque":
            return out_of_sight(self, call, BODY, self._unscannable)
        if call.operation == "tool":
            return ()  # a call of a tool names no model
        if not call.names_model:
            return ()  # what is stored was judged when it was asked for, a batch one by one
        denied = self._denied(call)
        if denied is not None:
            return (denied,)
        if call.operation != "chat" or (self._max_output is None and not self._force):
            return ()
        return [*self._cap(call), *self._forced(call)]

    def _denied(self, call: Call) -> Verdict | None:
        asked = [(call.model, *call.aliases), *((name,) for name in _fallbacks(call))]
        for names in asked:
            model = names[0]
            if any(map(self._deny.has, names)):
                why = f"does not allow the model {shown(model)!r}"
            elif self._allow is not None and not any(map(self._allow.has, names)):
                named = f"not {shown(model)!r}" if model else "and the request names none"
                why = f"allows some models only, {named}"
            else:
                continue
            instead = "Ask for another model."
            if self._allow is not None:
                allowed = listed(self._allow.globs, 10) or "no model at all"
                instead = f"It allows: {allowed}."
            return self.verdict(Action.BLOCK, Reason.MODEL_DENIED, why, instead=instead)
        return None

    def _cap(self, call: Call) -> Sequence[Verdict]:
        most, asked = self._max_output, call.max_output
        if most is None or (asked is not None and asked <= most):
            return ()
        if not self.shadow:
            call.set_max_output(most)
        was = "no limit" if asked is None else f"{asked} tokens"
        what = f"capped the output at {most} tokens; the request asked for {was}"
        return (self.verdict(Action.REWRITE, Reason.OUTPUT_CAPPED, what),)

    def _forced(self, call: Call) -> Sequence[Verdict]:
        changed = []
        for name, value in self._force:
            present = call.get_field(name)
            if type(present) is type(value) and present == value:
                continue
            if present is None and call.dialect not in _HAVE_FIELD.get(name, (call.dialect,)):
                continue
            if not self.shadow:
                call.force_field(name, value)
            changed.append(name)
        if not changed:
            return ()
        what = f"set {listed(changed)} in the request"
        return (self.verdict(Action.REWRITE, Reason.FIELD_FORCED, what),)


def _fallbacks(call: Call) -> list[str]:
    """Other models that the request lets the upstream choose: `models` as OpenRouter has it,
    `fallbacks` as LiteLLM has it, names or objects with a `model`."""
    found: list[str] = []
    for field in _OTHERS:
        listed_models = call.get_field(field)
        for entry in listed_models if isinstance(listed_models, list) else ():
            name = entry.get("model") if isinstance(entry, dict) else entry
            if isinstance(name, str):
                found.append(name)
    return found
