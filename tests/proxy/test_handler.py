"""The life of a request, from outside: what passes untouched, what is refused and in whose words,
and that every end has its record."""

from __future__ import annotations

import datetime
import gzip
import zlib
from typing import Any

import orjson
import pytest

from gateway.identity.gateway_key import hash_of, new_key
from gateway.worker import Parts
from tests.proxy.conftest import JSON, Bench, Start, chat
from tests.proxy.wire import Message, answer, call

ANTHROPIC = ("anthropic-version", "2023-06-01")
ODD = (
    b'{ "model" : "gpt-4o-mini","messages":[{"role":"user","content":"h\\u00e9 \xe2\x82\xac"}],\r\n'
    b'  "x_unknown": {"deep": [1.0, 1e3, -0, 12345678901234567890]}, "stream": false }  '
)


def error_of(reply: Message) -> dict[str, Any]:
    """The error in either dialect's shape."""
    body = orjson.loads(reply.body)
    error: dict[str, Any] = body["error"]
    return error


# --- what passes ---


def test_a_body_that_no_rule_changed_arrives_byte_for_byte(start: Start) -> None:
    bench = start({"kind": "size", "max_tools": 1}, {"kind": "model", "allow": ["gpt-*"]})
    for target in ("/v1/chat/completions?beta=true&x=%2F", "/openai/v1/chat/completions"):
        assert bench.post(ODD, target=target).status == 200
    assert [got.body for got in bench.upstream.got] == [ODD, ODD]
    assert bench.upstream.got[0].target == "/v1/chat/completions?beta=true&x=%2F"
    assert bench.upstream.got[1].target == "/v1/chat/completions"


def test_a_changed_body_is_sent_plain_with_its_own_length(start: Start) -> None:
    bench = start({"kind": "model", "max_output": 100})
    reply = bench.post(gzip.compress(chat(max_tokens=5000)), [("Content-Encoding", "gzip")])
    assert reply.get("x-portcullis-verdict") == "rewrite"
    got = bench.upstream.got[0]
    assert "content-encoding" not in got
    assert orjson.loads(got.body)["max_tokens"] == 100


def test_a_path_that_no_dialect_reads_passes_with_its_body_where_no_rule_reads_it(
    start: Start,
) -> None:
    bench = start({"kind": "model", "allow": ["*"], "unscannable": "allow"})
    body = b"--x\r\nnot json at all \xff\x00\r\n--x--"
    reply = call(bench.base, "/v1/audio/transcriptions", body, [("Content-Type", "multipart/x")])
    assert reply.status == 200
    assert bench.upstream.got[0].body == body
    record = bench.record(reply)
    assert (record["dialect"], record["outcome"]) == ("opaque", "answered")


def test_a_body_on_a_path_that_no_dialect_reads_follows_unscannable(start: Start) -> None:
    bench = start({"kind": "tools", "deny": ["x"], "unscannable": "block"})
    reply = call(bench.base, "/v1/fine_tuning/jobs", b'{"a":1}', [JSON])
    assert reply.status == 400
    assert error_of(reply)["code"] == "unscannable_content"
    assert call(bench.base, "/v1/models", method="GET").status == 200  # no body, nothing unread
    assert len(bench.upstream.got) == 1


def test_hop_by_hop_headers_and_our_own_stay_on_this_side(start: Start) -> None:
    bench = start()
    bench.post(
        chat(),
        [
            ("X-Mine", "1"),
            ("Connection", "keep-alive, X-Mine"),
            ("Keep-Alive", "timeout=5"),
            ("TE", "trailers"),
            ("Proxy-Authorization", "Basic eA=="),
            ("X-Portcullis-Anything", "1"),
            ("anthropic-beta", "a,b"),
            ("X-Stainless-Retry-Count", "1"),
        ],
    )
    got = bench.upstream.got[0]
    gone = ["x-mine", "keep-alive", "te", "proxy-authorization", "x-portcullis-anything"]
    assert [name for name in gone if name in got] == []
    assert (got.get("anthropic-beta"), got.get("x-stainless-retry-count")) == ("a,b", "1")


# --- credentials ---


def test_the_callers_own_key_passes_where_the_upstream_has_none(start: Start) -> None:
    bench = start()
    bench.post(chat(), [("Authorization", "Bearer sk-mine"), ("x-api-key", "k")])
    got = bench.upstream.got[0]
    assert (got.all("authorization"), got.all("x-api-key")) == (["Bearer sk-mine"], ["k"])


@pytest.mark.parametrize(
    ("provider", "expected"),
    [("openai", ("authorization", "Bearer sk-own")), ("anthropic", ("x-api-key", "sk-own"))],
)
def test_the_upstreams_credential_takes_the_place_of_the_callers(
    start: Start, provider: str, expected: tuple[str, str]
) -> None:
    bench = start(
        upstreams={"u": {"provider": provider, "url": "http://127.0.0.1:1", "credential": "x"}}
    )
    bench.gateway.do(_with_credential(bench, provider))
    headers = [("Authorization", "Bearer sk-mine"), ("X-Api-Key", "m"), ("x-goog-api-key", "g")]
    call(bench.base, "/u/v1/models", None, headers, method="GET")
    got = bench.upstream.got[0]
    names = ("authorization", "x-api-key", "x-goog-api-key")
    assert [(n, v) for n in names for v in got.all(n)] == [expected]


async def _with_credential(bench: Bench, provider: str) -> None:
    """The policy again, now that the upstream's port is known."""
    file = {
        "version": 1,
        "upstreams": {
            "u": {"provider": provider, "url": bench.upstream.url, "credential": "sk-own"}
        },
        "tenants": {"local": {"policies": ["p"]}},
        "default_tenant": "local",
        "policies": {"p": {"rules": []}},
    }
    order = {"do": "prepare", "texts": {"policy.yaml": orjson.dumps(file).decode()}}
    assert await bench.gateway.worker.answer(order) == {"prepared": True}
    assert await bench.gateway.worker.answer({"do": "commit"}) == {"committed": True}


KEY = new_key()
OLD = new_key()
KEYED = {
    "tenants": {
        "acme": {
            "keys": [
                {"name": "bot", "hash": hash_of(KEY), "agent": "helper", "may_assert": ["user"]},
                {"name": "old", "hash": hash_of(OLD), "expires": "2020-01-31"},
            ],
            "policies": ["p"],
        }
    },
    "default_tenant": None,
}


@pytest.mark.parametrize(
    "header", [("Authorization", f"Bearer {KEY}"), ("x-api-key", KEY), ("x-goog-api-key", KEY)]
)
def test_a_gateway_key_says_who_calls_and_never_travels(
    start: Start, header: tuple[str, str]
) -> None:
    bench = start(**KEYED)
    reply = bench.post(chat(), [header, ("x-portcullis-user", "ann")])
    assert reply.status == 200
    assert KEY not in str(bench.upstream.got[0].headers)
    who = bench.record(reply)["who"]
    assert (who["tenant"], who["agent"], who["user"]) == ("acme", "helper", "ann")
    assert sorted(who["verified"]) == ["agent", "tenant"]


GENERATE = "/v1beta/models/gemini-2.5-flash:generateContent"
CONTENTS = b'{"contents":[{"parts":[{"text":"Hello"}]}]}'


def test_a_key_in_the_query_passes_where_the_upstream_has_none(start: Start) -> None:
    bench = start()
    call(bench.base, f"{GENERATE}?key=AIza-mine&alt=json", CONTENTS, [JSON])
    assert bench.upstream.got[0].target == f"{GENERATE}?key=AIza-mine&alt=json"


def test_the_upstreams_credential_takes_the_place_of_a_key_in_the_query(start: Start) -> None:
    bench = start()
    bench.gateway.do(_with_credential(bench, "gemini"))
    call(bench.base, f"/u{GENERATE}?%24key=AIza-mine&alt=json", CONTENTS, [JSON])
    (got,) = bench.upstream.got
    assert got.target == f"{GENERATE}?alt=json"
    assert got.all("x-goog-api-key") == ["sk-own"]


def test_a_gateway_key_in_the_query_says_who_calls_and_never_travels(start: Start) -> None:
    bench = start(**KEYED)
    reply = call(bench.base, f"{GENERATE}?key={KEY}&key=AIza-mine", CONTENTS, [JSON])
    assert bench.upstream.got[0].target == f"{GENERATE}?key=AIza-mine"
    record = bench.record(reply)
    assert (record["who"]["tenant"], record["who"]["agent"]) == ("acme", "helper")
    assert KEY not in str(record)
    assert "AIza" not in str(record)
    refused = call(bench.base, f"{GENERATE}?key={new_key()}", CONTENTS, [JSON])
    error = orjson.loads(refused.body)["error"]
    assert (refused.status, error["status"]) == (401, "UNAUTHENTICATED")
    assert len(bench.upstream.got) == 1


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([], "key_missing"),
        ([("x-api-key", "sk-not-ours")], "key_missing"),
        ([("Authorization", f"Bearer {new_key()}")], "key_invalid"),
        ([("Authorization", f"Bearer {OLD}")], "key_expired"),
        ([("Authorization", f"Bearer {KEY}"), ("x-api-key", new_key())], "key_invalid"),
    ],
)
@pytest.mark.parametrize("target", ["/v1/chat/completions", "/v1/messages", "/v1/models"])
def test_no_good_key_is_a_401_that_is_not_retried(
    start: Start, headers: list[tuple[str, str]], reason: str, target: str
) -> None:
    bench = start(**KEYED)
    reply = bench.post(chat(max_tokens=9), headers, target)
    assert (reply.status, reply.get("x-portcullis-reason")) == (401, reason)
    assert reply.get("x-should-retry") == "false"
    assert bench.upstream.got == []
    assert error_of(reply)["type"] == (
        "authentication_error" if target == "/v1/messages" else error_of(reply)["type"]
    )
    assert bench.record(reply)["outcome"] == "refused"


def test_a_caller_says_of_itself_only_what_its_key_allows(start: Start) -> None:
    bench = start(**KEYED)
    key = ("x-api-key", KEY)
    reply = bench.post(chat(), [key, ("x-portcullis-task", "t1")])
    assert (reply.status, reply.get("x-portcullis-reason")) == (400, "assertion_denied")
    assert bench.upstream.got == []


# --- what cannot be read ---

UNREADABLE = {
    "not json": (b"{nonsense", "body_malformed"),
    "empty": (b"", "body_malformed"),
    "no object": (b"[1, 2]", "body_malformed"),
    "not utf-8": (b'{"model": "\xff"}', "body_malformed"),
    "a number that is none": (b'{"model": NaN}', "body_malformed"),
    "a key twice": (b'{"model":"a","messages":[],"model":"b"}', "duplicate_key"),
    "a key twice, deep": (b'{"messages":[{"role":"user","role":"system"}]}', "duplicate_key"),
    "half a surrogate pair": (
        b'{"model":"a","messages":[{"role":"user","content":"\\ud800"}]}',
        "lone_surrogate",
    ),
}


@pytest.mark.parametrize(("body", "reason"), UNREADABLE.values(), ids=UNREADABLE.keys())
@pytest.mark.parametrize("dialect", ["openai", "responses", "anthropic"])
def test_a_body_that_cannot_be_read_is_refused_in_the_callers_words(
    start: Start, body: bytes, reason: str, dialect: str
) -> None:
    bench = start()
    target = {
        "openai": "/v1/chat/completions",
        "responses": "/v1/responses",
        "anthropic": "/v1/messages",
    }
    reply = bench.post(body, target=target[dialect])
    assert (reply.status, reply.get("x-portcullis-reason")) == (400, reason)
    assert bench.upstream.got == []
    error = error_of(reply)
    assert error["type"] == "invalid_request_error"
    document = orjson.loads(reply.body)
    if dialect == "anthropic":
        assert (document["type"], document["request_id"]) == (
            "error",
            reply.get("x-portcullis-id"),
        )
    else:
        assert error["code"] == reason
    assert reply.get("x-portcullis-id") in error["message"]
    assert bench.record(reply)["outcome"] == "refused"


def test_a_body_too_large_is_refused_in_anthropics_words_too(start: Start) -> None:
    bench = start(limits={"max_body": "1KB"})
    reply = bench.post(chat("x" * 2000), target="/v1/messages")
    assert reply.status == 413
    assert orjson.loads(reply.body)["type"] == "error"
    assert error_of(reply)["type"] == "request_too_large"


def test_a_compressed_body_is_unpacked_no_further_than_the_limit(start: Start) -> None:
    bench = start(limits={"max_body": "100KB"})
    bomb = gzip.compress(chat("x" * 1_000_000))
    assert len(bomb) < 100_000
    reply = bench.post(bomb, [("Content-Encoding", "gzip")])
    assert (reply.status, reply.get("x-portcullis-reason")) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (zlib.compress(chat()), "br", "encoding_unsupported"),
        (chat(), "gzip", "body_malformed"),
        (gzip.compress(chat())[:-9], "gzip", "body_malformed"),
    ],
)
def test_an_encoding_that_cannot_be_undone_is_refused(
    start: Start, body: bytes, encoding: str, reason: str
) -> None:
    bench = start()
    reply = bench.post(body, [("Content-Encoding", encoding)])
    assert (reply.status, reply.get("x-portcullis-reason")) == (400, reason)


def test_a_path_that_no_upstream_takes_says_which_there_are(start: Start) -> None:
    bench = start()
    reply = call(bench.base, "/nowhere/at/all", b"{}", [JSON])
    assert (reply.status, reply.get("x-portcullis-reason")) == (404, "upstream_unknown")
    assert "/openai/" in error_of(reply)["message"]


# --- who may knock ---


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([("Host", "evil.example")], "host_denied"),
        ([("Host", "127.0.0.1.evil.example:80")], "host_denied"),
        ([("Host", "localhost@evil.example")], "host_denied"),
        ([("Host", "")], "host_denied"),
        ([("Origin", "https://evil.example")], "origin_denied"),
        ([("Origin", "null")], "origin_denied"),
    ],
)
def test_web_pages_and_foreign_names_are_turned_away(
    start: Start, headers: list[tuple[str, str]], reason: str
) -> None:
    bench = start()
    reply = bench.post(chat(), headers)
    assert (reply.status, reply.get("x-portcullis-reason")) == (403, reason)
    assert bench.upstream.got == []


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8484", "gw.test"])
def test_own_names_and_listed_ones_are_taken(start: Start, host: str) -> None:
    bench = start(listener={"hosts": ["gw.test"], "origins": ["https://app.test"]})
    headers = [("Host", host), ("Origin", "https://app.test")]
    assert bench.post(chat(), headers).status == 200


# --- refusals, failures, the end ---


@pytest.mark.parametrize("target", ["/v1/chat/completions", "/v1/messages"])
def test_a_block_says_what_happened_and_what_was_not_done(start: Start, target: str) -> None:
    bench = start({"kind": "model", "id": "models", "allow": ["claude-*"]})
    reply = bench.post(chat(max_tokens=5), target=target)
    assert reply.status == 400
    assert reply.get("x-should-retry") == "false"
    assert reply.get("x-portcullis-verdict") == "block"
    assert reply.get("x-portcullis-reason") == "model_denied"
    assert reply.get("x-portcullis-rule") == "p/models"
    own = reply.get("x-portcullis-id")
    assert (reply.get("x-request-id"), reply.get("request-id")) == (own, own)
    message = error_of(reply)["message"]
    assert message.startswith("Portcullis blocked this request: rule p/models ")
    assert "Nothing was sent to the provider." in message
    record = bench.record(reply)
    assert (record["outcome"], record["status"], record["reason"]) == (
        "refused",
        400,
        "model_denied",
    )
    assert bench.upstream.got == []


def test_a_short_wait_is_a_429_that_sdks_wait_for(start: Start) -> None:
    bench = start({"kind": "rate_limit", "per": "tenant", "requests": "1/s"})
    replies = [bench.post(chat()) for _ in range(3)]
    late = next(reply for reply in replies if reply.status == 429)
    assert late.get("retry-after") == "1"
    assert "x-should-retry" not in late
    assert error_of(late)["code"] == "rate_limited"


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("/v1/chat/completions", "x-ratelimit-{}-requests"),
        ("/v1/responses", "x-ratelimit-{}-requests"),
        ("/v1/messages", "anthropic-ratelimit-requests-{}"),
    ],
)
def test_a_wait_carries_the_dialects_rate_limit_headers(
    start: Start, target: str, names: str
) -> None:
    bench = start(
        {"kind": "rate_limit", "per": "tenant", "requests": "2/hour"},
        {"kind": "rate_limit", "per": "global", "requests": "100/hour"},
        {
            "kind": "rate_limit",
            "per": "tenant",
            "id": "shadow",
            "requests": "1/hour",
            "mode": "shadow",
        },
    )
    body = chat(max_tokens=5, input="hi")
    late = [bench.post(body, target=target) for _ in range(3)][-1]
    assert late.status == 429
    assert late.get(names.format("limit")) == "2"
    assert late.get(names.format("remaining")) == "0"
    assert late.get(names.format("reset"))


def test_a_long_wait_tells_sdks_not_to_wait(start: Start) -> None:
    bench = start({"kind": "rate_limit", "per": "tenant", "requests": "1/hour"})
    assert bench.post(chat()).status == 200
    late = bench.post(chat())
    assert late.status == 429
    assert int(late.get("retry-after")) > 60
    assert late.get("x-should-retry") == "false"


def test_shadow_rules_speak_and_change_nothing(start: Start) -> None:
    bench = start({"kind": "model", "allow": ["claude-*"], "mode": "shadow"})
    reply = bench.post(ODD)
    assert (reply.status, reply.get("x-portcullis-verdict")) == (200, "allow")
    assert bench.upstream.got[0].body == ODD
    [verdict] = bench.record(reply)["verdicts"]
    assert verdict["reason"] == "model_denied"
    assert (verdict["verdict"], verdict["action"]) == ("block", "allow")


def test_a_bug_of_ours_is_a_503_that_is_not_retried_and_says_no_more_than_its_name(
    start: Start,
) -> None:
    def break_routing(parts: Parts) -> None:
        async def fail(*_: object) -> None:
            raise RuntimeError("secret detail")

        parts.handler._sessions.enter = fail  # type: ignore[method-assign]

    bench = start(arrange=break_routing)
    reply = bench.post(chat())
    assert (reply.status, reply.get("x-should-retry")) == (503, "false")
    assert error_of(reply)["code"] == "internal_error"
    assert b"secret detail" not in reply.body
    assert bench.record(reply)["outcome"] == "failed"


def test_who_calls_while_the_gateway_shuts_down_may_try_again(start: Start) -> None:
    bench = start()
    bench.gateway.parts.handler.draining = True
    reply = bench.post(chat())
    assert (reply.status, reply.get("x-portcullis-reason")) == (503, "draining")
    assert "x-should-retry" not in reply


def test_a_call_keeps_the_policy_with_which_it_began(start: Start) -> None:
    bench = start({"kind": "model", "allow": ["gpt-*"]})
    before = bench.record(bench.post(chat()))["policy"]
    bench.gateway.do(_with_credential(bench, "openai"))
    after = bench.post(chat())
    assert bench.record(after)["policy"] != before


def test_the_record_tells_times_of_every_station(start: Start) -> None:
    bench = start({"kind": "model", "allow": ["*"]})
    record = bench.record(bench.post(chat()))
    assert set(record["micros"]) >= {"identify", "read", "decode", "rules", "upstream", "total"}
    assert all(isinstance(micros, int) and micros >= 0 for micros in record["micros"].values())
    moment = datetime.datetime.fromisoformat(record["time"])
    assert moment.tzinfo is not None


def test_the_providers_errors_pass_as_they_are(start: Start) -> None:
    body = b'{"error":{"message":"no","code":"rate_limit_exceeded"}}'
    headers = [
        JSON,
        ("retry-after-ms", "20"),
        ("x-request-id", "req_1"),
        ("x-should-retry", "true"),
    ]
    bench = start(
        {"kind": "model", "allow": ["*"]},
        script=lambda got: answer(body, "429 Too Many Requests", headers),
    )
    reply = bench.post(chat())
    assert (reply.status, reply.body) == (429, body)
    assert [pair for pair in reply.headers if pair in headers] == headers
    assert bench.record(reply)["upstream_status"] == 429
