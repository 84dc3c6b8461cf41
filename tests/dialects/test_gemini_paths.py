"""The model and what is asked of it stand in the path, however it is spelled."""

from __future__ import annotations

import pytest

from gateway.dialects.gemini_paths import (
    METHODS,
    GeminiPath,
    is_gemini,
    plain_model,
    read_path,
    with_model,
)
from gateway.dialects.paths import plain_path

VERTEX = "/v1/projects/p/locations/global/publishers"


def read(path: str) -> GeminiPath:
    plain = plain_path(path)
    assert is_gemini(plain)
    return read_path(path, plain)


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1beta/models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("/v1/models/Gemini-2.5-Flash", "Gemini-2.5-Flash"),
        ("/v1beta/models/gemini%2D2.5-flash", "gemini-2.5-flash"),
        ("/v1beta/tunedModels/my-model", "tunedModels/my-model"),
        (f"{VERTEX}/google/models/gemini-2.5-pro", "gemini-2.5-pro"),
        (f"{VERTEX}/meta/models/llama-4", "meta/llama-4"),
        ("/v1/projects/p/locations/l/endpoints/123", "endpoints/123"),
        ("//v1beta/./models/x/../gemini-2.5-pro", "gemini-2.5-pro"),
    ],
)
def test_the_model_stands_before_the_colon(path: str, model: str) -> None:
    assert read(f"{path}:generateContent").model == model
    assert read(f"{path}%3AgenerateContent").model == model


@pytest.mark.parametrize(("method", "operation"), METHODS.items())
def test_what_is_asked_for_stands_behind_it(method: str, operation: str) -> None:
    found = read(f"/v1beta/models/g:{method.upper()}")
    assert (found.method, found.operation) == (method, operation)
    assert found.stream == (method == "streamgeneratecontent")


@pytest.mark.parametrize("path", ["/v1beta/cachedContents", "/v1beta/cachedContents/abc"])
def test_what_is_put_by_names_its_model_in_the_body(path: str) -> None:
    assert read(path) == GeminiPath("cachedcontents", "cache")


@pytest.mark.parametrize(
    "path",
    [
        "/v1beta/models",
        "/v1beta/models/gemini-2.5-flash",
        "/v1beta/models/imagen-4:predict",
        "/v1beta/files",
        "/v1beta/interactions",
        "/v1/chat/completions",
        f"{VERTEX}/anthropic/models/claude:rawPredict",
    ],
)
def test_other_paths_are_not_read(path: str) -> None:
    assert not is_gemini(plain_path(path))


def test_a_models_name_goes_without_its_folder() -> None:
    assert plain_model("models/gemini-2.5-pro") == "gemini-2.5-pro"
    assert plain_model("tunedModels/mine") == "tunedModels/mine"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1beta/models/large:generateContent", "/v1beta/models/small:generateContent"),
        ("/v1/models/large:x?a=/models/b:c", "/v1/models/small:x?a=/models/b:c"),
        (f"{VERTEX}/google/models/large:x?alt=sse", f"{VERTEX}/google/models/small:x?alt=sse"),
        (f"{VERTEX}/meta/models/llama-4:x", None),
        ("/v1beta/models/gemini%2D2.5:generateContent", None),
        ("/v1beta/models/x/../large:generateContent", None),
        ("/v1beta/models/large:generateContent;a", None),
        ("/v1beta/cachedContents", None),
    ],
)
def test_another_model_stands_in_a_path_that_names_it_plainly(
    path: str, expected: str | None
) -> None:
    assert with_model(path, "small") == expected


def test_a_name_cannot_leave_its_place_in_the_path() -> None:
    assert with_model("/v1beta/models/large:x", "a/b?c") == "/v1beta/models/a%2Fb%3Fc:x"
