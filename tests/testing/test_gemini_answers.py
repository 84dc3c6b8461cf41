"""The fake's Gemini answers are what Google's own SDK reads, whole and streamed alike."""

from __future__ import annotations

import json

import pytest
from google.genai import types

from gateway.testing import gemini_answers
from gateway.testing.answers import Say, Tool
from tests.dialects.gemini_reading import gemini_chunks, heard

CALLING = Say(
    pieces=("Look", "ing."), tools=(Tool("f", '{"a": 1}', "c1"), Tool("g")), reasoning=("Hm.",)
)
every = pytest.mark.parametrize("say", [Say(), CALLING], ids=["text", "calls"])


@every
def test_the_sdk_reads_a_stream_as_the_whole_answer(say: Say) -> None:
    chunks = gemini_chunks(b"".join(gemini_answers.as_events(gemini_answers.generate_stream(say))))
    calls = [(tool.name, json.loads(tool.arguments)) for tool in say.tools]
    assert heard(chunks) == (say.text, calls)
    whole = types.GenerateContentResponse.model_validate(gemini_answers.generate(say), strict=False)
    assert heard([whole]) == (say.text, calls)
    for read in (whole, chunks[-1]):
        assert read.usage_metadata is not None
        assert read.usage_metadata.total_token_count == sum(say.usage)


@every
def test_an_array_holds_the_chunks_of_the_stream(say: Say) -> None:
    chunks = gemini_answers.generate_stream(say)
    assert json.loads(b"".join(gemini_answers.as_array(chunks))) == chunks
