"""Which tool a request runs, and what it costs: no spelling leads to another tool."""

from __future__ import annotations

import posixpath
import re
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.base import ToolCall
from gateway.dialects.http_tool_path import PathTemplate
from gateway.upstream.tools import (
    NO_TOOLS,
    AmbiguousPathError,
    Tool,
    ToolTable,
    same_requests,
)


def tool(name: str, method: str | None = None, path: str = "/", **more: Any) -> Tool:
    methods = frozenset(method.split()) if method is not None else None
    return Tool(name, methods, PathTemplate(path), **more)


TABLE = ToolTable(
    [
        tool("any_user", None, "/users/{id}"),
        tool("get_user", "GET", "/users/{id}"),
        tool("get_me", "GET", "/users/me"),
        tool("delete_user", "DELETE", "/users/{id}"),
        tool("export", "GET", "/users/{id}.csv"),
        tool("tree", "GET POST", "/tree/{+path}"),
        tool("tree_root", "GET", "/tree/root"),
        tool("admin", None, "/admin/{+path}"),
    ]
)


def found(method: str, path: str) -> str:
    try:
        one = TABLE.find(method, path)
    except AmbiguousPathError:
        return "ambiguous"
    return one.name if one is not None else "none"


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/users/7", "get_user"),
        ("get", "/users/7", "get_user"),
        ("HEAD", "/users/7", "get_user"),
        ("DELETE", "/users/7", "delete_user"),
        ("OPTIONS", "/users/7", "any_user"),
        ("BREW", "/users/7", "any_user"),
        ("GET", "/users/me", "get_me"),
        ("GET", "/users/7.csv", "export"),
        ("POST", "/tree/a/b", "tree"),
        ("GET", "/tree/root", "tree_root"),
        ("PUT", "/tree/a", "none"),
        ("OPTIONS", "/tree/a", "none"),
        ("GET", "/other", "none"),
        ("GET", "/users", "none"),
    ],
)
def test_the_most_specific_tool_of_a_method_and_path_is_found(
    method: str, path: str, name: str
) -> None:
    assert found(method, path) == name


@pytest.mark.parametrize(
    "path",
    [
        *("/users//7", "/users/./7", "/admin/../users/7", "/users/x/../7", "/users/%2e/7"),
        *("/admin/%2e%2e/users/7", "/admin/..;/users/7", "/admin%2f..%2fusers/7"),
        *("/users/ME", "/users/m%65%2f", "/Users/7", "/users%2f7", "/users\\7", "/users/a%2fb"),
        *("/users/%256de/..%252fme", "/users/7%2f..%2f..%2fadmin%2fx", "/users;a=b/7"),
        *("/tree/root;x", "/users/me;x", "/users/me%20", "/users/%6d%45", "/users/me%00"),
    ],
)
def test_a_path_that_servers_read_in_different_ways_is_not_guessed_at(path: str) -> None:
    assert found("GET", path) == "ambiguous"


@pytest.mark.parametrize(
    "path", ["/admin%2f", "/admin//", "/admin/%2e/", "/admin%5c", "/admin;x", "/other%2fpath"]
)
def test_a_path_of_no_tool_must_be_plainly_written(path: str) -> None:
    assert found("GET", path) == "ambiguous"
    assert found("GET", "/Other%20path/") == "none"


@pytest.mark.parametrize("path", ["/users/%37", "/users/7/", "/users/7?x=/../", "/users/a%20b"])
def test_a_spelling_that_everybody_reads_alike_is_taken(path: str) -> None:
    assert found("GET", path) == "get_user"


@pytest.mark.parametrize("path", ["/..", "/a/../b", "/a/%2e%2E/b", "/a\\..\\b", "/x%2f..%2fy"])
def test_no_path_climbs_out_of_the_upstreams_base(path: str) -> None:
    assert found("GET", path) == "ambiguous"
    with pytest.raises(AmbiguousPathError):
        NO_TOOLS.find("GET", path)


def test_what_may_be_escaped_slashes_belongs_to_the_rest_of_a_path() -> None:
    assert found("GET", "/tree/group%2Fproject") == "tree"


@given(
    path=st.text(st.sampled_from("/.%2eEfFuUsSrRmM5;\\a7 "), max_size=24),
    method=st.sampled_from(["GET", "DELETE", "PUT", "x"]),
)
def test_any_path_is_one_tools_or_nobodys_or_refused(path: str, method: str) -> None:
    assert found(method, "/" + path) in {"none", "ambiguous", *(t.name for t in TABLE.tools)}


@given(
    method=st.sampled_from(["GET", "DELETE", "PUT"]),
    parts=st.lists(
        st.sampled_from(["users", "me", "7", "7.csv", "tree", "root", "admin", "x"]), max_size=4
    ),
)
def test_the_tool_is_the_first_of_all_that_match_by_rank(method: str, parts: list[str]) -> None:
    """The same as trying every tool, the most specific first."""
    matching = [
        (each.path.rank, each.methods is None, each.name)
        for each in TABLE.tools
        if each.path is not None and each.takes(method) and each.path.match(parts) is not None
    ]
    assert found(method, "/" + "/".join(parts)) == min(matching, default=("", "", "none"))[-1]


def undo_once(path: str) -> str:
    return re.sub("/+", "/", unquote(path))


def clean(path: str) -> str:
    return posixpath.normpath(unquote(path))


def clean_without_parameters(path: str) -> str:
    return clean("/".join(part.partition(";")[0] for part in path.split("/")))


def clean_in_any_case(path: str) -> str:
    return clean(path.replace("\\", "/").replace("%5c", "/")).lower()


def clean_twice(path: str) -> str:
    return clean(unquote(path))


SERVERS = [str, undo_once, clean, clean_without_parameters, clean_in_any_case, clean_twice]
"""How servers and frameworks read a path before they look for its route."""


def served_by(path: str) -> str:
    """The tool that a server runs for a path that it has read, "" for none. (Those of `TABLE` that
    GET runs, as a simple router has them.)"""
    segments = (path.rstrip("/") or "/").split("/")[1:]
    first, count = segments[0], len(segments)
    if first.lower() in ("admin", "tree") and count > 1:
        root = first.lower() == "tree" and segments[1:] == ["root"]
        return "tree_root" if root else first.lower()
    if first != "users" or count != 2:
        return ""
    if segments[1] == "me":
        return "get_me"
    return "export" if re.fullmatch(r".+\.csv", segments[1], re.DOTALL) else "get_user"


PIECES = [*"/.7", "/", "/users", "/admin", "/tree/root", "me", ".csv", "..", "%2e", "%2F", "%252f"]
PIECES += ["\\", "%5c", ";a", "%6d", "E", "ME", "%00", "%20"]


@settings(max_examples=400)
@given(path=st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join))
def test_no_servers_reading_of_a_path_is_another_tool_than_was_judged(path: str) -> None:
    judged = found("GET", "/" + path)
    if judged == "ambiguous":
        return
    for read in SERVERS:
        served = served_by(read("/" + path))
        assert served in ("", judged), f"{read.__name__} runs {served}"


def test_without_tools_every_path_is_nobodys() -> None:
    assert NO_TOOLS.find("GET", "/a//b/./c") is None
    assert not NO_TOOLS
    assert NO_TOOLS.of([ToolCall("", "x", "{}")]) is None
    assert NO_TOOLS.price([ToolCall("", "x", "{}")]) is None


def test_a_tool_costs_its_price_however_its_name_is_spelled() -> None:
    table = ToolTable([Tool("search", price=5), Tool("fetch", price=7), Tool("free")])
    calls = {name: ToolCall("", name, "{}") for name in ("search", "Search", "free", "other")}
    assert table.price([calls["search"]]) == 5
    assert table.price([calls["Search"], calls["free"], ToolCall("", "fetch", "{}")]) == 12
    assert table.price([calls["free"]]) is None
    assert table.price([calls["other"]]) is None
    assert table.price([]) is None
    assert table.of([calls["Search"]]) is table.named("search")
    assert table.of([calls["search"], calls["free"]]) is None


def test_a_path_that_is_no_tool_has_no_price_though_it_is_named_like_one() -> None:
    table = ToolTable([Tool("search", price=5)])
    unknown = ToolCall("", "search", "{}", unknown=True)
    assert table.price([unknown]) is None
    assert table.of([unknown]) is None


def test_two_tools_are_alike_where_nothing_tells_their_requests_apart() -> None:
    assert same_requests(tool("a", "GET", "/x/{id}"), tool("b", "GET POST", "/X/{name}"))
    assert same_requests(tool("a", None, "/x"), tool("b", None, "/x"))
    assert not same_requests(tool("a", None, "/x"), tool("b", "GET", "/x"))
    assert not same_requests(tool("a", "PUT", "/x"), tool("b", "GET", "/x"))
    assert not same_requests(tool("a", "GET", "/x"), tool("b", "GET", "/y"))
    assert not same_requests(Tool("a"), Tool("b"))
