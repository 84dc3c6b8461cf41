"""How a caller of the older transport (HTTP+SSE, 2024-11-05) learns that a rule stopped its
request: it reads answers on another stream, which may be open at another worker.

In the place of the request a `ping` goes upstream, which every party must answer at once, with an
id that holds what is to be said. Its answer comes down the caller's stream, and there it becomes
the refusal (`mcp_stream.py`). No state is kept, and upstream learns the reason and nothing else.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.dialects import jsonrpc

_MARK = "portcullis/1/"
_LONGEST = 8192


@dataclass(frozen=True, slots=True)
class Carried:
    """What the answer to a ping of ours stands for: the refusal of a request."""

    id: jsonrpc.Id
    party: str
    code: str
    reference: str
    wait: int

    @property
    def message(self) -> str:
        again = f" Send the same request again in {self.wait} s." if self.wait else ""
        return (
            f"Portcullis stopped this request ({self.code}). Nothing was sent to the {self.party}."
            f"{again} Reference {self.reference}."
        )


def ping(number: jsonrpc.Id, party: str, code: str, reference: str, wait: int) -> bytes:
    """The request that goes upstream instead."""
    told = base64.urlsafe_b64encode(orjson.dumps([number, party, code, reference, wait])).decode()
    return jsonrpc.write([{"jsonrpc": "2.0", "id": _MARK + told, "method": "ping"}])


def carried(number: Any) -> Carried | None:
    """What an answer's id holds; None for an id that is not ours."""
    if type(number) is not str or not number.startswith(_MARK) or len(number) > _LONGEST:
        return None
    try:
        told = orjson.loads(base64.urlsafe_b64decode(number[len(_MARK) :]))
        asked, party, code, reference, wait = told
    except ValueError:
        return None
    words = all(type(word) is str for word in (party, code, reference))
    if not words or type(asked) not in (int, str) or type(wait) is not int:
        return None
    return Carried(asked, party, code, reference, wait)
