"""Keys that differ from a field's name only by case: `Tools` beside `tools`, or instead of it.

Go's JSON reader, in which Ollama and other servers are written, takes such a key for the field
(its documentation, `encoding/json`: "preferring an exact match but also accepting a
case-insensitive match"), and of two the last counts. What the rules read would not be what the
server reads, so such a body is refused, as one with duplicate keys is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.dialects.base import Call, Dialect
from gateway.dialects.model_names import ollama_names
from gateway.errors import CallerError
from gateway.message import Request
from gateway.verdict import Reason

FIELDS = frozenset(
    "arguments audio best_of content context conversation custom data echo file format function "
    "function_call functions image image_url images input input_audio input_schema instructions "
    "max_completion_tokens max_output_tokens max_tokens messages metadata model models n name "
    "options output parameters previous_response_id prompt reasoning response_format role source "
    "stop stream suffix system template text thinking tool_call_id tool_calls tool_choice "
    "tool_name tool_use_id tools type url user".split()
)
"""Names of fields by which rules judge, in the APIs whose names are lower case."""

_USUAL = FIELDS | {"temperature", "top_p", "stream_options", "store", "top_k", "thinking"}
"""What most bodies are made of: looked up at once."""

_FREE = frozenset(
    "arguments format input_schema json_schema metadata options parameters properties schema "
    "text".split()
)
"""Fields below which keys are the caller's own."""


def refuse_variants(root: Any) -> None:
    """Raises CallerError where a key anywhere in the format's own objects is such a variant."""
    stack = [root]
    while stack:
        node = stack.pop()
        if type(node) is list:
            stack.extend(node)
        elif type(node) is dict:
            refuse_keys(node)
            stack.extend(
                value
                for key, value in node.items()
                if key not in _FREE and not (key == "input" and type(value) is dict)
            )


def refuse_keys(keys: Iterable[str]) -> None:
    """The same for the keys of one object. Raises CallerError."""
    if _USUAL.issuperset(keys):
        return
    joined = "".join(keys)
    if joined.isascii() and joined.islower():
        return
    for key in keys:
        name = key.casefold()
        if name != key and name in FIELDS:
            raise CallerError(
                Reason.BODY_MALFORMED,
                f"The body has a key that differs from `{name}` only by case, which some servers "
                f"take for the same. Write it `{name}`, once.",
            )


class StrictlySpelled:
    """A dialect as Ollama speaks it, a server in Go: bodies with variants of its keys are refused,
    and a model is known by all its names."""

    def __init__(self, inner: Dialect) -> None:
        self._inner = inner
        self.name = inner.name
        self.decode_answer = inner.decode_answer
        self.open_stream = inner.open_stream
        self.error_body = inner.error_body
        self.limit_headers = inner.limit_headers

    def decode(self, request: Request, body: bytes) -> Call:
        """Raises CallerError, as the dialect itself does."""
        call = self._inner.decode(request, body)
        refuse_variants(call.document.root)
        if call.model and not call.aliases:
            call.model, *others = ollama_names(call.model)
            call.aliases = tuple(others)
        return call
