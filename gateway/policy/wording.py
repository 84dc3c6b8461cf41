"""The sentences that a caller reads: what happened, which rule, what was not done, what to do.

They are made of names and numbers only; content never stands in them.
"""

from __future__ import annotations

from gateway.policy.names import shown
from gateway.verdict import Action, Reason, Verdict

SURFACE_WORDS = {
    "system": "the system prompt",
    "user": "the user message",
    "assistant": "an earlier answer",
    "tool_call": "the tool arguments",
    "tool_result": "a tool result",
    "tool_definition": "a tool definition",
    "reasoning": "the reasoning",
    "output": "the answer",
}

UNREAD_WORDS = {
    "image": "an image",
    "audio": "audio",
    "video": "a video",
    "file": "a file",
    "encrypted": "encrypted content",
    "history": "the history that the provider keeps",
    "body": "the body of an endpoint that no dialect reads",
    "encoding": "a body in an encoding that no rule reads",
    "tunnel": "what travels in a tunnel",
    "tokens": "text in the form of token numbers",
    "template": "the prompt template that the provider keeps",
}
"""What `Unscannable.what` is called in a sentence."""


def refused(verdict: Verdict, reference: str, party: str = "provider") -> str:
    """Why a request was stopped before the provider (the tool, the server) saw it."""
    verb = "is holding back" if verdict.action is Action.THROTTLE else "blocked"
    return _sentences(
        f"Portcullis {verb} this request: rule {verdict.rule} {verdict.what}",
        f"Nothing was sent to the {party}",
        verdict.instead,
        f"Reference {reference}",
    )


def answer_blocked(
    verdict: Verdict, reference: str, *, begun: bool, party: str = "provider"
) -> str:
    """Why an answer was stopped: before its first byte, or in the middle of a stream."""
    lost = "The rest of the answer was not delivered" if begun else "The answer was not delivered"
    if party == "tool":
        lost = "The tool was run, but what it gave was not delivered"
    return _sentences(
        f"Portcullis blocked this answer: rule {verdict.rule} {verdict.what}",
        lost,
        verdict.instead,
        f"Reference {reference}",
    )


def call_removed(tool: str, verdict: Verdict, reference: str) -> str:
    """What the agent reads where its tool call would have been."""
    name = shown(tool)
    return _sentences(
        f"Portcullis took out a call of the tool {name!r}: rule {verdict.rule} {verdict.what}",
        "The tool was not run",
        verdict.instead,
        f"Reference {reference}",
    )


def removed(reason: Reason) -> str:
    """What stands in resent history in the place of something that a rule would block."""
    return f"[removed by Portcullis: {reason.value}]"


def _sentences(*parts: str) -> str:
    return " ".join(
        part if part.endswith((".", "!", "?")) else part + "." for part in parts if part
    )
