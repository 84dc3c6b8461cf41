"""The keys that every rule takes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.config.rule_options import ContentOptions, LimitOptions, RuleOptions
from gateway.verdict import Mode


def test_a_rule_blocks_when_it_fails_and_has_its_kind_as_id() -> None:
    options = RuleOptions.model_validate({"kind": "tools"})
    assert options.on_error == "block"
    assert options.mode is None
    assert options.default_id() == "tools"


@pytest.mark.parametrize("wrong", [{"id": "a b"}, {"mode": "off"}, {"on_error": "local"}, {"x": 1}])
def test_what_a_rule_does_not_have_is_an_error(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RuleOptions.model_validate({"kind": "tools", **wrong})


def test_options_cannot_be_changed_once_read() -> None:
    options = RuleOptions.model_validate({"kind": "tools", "mode": "shadow"})
    assert options.mode is Mode.SHADOW
    with pytest.raises(ValidationError, match="frozen"):
        options.mode = None  # type: ignore[misc]


def test_kinds_that_read_text_flag_what_they_cannot_read() -> None:
    options = ContentOptions.model_validate({"kind": "pii", "surfaces": ["user", "output"]})
    assert options.unscannable == "flag"
    with pytest.raises(ValidationError):
        ContentOptions.model_validate({"kind": "pii", "surfaces": ["users"]})


def test_a_kind_that_counts_nothing_has_no_local_share_and_is_told_who_has() -> None:
    with pytest.raises(ValidationError, match=r"'local' is for .* rate_limit and budget"):
        RuleOptions.model_validate({"kind": "tools", "on_error": "local"})
    assert RuleOptions.model_json_schema()["properties"]["on_error"]["enum"] == ["block", "allow"]


def test_a_limit_may_hold_locally_with_a_tenth_unless_told_otherwise() -> None:
    local = LimitOptions.model_validate({"kind": "budget", "on_error": "local"})
    assert (local.on_error, local.local_share) == ("local", 0.1)
    more = {"kind": "budget", "on_error": "local", "local_share": "2.5%"}
    assert LimitOptions.model_validate(more).local_share == 0.025
    assert LimitOptions.model_validate({"kind": "budget"}).on_error == "block"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"local_share": "5%"}, "`local_share` needs `on_error: local`"),
        ({"local_share": "5%", "on_error": "allow"}, "`local_share` needs `on_error: local`"),
        ({"local_share": "0%", "on_error": "local"}, "more than 0%"),
    ],
)
def test_a_share_without_its_use_is_an_error(keys: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        LimitOptions.model_validate({"kind": "budget", **keys})
