"""What a `budget` rule can be told in the policy file."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from gateway.config.rule_options import LimitOptions
from gateway.config.units import AmountField, CountField, DurationField, PercentField
from gateway.policy.budget_window import CALENDAR, Window, ZoneField
from gateway.policy.scopes import Missing, PerField
from gateway.policy.unreadable import Unscannable

LONGEST = 366 * 86400
"""Seconds of the longest rolling window."""
FEWEST_RESERVED = 256
"""Output tokens that `reserve_output` names at least: each step is a round trip to the store."""
KEPT_BACK = 0.1
"""The share that `wrap_up` keeps back unless told otherwise."""

ModelName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^*?\[\]\s]+$")]


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Models = Annotated[
    tuple[ModelName, ...],
    BeforeValidator(_listed, json_schema_input_type=ModelName | list[ModelName]),
]


class BudgetOptions(LimitOptions):
    """Keys of a `budget` rule. Without `window`: the session where `per` names it, else total."""

    kind: Literal["budget"]
    per: PerField
    limit: AmountField
    window: Window | None = None
    rolling: DurationField | None = None
    timezone: ZoneField | None = None
    warn_at: tuple[PercentField, ...] = ()
    on_exhausted: Literal["block", "downgrade", "wrap_up"] = "block"
    downgrade_to: Models = ()
    keep_back: PercentField | None = None
    reserve_output: CountField | None = None
    unknown_model: Literal["dearest", "block"] = "dearest"
    missing: Missing = "block"
    unscannable: Unscannable = "flag"

    @model_validator(mode="after")
    def _one_window(self) -> Self:
        if self.rolling is not None:
            if self.window is not None:
                raise ValueError("expected `window` or `rolling`, not both")
            if self.rolling != int(self.rolling) or not 60 <= self.rolling <= LONGEST:
                raise ValueError('`rolling` is a whole number of seconds, from "1m" to "366d"')
        if self.timezone is not None and self.window not in CALENDAR:
            raise ValueError("`timezone` holds for `window: hour`, `day`, `week` or `month`")
        return self

    @model_validator(mode="after")
    def _one_way_out(self) -> Self:
        if self.on_exhausted == "downgrade":
            if not self.downgrade_to:
                raise ValueError("`on_exhausted: downgrade` needs `downgrade_to`: a cheaper model")
            if self.limit.unit != "nanodollars":
                raise ValueError(
                    "`on_exhausted: downgrade` needs a limit in dollars: a cheaper model uses as "
                    "many tokens"
                )
        elif self.downgrade_to:
            raise ValueError("`downgrade_to` holds for `on_exhausted: downgrade`")
        if self.on_exhausted == "block" and self.keep_back is not None:
            raise ValueError("`keep_back` holds for `on_exhausted: downgrade` or `wrap_up`")
        if self.on_exhausted == "wrap_up" and self.keep_back == 0:
            raise ValueError("`on_exhausted: wrap_up` keeps something back for its last answer")
        if self.keep_back == 1:
            raise ValueError("`keep_back` leaves something for the calls before: less than 100%")
        if self.reserve_output is not None and self.reserve_output < FEWEST_RESERVED:
            raise ValueError(f"`reserve_output` is at least {FEWEST_RESERVED} tokens")
        return self

    @property
    def kept_back(self) -> float:
        """The share of the limit that ordinary calls cannot use."""
        if self.keep_back is not None:
            return self.keep_back
        return KEPT_BACK if self.on_exhausted == "wrap_up" else 0.0

    @property
    def window_or_default(self) -> Window:
        return self.window or ("session" if "session" in self.per else "total")

    def default_id(self) -> str:
        window = self.window_or_default if self.rolling is None else "rolling"
        return "-".join(dict.fromkeys((self.kind, *self.per, window)))
