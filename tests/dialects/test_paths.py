"""Paths: no spelling of a content path is taken for one that no dialect reads."""

from __future__ import annotations

import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.paths import dialect_for, model_of, plain_path


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/chat/completions", "openai_chat"),
        ("/chat/completions?api-version=1", "openai_chat"),
        ("/openai/deployments/my-gpt/chat/completions", "openai_chat"),
        ("/v1beta/openai/chat/completions", "openai_chat"),
        ("/v1/responses", "openai_responses"),
        ("/v1/embeddings", "openai_embeddings"),
        ("/v1/messages?beta=true", "anthropic_messages"),
        ("/v1/messages/count_tokens", "anthropic_messages"),
        ("/v1/models", "opaque"),
        ("/v1/completions", "openai_completions"),
        ("/openai/deployments/my-gpt/completions", "openai_completions"),
        ("/api/v1/chat/completions", "openai_chat"),
        ("/openai/v1/chat/completions", "openai_chat"),
        ("/inference/v1/chat/completions", "openai_chat"),
        ("/api/chat", "opaque"),
        ("/api/generate", "opaque"),
        ("/v1/responses/resp_1/cancel", "openai_stored"),
        ("/v1/conversations", "openai_stored"),
        ("/v1/conversations/conv_1/items", "openai_stored"),
        ("/v1/chat/completions/chatcmpl-1", "openai_stored"),
        ("/v1/responses/input_tokens", "openai_responses"),
        ("/v1/responses/compact", "openai_responses"),
        ("/v1/messages/batches", "anthropic_batches"),
        ("/v1/messages/batches/b_1/cancel", "anthropic_batches"),
        ("/v1/batches", "openai_batches"),
        ("/v1/batches/b_1/cancel", "opaque"),
        ("/v1/responses/resp_1", "opaque"),
        ("/v1/responses/resp_1/new", "opaque"),
        ("/v1/threads/t_1/messages", "opaque"),
        ("/v1/uploads/u_1/parts", "opaque"),
        ("/", "opaque"),
        ("", "opaque"),
    ],
)
def test_what_a_path_speaks(path: str, dialect: str) -> None:
    assert dialect_for("openai", "POST", path) == dialect
    assert dialect_for("anthropic", "POST", path) == dialect


@pytest.mark.parametrize("provider", ["gemini", "openai"])
def test_only_google_speaks_gemini(provider: str) -> None:
    found = dialect_for(provider, "POST", "/v1beta/models/gemini-2.5-pro:generateContent")
    assert found == ("gemini" if provider == "gemini" else "opaque")
    assert dialect_for(provider, "POST", "/v1beta/openai/chat/completions") == "openai_chat"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "DELETE", "delete"])
def test_methods_whose_answers_hold_no_conversation_speak_none(method: str) -> None:
    assert dialect_for("openai", method, "/v1/chat/completions") == "opaque"
    assert dialect_for("openai", method, "/v1/responses/resp_1") == "opaque"


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/responses/resp_1", "openai_stored"),
        ("/v1/responses/resp_1?stream=true&starting_after=4", "openai_stored"),
        ("/openai/v1/Responses/resp_1/", "openai_stored"),
        ("/v1/responses/resp_1/input_items", "openai_stored"),
        ("/v1/conversations/conv_1", "openai_stored"),
        ("/v1/conversations/conv_1/items", "openai_stored"),
        ("/v1/conversations/conv_1/items/msg_1", "openai_stored"),
        ("/v1/chat/completions", "openai_stored"),
        ("/v1/chat/completions/chatcmpl-1", "openai_stored"),
        ("/v1/chat/completions/chatcmpl-1/messages", "openai_stored"),
        ("/v1/chat/deferred-completion/r_1", "openai_stored"),
        ("/v1/responses/resp_1/new/things", "openai_stored"),
        ("/v1/messages/batches", "anthropic_batches"),
        ("/v1/messages/batches/b_1", "anthropic_batches"),
        ("/v1/messages/batches/b_1/results", "anthropic_batches"),
        ("/v1/models", "opaque"),
        ("/v1/files", "opaque"),
        ("/v1/files/file_1", "opaque"),
        ("/v1/batches/b_1", "opaque"),
        ("/v1/threads/t_1/messages", "opaque"),
        ("/v1/embeddings", "opaque"),
    ],
)
def test_what_is_kept_is_read_when_it_is_fetched(path: str, dialect: str) -> None:
    for method in ("GET", "get"):
        assert dialect_for("openai", method, path) == dialect


@pytest.mark.parametrize(
    ("provider", "dialect"),
    [("openai", "openai_files"), ("anthropic", "anthropic_files"), ("gemini", "opaque")],
)
def test_files_are_those_of_their_provider(provider: str, dialect: str) -> None:
    assert dialect_for(provider, "POST", "/v1/files") == dialect
    assert dialect_for(provider, "GET", "/v1/files/file_1/content") == dialect


def test_any_other_method_speaks_what_its_path_does() -> None:
    assert dialect_for("openai", "PUT", "/v1/chat/completions") == "openai_chat"
    assert dialect_for("openai", "FOO", "/v1/chat/completions") == "openai_chat"


@pytest.mark.parametrize("provider", ["mcp", "http"])
def test_a_provider_that_serves_no_models_speaks_none(provider: str) -> None:
    assert dialect_for(provider, "POST", "/v1/chat/completions") == "opaque"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions/",
        "//v1//chat///completions//",
        "/V1/Chat/COMPLETIONS",
        "/v1/chat%2Fcompletions",
        "/v1/chat%252fcompletions",
        "/v1/%63hat/complet%69ons",
        "/v1/chat/./completions/.",
        "/v1/models/../chat/completions",
        "/v1/models/%2e%2e/chat/completions",
        "/v1/chat\\completions",
        "/v1/chat%5ccompletions",
        "/v1/chat/completions;v=1",
        "/v1/chat/completions%3Fx",
        "/v1/chat/completions#x",
        "/v1/chat/completions%00",
        "/v1/chat/completions%20",
        "/v1/chat/com%0Apletions",
    ],
)
def test_no_spelling_hides_a_content_path(path: str) -> None:
    assert dialect_for("openai", "POST", path) == "openai_chat"


@given(st.data())
def test_any_escape_of_any_letter_is_seen_through(data: st.DataObject) -> None:
    path = ""
    for char in "/v1/messages":
        times = data.draw(st.integers(0, 2))
        spelled = char if not times else f"%{ord(char):02x}"
        path += spelled if times < 2 else quote(spelled, safe="")
        if char == "/":
            path += data.draw(st.sampled_from(["", "/", "./", "x/../"]))
    assert dialect_for("anthropic", "POST", path) == "anthropic_messages"


@given(st.text(alphabet=string.printable, max_size=30))
def test_a_plain_path_is_plain(path: str) -> None:
    plain = plain_path(path)
    assert plain.startswith("/")
    assert "//" not in plain
    assert plain == "/" or not plain.endswith("/")


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/embed", "/api/embeddings"])
def test_ollamas_own_paths_are_read_where_it_is_ollama(path: str) -> None:
    assert dialect_for("ollama", "POST", path) == "ollama"
    assert dialect_for("ollama", "POST", f"/up{path.upper()}/") == "ollama"


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/chat/completions", "openai_chat"),
        ("/v1/embeddings", "openai_embeddings"),
        ("/v1/messages", "anthropic_messages"),
        ("/api/show", "opaque"),
        ("/api/create", "opaque"),
        ("/api/v1/chat", "opaque"),
    ],
)
def test_ollamas_other_paths_are_read_as_what_they_are(path: str, dialect: str) -> None:
    assert dialect_for("ollama", "POST", path) == dialect


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/openai/deployments/my-GPT/chat/completions?api-version=1", "my-GPT"),
        ("/azure/openai/deployments/my-gpt/embeddings", "my-gpt"),
        ("/openai/deployments/my%2Dgpt/chat/completions", "my-gpt"),
        ("/openai/DEPLOYMENTS/my-gpt/chat/completions", "my-gpt"),
        ("/openai/%64eployments/my-gpt/chat/completions", "my-gpt"),
        ("/openai//deployments//my-gpt/./chat/completions", "my-gpt"),
        ("/openai/deployments/a/../my-gpt/chat/completions", "my-gpt"),
        ("/openai/deployments/a;x=1/chat/completions", "a"),
        ("/v1/engines/davinci/completions", "davinci"),
        ("/deployments/v1/chat/completions", ""),
        ("/v1/chat/completions", ""),
        ("/v1/chat/completions%20", ""),
        ("/openai/deployments", ""),
        ("/openai/deployments/", ""),
        ("/", ""),
    ],
)
def test_a_path_may_name_the_model(path: str, model: str) -> None:
    assert model_of(path) == model
