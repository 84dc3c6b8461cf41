"""A note to the model behind all that a conversation says, where the format takes it anywhere.

It is put into the last message, behind what the user or a tool says there: a message of its own is
refused by some servers (two of one role in a row, a system message that is not the first), and one
at the beginning would make the provider read the whole conversation anew instead of from its cache.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.dialects.base import Segment


def append_text(segments: Iterable[Segment], holder: dict[str, Any], key: str, note: str) -> None:
    """Put a note behind the text `holder[key]`, and into the segment that stands for it."""
    for segment in segments:
        if segment.holder is holder and segment.key == key:
            segment.replace(f"{segment.text}\n\n{note}")
            return
    text = holder.get(key)
    holder[key] = f"{text}\n\n{note}" if text else note


def append_to_last(
    segments: Iterable[Segment], messages: Any, roles: frozenset[str], note: str
) -> None:
    """Put a note into the last of `messages`, where that is of one of the `roles`."""
    last = messages[-1] if type(messages) is list and messages else None
    if type(last) is not dict or last.get("role") not in roles:
        return
    content = last.get("content")
    if type(content) is str:
        append_text(segments, last, "content", note)
    elif type(content) is list:
        content.append({"type": "text", "text": note})
