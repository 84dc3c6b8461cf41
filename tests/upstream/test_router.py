"""Which upstream takes a path, and which dialect it speaks there."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.http_tool_path import PathTemplate
from gateway.errors import CallerError
from gateway.exchange import Target
from gateway.message import Headers, Request
from gateway.upstream.router import Router
from gateway.upstream.tools import Tool, ToolTable
from gateway.verdict import Reason

BOTH = {"openai": "openai", "anthropic": "anthropic"}


@dataclass
class Options:
    """An upstream of a policy file, as far as the router reads it."""

    provider: str
    default: bool = False
    url: str = "http://127.0.0.1:3001"


def router(upstreams: dict[str, str], default: str = "") -> Router:
    return Router({name: Options(kind, name == default) for name, kind in upstreams.items()})


def route(to: Router, target: str, method: str = "POST", **headers: str) -> Target:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return to.route(Request(method, target, Headers(named)))


@pytest.mark.parametrize(
    ("path", "upstream", "dialect"),
    [
        ("/v1/chat/completions", "openai", "openai_chat"),
        ("/v1/responses", "openai", "openai_responses"),
        ("/v1/embeddings", "openai", "openai_embeddings"),
        ("/v1/messages", "anthropic", "anthropic_messages"),
        ("/v1/messages/count_tokens", "anthropic", "anthropic_messages"),
    ],
)
def test_a_providers_own_path_goes_to_that_provider(path: str, upstream: str, dialect: str) -> None:
    assert route(router(BOTH), path) == Target(upstream, upstream, dialect, path)


def test_what_sdks_send_along_does_not_change_whose_path_it_is() -> None:
    found = route(router(BOTH), "/v1/chat/completions", anthropic_version="2023-06-01")
    assert (found.upstream, found.dialect) == ("openai", "openai_chat")


@pytest.mark.parametrize(
    ("headers", "upstream"),
    [({}, "openai"), ({"anthropic_version": "2023-06-01"}, "anthropic")],
)
def test_a_path_that_both_share_goes_by_anthropic_version(
    headers: dict[str, str], upstream: str
) -> None:
    found = route(router(BOTH), "/v1/models", "GET", **headers)
    assert (found.upstream, found.dialect) == (upstream, "opaque")


def test_of_two_upstreams_of_a_provider_the_default_takes_its_paths() -> None:
    two = {"cloud": "openai", "cellar": "openai"}
    assert route(router(two, default="cellar"), "/v1/embeddings").upstream == "cellar"
    assert route(router(two, default="cloud"), "/v1/embeddings").upstream == "cloud"


def test_a_compatible_server_takes_a_path_whose_own_provider_is_absent() -> None:
    found = route(router({"vllm": "openai"}), "/v1/messages")
    assert (found.upstream, found.dialect) == ("vllm", "anthropic_messages")


@pytest.mark.parametrize("name", ["cellar", "%63ellar"])
def test_a_name_in_the_path_picks_the_upstream_and_is_taken_off(name: str) -> None:
    two = router({"cloud": "openai", "cellar": "openai"}, default="cloud")
    found = route(two, f"/{name}/v1/chat/completions")
    assert found == Target("cellar", "openai", "openai_chat", "/v1/chat/completions")


def test_a_name_alone_is_the_root_of_that_upstream() -> None:
    assert route(router(BOTH), "/anthropic", "GET").path == "/"
    assert route(router(BOTH), "/anthropic/", "GET").path == "/"


def test_a_named_upstream_takes_any_path_and_reads_what_it_can() -> None:
    assert route(router(BOTH), "/openai/what/ever").dialect == "opaque"
    assert route(router(BOTH), "/anthropic/v1/messages").dialect == "anthropic_messages"


@pytest.mark.parametrize("path", ["/", "/favicon.ico", "/openaix/v1/models", "/v2/chat"])
def test_a_path_that_nobody_takes_is_refused_with_what_there_is(path: str) -> None:
    with pytest.raises(CallerError) as caught:
        route(router(BOTH), path)
    assert (caught.value.status, caught.value.reason) == (404, Reason.UPSTREAM_UNKNOWN)
    assert "/openai/, /anthropic/" in caught.value.message
    assert path not in caught.value.message.replace("/v1/", "").split()


QUERY = st.text(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters="#"))


@given(query=QUERY)
def test_the_query_travels_as_it_was_written(query: str) -> None:
    found = route(router(BOTH), f"/openai/v1/models?{query}", "GET")
    assert found.path == f"/v1/models?{query}"


@given(
    asked=st.lists(
        st.tuples(
            st.sampled_from(["GET", "POST"]),
            st.sampled_from(["/v1/models", "/v1/messages", "/v1/responses", "/openai/v1/files"]),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_what_is_remembered_never_differs_from_what_is_found(
    asked: list[tuple[str, str, bool]],
) -> None:
    shared = router(BOTH)
    for method, path, anthropic in asked:
        headers = {"anthropic_version": "2023-06-01"} if anthropic else {}
        assert route(shared, path, method, **headers) == route(
            router(BOTH), path, method, **headers
        )


def test_a_flood_of_new_paths_is_not_remembered_without_end() -> None:
    shared = router(BOTH)
    for number in range(3000):
        route(shared, f"/openai/{number}")
    assert len(shared._known) == 1024
    assert route(shared, "/openai/new").path == "/new"


GOOGLE = {**BOTH, "google": "gemini"}


@pytest.mark.parametrize(
    ("path", "method", "dialect"),
    [
        ("/v1beta/models/gemini-2.5-flash:generateContent", "POST", "gemini"),
        ("/v1/models/gemini-2.5-flash:streamGenerateContent", "POST", "gemini"),
        ("/v1beta/tunedModels/mine:generateContent", "POST", "gemini"),
        ("/v1/projects/p/locations/l/publishers/google/models/g:countTokens", "POST", "gemini"),
        ("/v1beta/cachedContents", "POST", "gemini"),
        ("/v1beta/models", "GET", "opaque"),
        ("/v1beta/openai/chat/completions", "POST", "openai_chat"),
        ("/upload/v1beta/files", "POST", "opaque"),
        ("/v1beta/interactions", "POST", "opaque"),
    ],
)
def test_googles_paths_go_to_google(path: str, method: str, dialect: str) -> None:
    assert route(router(GOOGLE), path, method) == Target("google", "gemini", dialect, path)


def test_a_path_that_all_share_goes_by_whose_key_header_it_has() -> None:
    assert route(router(GOOGLE), "/v1/models", "GET").upstream == "openai"
    assert route(router(GOOGLE), "/v1/models", "GET", x_goog_api_key="k").upstream == "google"
    assert route(router(BOTH), "/v1/models", "GET", x_goog_api_key="k").upstream == "openai"


def test_googles_paths_need_an_upstream_of_google() -> None:
    with pytest.raises(CallerError) as caught:
        route(router(BOTH), "/v1beta/models/gemini-2.5-flash:generateContent")
    assert caught.value.status == 404


AZURE = {"openai": "openai", "cloud": "azure_openai"}


@pytest.mark.parametrize(
    ("target", "upstream", "dialect"),
    [
        ("/openai/deployments/gpt/chat/completions?api-version=1", "cloud", "openai_chat"),
        ("/openai/deployments/gpt/completions", "cloud", "openai_completions"),
        ("/openai/%64eployments/gpt/embeddings", "cloud", "openai_embeddings"),
        ("/openai/responses?api-version=1", "cloud", "openai_responses"),
        ("/openai/v1/chat/completions", "openai", "openai_chat"),
        ("/v1/chat/completions", "openai", "openai_chat"),
    ],
)
def test_azures_paths_go_to_azure_even_beside_an_upstream_of_that_name(
    target: str, upstream: str, dialect: str
) -> None:
    found = route(router(AZURE), target)
    assert (found.upstream, found.dialect) == (upstream, dialect)
    assert found.path == (target if upstream == "cloud" else target.removeprefix("/openai"))


def test_without_an_upstream_of_that_name_all_of_openai_is_azures() -> None:
    to = router({"main": "openai", "cloud": "azure_openai"})
    for path in ("/openai/v1/chat/completions", "/openai/files", "/openai/v1/models"):
        found = route(to, path)
        assert (found.upstream, found.path) == ("cloud", path)
    assert route(to, "/v1/models", "GET").upstream == "main"


def test_without_azure_the_name_is_a_name() -> None:
    found = route(router(BOTH), "/openai/deployments/gpt/chat/completions?api-version=1")
    assert found.path == "/deployments/gpt/chat/completions?api-version=1"


@pytest.mark.parametrize(
    ("path", "method", "dialect"),
    [
        ("/api/chat", "POST", "ollama"),
        ("/api/generate", "POST", "ollama"),
        ("/api/tags", "GET", "opaque"),
        ("/api/pull", "POST", "opaque"),
    ],
)
def test_ollamas_own_paths_go_to_ollama(path: str, method: str, dialect: str) -> None:
    found = route(router({**BOTH, "cellar": "ollama"}), path, method)
    assert found == Target("cellar", "ollama", dialect, path)


def test_the_root_is_ollamas_for_its_own_tool_or_where_nobody_else_is() -> None:
    among = router({**BOTH, "cellar": "ollama"})
    found = route(among, "/", "HEAD", user_agent="ollama/0.9.1 (amd64 linux) Go/go1.24.0")
    assert found == Target("cellar", "ollama", "opaque", "/")
    with pytest.raises(CallerError):
        route(among, "/", "HEAD", user_agent="claude-cli/2.1")
    assert route(router({"cellar": "ollama"}), "/", "GET").upstream == "cellar"


@pytest.mark.parametrize(
    ("path", "dialect"),
    [("/v1/chat/completions", "openai_chat"), ("/v1/completions", "openai_completions")],
)
def test_a_path_of_compatible_servers_goes_to_openai_before_ollama(path: str, dialect: str) -> None:
    both = router({"cellar": "ollama", "cloud": "azure_openai", "main": "openai"})
    assert (route(both, path).upstream, route(both, path).dialect) == ("main", dialect)
    rest = router({"cellar": "ollama", "cloud": "azure_openai"})
    assert route(rest, path).upstream == "cellar"


@pytest.mark.parametrize("path", ["/api/v1/chat/completions", "/inference/v1/chat/completions"])
def test_compatible_servers_are_found_under_their_prefixes(path: str) -> None:
    found = route(router({"main": "openai", "cellar": "ollama"}), path)
    assert (found.upstream, found.dialect) == ("main", "openai_chat")


def test_a_server_in_go_is_spoken_to_strictly() -> None:
    to = router({"cellar": "ollama", "main": "openai"})
    trick = b'{"model": "m", "messages": [{"role": "user", "Content": "x"}]}'
    named = Request("POST", "/cellar/v1/chat/completions", Headers(), trick)
    with pytest.raises(CallerError):
        to.dialect(to.route(named)).decode(named, trick)
    other = Request("POST", "/v1/chat/completions", Headers(), trick)
    assert to.dialect(to.route(other)).decode(other, trick).segments


WEATHER = ToolTable([Tool("weather", frozenset({"GET"}), PathTemplate("/v1/weather/{city}"))])


def tools_router() -> Router:
    options = {"tools": Options("http"), "openai": Options("openai")}
    return Router(options, {"tools": WEATHER})


def test_a_path_of_an_http_upstream_is_its_tool() -> None:
    found = route(tools_router(), "/tools/v1/weather/Paris?unit=c", "GET")
    assert (found.dialect, found.tool, found.path) == (
        *("http_tool", "weather", "/v1/weather/Paris?unit=c"),
    )
    assert found.shown_as == "/tools/v1/weather/{city}"
    call = tools_router().dialect(found).decode(Request("GET", "/x", Headers()), b"")
    assert json.loads(call.invokes[0].arguments) == {
        "path": {"city": "Paris"},
        "query": [["unit", "c"]],
    }


def test_a_path_that_is_no_tool_is_shown_by_its_words() -> None:
    found = route(tools_router(), "/tools/users/4111111111111111", "GET")
    assert (found.tool, found.shown_as) == ("", "/tools/users/*")
    assert route(tools_router(), "/tools", "GET").shown_as == "/tools/"


def test_a_path_that_may_be_two_tools_is_refused_when_it_is_read() -> None:
    router = tools_router()
    found = route(router, "/tools/x/../v1/weather/paris", "GET")
    with pytest.raises(CallerError) as caught:
        router.dialect(found).decode(Request("GET", "/x", Headers()), b"")
    assert caught.value.reason is Reason.PATH_AMBIGUOUS


def test_providers_without_paths_of_their_own_take_none() -> None:
    only = Router({"tools": Options("http")})
    for path in ("/v1/models", "/v1/weather/paris", "/v1/chat/completions"):
        with pytest.raises(CallerError) as caught:
            route(only, path)
        assert caught.value.status == 404
    both = Router({"tools": Options("http"), "cellar": Options("ollama")})
    assert route(both, "/v1/models", "GET").upstream == "cellar"


# --- MCP servers ------------------------------------------------------------------------------


def mcp(url: str = "http://127.0.0.1:3001/api/mcp") -> Router:
    return Router({"github": Options("mcp", url=url), "openai": Options("openai")})


@pytest.mark.parametrize("target", ["/github", "/github/", "/github/mcp", "/github/api/mcp"])
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "PUT"])
def test_an_mcp_server_is_called_at_its_whole_url(target: str, method: str) -> None:
    assert route(mcp(), target, method) == Target("github", "mcp", "mcp", "/api/mcp")


def test_a_query_stays_behind_an_mcp_servers_path() -> None:
    assert route(mcp(), "/github?a=/b", "GET").path == "/api/mcp?a=/b"
    carried = route(mcp(), "/github/@sse/api/messages?s=1")
    assert (carried.path, carried.dialect) == ("/api/messages?s=1", "mcp")


@pytest.mark.parametrize("target", ["/github/admin", "/github/api/../x", "/github/v1/messages"])
def test_what_is_not_the_servers_is_nobodys(target: str) -> None:
    with pytest.raises(CallerError) as caught:
        route(mcp(), target)
    assert (caught.value.status, caught.value.reason) == (404, Reason.UPSTREAM_UNKNOWN)


def test_an_mcp_server_takes_no_path_but_by_its_name() -> None:
    with pytest.raises(CallerError):
        route(Router({"github": Options("mcp")}), "/v1/models", "GET")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/.well-known/oauth-protected-resource/github", "oauth-protected-resource/api/mcp"),
        (
            "/.well-known/oauth-authorization-server/github/mcp",
            "oauth-authorization-server/api/mcp",
        ),
        ("/github/.well-known/openid-configuration", "openid-configuration"),
    ],
)
def test_documents_about_a_login_are_passed_on_unread(target: str, path: str) -> None:
    found = route(mcp(), target, "GET")
    assert found == Target("github", "mcp", "opaque", f"/.well-known/{path}")


@pytest.mark.parametrize(
    "target",
    [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/openai",
        "/.well-known/oauth-protected-resource/github/admin",
        "/.well-known/other/github",
    ],
)
def test_other_documents_are_nobodys(target: str) -> None:
    with pytest.raises(CallerError):
        route(mcp(), target, "GET")


def test_what_is_posted_to_a_document_is_read() -> None:
    assert route(mcp(), "/github/.well-known/openid-configuration").dialect == "mcp"


def test_each_mcp_server_has_a_dialect_of_its_own() -> None:
    to = mcp()
    assert to.dialect(route(to, "/github")) is to.dialect(route(to, "/github/mcp"))
    assert to.dialect(route(to, "/github")).name == "mcp"


def test_a_header_that_would_make_another_request_of_google_s_is_refused() -> None:
    with pytest.raises(CallerError) as caught:
        route(router(GOOGLE), "/v1beta/batches/1", x_http_method_override="GET")
    assert (caught.value.status, caught.value.reason) == (400, Reason.TARGET_MALFORMED)
    assert route(router(GOOGLE), "/v1/models", "GET", x_http_method_override="POST")
