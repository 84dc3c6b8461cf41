"""The official Python SDKs against a running gateway: every kind, every dialect, both modes."""

from __future__ import annotations

import anthropic
import openai
import pytest
from tests.clients.cases import CASES, Ask, Case
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
    assert passed.headers["x-portcullis-verdict"] in ("allow", "flag")

    before = len(gate.provider.seen)
    stopped = call(gate.base, key, case.stops, stream)
    received = b"".join(seen.body for seen in gate.provider.seen[before:]).decode()
    check_effect(case, stopped)
    if case.effect != "changed":
        assert received == ""
        assert stopped.headers["x-portcullis-reason"] == case.reason
        assert case.reason in str(stopped.error) or flavour == "anthropic_messages"
    if case.provider_lacks:
        assert case.provider_lacks not in received
    assert case.provider_has in received
    assert case.agent_has in stopped.everything
    if case.agent_lacks:
        assert case.agent_lacks not in stopped.everything


def check_effect(case: Case, heard: Heard) -> None:
    """The typed exception, and that a policy block is never retried."""
    assert heard.attempts == 1
    if case.effect == "refused":
        assert isinstance(heard.error, BAD_REQUEST), heard.error
    elif case.effect == "limited":
        assert isinstance(heard.error, RATE_LIMIT), heard.error
        assert int(heard.headers["retry-after"]) > 60
    else:
        assert heard.error is None, heard.error
        assert heard.tools == list(case.tools_left)


@every_way
@every_flavour
def test_the_providers_own_error_reaches_the_sdk_and_its_retries_work(
    gate: Gate, flavour: str, stream: bool
) -> None:
    key = gate.keys["model", "python", flavour, stream]
    heard = FLAVOURS[flavour](gate.base, key, Ask(say="status-500"), stream)
    assert isinstance(heard.error, (openai.InternalServerError, anthropic.InternalServerError))
    assert "the provider is unhappy" in str(heard.error)
    assert heard.attempts == 3


@every_flavour
def test_an_unknown_gateway_key_is_an_authentication_error(gate: Gate, flavour: str) -> None:
    key = "ptc_unknown1_" + "x" * 43
    heard = FLAVOURS[flavour](gate.base, key, Ask(), False)
    assert isinstance(heard.error, (openai.AuthenticationError, anthropic.AuthenticationError))
    assert heard.attempts == 1
    assert heard.headers["x-portcullis-reason"] == "key_invalid"


def test_embeddings_pass_and_are_scanned(gate: Gate) -> None:
    key = gate.keys["secrets", "python", "openai_chat", False]
    client = openai.OpenAI(base_url=f"{gate.base}/v1", api_key=key)
    made = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    assert len(made.data) == 2
    with pytest.raises(openai.BadRequestError, match="AWS access key"):
        client.embeddings.create(
            model="text-embedding-3-small", input=["one", "AKIAIOSFODNN7EXAMPLE"]
        )
    client.close()


def test_counting_tokens_passes_and_is_scanned(gate: Gate) -> None:
    key = gate.keys["secrets", "python", "anthropic_messages", False]
    client = anthropic.Anthropic(base_url=gate.base, api_key=key)
    count = client.messages.count_tokens(
        model="claude-sonnet-4-5", messages=[{"role": "user", "content": "Hello"}]
    )
    assert count.input_tokens == 12
    with pytest.raises(anthropic.BadRequestError, match="AWS access key"):
        client.messages.count_tokens(
            model="claude-sonnet-4-5",
            messages=[{"role": "user", "content": "AKIAIOSFODNN7EXAMPLE"}],
        )
    client.close()


def test_the_list_of_models_passes(gate: Gate) -> None:
    key = gate.keys["secrets", "python", "openai_chat", False]
    client = openai.OpenAI(base_url=f"{gate.base}/v1", api_key=key)
    assert [model.id for model in client.models.list()]
    client.close()
