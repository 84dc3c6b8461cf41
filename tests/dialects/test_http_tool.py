"""Calls of HTTP tools: their arguments, what is rewritten in them, what they answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Call, RateLimit, Surface
from gateway.dialects.http_tool import AMBIGUOUS, HttpTool
from gateway.dialects.http_tool_path import PathTemplate
from gateway.errors import CallerError
from gateway.message import Headers, Request
from gateway.verdict import Reason

JSON = "application/json"


def decode(
    target: str,
    body: bytes = b"",
    media: str = JSON,
    *,
    tool: str = "note",
    path: str = "",
    method: str = "POST",
) -> Call:
    template = PathTemplate(path) if path else None
    request = Request(method, f"/up{target}", Headers([("Content-Type", media)]), body)
    return HttpTool(tool, template, target).decode(request, body)


def redact(call: Call) -> Call:
    for segment in call.segments:
        if "secret" in segment.text:
            segment.replace(segment.text.replace("secret", "[x]"))
    return call


def test_a_call_runs_one_tool_with_all_that_it_says() -> None:
    call = decode("/notes/7?tag=a&tag=b", b'{"text": "hi"}', path="/notes/{id}")
    [invoked] = call.invokes
    assert (invoked.name, invoked.unknown) == ("note", False)
    assert json.loads(invoked.arguments) == {
        "path": {"id": "7"},
        "query": [["tag", "a"], ["tag", "b"]],
        "body": {"text": "hi"},
    }
    assert {segment.surface for segment in call.segments} == {Surface.TOOL_CALL}
    assert (call.operation, call.billable, call.reads_errors, call.party) == (
        *("tool", False, True, "tool"),
    )


def test_a_path_that_is_no_tool_is_a_call_named_by_method_and_path() -> None:
    call = decode("/Users/%37/Notes?x=1", tool="", method="get")
    [invoked] = call.invokes
    assert (invoked.name, invoked.label, invoked.unknown) == (
        *("GET /users/7/notes", "GET /users/*/notes", True),
    )
    assert "Users/7/Notes" in [segment.text for segment in call.segments]


def test_a_path_that_may_be_two_tools_is_refused() -> None:
    with pytest.raises(CallerError) as caught:
        decode("/a/../b", tool=AMBIGUOUS)
    assert caught.value.reason is Reason.PATH_AMBIGUOUS


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-HTTP-Method-Override", "DELETE"),
        ("x-http-method", "put"),
        ("X_HTTP_Method_Override", "DELETE"),
        ("x_original_url", "/notes"),
        ("X-Method-Override", "PATCH"),
        ("X-Original-URL", "/notes"),
        ("X-Rewrite-URL", "/admin"),
    ],
)
def test_another_method_or_path_in_a_header_is_refused(header: str, value: str) -> None:
    request = Request("POST", "/notes", Headers([(header, value)]))
    with pytest.raises(CallerError) as caught:
        HttpTool("note", None, "/notes").decode(request, b"")
    assert caught.value.reason is Reason.PATH_AMBIGUOUS
    same = Request("POST", "/notes", Headers([("X-HTTP-Method-Override", "post")]))
    HttpTool("note", None, "/notes").decode(same, b"")


def test_a_body_of_two_types_is_refused() -> None:
    headers = Headers([("Content-Type", "text/plain"), ("content-type", "multipart/form-data")])
    with pytest.raises(CallerError) as caught:
        HttpTool("note", None, "/notes").decode(Request("POST", "/notes", headers), b"x")
    assert caught.value.reason is Reason.BODY_MALFORMED


def test_another_method_in_a_field_is_refused() -> None:
    form = "application/x-www-form-urlencoded"
    for target, body in (("/notes?_method=DELETE", b""), ("/notes", b"a=1&_Method=delete")):
        with pytest.raises(CallerError) as caught:
            decode(target, body, form)
        assert caught.value.reason is Reason.PATH_AMBIGUOUS
    for target, body in (("/notes?_method=POST", b""), ("/notes", b"_method=card&_method")):
        decode(target, body, form)


def test_what_is_rewritten_goes_back_into_its_own_place() -> None:
    call = redact(
        decode("/notes/a%20secret/x?b=%41&q=secret", b'{"t" : "ok"}', path="/notes/{id}/x")
    )
    assert call.target("/came") == "/notes/a%20%5Bx%5D/x?b=%41&q=%5Bx%5D"
    assert not call.document.changed
    call = redact(decode("/notes?b=%41", b'{"t" : "secret"}', path="/notes"))
    assert call.target("/came") == "/came"
    assert call.encode() == b'{"t":"[x]"}'


def test_the_path_of_no_tool_can_be_rewritten_too() -> None:
    call = redact(decode("/other/secret?x", tool=""))
    assert call.target("/came") == "/other/%5Bx%5D?x"


def test_arguments_are_told_as_they_go_upstream() -> None:
    call = decode("/notes/secret", b'{"t": "ok"}', path="/notes/{id}")
    [invoked] = call.invokes
    assert call.arguments_now(invoked) == invoked.arguments
    redact(call)
    assert json.loads(call.arguments_now(invoked)) == {"path": {"id": "[x]"}, "body": {"t": "ok"}}
    assert "secret" in invoked.arguments


@given(
    target=st.text(st.sampled_from("/a%2e;?=&.{}\\+"), max_size=20),
    body=st.binary(max_size=20),
)
def test_a_call_that_no_rule_touches_goes_on_as_it_came(target: str, body: bytes) -> None:
    call = decode("/" + target, body, "text/plain", tool="")
    assert call.target("/came") == "/came"
    assert call.encode() == body


def test_without_a_target_of_its_own_it_is_the_requests() -> None:
    request = Request("GET", "/a/b?c=d", Headers())
    call = HttpTool().decode(request, b"")
    assert [segment.text for segment in call.segments] == ["a/b", "c", "d"]


def test_an_answer_is_read_by_its_content_type() -> None:
    dialect, call = HttpTool("note"), decode("/notes")
    call.heard(200, Headers([("Content-Type", "text/plain; charset=latin1")]))
    answer = dialect.decode_answer(call, "é".encode("latin-1"))
    assert [segment.text for segment in answer.segments] == ["é"]
    call.heard(404, Headers([("Content-Type", "image/png")]))
    assert [item.what for item in dialect.decode_answer(call, b"\xff").unscannable] == ["image"]


def test_a_block_tells_its_message_first() -> None:
    body = HttpTool().error_body(400, "tool_denied", "No.", "ptx_1")
    assert body.startswith(b'{"error":{"message":"No."')
    assert json.loads(body)["error"] == {
        "message": "No.",
        "code": "tool_denied",
        "status": 400,
        "id": "ptx_1",
    }


def test_limits_are_told_of_requests() -> None:
    limits = [RateLimit("tokens", 5, 4, 1.0), RateLimit("requests", 10, 3, 1.2)]
    assert HttpTool().limit_headers(limits).items == [
        ("x-ratelimit-limit", "10"),
        ("x-ratelimit-remaining", "3"),
        ("x-ratelimit-reset", "2"),
    ]
    assert HttpTool().limit_headers([]).items == []


def test_its_size_is_that_of_its_texts() -> None:
    call = decode("/notes?q=hello", b"world", "text/plain", path="/notes")
    assert call.input_bound() == len("q" + "hello" + "world")
    assert call.input_estimate() == 3
