"""No dialect hides a surface: a probe on each is seen there, nowhere else, and can be taken out.

A dialect without a row fails, and so does a row that leaves a surface out without saying why.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
import yaml

from gateway.config.load import load_texts
from gateway.dialects.base import Surface
from gateway.dialects.registry import DIALECTS
from gateway.dialects.sse import SSE
from gateway.exchange import Exchange, Identity
from gateway.message import Headers, Request
from gateway.policy.compile import compile_policy
from gateway.policy.pipeline import Pipeline
from gateway.state.memory import MemoryStore
from gateway.testing import make_workshop
from gateway.upstream.router import Router
from gateway.verdict import Reason
from tests.policy.fakes import DictCache
from tests.surfaces.row import PROBE, Asked, Row, Told

PIECE = 5
"""Bytes in which streams arrive, so that the probe is cut wherever it stands."""


def row_of(dialect: str) -> Row:
    row: Row = import_module(f"tests.surfaces.rows.{dialect}").ROW
    return row


def every(kind: str) -> list[Any]:
    return list(_every(kind))


def _every(kind: str) -> Iterator[Any]:
    for dialect in DIALECTS:
        if find_spec(f"tests.surfaces.rows.{dialect}") is None:
            continue  # the test of whole rows says so
        for surface, places in getattr(row_of(dialect), kind).items():
            for name, place in places.items():
                yield pytest.param(dialect, surface, place, id=f"{dialect}-{surface}-{name}")


@pytest.mark.parametrize("dialect", list(DIALECTS))
@pytest.mark.parametrize("kind", ["requests", "answers", "streams"])
def test_a_row_has_every_surface_or_says_why_not(dialect: str, kind: str) -> None:
    row = row_of(dialect)
    told = {surface.value for surface, places in getattr(row, kind).items() if places}
    lacks = dict(row.lacks.get(kind, {}))
    assert all(lacks.values())
    assert told | set(lacks) == {surface.value for surface in Surface}
    assert not told & set(lacks)


@pytest.mark.parametrize(("dialect", "surface", "place"), every("requests"))
def test_what_is_asked_is_seen_and_can_be_rewritten(
    dialect: str, surface: Surface, place: Asked
) -> None:
    seen = Passing(dialect, place, {surface})
    assert seen.found
    if not place.readonly:
        assert PROBE.encode() not in seen.sent
    assert not Passing(dialect, place, set(Surface) - {surface}).found


@pytest.mark.parametrize(("dialect", "surface", "place"), every("answers"))
def test_what_is_answered_is_seen_and_can_be_rewritten(
    dialect: str, surface: Surface, place: Told
) -> None:
    seen = Passing(dialect, place.asked, {surface})
    out = seen.answer(place)
    assert seen.found
    if not place.readonly:
        assert PROBE.encode() not in out
    other = Passing(dialect, place.asked, set(Surface) - {surface})
    assert other.answer(place) == place.body
    assert not other.found


@pytest.mark.parametrize(("dialect", "surface", "place"), every("streams"))
def test_what_is_streamed_is_seen_and_can_be_rewritten(
    dialect: str, surface: Surface, place: Told
) -> None:
    seen = Passing(dialect, place.asked, {surface})
    out = seen.stream(place)
    assert seen.found
    if not place.readonly:
        assert PROBE.encode() not in out
    other = Passing(dialect, place.asked, set(Surface) - {surface})
    assert other.stream(place) == place.body
    assert not other.found


class Passing:
    """One call through the rules: a probe that redacts, on some surfaces."""

    def __init__(self, dialect: str, asked: Asked, surfaces: set[Surface]) -> None:
        row = row_of(dialect)
        options = {"provider": row.provider, "url": "http://127.0.0.1:9", **row.upstream}
        self.pipeline, router = self.rules(yaml.safe_dump(options), tuple(sorted(surfaces)))
        headers = Headers([("content-type", asked.content_type)] if asked.content_type else [])
        request = Request(asked.method, f"/up{asked.path}", headers, asked.body)
        self.exchange = exchange = Exchange("x1", request, 1_700_000_000.0)
        exchange.identity = Identity(tenant="acme", agent="bot", session="s1")
        exchange.target = router.route(request)
        assert exchange.target.dialect == dialect
        exchange.dialect = router.dialect(exchange.target)
        exchange.call = self.call = exchange.dialect.decode(request, asked.body)
        store = MemoryStore(lambda: 1_700_000_000.0)
        assert asyncio.run(self.pipeline.on_request(exchange, store)) is None
        target = self.call.target(exchange.target.path)
        self.sent = target.encode() + b"\n" + self.call.encode()

    def rules(self, upstream: str, surfaces: tuple[Surface, ...]) -> tuple[Pipeline, Router]:
        return compiled(upstream, surfaces)

    @property
    def found(self) -> bool:
        return any(v.reason is Reason.PATTERN_FOUND for v in self.exchange.verdicts)

    def answer(self, told: Told) -> bytes:
        assert self.exchange.dialect is not None
        self.call.heard(200, Headers([("content-type", told.content_type)]))
        answer = self.exchange.dialect.decode_answer(self.call, told.body)
        assert self.pipeline.guard(self.exchange).on_answer(answer) is None
        return answer.encode()

    def stream(self, told: Told) -> bytes:
        assert self.exchange.dialect is not None
        self.call.heard(200, Headers([("content-type", told.content_type)]))
        sse = told.content_type == "text/event-stream"
        reader = (SSE if sse else self.call.framings[told.content_type]).reader()
        stream = self.exchange.dialect.open_stream(self.call)
        window = self.pipeline.window(self.exchange, stream)
        out = []
        for at in range(0, len(told.body), PIECE):
            out += [window.feed(event) for event in reader.feed(told.body[at : at + PIECE])]
        out += [window.feed(event) for event in reader.end()]
        out.append(window.end())
        window.finish()
        assert window.blocked is None
        return b"".join(out)


@functools.cache
def compiled(upstream: str, surfaces: tuple[Surface, ...]) -> tuple[Pipeline, Router]:
    rule = {
        "kind": "patterns",
        "deny": [PROBE],
        "surfaces": [surface.value for surface in surfaces],
        "action": "redact",
        "unscannable": "allow",
    }
    return compiled_rule(upstream, yaml.safe_dump(rule))


def compiled_rule(upstream: str, rule: str) -> tuple[Pipeline, Router]:
    """A pipeline with one rule, and a router to one upstream named `up`; both in YAML."""
    policy = {
        "version": 1,
        "upstreams": {"up": yaml.safe_load(upstream)},
        "tenants": {"acme": {"policies": ["probe"]}},
        "default_tenant": "acme",
        "policies": {"probe": {"rules": [yaml.safe_load(rule)]}},
    }
    loaded = load_texts({"probe.yaml": yaml.safe_dump(policy).encode()}, {})
    snapshot = compile_policy(loaded, make_workshop())
    router = Router(snapshot.file.upstreams, snapshot.tools)
    return Pipeline(snapshot.rules_for("acme"), DictCache()), router
