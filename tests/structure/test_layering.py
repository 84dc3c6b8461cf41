"""Who may import whom: the import rules of the house, read from the sources."""

from __future__ import annotations

import ast

import pytest

from tests.structure.house import Source, imports, reachable, sources, within

PURE = (
    "gateway.dialects",
    "gateway.policy",
    "gateway.verdict",
    "gateway.exchange",
    "gateway.audit.chain",
)
HTTP = ("aiohttp", "httptools")
OUTSIDE = (*HTTP, "redis", "prometheus_client", "sqlite3", "uvloop", "opentelemetry")
# Same input, same verdict: time, chance and ids are handed to the pure part, never taken by it.
CLOCK_AND_CHANCE = ("time", "random", "secrets", "uuid")
IO = (
    "asyncio",
    "socket",
    "ssl",
    "sqlite3",
    "subprocess",
    "threading",
    "urllib.request",
    "http.client",
)
# One file a side of the data path, so that either can be exchanged; admin and the test helpers
# have servers of their own.
KNOW_HTTP = (
    "gateway.proxy.connection",
    "gateway.upstream.connection",
    "gateway.admin.listener",
    "gateway.testing.provider",
)
KNOW_PROMETHEUS = ("gateway.telemetry.exposition",)
KNOW_STORES = ("gateway.state",)
KNOW_OPENTELEMETRY = ("gateway.telemetry",)
STATIONS = frozenset(
    f"gateway.{name}"
    for name in ("proxy", "identity", "policy", "upstream", "state", "audit", "telemetry", "config")
)
# What a station may know of ours; all that is not here puts stations together or runs them.
PLACES = (
    *STATIONS,
    *(f"gateway.{name}" for name in ("dialects", "detectors")),
    *(f"gateway.{name}" for name in ("verdict", "exchange", "message", "errors", "keyed")),
    *(f"gateway.{name}" for name in ("duplex", "own_process", "tls", "websocket")),
)
SUPERVISOR = tuple(
    f"gateway.{name}" for name in ("lifecycle", "crew", "control", "listener_tls", "self_check")
)

PURE_SOURCES = [source for source in sources() if within(source.module, *PURE)]


def name_of(source: Source) -> str:
    return source.name


def find(module: str) -> Source:
    """The source of a module; skips the test where nobody has written it yet."""
    for source in sources():
        if source.module == module:
            return source
    pytest.skip(f"{module} does not exist yet")


@pytest.mark.parametrize("source", PURE_SOURCES, ids=name_of)
def test_pure_parts_import_neither_io_nor_clock(source: Source) -> None:
    wrong = {name for name in imports(source) if within(name, *OUTSIDE, *CLOCK_AND_CHANCE)}
    assert not wrong, f"{source.name} is pure and must not import {sorted(wrong)}"


@pytest.mark.parametrize("source", PURE_SOURCES, ids=name_of)
def test_pure_parts_reach_no_io_through_others(source: Source) -> None:
    came_from = reachable(source)
    for name in sorted(came_from):
        if within(name, *OUTSIDE):
            way = [name]
            while came_from[way[-1]]:
                way.append(came_from[way[-1]])
            pytest.fail(f"{source.name} reaches {name}: " + " <- ".join(way))


@pytest.mark.parametrize("source", PURE_SOURCES, ids=name_of)
def test_pure_parts_ask_no_clock(source: Source) -> None:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today"):
            owner = ast.unparse(node.value)
            assert owner.rpartition(".")[2] not in ("datetime", "date"), (
                f"{source.name}:{node.lineno} asks the clock: {owner}.{node.attr}"
            )


@pytest.mark.parametrize(
    "source", [s for s in sources() if within(s.module, "gateway.dialects")], ids=name_of
)
def test_dialects_neither_wait_nor_read(source: Source) -> None:
    wrong = {name for name in imports(source) if within(name, *IO)}
    assert not wrong, f"{source.name} must not import {sorted(wrong)}"
    waits = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    for node in ast.walk(source.tree):
        assert not isinstance(node, waits), f"{source.name}:{node.lineno} waits"
        is_open = isinstance(node, ast.Call) and ast.unparse(node.func) == "open"
        assert not is_open, f"{source.name} opens a file"


def test_kinds_know_the_store_as_a_protocol_only() -> None:
    for source in sources():
        if within(source.module, "gateway.policy"):
            known = {name for name in imports(source) if within(name, "gateway.state")}
            assert known <= {"gateway.state.store"}, f"{source.name} imports {sorted(known)}"
    protocol = find("gateway.state.store")
    wrong = {
        name for name in imports(protocol) if within(name, "gateway.state", "sqlite3", *OUTSIDE)
    }
    assert not wrong, f"the protocol itself imports {sorted(wrong)}"


def test_only_app_and_cli_import_admin() -> None:
    for source in sources():
        if not within(source.module, "gateway.app", "gateway.cli", "gateway.admin"):
            wrong = {name for name in imports(source) if within(name, "gateway.admin")}
            assert not wrong, f"{source.name} imports {sorted(wrong)}"


def test_only_app_imports_everything() -> None:
    for source in sources():
        if source.module == "gateway.app":
            continue
        known = {place for place in STATIONS for name in imports(source) if within(name, place)}
        assert known != STATIONS, f"{source.name} wires every station; that is app.py's work"


def test_stations_know_only_stations() -> None:
    for source in sources():
        if within(source.module, *PLACES):
            ours = {name for name in imports(source) if within(name, "gateway")} - {"gateway"}
            wrong = {name for name in ours if not within(name, *PLACES)}
            assert not wrong, f"{source.name} imports {sorted(wrong)}"


def test_nobody_imports_the_wiring_but_the_command_line() -> None:
    for source in sources():
        if not within(source.module, "gateway.cli", "gateway.__main__"):
            wrong = {name for name in imports(source) if within(name, "gateway.app", "gateway.cli")}
            assert not wrong, f"{source.name} imports {sorted(wrong)}"


def test_the_supervisor_knows_no_station() -> None:
    """It only starts, reloads and stops workers, so a fault in a station cannot take it down."""
    leaves = ("gateway.errors", "gateway.own_process", "gateway.tls")
    allowed = (*SUPERVISOR, "gateway.config", *leaves)
    for source in sources():
        if within(source.module, *SUPERVISOR):
            ours = {name for name in imports(source) if within(name, "gateway")} - {"gateway"}
            wrong = {name for name in ours if not within(name, *allowed)}
            assert not wrong, f"{source.name} imports {sorted(wrong)}"


def test_test_helpers_stay_with_the_tests_and_the_demo() -> None:
    for source in sources():
        if not within(source.module, "gateway.testing", "gateway.demo"):
            wrong = {name for name in imports(source) if within(name, "gateway.testing")}
            assert not wrong, f"{source.name} imports {sorted(wrong)}"


@pytest.mark.parametrize(
    ("libraries", "places"),
    [
        (HTTP, KNOW_HTTP),
        (("prometheus_client",), KNOW_PROMETHEUS),
        (("sqlite3",), KNOW_STORES),
        (("redis",), KNOW_STORES),
        (("opentelemetry",), KNOW_OPENTELEMETRY),
    ],
    ids=["http", "prometheus", "sqlite", "redis", "opentelemetry"],
)
def test_a_library_stays_where_it_can_be_exchanged(
    libraries: tuple[str, ...], places: tuple[str, ...]
) -> None:
    for source in sources():
        if not within(source.module, *places):
            wrong = {name for name in imports(source) if within(name, *libraries)}
            assert not wrong, f"{source.name} imports {sorted(wrong)}"
    for place in places:
        here = [source for source in sources() if within(source.module, place)]
        known = {name for source in here for name in imports(source) if within(name, *libraries)}
        assert known, f"{place} does not need its place on the list"


def test_verify_shares_only_the_hash_with_the_writer() -> None:
    """Who checks the log must not lean on the code that wrote it."""
    verify, writer = find("gateway.audit.verify"), find("gateway.audit.writer")
    ours = [
        {name for name in imports(each) if within(name, "gateway")} for each in (verify, writer)
    ]
    shared = ours[0] & ours[1] - {"gateway", "gateway.audit"}
    assert shared <= {"gateway.audit.chain"}, f"both import {sorted(shared)}"
    assert writer.module not in ours[0], "verify imports the writer"
    assert verify.module not in ours[1], "the writer imports verify"
