"""Keys that differ from a field only by case: two readers would not read the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.jsondoc import parse_object
from gateway.dialects.opaque import Opaque
from gateway.dialects.openai_chat import OpenAIChat
from gateway.dialects.spelling import FIELDS, StrictlySpelled, refuse_keys, refuse_variants
from gateway.errors import CallerError
from gateway.message import Headers, Request


@given(st.sampled_from(sorted(FIELDS)), st.data())
def test_every_variant_of_a_field_is_refused_and_no_content_is_told(
    name: str, data: st.DataObject
) -> None:
    folds = {"s": "sSſ", "k": "kKK"}
    variant = "".join(data.draw(st.sampled_from(folds.get(c, c + c.upper()))) for c in name)
    if variant == name:
        refuse_keys([name])
        return
    with pytest.raises(CallerError) as caught:
        refuse_keys([variant])
    assert f"`{name}`" in caught.value.message


@pytest.mark.parametrize(
    "keys", [[], ["model", "x-Note"], ["generationConfig"], ["1"], ["Überschrift"], ["maxTokens"]]
)
def test_other_names_are_the_callers_own(keys: list[str]) -> None:
    refuse_keys(keys)


@pytest.mark.parametrize(
    "root",
    [
        {"messages": [{"role": "user", "Content": "x"}]},
        {"tools": [{"type": "function", "function": {"Name": "x"}}]},
        {"messages": [{"content": [{"Type": "text"}]}]},
        {"input": [{"Role": "user"}]},
    ],
)
def test_variants_are_found_at_any_depth(root: Any) -> None:
    with pytest.raises(CallerError):
        refuse_variants(root)


@pytest.mark.parametrize(
    "root",
    [
        {"tools": [{"function": {"name": "x", "parameters": {"properties": {"Name": {}}}}}]},
        {"messages": [{"tool_calls": [{"function": {"arguments": {"URL": "x"}}}]}]},
        {"messages": [{"content": [{"type": "tool_use", "input": {"Data": 1}}]}]},
        {"metadata": {"User": "x"}},
        {"format": {"properties": {"Text": {}}}},
        None,
        ["Model"],
    ],
)
def test_keys_of_the_callers_own_are_free(root: Any) -> None:
    refuse_variants(root)


def test_at_the_top_every_body_is_held_to_it() -> None:
    with pytest.raises(CallerError):
        parse_object(b'{"model": "allowed", "Model": "denied"}')


def test_a_server_in_go_is_spoken_to_strictly() -> None:
    strict = StrictlySpelled(OpenAIChat())
    assert strict.name == "openai_chat"
    fine = b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}'
    trick = fine.replace(b'"content"', b'"Content"')
    request = Request("POST", "/v1/chat/completions", Headers(), fine)
    assert strict.decode(request, fine).encode() == fine
    with pytest.raises(CallerError):
        strict.decode(request, trick)
    assert StrictlySpelled(Opaque()).decode(request, b"Model").encode() == b"Model"


def test_a_model_of_ollama_is_known_by_all_its_names_on_compatible_paths_too() -> None:
    body = b'{"model": "qwen3:latest", "messages": []}'
    request = Request("POST", "/v1/chat/completions", Headers(), body)
    call = StrictlySpelled(OpenAIChat()).decode(request, body)
    assert (call.model, call.aliases) == ("qwen3", ("qwen3:latest",))
    assert call.encode() == body
