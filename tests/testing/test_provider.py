"""The fake provider answers as it is told and keeps what it was sent."""

from __future__ import annotations

import orjson
import pytest

from gateway.testing.answers import Say
from gateway.testing.provider import FakeProvider, Raw
from tests.proxy.wire import Connection, call

ASK = orjson.dumps({"model": "m", "messages": [], "input": ["a", "b"]})


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/v1/chat/completions?x=1", "chat.completion"),
        ("/v1/responses", "response"),
        ("/v1/embeddings", "list"),
        ("/v1/models", "list"),
        ("/v1/messages", None),
        ("/v1/messages/count_tokens", None),
    ],
)
def test_it_speaks_the_dialect_of_the_path(target: str, kind: str | None) -> None:
    with FakeProvider() as provider:
        reply = call(provider.url, target, ASK, [("X-Odd", "1")])
    assert reply.status == 200
    assert orjson.loads(reply.body).get("object") == kind
    [seen] = provider.seen
    assert (seen.method, seen.path, seen.body) == ("POST", target, ASK)
    assert seen.headers["x-odd"] == "1"


def test_it_streams_where_it_is_asked_to() -> None:
    body = orjson.dumps({"model": "m", "messages": [], "stream": True})
    with FakeProvider(lambda seen: Say(pieces=("a", "b"))) as provider:
        reply = call(provider.url, "/v1/chat/completions", body)
    assert reply.get("content-type") == "text/event-stream"
    assert reply.body.endswith(b"data: [DONE]\n\n")


def test_it_says_what_a_script_makes_of_the_request() -> None:
    with FakeProvider(lambda seen: Raw(status=418, pieces=(seen.body,))) as provider:
        reply = call(provider.url, "/anything", b"not json")
    assert (reply.status, reply.body) == (418, b"not json")
    assert provider.seen[0].json is None


def test_it_can_break_off() -> None:
    script = Raw(pieces=(b"a", b"b"), cut=True)
    with FakeProvider(lambda seen: script) as provider, pytest.raises(ConnectionError):
        call(provider.url, "/v1/models", method="GET")


def test_it_notices_who_does_not_wait_for_the_end() -> None:
    script = Raw(pieces=(b"a",), hang=True)
    with FakeProvider(lambda seen: script) as provider, Connection(provider.url) as connection:
        connection.send("GET", "/v1/models")
        connection.head()
        connection.reader.chunk()
        connection.hang_up()
    assert provider.aborted == 1


@pytest.mark.parametrize(
    ("method", "content_type", "begins"),
    [
        ("generateContent", "application/json", b'{"candidates"'),
        ("streamGenerateContent", "application/json", b"[{"),
        ("streamGenerateContent?alt=sse", "text/event-stream", b"data: {"),
        ("countTokens", "application/json", b'{"totalTokens"'),
        ("embedContent", "application/json", b'{"embedding"'),
        ("batchEmbedContents", "application/json", b'{"embeddings"'),
    ],
)
def test_it_speaks_gemini_in_both_framings(method: str, content_type: str, begins: bytes) -> None:
    with FakeProvider() as provider:
        reply = call(provider.url, f"/v1beta/models/gemini-2.5-flash:{method}", b"{}")
    assert reply.get("content-type") == content_type
    assert reply.body.startswith(begins)
