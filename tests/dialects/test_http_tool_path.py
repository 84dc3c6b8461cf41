"""Path patterns: what they match, which is more specific, and how a path is written back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.http_tool_path import PathTemplate, readings, words_of


def match(pattern: str, path: str) -> tuple[str, ...] | None:
    return PathTemplate(pattern).match(readings(path)[0])


@pytest.mark.parametrize(
    ("pattern", "path", "values"),
    [
        ("/v1/weather/{city}", "/v1/weather/paris", ("paris",)),
        ("/v1/weather/{city}", "/v1/weather/S%C3%A3o%20Paulo/", ("São Paulo",)),
        ("/v1/weather/{city}", "/v1/weather/a%2Fb", ("a/b",)),
        ("/v1/weather/{city}", "/v1/weather/", None),
        ("/v1/weather/{city}", "/v1/weather/..", None),
        ("/v1/weather/{city}", "/v1/weather/%2e%2e", None),
        ("/v1/weather/{city}", "/v1/weather/a/b", None),
        ("/v1/weather/{city}", "/V1/weather/a", None),
        ("/files/{name}.json", "/files/a.b.json", ("a.b",)),
        ("/files/{name}.json", "/files/.json", None),
        ("/t/{from}-{to}", "/t/a-b-c", ("a", "b-c")),
        ("/v1/{name}:cancel", "/v1/job:cancel", ("job",)),
        ("/tree/{+path}", "/tree/a/b/c", ("a/b/c",)),
        ("/tree/{+path}", "/tree", None),
        ("/tree/{+path}", "/tree/a/../b", None),
        ("/", "/", ()),
        ("/", "/a", None),
    ],
)
def test_a_path_matches_its_pattern(
    pattern: str, path: str, values: tuple[str, ...] | None
) -> None:
    assert match(pattern, path) == values


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("v1/{id}", "expected a path"),
        ("/v1?x={id}", "no query"),
        ("/v1//x", "no query"),
        ("/v1/../x", "no query"),
        ("/a b", "no query"),
        ("/a%20b", "no query"),
        ("/{a}/{a}", "each parameter once"),
        ("/{a}{b}", "something between"),
        ("/{+a}/b", "at its end"),
        ("/x{+a}", "nothing beside it"),
        ("/{a b}", "no query"),
        ("/{}", "of the form"),
        ("/{a", "of the form"),
        ("/{a}-{b}-{c}-{d}-{e}", "at most 4"),
        ("/" + "a" * 600, "at most 512"),
    ],
)
def test_what_is_no_pattern_is_refused_with_the_reason(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PathTemplate(pattern)


def test_the_more_specific_pattern_comes_first() -> None:
    patterns = ["/a/{+rest}", "/a/{x}", "/a/{x}.json", "/a/b", "/a/x{x}.json", "/{x}/b"]
    ordered = sorted(map(PathTemplate, patterns), key=lambda pattern: pattern.rank)
    assert [pattern.text for pattern in ordered] == [
        *("/a/b", "/a/x{x}.json", "/a/{x}.json", "/a/{x}", "/a/{+rest}", "/{x}/b")
    ]


def test_patterns_of_the_same_paths_have_one_shape() -> None:
    assert PathTemplate("/a/{id}").shape == PathTemplate("/A/{name}/").shape
    assert PathTemplate("/a/{id}").shape != PathTemplate("/a/{+id}").shape
    assert PathTemplate("/a/{id}") == PathTemplate("/a/{id}")
    assert len({PathTemplate("/a"), PathTemplate("/a"), PathTemplate("/b")}) == 2


def test_a_rewritten_value_goes_back_into_its_own_segment() -> None:
    pattern = PathTemplate("/v1/{from}-{to}/{+rest}")
    path = "/v1/%61-b/c/d%2fe"
    assert pattern.rebuild(path, {}) == path
    assert pattern.rebuild(path, {"to": "[x y]"}) == "/v1/a-%5Bx%20y%5D/c/d%2fe"
    assert pattern.rebuild(path, {"rest": "../q?r"}) == "/v1/%61-b/-/q%3Fr"
    assert PathTemplate("/a/{x}").rebuild("/a/b", {"x": ".."}) == "/a/-"
    assert PathTemplate("/a/{x}").rebuild("/a/b", {"x": "c/d"}) == "/a/c%2Fd"


VALUE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda text: text not in (".", "..")
)


@given(value=VALUE)
def test_what_is_written_into_a_path_is_read_out_of_it(value: str) -> None:
    pattern = PathTemplate("/v1/{id}/x")
    written = pattern.rebuild("/v1/old/x", {"id": value})
    assert pattern.match(readings(written)[0]) == (value,)
    assert written.isascii()


@given(path=st.text(max_size=40))
def test_any_path_has_its_readings(path: str) -> None:
    exact, plain, decoded = readings("/" + path)
    assert ".." not in plain
    assert all("/" not in part and "\\" not in part for part in (*plain, *decoded))
    assert len(exact) <= path.partition("?")[0].partition("#")[0].count("/") + 1


def test_readings_are_those_of_different_servers() -> None:
    exact, plain, decoded = readings("/v1/Admin/%2e%2E/x%2Fy/?q")
    assert exact == ["v1", "Admin", "..", "x/y"]
    assert plain == ["v1", "x", "y"]
    assert decoded == ["v1", "admin", "..", "x", "y"]


def test_records_have_a_paths_words_and_not_its_values() -> None:
    assert words_of("/v1/users/42/orders/a@b.example/latest") == "/v1/users/*/orders/*/latest"
    assert words_of("/" + "a" * 30 + "/report.csv") == "/*/report.csv"
    assert words_of("/") == "/"
