"""The keys that every rule takes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.config.rule_options import ContentOptions, RuleOptions
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
