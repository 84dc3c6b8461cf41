"""The section `notices` of the policy file, and what it refuses without showing a secret."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config.notices import Notices, Webhook

HOOK = {"name": "ops", "url": "https://hooks.example.com/in?token=hunter2"}


def test_a_webhook_needs_a_name_and_an_address() -> None:
    webhook = Webhook.model_validate(HOOK)
    assert (webhook.format, webhook.events, webhook.secret) == ("json", None, None)
    assert "hunter2" not in repr(webhook)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"url": "ftp://hunter2.example.com"}, "expected an address"),
        ({"url": "https://user:hunter2@example.com/"}, "without a user"),
        ({"url": "https://example.com/hunter2 x"}, "spaces"),
        ({"url": "https://example.com:x/hunter2"}, "expected an address"),
        ({"secret": "hunter2"}, "at least 16"),
        ({"events": []}, "at least 1"),
        ({"events": ["lunch"]}, "budget_warning"),
        ({"format": "fax"}, "slack"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_meant_is_an_error_without_the_secret(
    keys: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        Webhook.model_validate({**HOOK, **keys})
    assert all("hunter2" not in each["msg"] for each in caught.value.errors())


def test_names_tell_webhooks_apart() -> None:
    with pytest.raises(ValidationError, match="another name"):
        Notices.model_validate({"webhooks": [HOOK, HOOK]})
