"""Stand-ins in every dialect: put away on every surface of a request, put back in every answer,
wherever a stream cuts them.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
import yaml

from gateway.dialects.base import Surface
from gateway.policy.pseudonymize import TOOLS, pseudonyms_of
from tests.surfaces import test_every_surface as rows
from tests.surfaces.row import PROBE, Asked, Told

VALUE = "536-22-8765"
STAND_IN = "<US_SSN_7KQ2M9XB>"
HALF = len(PROBE) // 2
RESTORED = (Surface.OUTPUT, Surface.REASONING, Surface.TOOL_CALL)


def models(kind: str, surfaces: tuple[Surface, ...]) -> list[Any]:
    """Places of dialects that models speak (a tool gets real values), but for signed text, which
    is never rewritten."""
    return [
        place
        for place in rows.every(kind)
        if place.values[1] in surfaces
        and not place.values[2].readonly
        and rows.row_of(place.values[0]).provider not in TOOLS
    ]


class Passing(rows.Passing):
    """One call through a rule that pseudonymizes everywhere. It knows one stand-in already."""

    def __init__(self, dialect: str, asked: Asked) -> None:
        super().__init__(dialect, asked, set(Surface))
        pseudonyms_of(self.exchange).load([("US_SSN", False, "7KQ2M9XB", VALUE)])

    def rules(self, upstream: str, surfaces: tuple[Surface, ...]) -> Any:
        return compiled(upstream)


@cache
def compiled(upstream: str) -> Any:
    rule = {
        "kind": "pii",
        "entities": ["US_SSN"],
        "action": "pseudonymize",
        "unscannable": "allow",
    }
    return rows.compiled_rule(upstream, yaml.safe_dump(rule))


@pytest.mark.parametrize(("dialect", "surface", "place"), models("requests", tuple(Surface)))
def test_no_value_goes_to_a_model(dialect: str, surface: Surface, place: Asked) -> None:
    path = place.path.replace(PROBE, VALUE)
    body = place.body.replace(PROBE.encode(), VALUE.encode())
    sent = Passing(dialect, Asked(path, body, place.method, place.content_type)).sent
    assert VALUE.encode() not in sent
    assert b"US_SSN_" in sent or b"US_SSN-" in sent


@pytest.mark.parametrize(("dialect", "surface", "place"), models("answers", RESTORED))
def test_a_whole_answer_comes_back(dialect: str, surface: Surface, place: Told) -> None:
    body = place.body.replace(PROBE.encode(), STAND_IN.encode())
    out = Passing(dialect, place.asked).answer(Told(place.asked, body, place.content_type))
    assert b"US_SSN" not in out
    assert VALUE.encode() in out


@pytest.mark.parametrize(("dialect", "surface", "place"), models("streams", RESTORED))
def test_a_stream_comes_back_wherever_it_is_cut(
    dialect: str, surface: Surface, place: Told
) -> None:
    halves = (PROBE[:HALF].encode(), PROBE[HALF:].encode())
    assert PROBE.encode() in place.body or all(half in place.body for half in halves)
    for cut in range(0, len(STAND_IN) + 1, 3):
        body = place.body.replace(PROBE.encode(), STAND_IN.encode())
        body = body.replace(halves[0], STAND_IN[:cut].encode())
        body = body.replace(halves[1], STAND_IN[cut:].encode())
        passing = Passing(dialect, place.asked)
        out = passing.stream(Told(place.asked, body, place.content_type))
        assert b"US_SSN_" not in out, cut
        assert b"7KQ2M9XB" not in out, cut
        said = json.dumps(VALUE)[1:-1].encode()
        assert said in out or said.replace(b'"', b'\\"') in out, cut
