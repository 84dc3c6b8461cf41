"""`model`: which models may be asked, caps, forced fields."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.dialects.base import Surface, Unscannable
from gateway.policy.kinds.model import ModelOptions, ModelRule
from gateway.testing import PlainCall, make_call, make_exchange, make_workshop
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict


def judge(call: PlainCall, mode: Mode = Mode.ENFORCE, **keys: Any) -> list[Verdict]:
    options = ModelOptions.model_validate({"kind": "model", **keys})
    rule = ModelRule(options, RuleRef("p", "model", "model"), mode, make_workshop())
    return list(rule.on_request(make_exchange(call)))


@pytest.mark.parametrize("model", ["gpt-4o", "GPT-4o-mini", "claude-sonnet-4-5"])
def test_an_allowed_model_passes(model: str) -> None:
    assert judge(make_call(model=model), allow=["gpt-*", "Claude-*"]) == []


def test_another_model_is_refused_by_name_and_told_what_is_allowed() -> None:
    (verdict,) = judge(make_call(model="o3"), allow=["gpt-*", "claude-*"])
    assert (verdict.action, verdict.reason) == (Action.BLOCK, Reason.MODEL_DENIED)
    assert "'o3'" in verdict.what
    assert "gpt-*, claude-*" in verdict.instead


def test_deny_wins_over_allow() -> None:
    (verdict,) = judge(make_call(model="gpt-4"), allow=["gpt-*"], deny=["GPT-4"])
    assert verdict.reason is Reason.MODEL_DENIED


def test_a_request_that_names_no_model_is_not_an_allowed_one() -> None:
    assert judge(make_call(model=""), allow=["gpt-*"])[0].action is Action.BLOCK
    assert judge(make_call(model=""), deny=["gpt-4"]) == []


def test_what_is_stored_was_judged_when_it_was_asked_for() -> None:
    call = make_call(model="")
    call.names_model = False
    assert judge(call, allow=["gpt-*"], max_output=5) == []


def test_an_empty_allow_list_allows_nothing() -> None:
    assert judge(make_call(), allow=[])[0].action is Action.BLOCK


@pytest.mark.parametrize("field", ["models", "fallbacks"])
@pytest.mark.parametrize("other", ["o3", {"model": "o3"}])
def test_fallback_models_are_models_too(field: str, other: object) -> None:
    call = make_call(model="gpt-4o")
    call.document.root[field] = ["gpt-4o-mini", other]
    assert judge(call, allow=["gpt-*"])[0].reason is Reason.MODEL_DENIED


@pytest.mark.parametrize("asked", [None, 9000])
def test_too_much_output_is_capped_in_the_request(asked: int | None) -> None:
    call = make_call(max_output=asked)
    (verdict,) = judge(call, max_output="8k")
    assert (verdict.action, verdict.reason) == (Action.REWRITE, Reason.OUTPUT_CAPPED)
    assert call.max_output == 8000
    assert call.document.changed


def test_a_smaller_output_is_left_alone() -> None:
    call = make_call(max_output=8000)
    assert judge(call, max_output="8k") == []
    assert not call.document.changed


def test_a_field_is_forced_where_it_differs() -> None:
    call = make_call()
    call.dialect = "openai_chat"
    (verdict,) = judge(call, force={"store": False})
    assert (verdict.action, verdict.reason) == (Action.REWRITE, Reason.FIELD_FORCED)
    assert call.document.root["store"] is False
    assert judge(call, force={"store": False}) == []


def test_a_number_is_no_boolean() -> None:
    call = make_call()
    call.document.root["store"] = 0
    assert judge(call, force={"store": False})
    assert call.document.root["store"] is False


def test_a_dialect_does_not_get_fields_that_it_would_refuse() -> None:
    call = make_call()
    call.dialect = "anthropic_messages"
    assert judge(call, force={"store": False}) == []
    call.document.root["store"] = True
    assert judge(call, force={"store": False})


def test_only_chats_are_capped_and_forced() -> None:
    call = make_call()
    call.operation = "embeddings"
    assert judge(call, max_output=10, force={"store": False}) == []
    assert judge(call, allow=["text-embedding-*"])[0].action is Action.BLOCK


def test_shadow_changes_nothing() -> None:
    call = make_call()
    verdicts = judge(call, Mode.SHADOW, max_output=10, force={"temperature": 0})
    assert [v.reason for v in verdicts] == [Reason.OUTPUT_CAPPED, Reason.FIELD_FORCED]
    assert all(v.enforced is Action.ALLOW for v in verdicts)
    assert not call.document.changed
    assert call.max_output is None


def test_a_body_that_no_dialect_reads_follows_unscannable() -> None:
    call = make_call(model="", unscannable=[Unscannable("body", Surface.USER, "")])
    call.operation = "opaque"
    assert judge(call, allow=["gpt-*"])[0].action is Action.FLAG
    assert judge(call, allow=["gpt-*"], unscannable="block")[0].action is Action.BLOCK
    call.unscannable = []
    assert judge(call, allow=["gpt-*"], unscannable="block") == []


@pytest.mark.parametrize(
    "keys",
    [
        {"force": {"model": "gpt-4o"}},
        {"force": {"stream": False}},
        {"force": {"a.b": 1}},
        {"max_output": 0},
        {"allow": ["gpt-[4"]},
        {"allow": [""]},
        {"alow": ["gpt-4"]},
    ],
)
def test_what_cannot_work_is_refused_when_the_file_is_read(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ModelOptions.model_validate({"kind": "model", **keys})
