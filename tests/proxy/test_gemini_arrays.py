"""A streamed JSON array through real sockets: an element leaves when it is there, silence is kept
alive with white space, and a stop closes the array."""

from __future__ import annotations

import json
import threading

from gateway.testing import gemini_answers
from gateway.testing.answers import Say, Tool
from gateway.worker import Parts
from tests.proxy.conftest import JSON, Start
from tests.proxy.wire import SSE_HEAD, Connection, stream

PATH = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
BODY = b'{"contents":[{"parts":[{"text":"Hello"}]}]}'
HEAD = SSE_HEAD.replace(b"text/event-stream", b"application/json")
DENY = {"kind": "tools", "deny": ["nobody_calls_this"]}
WORDS = {"kind": "patterns", "deny": ["swordfish"], "surfaces": ["output"], "action": "block"}


def pieces(say: Say) -> list[bytes]:
    return gemini_answers.as_array(gemini_answers.generate_stream(say))


def test_an_element_leaves_before_the_next_has_come(start: Start) -> None:
    sent = pieces(Say(pieces=("Hel", "lo.")))
    go_on = threading.Event()
    bench = start(DENY, WORDS, script=lambda got: stream([sent[0], go_on, *sent[1:]], head=HEAD))
    with Connection(bench.base) as connection:
        connection.send("POST", PATH, BODY, [JSON])
        head = connection.head()
        seen = connection.reader.chunk()
        assert seen == sent[0]
        go_on.set()
        seen += b"".join(iter(connection.reader.chunk, b""))
    assert head.get("content-type") == "application/json; charset=utf-8"
    assert seen == b"".join(sent)


def _quick(parts: Parts) -> None:
    parts.handler._relay.keep_alive = 0.02


def test_white_space_keeps_the_caller_waiting_while_a_call_is_put_together(start: Start) -> None:
    begins = {"functionCall": {"name": "list_rows", "willContinue": True}}
    chunks = gemini_answers.generate_stream(Say(pieces=(), tools=(Tool("list_rows"),)))
    chunks[0]["candidates"][0]["content"]["parts"] = [begins]
    chunks[-1]["candidates"][0]["content"]["parts"] = [{"functionCall": {}}]
    sent = gemini_answers.as_array(chunks)
    go_on = threading.Event()
    bench = start(
        DENY,
        script=lambda got: stream([sent[0], go_on, *sent[1:]], head=HEAD),
        arrange=_quick,
    )
    with Connection(bench.base) as connection:
        connection.send("POST", PATH, BODY, [JSON])
        connection.head()
        seen = b""
        while seen.count(b"\n") < 2:
            seen += connection.reader.chunk()
        assert not seen.strip()
        go_on.set()
        seen += b"".join(iter(connection.reader.chunk, b""))
    assert json.loads(seen) == chunks
    assert seen.endswith(b"".join(sent))


def test_a_stop_closes_the_array_and_lets_upstream_go(start: Start) -> None:
    sent = pieces(Say(pieces=("All is well. ", "The word is swordfish.", " Bye.")))
    bench = start(WORDS, script=lambda got: stream(sent[:-1], head=HEAD, then="hang"))
    with Connection(bench.base) as connection:
        connection.send("POST", PATH, BODY, [JSON])
        reply = connection.reply()
    *before, last = json.loads(reply.body)
    assert len(before) == 2
    assert b"swordfish" not in reply.body
    assert last["error"]["details"][0]["reason"] == "pattern_found"
    assert bench.upstream.hung_up.wait(20)
    assert bench.record(reply)["outcome"] == "blocked"
