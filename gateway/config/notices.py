"""What the policy file says of notices: what is told of to whom, besides metrics and records."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from gateway.config.rule_options import Strict
from gateway.config.units import DurationField
from gateway.config.urls import split_url

NoticeEvent = Literal[
    "budget_warning",
    "budget_exceeded",
    "rate_limited",
    "loop_detected",
    "store_away",
    "store_back",
]
"""What can be told of. The first four are reasons; see docs/notices.md for what each covers."""

SHORTEST_SECRET = 16


def _url(value: SecretStr) -> SecretStr:
    """A webhook's address may be a secret, so nothing of it stands in an error."""
    expected = 'expected an address, such as "https://hooks.example.com/notices"'
    text = value.get_secret_value()
    parts = split_url(text)
    if parts is None:
        raise ValueError(f"{expected}, without spaces")
    if not text.isascii() or parts.username is not None or parts.fragment:
        raise ValueError(f"{expected}, without a user, a fragment or spaces")
    return value


def _secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SHORTEST_SECRET:
        raise ValueError(f"expected at least {SHORTEST_SECRET} characters")
    return value


class Webhook(Strict):
    """Where notices are sent. `events` left out: all of them."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    url: Annotated[SecretStr, AfterValidator(_url)]
    format: Literal["json", "slack"] = "json"
    secret: Annotated[SecretStr, AfterValidator(_secret)] | None = None
    events: Annotated[tuple[NoticeEvent, ...], Field(min_length=1)] | None = None


class Notices(Strict):
    """Who is told, and how long the same thing is not told of again."""

    quiet: DurationField = 3600.0
    webhooks: Annotated[tuple[Webhook, ...], Field(max_length=16)] = ()

    @model_validator(mode="after")
    def _told_apart(self) -> Any:
        names = [webhook.name for webhook in self.webhooks]
        if len(set(names)) < len(names):
            raise ValueError("expected another name for each webhook")
        return self
