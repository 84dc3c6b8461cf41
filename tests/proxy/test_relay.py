"""Answers on their way back: untouched unless a rule acts, whole words where one does, and never
an end that upstream did not make."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Callable

import orjson
import pytest

from gateway.testing import answers
from gateway.testing.answers import Say, Tool
from gateway.worker import Parts
from tests.proxy.answers import ODD_STREAM, TWO_CALLS, chat_stream, cut, single
from tests.proxy.conftest import JSON, Bench, Start, chat, said
from tests.proxy.wire import (
    SSE_HEAD,
    Connection,
    Message,
    Script,
    answer,
    call,
    chunk,
    stream,
)

DENY = {"kind": "tools", "deny": ["delete_*"]}
WATCH = {"kind": "tools", "deny": ["never_called"], "mode": "shadow"}
STREAMED = chat(stream=True)


def streams(start: Start, raw: bytes, *rules: dict[str, object]) -> Bench:
    """A gateway whose upstream streams `raw`, cut somewhere else for every call."""
    seeds = iter(range(1000))
    return start(*rules, script=lambda got: stream(cut(raw, next(seeds))))


# --- nothing acts: the same bytes ---


@pytest.mark.parametrize("rules", [[], [WATCH], [DENY]], ids=["none", "watching", "holding"])
def test_a_stream_in_which_nothing_acts_arrives_byte_for_byte(
    start: Start, rules: list[dict[str, object]]
) -> None:
    bench = streams(start, ODD_STREAM, *rules)
    for _ in range(10):
        reply = bench.post(STREAMED)
        assert reply.body == ODD_STREAM
        assert reply.get("content-type") == "text/event-stream; charset=utf-8"
        assert reply.get("x-portcullis-verdict") == "allow"


@pytest.mark.parametrize("rules", [[], [DENY]], ids=["none", "holding"])
def test_a_stream_that_comes_byte_by_byte_arrives_the_same(
    start: Start, rules: list[dict[str, object]]
) -> None:
    bench = start(*rules, script=lambda got: stream(single(ODD_STREAM)))
    assert bench.post(STREAMED).body == ODD_STREAM


@pytest.mark.parametrize(
    "body",
    [
        said().replace(b",", b" ,\n ") + b"  ",
        b"not json \xff",
        b"",
        b'{"a":1,"a":2}',
        b'{"choices":[{"message":{"content":"\\ud800"}}]}',
    ],
    ids=["spaced", "not json", "empty", "key twice", "surrogate"],
)
def test_a_whole_answer_in_which_nothing_acts_arrives_byte_for_byte(
    start: Start, body: bytes
) -> None:
    bench = start({"kind": "model", "allow": ["*"]}, script=lambda got: answer(body))
    reply = bench.post(chat())
    assert (reply.status, reply.body) == (200, body)


@pytest.mark.parametrize("where", ["https://elsewhere.example/v1", "//elsewhere.example", "\\\\x"])
def test_a_redirect_to_another_host_would_lead_around_the_rules(start: Start, where: str) -> None:
    """SDKs follow it by themselves, with the whole request."""
    moved = answer(b"", "308 Permanent Redirect", [("Location", where)])
    reply = start(DENY, script=lambda got: moved).post(chat())
    assert (reply.status, reply.get("x-portcullis-reason")) == (502, "answer_malformed")
    assert "location" not in {name.lower() for name, _ in reply.headers}


@pytest.mark.parametrize("status", ["302 Found", "404 No", "500 Oops", "529 Overloaded"])
def test_errors_and_redirects_of_the_provider_are_not_looked_into(
    start: Start, status: str
) -> None:
    bench = start(DENY, script=lambda got: answer(b"<html>", status, [("Location", "/x")]))
    reply = bench.post(chat())
    assert (reply.status, reply.body) == (int(status[:3]), b"<html>")
    assert reply.get("location") == "/x"


def test_a_packed_stream_passes_as_it_came_where_no_rule_reads_it(start: Start) -> None:
    raw = chat_stream(Say(usage=(7, 3)))
    packed = gzip.compress(raw)
    head = SSE_HEAD.replace(b"Transfer", b"Content-Encoding: gzip\r\nTransfer")
    bench = start(script=lambda got: stream(cut(packed, 1), head=head))
    reply = bench.post(STREAMED, [("Accept-Encoding", "gzip")])
    assert bench.upstream.got[0].get("accept-encoding") == "gzip"
    assert (reply.body, reply.get("content-encoding")) == (packed, "gzip")
    assert bench.record(reply)["model_served"].startswith("gpt-4o-mini")


def test_where_a_rule_reads_upstream_is_asked_for_what_can_be_read(start: Start) -> None:
    bench = start(DENY)
    bench.post(STREAMED, [("Accept-Encoding", "gzip, br, zstd")])
    bench.post(chat(), [("Accept-Encoding", "br;q=1.0, gzip;q=0.8, *;q=0.1")])
    bench.post(chat(), [("Accept-Encoding", "br")])
    asked = [got.get("accept-encoding") for got in bench.upstream.got]
    assert asked == ["identity", "gzip;q=0.8", "identity"]


def test_a_packed_stream_is_read_where_a_rule_reads(start: Start) -> None:
    packed = zlib.compress(chat_stream(TWO_CALLS))
    head = SSE_HEAD.replace(b"Transfer", b"Content-Encoding: deflate\r\nTransfer")
    bench = start(DENY, script=lambda got: stream(cut(packed, 2), head=head))
    reply = bench.post(STREAMED)
    assert b"delete_table" not in reply.body
    assert "content-encoding" not in reply


# --- something acts ---


def test_a_forbidden_call_is_taken_out_of_a_whole_answer(start: Start) -> None:
    bench = start(DENY, script=lambda got: answer(orjson.dumps(answers.chat(TWO_CALLS))))
    reply = bench.post(chat())
    assert reply.get("x-portcullis-verdict") == "block"
    assert reply.get("x-portcullis-reason") == "tool_denied"
    [choice] = orjson.loads(reply.body)["choices"]
    assert [c["function"]["name"] for c in choice["message"]["tool_calls"]] == ["list_rows"]
    record = bench.record(reply)
    assert (record["outcome"], record["action"]) == ("answered", "block")
    passed = {call["name"]: call["passed"] for call in record["tool_calls"]}
    assert passed["list_rows"]
    assert passed["delete_table"] is None


def test_a_changed_answer_that_was_packed_is_sent_plain(start: Start) -> None:
    packed = gzip.compress(orjson.dumps(answers.chat(TWO_CALLS)))
    headers = [JSON, ("Content-Encoding", "gzip")]
    bench = start(DENY, script=lambda got: answer(packed, headers=headers))
    reply = bench.post(chat(), [("Accept-Encoding", "gzip")])
    assert "content-encoding" not in reply
    assert "list_rows" in str(orjson.loads(reply.body))


def test_what_comes_of_a_stream_does_not_depend_on_how_it_is_cut(start: Start) -> None:
    raw = chat_stream(TWO_CALLS)
    pieces = iter([[raw], single(raw), *(cut(raw, seed) for seed in range(8))])
    bench = start(DENY, script=lambda got: stream(next(pieces)))
    bodies = {bench.post(STREAMED).body for _ in range(10)}
    assert len(bodies) == 1
    [body] = bodies
    assert b"delete_table" not in body
    assert b"list_rows" in body
    assert body.endswith(b"data: [DONE]\n\n")


def test_text_goes_on_while_a_tool_call_is_assembled(start: Start) -> None:
    events = answers.chat_stream(TWO_CALLS, usage=False)
    half = next(n for n, event in enumerate(events) if b"call_b" in event) + 1
    go_on = threading.Event()
    bench = start(DENY, script=lambda got: stream([*events[:half], go_on, *events[half:]]))
    with Connection(bench.base) as connection:
        connection.send("POST", "/v1/chat/completions", STREAMED, [JSON])
        connection.head()
        seen = b""
        while b" around." not in seen:
            seen += connection.reader.chunk()
        assert b"delete_table" not in seen
        go_on.set()
        seen += b"".join(iter(connection.reader.chunk, b""))
    assert b"delete_table" not in seen


def _quick(parts: Parts) -> None:
    parts.handler._relay.keep_alive = 0.02


def test_a_comment_keeps_the_caller_waiting_while_a_call_is_held_back(start: Start) -> None:
    events = answers.chat_stream(Say(pieces=(), tools=(Tool("list_rows", "{}"),)), usage=False)
    half = next(n for n, event in enumerate(events) if b"list_rows" in event) + 1
    go_on = threading.Event()
    bench = start(
        DENY,
        script=lambda got: stream([*events[:half], go_on, *events[half:]]),
        arrange=_quick,
    )
    with Connection(bench.base) as connection:
        connection.send("POST", "/v1/chat/completions", STREAMED, [JSON])
        connection.head()
        seen = b""
        while seen.count(b": portcullis") < 2:
            seen += connection.reader.chunk()
        assert b"list_rows" not in seen
        go_on.set()
        seen += b"".join(iter(connection.reader.chunk, b""))
    lines = [line for line in seen.split(b"\n\n") if not line.startswith(b": portcullis")]
    assert b"\n\n".join(lines) == b"".join(events)


def test_an_answer_that_nobody_can_read_follows_unscannable(start: Start) -> None:
    rule = {"kind": "patterns", "deny": ["some words"], "surfaces": ["output"], "action": "block"}
    bench = start({**rule, "unscannable": "block"}, script=lambda got: answer(b"<html>"))
    reply = bench.post(chat())
    assert (reply.status, reply.get("x-portcullis-reason")) == (502, "answer_malformed")
    assert b"html" not in reply.body
    assert reply.get("x-should-retry") == "false"
    assert bench.record(reply)["outcome"] == "upstream_failed"


# --- blocks in a stream ---

SAID = Say(pieces=("All is well. ", "The code is ", "hunter", "2, keep it. ", "Bye."))
NO_CODE = {"kind": "patterns", "deny": ["hunter2"], "surfaces": ["output"], "action": "block"}
EARLY = Say(
    pieces=(
        "hun",
        "ter2 is the code.",
    )
)


def speaking(say: Say) -> Callable[[Message], Script]:
    """An upstream that says it in the dialect of the path, one event a piece."""

    def script(got: Message) -> Script:
        if got.target.endswith("/responses"):
            return stream(answers.responses_stream(say))
        if got.target.endswith("/messages"):
            return stream(answers.messages_stream(say))
        return stream(answers.chat_stream(say, usage=False))

    return script


ENDINGS = {
    "/v1/chat/completions": b'"code":"pattern_found"',
    "/v1/responses": b"response.failed",
    "/v1/messages": b"event: message_stop\n",
}


@pytest.mark.parametrize(("target", "ending"), ENDINGS.items())
def test_a_block_in_mid_stream_ends_it_in_the_dialects_way(
    start: Start, target: str, ending: bytes
) -> None:
    bench = start(NO_CODE, script=speaking(SAID))
    body = chat(stream=True, max_tokens=50, input="hi")
    reply = bench.post(body, target=target)
    assert reply.status == 200
    assert b"All is well. " in reply.body
    assert b"hunter" not in reply.body
    assert b"keep it" not in reply.body
    assert b"Bye." not in reply.body
    assert ending in reply.body.rstrip().split(b"\n\n")[-1] + b"\n"
    assert b"[DONE]" not in reply.body
    record = bench.record(reply)
    assert (record["outcome"], record["action"], record["reason"]) == (
        "blocked",
        "block",
        "pattern_found",
    )


@pytest.mark.parametrize("target", list(ENDINGS))
def test_a_block_before_the_first_byte_is_an_error_of_its_own(start: Start, target: str) -> None:
    bench = start(NO_CODE, script=speaking(EARLY))
    reply = bench.post(chat(stream=True, max_tokens=50, input="hi"), target=target)
    assert (reply.status, reply.get("x-should-retry")) == (400, "false")
    assert reply.get("content-type") == "application/json"
    assert reply.get("x-portcullis-reason") == "pattern_found"
    assert b"hunter" not in reply.body
    assert b"The answer was not delivered." in reply.body
    record = bench.record(reply)
    assert (record["outcome"], record["status"]) == ("blocked", 400)


def test_after_a_block_upstream_is_let_go(start: Start) -> None:
    events = answers.chat_stream(SAID, usage=False)
    never = Script([SSE_HEAD, *(chunk(event) for event in events[:-2])], then="hang")
    bench = start(NO_CODE, script=lambda got: never)
    assert b'"code":"pattern_found"' in bench.post(STREAMED).body
    assert bench.upstream.hung_up.wait(20)


# --- upstream breaks ---


@pytest.mark.parametrize("then", ["close", "reset"])
def test_a_stream_that_upstream_breaks_off_does_not_end_well(start: Start, then: str) -> None:
    pieces = answers.chat_stream(Say(), usage=False)[:2]
    bench = start(DENY, script=lambda got: stream(pieces, then=then))
    with Connection(bench.base) as connection:
        connection.send("POST", "/v1/chat/completions", STREAMED, [JSON])
        head = connection.head()
        with pytest.raises(ConnectionError):
            list(iter(connection.reader.chunk, b""))
    bench.gateway.idle()
    record = bench.record(head)
    assert (record["outcome"], record["reason"]) == ("upstream_failed", "upstream_unreachable")
    assert record["usage"]["estimated"] is True


@pytest.mark.parametrize("target", ["/v1/chat/completions", "/v1/messages", "/v1/models"])
def test_an_upstream_that_is_away_is_a_502_in_the_callers_words(start: Start, target: str) -> None:
    bench = start()
    bench.upstream.go_away()
    reply = bench.post(chat(max_tokens=5), target=target)
    assert (reply.status, reply.get("x-portcullis-reason")) == (502, "upstream_unreachable")
    assert "x-should-retry" not in reply
    body = orjson.loads(reply.body)
    assert ("type" in body) == (target == "/v1/messages")
    assert "127.0.0.1" not in str(body)
    record = bench.record(reply)
    assert (record["outcome"], record["status"]) == ("upstream_failed", 502)
    assert "usage" not in record


def test_an_upstream_that_says_nothing_is_a_504(start: Start) -> None:
    bench = start(script=lambda got: Script([], then="hang"))
    url = bench.upstream.url
    bench.gateway.do(_reload(bench, {"provider": "openai", "url": url, "timeout": "50ms"}))
    reply = bench.post(chat())
    assert (reply.status, reply.get("x-portcullis-reason")) == (504, "upstream_timeout")
    assert bench.record(reply)["usage"]["estimated"] is True  # it may have been at work
    assert bench.upstream.hung_up.wait(20)


async def _reload(bench: Bench, upstream: dict[str, object]) -> None:
    file = {
        "version": 1,
        "upstreams": {"openai": upstream},
        "tenants": {"local": {"policies": ["p"]}},
        "default_tenant": "local",
        "policies": {"p": {"rules": []}},
    }
    worker = bench.gateway.worker
    texts = {"policy.yaml": orjson.dumps(file).decode()}
    assert await worker.answer({"do": "prepare", "texts": texts}) == {"prepared": True}
    assert await worker.answer({"do": "commit"}) == {"committed": True}


@pytest.mark.parametrize(
    "script",
    [
        Script([b"SSH-2.0-OpenSSH_9\r\n"], then="close"),
        Script([b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"], then="close"),
        Script([], then="reset"),
    ],
    ids=["not http", "half a body", "reset"],
)
def test_an_answer_that_is_none_is_a_502(start: Start, script: Script) -> None:
    bench = start(script=lambda got: script)
    reply = bench.post(chat())
    assert (reply.status, reply.get("x-portcullis-reason")) == (502, "upstream_unreachable")


def test_an_answer_over_the_limit_is_a_502_that_is_not_retried(start: Start) -> None:
    bench = start(limits={"max_answer": "1KB"}, script=lambda got: answer(said("x" * 2000)))
    reply = bench.post(chat())
    assert (reply.status, reply.get("x-portcullis-reason")) == (502, "answer_malformed")
    assert reply.get("x-should-retry") == "false"


@pytest.mark.parametrize(("rules", "status"), [((), 200), (({"kind": "secrets"},), 502)])
def test_what_a_file_holds_passes_in_any_size_where_no_rule_reads_it(
    start: Start, rules: tuple[dict[str, str], ...], status: int
) -> None:
    content = b'{"a": 1}\n' * 500
    bench = start(*rules, limits={"max_answer": "1KB"}, script=lambda got: answer(content))
    reply = call(bench.base, "/v1/files/file-1/content", method="GET")
    assert reply.status == status
    assert (reply.body == content) is (status == 200)


def test_a_stream_that_is_not_packed_as_it_says_is_a_502(start: Start) -> None:
    head = SSE_HEAD.replace(b"Transfer", b"Content-Encoding: gzip\r\nTransfer")
    bench = start(DENY, script=lambda got: stream([b"data: {}\n\n"], head=head))
    reply = bench.post(STREAMED)
    assert (reply.status, reply.get("x-portcullis-reason")) == (502, "answer_malformed")


def test_a_stream_in_which_we_fail_is_broken_off_and_recorded(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.policy.stream_window import StreamWindow

    feed = StreamWindow.feed

    def fail(self: StreamWindow, event: object) -> bytes:
        if b"there" in event.raw:  # type: ignore[attr-defined]
            raise RuntimeError("a bug")
        return feed(self, event)  # type: ignore[arg-type]

    monkeypatch.setattr(StreamWindow, "feed", fail)
    events = answers.chat_stream(Say(), usage=False)
    go_on = threading.Event()
    bench = start(script=lambda got: stream([*events[:2], go_on, *events[2:]]))
    with Connection(bench.base) as connection:
        connection.send("POST", "/v1/chat/completions", STREAMED, [JSON])
        head = connection.head()
        connection.reader.chunk()
        go_on.set()
        with pytest.raises(ConnectionError):
            list(iter(connection.reader.chunk, b""))
    bench.gateway.idle()
    record = bench.record(head)
    assert (record["outcome"], record["reason"]) == ("failed", "internal_error")
