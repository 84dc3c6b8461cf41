"""Ollama's API as a dialect: what a path asks for, how an error looks."""

from __future__ import annotations

import orjson
import pytest

from gateway.dialects.base import RateLimit
from gateway.dialects.ollama_answer import OllamaAnswer, OllamaVectors
from gateway.dialects.ollama_request import OllamaChat, OllamaEmbed, OllamaGenerate
from gateway.errors import CallerError
from gateway.verdict import Reason
from tests.dialects.ollama_samples import OLLAMA, chat, decode, embed


@pytest.mark.parametrize(
    ("path", "kind", "operation"),
    [
        ("/api/chat", OllamaChat, "chat"),
        ("/cellar/api/chat/", OllamaChat, "chat"),
        ("/API/Generate", OllamaGenerate, "chat"),
        ("/api/embed?x=1", OllamaEmbed, "embeddings"),
        ("/api/embeddings", OllamaEmbed, "embeddings"),
    ],
)
def test_the_path_says_what_is_asked_for(path: str, kind: type, operation: str) -> None:
    made = decode(path, b'{"model": "m"}')
    assert type(made) is kind
    assert (made.operation, made.dialect) == (operation, "ollama")


def test_an_answer_is_read_as_its_path_answers() -> None:
    assert isinstance(OLLAMA.decode_answer(chat(), b'{"done": true}'), OllamaAnswer)
    assert isinstance(OLLAMA.decode_answer(embed(), b'{"embeddings": []}'), OllamaVectors)
    with pytest.raises(ValueError, match="no answer"):
        OLLAMA.decode_answer(chat(), b'{"embeddings": []}')
    with pytest.raises(ValueError, match="no vectors"):
        OLLAMA.decode_answer(embed(), b'{"done": true}')


def test_an_error_is_a_text_as_the_clients_read_it() -> None:
    body = orjson.loads(OLLAMA.error_body(400, "secret_found", "No.", "x1"))
    assert body == {"error": "No.", "code": "secret_found"}
    limits = OLLAMA.limit_headers([RateLimit("requests", 5, 1, 2.0)])
    assert limits.get("x-ratelimit-remaining-requests") == "1"


@pytest.mark.parametrize("body", [b"[]", b"", b'{"model": "a", "model": "b"}'])
def test_a_body_that_is_none_of_its_own_is_refused(body: bytes) -> None:
    with pytest.raises(CallerError):
        decode("/api/chat", body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "allowed", "Model": "denied"}',
        b'{"model": "m", "TOOLS": []}',
        b'{"model": "m", "messages": [{"role": "user", "content": "", "Images": ["AAAA"]}]}',
        b'{"model": "m", "tools": [{"function": {"name": "a", "Name": "b"}}]}',
        '{"model": "m", "meſſages": []}'.encode(),
    ],
)
def test_a_key_that_only_the_server_would_take_for_a_field_is_refused(body: bytes) -> None:
    with pytest.raises(CallerError) as caught:
        decode("/api/chat", body)
    assert caught.value.reason is Reason.BODY_MALFORMED
    assert "only by case" in caught.value.message
