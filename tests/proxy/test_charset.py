"""What the rules read is what the other side reads, whatever charset a content-type names."""

from __future__ import annotations

import pytest

from gateway.errors import CallerError
from gateway.message import Headers
from gateway.proxy.charset import refuse_charset, settle_type
from gateway.verdict import Reason
from tests.proxy.conftest import Start
from tests.proxy.wire import answer, call

BLOCK = {"kind": "patterns", "deny": ["zebra"], "surfaces": ["user", "output"], "action": "block"}
PLAIN = [
    "application/json",
    "application/json; charset=utf-8",
    'application/json;charset="UTF-8"',
    "text/event-stream; charset=us-ascii",
    "application/json; charset=ISO-8859-1; odata=verbose",
    "multipart/form-data; boundary=b",
    "",
]
ODD = [
    "application/json; charset=utf-7",
    "application/json; charset = 'utf-7'",
    "application/json; charset=utf-16le",
    "application/json; charset=shift_jis",
    "application/json; charset=unicode_escape",
    "application/json; charset=nonsense",
    "application/json; charset*=utf-8''utf-7",
    "application/json; charset*0=utf-; charset*1=7",
    "application/json; charset=utf-8; charset=utf-7",
    'application/json; x="; charset=utf-7"; charset=utf-8',
    "application/json; x=" + "a" * 600 + "; charset=utf-7",
]


@pytest.mark.parametrize("content_type", PLAIN)
def test_charsets_in_which_ascii_is_itself_pass_untouched(content_type: str) -> None:
    headers = Headers([("Content-Type", content_type)])
    refuse_charset(headers)
    settle_type(headers)
    assert headers.items == [("Content-Type", content_type)]


@pytest.mark.parametrize("content_type", ODD)
def test_a_request_in_another_charset_is_refused(content_type: str) -> None:
    with pytest.raises(CallerError) as caught:
        refuse_charset(Headers([("a", "b"), ("Content-Type", content_type)]))
    assert caught.value.reason is Reason.ENCODING_UNSUPPORTED
    assert content_type not in caught.value.message


def test_no_second_content_type_goes_unseen() -> None:
    both = Headers([("content-type", PLAIN[0]), ("content-type", ODD[0])])
    with pytest.raises(CallerError):
        refuse_charset(both)
    settle_type(both)
    assert both.items == [("Content-Type", PLAIN[0])]


@pytest.mark.parametrize("content_type", ODD)
def test_an_answer_in_another_charset_is_told_to_be_what_was_read(content_type: str) -> None:
    headers = Headers([("content-type", content_type)])
    settle_type(headers)
    assert headers.items == [("Content-Type", "application/json; charset=utf-8")]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("application/json; a=text/event-stream", "application/json; charset=utf-8"),
        ("text/plain; a=application/json", "text/plain; charset=utf-8"),
        ("x-text/event-stream", "application/octet-stream"),
        ("application/json, text/event-stream", "application/octet-stream"),
    ],
)
def test_a_type_that_clients_could_take_for_another_one_does_not_pass(said: str, told: str) -> None:
    """Some look for `text/event-stream` anywhere in the header."""
    headers = Headers([("content-type", said)])
    settle_type(headers)
    assert headers.items == [("Content-Type", told)]


def test_a_request_in_utf_7_does_not_get_by_a_rule(start: Start) -> None:
    place = start(BLOCK)
    body = b'{"model": "m", "messages": [{"role": "user", "content": "+AHo-ebra"}]}'
    reply = call(place.base, "/v1/chat/completions", body, [("content-type", ODD[0])])
    assert (reply.status, reply.get("x-portcullis-reason")) == (400, "encoding_unsupported")
    assert place.upstream.got == []


def test_an_answer_in_utf_7_is_given_as_what_was_read(start: Start) -> None:
    body = b'{"choices": [{"message": {"role": "assistant", "content": "+AHo-ebra"}}]}'
    place = start(BLOCK, script=lambda got: answer(body, headers=[("content-type", ODD[0])]))
    reply = place.post(b'{"model": "m", "messages": []}')
    assert reply.body == body
    assert reply.get("content-type") == "application/json; charset=utf-8"
