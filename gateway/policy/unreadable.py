"""`unscannable` for the kinds that judge a call by its shape, not by its text.

Content kinds have their own version in `content.py`, which knows surfaces and what is fresh.
Here something of the call's shape is out of sight for good: a history that the provider keeps
(`loop` cannot count its steps), a body that no dialect reads (`tools` cannot see what it declares).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from gateway.dialects.base import Call
from gateway.policy.rule import Rule
from gateway.verdict import Action, Reason, Verdict

Unscannable = Literal["flag", "block", "allow"]

BODY = frozenset({"body", "encoding", "template"})
HISTORY = BODY | {"history"}

_WORDS = {
    "body": "the body of an endpoint that no dialect reads",
    "encoding": "a body in an encoding that no rule reads",
    "history": "the history that the provider keeps",
    "file": "the file of requests that the provider keeps",
    "template": "the prompt template that the provider keeps",
}


def out_of_sight(
    rule: Rule, call: Call, what: frozenset[str], setting: Unscannable
) -> Sequence[Verdict]:
    """The verdict on a call that hides one of `what` from a rule, as its `unscannable` says."""
    if setting == "allow" or not call.unscannable:
        return ()
    for item in call.unscannable:
        if item.what in what:
            blocks = setting == "block"
            return (
                rule.verdict(
                    Action.BLOCK if blocks else Action.FLAG,
                    Reason.UNSCANNABLE_CONTENT,
                    f"cannot read {_WORDS[item.what]}",
                    instead="Send the whole conversation, as text that can be read."
                    if blocks
                    else "",
                    surface=item.surface.value,
                    place=item.place,
                ),
            )
    return ()
