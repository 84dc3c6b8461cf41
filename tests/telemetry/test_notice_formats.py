"""A notice as a webhook gets it: the fields, Slack's escapes, a signature that others can check."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import asdict

import pytest

from gateway.telemetry.notice_formats import Notice, body_of, headers_of

NOTICE = Notice(
    "ntc_1",
    "budget_exceeded",
    "2026-11-21T09:30:00.000Z",
    "Rule a/b has a budget of $1.00 per <user> & it is spent.",
    {"rule": "a/b", "tenant": "acme"},
)


def test_json_has_every_field_and_a_version() -> None:
    told = json.loads(body_of(NOTICE, "json"))
    assert told["version"] == 1
    assert told["event"] == "budget_exceeded"
    assert told["details"] == {"rule": "a/b", "tenant": "acme"}
    assert told["text"] == NOTICE.text


def test_slack_gets_text_and_blocks_in_which_nothing_is_markup_of_a_callers() -> None:
    told = json.loads(body_of(NOTICE, "slack"))
    assert "&lt;user&gt; &amp; it" in told["text"]
    assert "<" not in json.dumps(told)
    assert [block["type"] for block in told["blocks"]] == ["section", "context"]
    assert "*tenant* acme" in told["blocks"][1]["elements"][0]["text"]


def test_slack_takes_no_more_than_3000_characters() -> None:
    long = Notice("ntc_1", "test", "2026-11-21T09:30:00.000Z", "x" * 9000)
    told = json.loads(body_of(long, "slack"))
    assert len(told["blocks"][0]["text"]["text"]) == 3000
    assert len(told["blocks"]) == 1


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("whsec_" + base64.b64encode(b"k" * 24).decode(), b"k" * 24),
        ("a plain secret of mine", b"a plain secret of mine"),
        ("whsec_not base64 at all!", b"whsec_not base64 at all!"),
    ],
)
def test_the_signature_is_that_of_standard_webhooks(secret: str, key: bytes) -> None:
    body = body_of(NOTICE, "json")
    headers = dict(headers_of(NOTICE, body, secret, 1_700_000_000.9))
    assert headers["webhook-id"] == "ntc_1"
    assert headers["webhook-timestamp"] == "1700000000"
    signed = b"ntc_1.1700000000." + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_without_a_secret_nothing_is_signed() -> None:
    assert "webhook-signature" not in dict(headers_of(NOTICE, b"{}", "", 1.0))


def test_a_notice_can_be_stored_and_read_again() -> None:
    assert Notice.of(asdict(NOTICE)) == NOTICE
    with pytest.raises(TypeError):
        Notice.of({"id": "ntc_1", "color": "red"})
