"""What is sent and what upstream answers: a chat body of 2 KB, an answer of 1.2 KB.

The text is English prose about nothing in particular, so that detectors have words to read.
"""

from __future__ import annotations

import json
import secrets

# The caller's key, the same for everybody. Made for each run, because LiteLLM does not start
# without a key that nobody can guess; it checks this one, the others pass it on.
API_KEY = f"sk-{secrets.token_hex(32)}"
BODY_BYTES = 2048
ANSWER_BYTES = 1200
PROSE = (
    "The harbour town kept two calendars, one for the boats and one for everybody else. In spring "
    "the ferry brought visitors who asked for the lighthouse, and the baker pointed up the hill "
    "before they had finished asking. Nobody minded the wind, which had been there longer than the "
    "houses, and the school taught children to lean into it on the way home. When the fog came in, "
    "the bell at the pier rang every few minutes, and conversations paused for it out of habit. "
)
PLACE = "@" * 35  # where the load script puts a number and words that no other body has


def filled(text: str, size: int) -> str:
    """`text` followed by prose, `size` characters in all."""
    return (text + PROSE * (size // len(PROSE) + 1))[:size]


def request_body() -> bytes:
    """The body, `BODY_BYTES` long, with `PLACE` once in every message.

    Every message differs from call to call, so that nothing known from an earlier call helps.
    """

    def body(last: int) -> bytes:
        messages = [
            {"role": "system", "content": filled(f"You are a careful guide. {PLACE} ", 400)},
            {"role": "user", "content": filled(f"Tell me of the coast. {PLACE} ", 500)},
            {"role": "assistant", "content": filled(f"Gladly. {PLACE} ", 400)},
            {"role": "user", "content": filled(f"And what then? {PLACE} ", last)},
        ]
        whole = {
            "model": "gpt-4o-mini",
            "messages": messages,
            "max_tokens": 256,
            "temperature": 0.2,
        }
        return json.dumps(whole).encode()

    return body(100 + BODY_BYTES - len(body(100)))


def answer() -> bytes:
    """Upstream's answer, `ANSWER_BYTES` long, as OpenAI writes it."""

    def body(size: int) -> bytes:
        message = {"role": "assistant", "content": filled("Then the tide turned. ", size)}
        usage = {"prompt_tokens": 430, "completion_tokens": 160, "total_tokens": 590}
        whole = {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1764000000,
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [
                {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
            ],
            "usage": usage,
            "system_fingerprint": "fp_bench",
        }
        return json.dumps(whole).encode()

    return body(100 + ANSWER_BYTES - len(body(100)))
