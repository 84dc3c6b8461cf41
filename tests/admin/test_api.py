"""The admin API: who may do what, and a document that describes what is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.api import ROLES, AdminApi
from gateway.admin.listener import Ask, Told
from gateway.config.load import load_texts
from gateway.identity.gateway_key import hash_of, new_key
from tests.admin.fakes import FakeSupervisor

DOC = Path(__file__).resolve().parents[2] / "docs" / "admin.md"
TOKENS = {role: new_key() for role in ROLES}
POLICY = f"""
version: 1
upstreams: {{openai: {{provider: openai, url: "https://api.openai.com"}}}}
tenants: {{acme: {{policies: [p]}}}}
policies: {{p: {{rules: [{{kind: loop}}]}}}}
admin:
  tokens:
    - {{name: ann, role: viewer, hash: "{hash_of(TOKENS["viewer"])}"}}
    - {{name: bob, role: approver, hash: "{hash_of(TOKENS["approver"])}"}}
    - {{name: eve, role: operator, hash: "{hash_of(TOKENS["operator"])}"}}
"""
CALLS = [
    ("GET", "/admin/v1/status", "viewer"),
    ("GET", "/admin/v1/policy", "viewer"),
    ("POST", "/admin/v1/reload", "operator"),
    ("POST", "/admin/v1/sessions/{id}/outcome", "operator"),
    ("GET", "/admin/openapi.json", "viewer"),
]
SESSION = "s_" + "0a" * 16
BODIES = {"/admin/v1/sessions/{id}/outcome": b'{"outcome": "success"}'}


class Desk:
    """An API, the supervisor behind it, and what was noted."""

    def __init__(self, **state: Any) -> None:
        loaded = load_texts({"policy.yaml": POLICY.encode()}, {})
        self.supervisor = FakeSupervisor(loaded=loaded, **state)
        self.noted: list[tuple[str, str]] = []
        hosts = frozenset({"localhost", "127.0.0.1", "[::1]", "admin.internal"})
        self._api = AdminApi(self.supervisor, hosts, lambda *what: self.noted.append(what))

    async def ask(
        self,
        method: str,
        path: str,
        *,
        role: str = "",
        local: str = "127.0.0.1",
        body: bytes | None = None,
        **headers: str,
    ) -> Told:
        sent = {"host": "localhost:9485", **headers}
        if role:
            sent["authorization"] = f"Bearer {TOKENS[role]}"
        sent_body = BODIES.get(path, b"") if body is None else body
        path = path.replace("{id}", SESSION)
        return await self._api.answer(Ask(method, path, sent, local, sent_body))


def body(told: Told) -> dict[str, Any]:
    assert isinstance(told.body, dict)
    return told.body


@pytest.mark.parametrize(("method", "path", "needed"), CALLS)
@pytest.mark.parametrize("role", ROLES)
async def test_each_role_may_do_what_those_before_it_may(
    method: str, path: str, needed: str, role: str
) -> None:
    told = await Desk().ask(method, path, role=role)
    allowed = ROLES.index(role) >= ROLES.index(needed)
    assert told.status == (200 if allowed else 403)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {new_key()}",
        f"Basic {TOKENS['operator']}",
        TOKENS["operator"],
        f"Bearer {hash_of(TOKENS['operator'])}",
        "Bearer \udce9\udcff",
    ],
)
@pytest.mark.parametrize("path", ["/admin/v1/status", "/admin/openapi.json", "/nowhere"])
async def test_nothing_is_told_without_a_token(authorization: str, path: str) -> None:
    told = await Desk().ask("GET", path, authorization=authorization)
    assert (told.status, told.headers["www-authenticate"]) == (401, "Bearer")


async def test_without_a_policy_nobody_is_known() -> None:
    desk = Desk()
    desk.supervisor.loaded = None
    assert (await desk.ask("GET", "/admin/v1/status", role="operator")).status == 401


@pytest.mark.parametrize(
    ("host", "local", "status"),
    [
        ("localhost:9485", "127.0.0.1", 200),
        ("LOCALHOST", "127.0.0.1", 200),
        ("127.0.0.1:9485", "127.0.0.1", 200),
        ("[::1]:9485", "::1", 200),
        ("[::1]", "::1", 200),
        ("admin.internal:443", "10.0.0.7", 200),
        ("10.0.0.7:9485", "10.0.0.7", 200),  # the address on which it arrived
        ("10.0.0.8:9485", "10.0.0.7", 403),
        ("evil.example:9485", "127.0.0.1", 403),
        ("localhost.evil.example", "127.0.0.1", 403),
        ("", "127.0.0.1", 403),
        ("", "", 403),
    ],
)
async def test_it_is_called_by_its_own_name_or_address(host: str, local: str, status: int) -> None:
    told = await Desk().ask("GET", "/admin/v1/status", role="viewer", host=host, local=local)
    assert told.status == status


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:9485", "null", ""])
async def test_no_web_page_calls_it(origin: str) -> None:
    told = await Desk().ask("GET", "/admin/v1/status", role="operator", origin=origin)
    assert told.status == 403


async def test_unknown_paths_and_wrong_methods_are_named() -> None:
    desk = Desk()
    told = await desk.ask("GET", "/admin/v1/nothing", role="viewer")
    assert told.status == 404
    told = await desk.ask("DELETE", "/admin/v1/status", role="operator")
    assert (told.status, told.headers["allow"]) == (405, "GET")
    told = await desk.ask("GET", "/admin/v1/reload", role="operator")
    assert (told.status, told.headers["allow"]) == (405, "POST")
    assert desk.supervisor.reloads == 0


async def test_status_shows_supervisor_and_workers() -> None:
    told = await Desk().ask("GET", "/admin/v1/status", role="viewer")
    assert body(told)["policy"] == "sha256:a"
    assert body(told)["health"]["0"] == {
        "running": 0,
        "audit": True,
        "store": "ok",
        "policy": "sha256:a",
    }


async def test_policy_shows_where_each_rule_comes_from_and_no_hash() -> None:
    told = await Desk().ask("GET", "/admin/v1/policy", role="viewer")
    assert body(told)["tenants"] == {"acme": ["p"]}
    assert list(body(told)["rules"].values()) == ["policy.yaml:5"]
    assert "sha256:" not in str({**body(told), "digest": ""})


async def test_reload_is_done_and_noted_by_name() -> None:
    desk = Desk()
    told = await desk.ask("POST", "/admin/v1/reload", role="operator")
    assert (told.status, body(told)) == (200, {"policy": "sha256:a"})
    assert desk.supervisor.reloads == 1
    assert desk.noted == [("eve", "/admin/v1/reload")]


async def test_reload_of_a_bad_policy_tells_its_problems() -> None:
    desk = Desk(problems=["policy.yaml:3: unknown key"])
    told = await desk.ask("POST", "/admin/v1/reload", role="operator")
    assert told.status == 422
    assert body(told)["problems"] == ["policy.yaml:3: unknown key"]


async def say(desk: Desk, body: bytes, session: str = SESSION) -> Told:
    return await desk.ask(
        "POST", f"/admin/v1/sessions/{session}/outcome", role="operator", body=body
    )


async def test_outcome_of_a_session_is_handed_on_with_who_says_it() -> None:
    desk = Desk()
    told = await say(desk, b'{"outcome": "success", "note": "ticket 7"}')
    assert told.status == 200
    assert body(told) == {
        "session": SESSION,
        "outcome": "success",
        "counted": True,
        "known": None,
    }
    assert desk.supervisor.said == [(SESSION, "success", "eve", "ticket 7")]
    assert desk.noted == [("eve", f"/admin/v1/sessions/{SESSION}/outcome")]


@pytest.mark.parametrize(
    ("session", "sent", "expected"),
    [
        ("s_short", b'{"outcome": "success"}', "session by its key"),
        (SESSION, b"", "one of success, failure, escalated, abandoned"),
        (SESSION, b"[]", "one of"),
        (SESSION, b'{"outcome": "great"}', "one of"),
        (SESSION, b'{"outcome": ["success"]}', "one of"),
        (SESSION, b'{"outcome": "success", "note": 1}', "note, a text"),
        (SESSION, b'{"outcome": "success", "why": "x"}', "nothing else"),
        (SESSION, b'{"outcome": "success", "note": "a\\u0000"}', "printable"),
        (SESSION, b'{"outcome": "success", "note": "' + b"x" * 201 + b'"}', "at most 200"),
    ],
)
async def test_what_is_no_outcome_says_what_one_is(
    session: str, sent: bytes, expected: str
) -> None:
    desk = Desk()
    told = await say(desk, sent, session)
    assert told.status == 400
    assert expected in body(told)["error"]
    assert desk.supervisor.said == []


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (None, 503),
        ({"problems": ["the state store does not answer"]}, 503),
        ({"outcome": "failure", "counted": False, "known": None}, 409),
    ],
)
async def test_outcome_that_was_not_taken_says_why(
    answer: dict[str, Any] | None, status: int
) -> None:
    desk = Desk()
    desk.supervisor.outcome_answer = answer
    assert (await say(desk, b'{"outcome": "success"}')).status == status


async def test_who_only_reads_is_not_noted() -> None:
    desk = Desk()
    await desk.ask("GET", "/admin/v1/status", role="operator")
    await desk.ask("POST", "/admin/v1/reload", role="viewer")
    assert desk.noted == []


# --- the document ---


async def document() -> dict[str, Any]:
    return body(await Desk().ask("GET", "/admin/openapi.json", role="viewer"))


async def test_the_document_has_every_call_and_no_other() -> None:
    found = {
        (method.upper(), path, re.findall(r"role (\w+)", call["description"])[0])
        for path, calls in (await document())["paths"].items()
        for method, call in calls.items()
    }
    assert found == set(CALLS)


async def test_the_document_is_openapi() -> None:
    """Its required parts (OpenAPI 3.1.0, sections 4.8.1 to 4.8.17), and references that lead
    somewhere."""
    made = await document()
    assert made["openapi"] == "3.1.0"
    assert {"title", "version"} <= made["info"].keys()
    schemas, schemes = made["components"]["schemas"], made["components"]["securitySchemes"]
    names = []
    for path, calls in made["paths"].items():
        assert path.startswith("/")
        for call in calls.values():
            names.append(call["operationId"])
            assert {"200", "401", "403"} <= call["responses"].keys()
            assert all(name in schemes for need in call["security"] for name in need)
            for answer in call["responses"].values():
                assert answer["description"]
                schema = answer["content"]["application/json"]["schema"]
                if "$ref" in schema:
                    assert schema["$ref"].removeprefix("#/components/schemas/") in schemas
    assert len(set(names)) == len(names)


async def test_answers_are_those_of_the_document() -> None:
    paths = (await document())["paths"]
    desk = Desk(problems=["policy.yaml:3: unknown key"])
    for method, path, needed in CALLS:
        for role in ("", *ROLES):
            told = await desk.ask(method, path, role=role)
            assert str(told.status) in paths[path][method.lower()]["responses"], (path, needed)
            assert (told.status == 200) != ("error" in body(told))


def test_the_docs_have_the_same_table() -> None:
    rows = re.findall(r"^\| `(\w+) (/\S+)` \| (\w+) \|", DOC.read_text(), re.M)
    assert rows == CALLS
