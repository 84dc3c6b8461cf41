"""The official Python SDKs, as they come, against a running gateway: every kind, every dialect,
whole and streamed, with the exception and the number of attempts."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.clients.cases import BY_NAME, CASES, KEY, Ask, Case
from tests.clients.conftest import Gate
from tests.clients.flavours import FLAVOURS, Heard

BAD_REQUEST = (openai.BadRequestError, anthropic.BadRequestError)
RATE_LIMIT = (openai.RateLimitError, anthropic.RateLimitError)

every_way = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
every_flavour = pytest.mark.parametrize("flavour", list(FLAVOURS))
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@every_way
@every_flavour
@every_case
def test_a_call_passes_and_one_is_stopped_or_changed(
    gate: Gate, case: Case, flavour: str, stream: bool
) -> None:
    key = gate.keys[case.name, "python", flavour, stream]
    call = FLAVOURS[flavour]

    passed = call(gate.base, key, case.passes, stream)
    assert passed.error is None, passed.error
    assert passed.attempts == 1
    assert passed.text in ("Hello there.", "Looking.")
    assert passed.headers["x-portcullis-verdict"] == "allow"
    assert passed.headers["x-portcullis-id"].startswith("ptx_")

    before = len(gate.provider.seen)
    stopped = call(gate.base, key, case.stops, stream)
    received = gate.received(before)
    check_effect(case, stopped, flavour, stream)
    assert stopped.attempts == 1
    assert stopped.headers["x-portcullis-id"].startswith("ptx_")
    if case.effect in ("refused", "limited"):
        assert received == ""
    if case.provider_lacks:
        assert case.provider_lacks not in received
    assert case.provider_has in received
    assert case.agent_has in stopped.everything
    if case.agent_lacks:
        assert case.agent_lacks not in stopped.everything


def check_effect(case: Case, heard: Heard, flavour: str, stream: bool) -> None:
    """The typed exception of what was stopped, the tools that are left of what was changed."""
    if case.effect == "limited":
        assert isinstance(heard.error, RATE_LIMIT), heard.error
        assert int(heard.headers["retry-after"]) > 60
        check_reason(heard, case.reason)
    elif case.effect == "refused" or (case.effect == "cut" and not stream):
        assert isinstance(heard.error, BAD_REQUEST), heard.error
        check_reason(heard, case.reason)
    elif case.effect == "cut":
        check_cut(case, heard, flavour)
    else:
        assert heard.error is None, heard.error
        assert heard.tools == list(case.tools_left)


def check_reason(heard: Heard, reason: str) -> None:
    """The same word in the header and in the error's body."""
    assert heard.headers["x-portcullis-reason"] == reason
    if isinstance(heard.error, openai.APIStatusError):
        assert heard.error.code == reason
        assert heard.error.request_id == heard.headers["x-portcullis-id"]
    if isinstance(heard.error, anthropic.APIStatusError):
        assert heard.error.request_id == heard.headers["x-portcullis-id"]


def check_cut(case: Case, heard: Heard, flavour: str) -> None:
    """A block in the middle of a stream, as each SDK tells it, after what had been delivered."""
    assert heard.text.startswith("All is well. The word is")
    if flavour == "openai_chat":
        assert type(heard.error) is openai.APIError
        assert heard.error.code == case.reason
    elif flavour == "openai_responses":
        assert heard.failed is not None
        assert heard.failed[0] == "invalid_prompt"
    else:
        assert heard.error is None  # a normal end: the closing text says why
        assert "Portcullis blocked this answer" in heard.text


@every_flavour
def test_a_block_before_the_first_text_is_a_bad_request(gate: Gate, flavour: str) -> None:
    key = gate.keys["patterns-output", "python", flavour, True]
    heard = FLAVOURS[flavour](gate.base, key, Ask(say="early"), True)
    assert isinstance(heard.error, BAD_REQUEST), heard
    assert (heard.attempts, heard.text) == (1, "")
    check_reason(heard, "pattern_found")


@every_way
@every_flavour
def test_a_short_wait_is_sat_out_by_the_sdk(gate: Gate, flavour: str, stream: bool) -> None:
    key = gate.keys["wait", "python", flavour, stream]
    heard = [FLAVOURS[flavour](gate.base, key, Ask(), stream) for _ in range(2)]
    assert [each.error for each in heard] == [None, None]
    assert [each.text for each in heard] == ["Hello there."] * 2
    assert [each.attempts for each in heard] == [1, 2]


@every_way
@every_flavour
def test_the_providers_own_error_reaches_the_sdk_and_its_retries_work(
    gate: Gate, flavour: str, stream: bool
) -> None:
    key = gate.keys["none", "python", flavour, stream]
    heard = FLAVOURS[flavour](gate.base, key, Ask(say="status-500"), stream)
    assert isinstance(heard.error, (openai.InternalServerError, anthropic.InternalServerError))
    assert "the provider is unhappy" in str(heard.error)
    assert heard.attempts == 3


@every_way
@every_flavour
def test_an_unknown_gateway_key_is_an_authentication_error(
    gate: Gate, flavour: str, stream: bool
) -> None:
    key = "ptc_unknown1_" + "x" * 43
    heard = FLAVOURS[flavour](gate.base, key, Ask(), stream)
    assert isinstance(heard.error, (openai.AuthenticationError, anthropic.AuthenticationError))
    assert heard.attempts == 1
    assert heard.headers["x-portcullis-reason"] == "key_invalid"


@every_flavour
def test_a_blocked_session_goes_on_once_the_agent_says_something_else(
    gate: Gate, flavour: str
) -> None:
    """Agents resend what was blocked: it is taken out of what is old, and the turn passes."""
    key = gate.keys["secrets", "python", flavour, False]
    client = FLAVOURS[flavour]
    assert client(gate.base, key, BY_NAME["secrets"].stops, False).error is not None
    before = len(gate.provider.seen)
    heard = client(gate.base, key, Ask(f"Why does {KEY} not work?", result="no idea"), False)
    assert heard.error is None, heard.error
    assert KEY not in gate.received(before)
    assert "[removed by Portcullis: secret_found]" in gate.received(before)


def test_embeddings_pass_and_are_scanned(gate: Gate) -> None:
    key = gate.keys["secrets", "python", "openai_chat", False]
    with openai.OpenAI(base_url=f"{gate.base}/v1", api_key=key) as client:
        made = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
        assert len(made.data) == 2
        with pytest.raises(openai.BadRequestError, match="AWS access key"):
            client.embeddings.create(model="text-embedding-3-small", input=["one", KEY])


def test_counting_tokens_passes_and_is_scanned(gate: Gate) -> None:
    key = gate.keys["secrets", "python", "anthropic_messages", False]
    with anthropic.Anthropic(base_url=gate.base, api_key=key) as client:
        count = client.messages.count_tokens(
            model="claude-sonnet-4-5", messages=[{"role": "user", "content": "Hello"}]
        )
        assert count.input_tokens == 12
        with pytest.raises(anthropic.BadRequestError, match="AWS access key"):
            client.messages.count_tokens(
                model="claude-sonnet-4-5", messages=[{"role": "user", "content": KEY}]
            )


def test_the_list_of_models_passes(gate: Gate) -> None:
    key = gate.keys["none", "python", "openai_chat", False]
    with openai.OpenAI(base_url=f"{gate.base}/v1", api_key=key) as client:
        assert [model.id for model in client.models.list()]


@every_way
@every_flavour
def test_bodies_are_the_same_bytes_on_both_sides_and_every_reply_has_its_id(
    gate: Gate, flavour: str, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the SDK wrote is what the provider read, and the other way round."""
    sent: list[bytes] = []
    ids: list[str] = []
    send = httpx2.Client.send

    def spy(self: httpx2.Client, request: httpx2.Request, **options: Any) -> httpx2.Response:
        sent.append(request.content)
        response = send(self, request, **options)
        ids.append(response.headers["x-portcullis-id"])
        return response

    monkeypatch.setattr(httpx2.Client, "send", spy)
    for case in CASES:
        before = len(gate.provider.seen)
        key = gate.keys[case.name, "python", flavour, stream]
        if case.name in ("rate_limit", "budget"):
            continue  # its one call was made; asks for the stream's usage, which is an act
        heard = FLAVOURS[flavour](gate.base, key, case.passes, stream)
        assert heard.error is None
        assert [seen.body for seen in gate.provider.seen[before:]] == sent[-1:]
    assert len(set(ids)) == len(ids)


def test_unmodified_agents_get_a_session_for_each_conversation(gate: Gate) -> None:
    key = gate.keys["none", "python", "openai_chat", True]

    def session(*texts: str) -> tuple[str, str]:
        heard = Heard()
        messages: list[Any] = []
        for text in texts:
            messages += [{"role": "user", "content": text}, {"role": "assistant", "content": "ok"}]
        client = openai.OpenAI(
            base_url=f"{gate.base}/v1",
            api_key=key,
            http_client=openai.DefaultHttpxClient(event_hooks={"response": [heard.note]}),
        )
        with client:
            client.chat.completions.create(model="gpt-4o-mini", messages=messages[:-1])
        who = gate.gateway.record(heard.headers["x-portcullis-id"])["who"]
        return who["session_source"], who["session"]

    first = session("Plan my trip.")
    again = session("Plan my trip.", "And the hotel?")
    other = session("Write a poem.")
    assert first == again
    assert first[0] == "derived"
    assert other[1] != first[1]
