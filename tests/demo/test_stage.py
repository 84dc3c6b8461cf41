"""The stage plays scenes on a real gateway, tells what each side saw, and notices what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.demo.scenes import SCENES, Outcome, Scene, ask, user
from gateway.demo.stage import Stage

BY_KIND = {scene.kind: scene for scene in SCENES}
SECRETS, MODEL, TOOLS = BY_KIND["secrets"], BY_KIND["model"], BY_KIND["tools"]
EGRESS = BY_KIND["egress"]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage([SECRETS, MODEL, TOOLS, EGRESS]) as made:
        made.start()
        yield made


def test_what_is_stopped_never_reaches_the_provider(stage: Stage) -> None:
    played = stage.play(SECRETS)
    assert played.problems == []
    assert (played.received, played.answered) == ("", "")
    assert played.outcome.error == "BadRequestError"
    assert (played.record["action"], played.retries) == ("block", 0)


def test_the_gateways_own_work_is_part_of_what_the_agent_waits_for(stage: Stage) -> None:
    own, whole = stage.play(TOOLS).milliseconds
    assert 0 < own < whole


def test_what_passes_is_told_from_all_three_sides(stage: Stage) -> None:
    played = stage.play(TOOLS)
    assert played.problems == []
    assert played.outcome.sent == "Tidy the customers.\ntools: list_rows, delete_table"
    assert played.received == "Tidy the customers.\ntools: list_rows"
    assert "calls delete_table" in played.answered
    assert "delete_table" not in played.outcome.saw


def test_a_refused_tunnel_has_its_record_though_the_client_saw_no_id(stage: Stage) -> None:
    played = stage.play(EGRESS)
    assert played.problems == []
    assert (played.record["dialect"], played.record["action"]) == ("tunnel", "block")
    assert played.outcome.error == "ProxyError"


def test_calls_before_the_one_that_is_stopped_are_counted(stage: Stage) -> None:
    def twice(client: object) -> Outcome:
        ask(client, [user("Hello")])  # type: ignore[arg-type]
        return MODEL.play(client)  # type: ignore[arg-type]

    assert stage.play(replace(MODEL, play=twice)).received == "1 calls before, not this one"


@pytest.mark.parametrize(
    ("scene", "problem"),
    [
        (replace(MODEL, reason="pii_found"), "expected the reason pii_found"),
        (
            replace(MODEL, wants=(("agent has", "no such words"),)),
            "the agent lacks 'no such words'",
        ),
        (replace(TOOLS, wants=(("agent lacks", "list_rows"),)), "the agent has 'list_rows'"),
        (replace(TOOLS, wants=(("provider has", "delete_"),)), "the provider lacks 'delete_'"),
        (replace(MODEL, play=lambda client: Outcome("nothing", "")), "expected the reason"),
    ],
)
def test_a_scene_that_goes_wrong_says_how(stage: Stage, scene: Scene, problem: str) -> None:
    assert problem in " ".join(stage.play(scene).problems)
