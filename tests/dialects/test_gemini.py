"""The Gemini dialect: which reader takes which path, and what it refuses."""

from __future__ import annotations

import json

import pytest

from gateway.dialects.gemini import Gemini
from gateway.dialects.gemini_answer import GeminiAnswer
from gateway.dialects.gemini_embeddings import EmbedCall
from gateway.dialects.gemini_request import GeminiCall
from gateway.dialects.gemini_stream import GeminiStream
from gateway.errors import CallerError
from gateway.message import Headers, Request
from gateway.verdict import Reason

MODEL = "/google/v1beta/models/gemini-2.5-flash"
GEMINI = Gemini()


def request(method: str) -> Request:
    return Request("POST", f"{MODEL}:{method}", Headers())


def test_each_path_has_its_reader() -> None:
    chat = GEMINI.decode(request("generateContent"), b'{"contents":[]}')
    assert type(chat) is GeminiCall
    assert type(GEMINI.decode(request("embedContent"), b"{}")) is EmbedCall
    assert type(GEMINI.decode_answer(chat, b'{"candidates":[]}')) is GeminiAnswer
    assert type(GEMINI.open_stream(chat)) is GeminiStream


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.BODY_MALFORMED),
        (b"[]", Reason.BODY_MALFORMED),
        (b'{"contents":[],"contents":[]}', Reason.DUPLICATE_KEY),
        (b'{"cachedContent":"a","cached_content":"b"}', Reason.DUPLICATE_KEY),
        (b'{"contents":[{"parts":[{"text":"\\ud800"}]}]}', Reason.LONE_SURROGATE),
    ],
)
def test_bodies_that_could_be_read_in_two_ways_are_refused(body: bytes, reason: Reason) -> None:
    with pytest.raises(CallerError) as caught:
        GEMINI.decode(request("generateContent"), body)
    assert caught.value.reason is reason


def test_errors_are_googles() -> None:
    error = json.loads(GEMINI.error_body(429, "rate_limited", "wait", "ptx_1"))["error"]
    assert (error["code"], error["status"], error["message"]) == (429, "RESOURCE_EXHAUSTED", "wait")
    assert GEMINI.limit_headers([]).items == []
