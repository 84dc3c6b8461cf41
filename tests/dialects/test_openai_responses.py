"""The dialect as the stations see it: decoding, errors as the SDK raises them."""

from __future__ import annotations

import httpx2
import openai
import pytest

from gateway.dialects.base import AnswerStream, PartKind, RateLimit
from gateway.dialects.openai_responses import OpenAIResponses
from gateway.errors import CallerError
from gateway.message import Headers, Request
from gateway.verdict import Reason
from tests.dialects.driving import drive, events_of, payloads_of, remove
from tests.dialects.responses_samples import call as function_call
from tests.dialects.responses_samples import message, reasoning, stream

DIALECT = OpenAIResponses()
BODY = b'{"model": "gpt-x", "input": "hi"}'


def request(target: str) -> Request:
    return Request("POST", target, Headers())


def test_counting_tokens_is_free_and_still_read() -> None:
    call = DIALECT.decode(request("/v1/responses/input_tokens"), BODY)
    assert (call.operation, call.billable) == ("count_tokens", False)
    assert [segment.text for segment in call.segments] == ["hi"]
    answer = DIALECT.decode_answer(call, b'{"object":"response.input_tokens","input_tokens":3}')
    assert answer.encode().endswith(b":3}")


def test_compacting_takes_no_cap() -> None:
    call = DIALECT.decode(request("/v1/responses/compact"), BODY)
    call.set_max_output(5)
    assert call.encode() == BODY
    assert call.billable
    body = b'{"id":"c","object":"response.compaction","output":[{"type":"compaction"}]}'
    assert [each.what for each in DIALECT.decode_answer(call, body).unscannable] == ["encrypted"]


def test_a_body_that_two_parsers_could_read_differently_is_refused() -> None:
    with pytest.raises(CallerError) as caught:
        DIALECT.decode(request("/v1/responses"), b'{"input": "a", "input": "b"}')
    assert caught.value.reason is Reason.DUPLICATE_KEY


def test_reasoning_is_readonly_where_the_request_asks_for_its_encrypted_copy() -> None:
    raw = stream(reasoning(0, "hm"))
    for include, readonly in (("", False), (',"include":["reasoning.encrypted_content"]', True)):
        body = b'{"model":"m","input":"hi"' + include.encode() + b"}"
        reader = DIALECT.open_stream(DIALECT.decode(request("/v1/responses"), body))
        parts = [part for event in events_of(raw) for part in reader.read(event).parts]
        assert {p.readonly for p in parts if p.kind is PartKind.TEXT} == {readonly}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (429, openai.RateLimitError),
        (503, openai.InternalServerError),
    ],
)
def test_errors_are_the_sdks_typed_exceptions(
    status: int, error: type[openai.APIStatusError]
) -> None:
    asked: list[int] = []

    def answer(_: httpx2.Request) -> httpx2.Response:
        asked.append(1)
        body = DIALECT.error_body(status, "pii_found", "Blocked by rule x.", "req_1")
        headers = {"x-should-retry": "false", "content-type": "application/json"}
        return httpx2.Response(status, headers=headers, content=body)

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    client = openai.OpenAI(api_key="k", base_url="http://gateway.test/v1", http_client=http)
    with pytest.raises(error, match="Blocked by rule x") as caught:
        client.responses.create(model="m", input="hi")
    assert len(asked) == 1
    assert caught.value.code == "pii_found"


def test_limit_headers_are_openais() -> None:
    names = [name for name, _ in DIALECT.limit_headers([RateLimit("tokens", 9, 4, 1.0)])]
    assert names == [
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens",
    ]


def test_a_background_stream_keeps_its_numbers_for_who_goes_on_from_one_of_them() -> None:
    raw = stream(function_call(0, "run", "{}"), message(1, "Hello"))
    for background, kept in ((True, True), (False, False)):
        body = b'{"model":"m","input":"hi","background":%s}' % str(background).lower().encode()
        call = DIALECT.decode(request("/v1/responses"), body)
        assert call.deferred is background
        answer = DIALECT.open_stream(call)
        assert isinstance(answer, AnswerStream)
        out = payloads_of(drive(answer, raw, decide=remove("run")))
        before = {
            each["item_id"]: each["sequence_number"]
            for each in payloads_of(raw)
            if "item_id" in each
        }
        after = {each["item_id"]: each["sequence_number"] for each in out if "item_id" in each}
        assert (after["msg_1"] == before["msg_1"]) is kept
