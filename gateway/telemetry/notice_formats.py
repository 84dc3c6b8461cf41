"""A notice as a webhook gets it: JSON, or Slack's; signed where there is a secret.

The signature is that of Standard Webhooks (standard-webhooks spec 1.0.0, "Signature scheme"), for
which libraries to check it exist in most languages: `webhook-signature: v1,BASE64`, the HMAC-SHA256
of `ID.TIMESTAMP.BODY`; the same id and body again with every attempt.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from gateway import __version__

_SECRET_PREFIX = "whsec_"
_ICONS: Mapping[str, str] = {
    "budget_warning": ":warning:",
    "budget_exceeded": ":no_entry:",
    "rate_limited": ":hourglass:",
    "loop_detected": ":repeat:",
    "store_away": ":rotating_light:",
    "store_back": ":white_check_mark:",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that somebody wants to be told of.

    Attributes:
        id: of this notice; the same however often it is sent.
        event: one of `NoticeEvent`, or `test`.
        time: RFC 3339, in UTC.
        text: one sentence, without content.
        details: names by which it is found: rule, tenant, exchange ...
    """

    id: str
    event: str
    time: str
    text: str
    details: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Notice:
        """From what `asdict` made. Raises TypeError where it is none."""
        return cls(**stored)


def body_of(notice: Notice, form: str) -> bytes:
    """The body of a notice, as JSON."""
    return orjson.dumps(_FORMATS[form](notice))


def _json(notice: Notice) -> Mapping[str, Any]:
    return {"version": 1, "gateway": __version__, **asdict(notice)}


def _slack(notice: Notice) -> Mapping[str, Any]:
    """An incoming webhook's message: `text` for notifications, one block to read.

    `&`, `<` and `>` are escaped as Slack asks for ("Formatting text for app surfaces").
    """
    text = f"{_ICONS.get(notice.event, ':bell:')} {_escaped(notice.text)}"
    named = "   ".join(f"*{name}* {_escaped(value)}" for name, value in notice.details.items())
    blocks: list[Mapping[str, Any]] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": text[:3000]}}
    ]
    if named:
        elements = [{"type": "mrkdwn", "text": named[:3000]}]
        blocks.append({"type": "context", "elements": elements})
    return {"text": text[:3000], "blocks": blocks}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_FORMATS: Mapping[str, Callable[[Notice], Mapping[str, Any]]] = {"json": _json, "slack": _slack}


def headers_of(notice: Notice, body: bytes, secret: str, now: float) -> list[tuple[str, str]]:
    """The headers of one attempt, signed where `secret` is not empty."""
    stamp = str(int(now))
    headers = [
        ("content-type", "application/json"),
        ("user-agent", f"portcullis/{__version__}"),
        ("webhook-id", notice.id),
        ("webhook-timestamp", stamp),
    ]
    if secret:
        signed = f"{notice.id}.{stamp}.".encode() + body
        mac = hmac.digest(_key(secret), signed, hashlib.sha256)
        headers.append(("webhook-signature", f"v1,{base64.b64encode(mac).decode()}"))
    return headers


def _key(secret: str) -> bytes:
    """The bytes of a secret: `whsec_` and base64, else its characters."""
    if secret.startswith(_SECRET_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
        except binascii.Error:
            pass
    return secret.encode()
