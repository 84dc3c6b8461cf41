"""The sentences that a caller reads: complete, and without content."""

from __future__ import annotations

import re

import pytest

from gateway.dialects.base import Surface
from gateway.policy import wording
from gateway.verdict import Action, Reason, RuleRef, Verdict

FOUND = Verdict(
    Action.BLOCK,
    Reason.SECRET_FOUND,
    RuleRef("starter", "secrets", "secrets"),
    "found an AWS access key in the user message",
    "Remove it and send again.",
)


def test_a_refusal_says_what_happened_which_rule_what_was_not_done_and_what_to_do() -> None:
    assert wording.refused(FOUND, "x1") == (
        "Portcullis blocked this request: rule starter/secrets found an AWS access key in the "
        "user message. Nothing was sent to the provider. Remove it and send again. Reference x1."
    )


def test_a_wait_is_not_called_a_block() -> None:
    wait = Verdict(Action.THROTTLE, Reason.RATE_LIMITED, FOUND.rule, "allows 1 request a second")
    assert wording.refused(wait, "x1").startswith("Portcullis is holding back this request: rule")


@pytest.mark.parametrize(
    ("begun", "lost"),
    [(False, "The answer was not delivered."), (True, "The rest of the answer was not delivered.")],
)
def test_a_blocked_answer_says_how_much_is_missing(begun: bool, lost: str) -> None:
    said = wording.answer_blocked(FOUND, "x1", begun=begun)
    assert lost in said
    assert said.endswith("Reference x1.")


def test_what_was_not_done_is_said_of_who_would_have_done_it() -> None:
    assert "Nothing was sent to the tool." in wording.refused(FOUND, "x1", "tool")
    told = wording.answer_blocked(FOUND, "x1", begun=False, party="tool")
    assert "The tool was run, but what it gave was not delivered." in told


def test_a_removed_call_is_named_in_plain_ascii_and_short() -> None:
    said = wording.call_removed("delete\u202e" + "x" * 500, FOUND, "x1")
    assert said.isascii()
    assert len(said) < 400
    assert "The tool was not run." in said


def test_every_surface_has_its_words() -> None:
    assert set(wording.SURFACE_WORDS) == {surface.value for surface in Surface}


def test_what_is_struck_from_history_names_the_reason() -> None:
    assert wording.removed(Reason.PII_FOUND) == "[removed by Portcullis: pii_found]"
    assert re.fullmatch(r"\[[ -~]+\]", wording.removed(Reason.PII_FOUND))
