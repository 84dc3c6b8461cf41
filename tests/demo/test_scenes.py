"""The demo plays one scene for each kind of rule, with rules that load."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.config.policy_file import parse_rule
from gateway.demo.scenes import SCENES, Scene, ask, listen, tool, tool_turn, user
from gateway.policy.kinds import KINDS
from gateway.verdict import Reason

by_kind = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.kind)


def test_there_is_one_scene_for_each_kind() -> None:
    assert sorted(scene.kind for scene in SCENES) == sorted(KINDS)


@by_kind
def test_a_scenes_rule_is_of_its_kind_and_loads(scene: Scene) -> None:
    assert parse_rule(scene.rule).kind == scene.kind


@by_kind
def test_a_scene_wants_a_reason_that_there_is(scene: Scene) -> None:
    assert scene.reason in set(Reason)


@by_kind
def test_what_a_scene_wants_is_of_the_four_sorts(scene: Scene) -> None:
    sorts = {"provider has", "provider lacks", "agent has", "agent lacks"}
    assert {where for where, _ in scene.wants} <= sorts


class _Client:
    """Answers as the SDK would; raises what it is given to raise."""

    def __init__(self, answer: Any) -> None:
        self.options: dict[str, Any] = {}
        self._answer = answer
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self._create))

    def _create(self, **options: Any) -> Any:
        self.options = options
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def _call(name: str, arguments: str, index: int = 0) -> Any:
    return SimpleNamespace(index=index, function=SimpleNamespace(name=name, arguments=arguments))


def test_a_whole_answer_is_told_with_its_calls() -> None:
    message = SimpleNamespace(content="Looking.", tool_calls=[_call("look", "{}")])
    client: Any = _Client(SimpleNamespace(choices=[SimpleNamespace(message=message)]))
    outcome = ask(client, [user("Hi")], max_tokens=5)
    assert (outcome.sent, outcome.saw, outcome.error) == ("Hi", "Looking.\ncalls look({})", "")
    assert client.options["max_tokens"] == 5


def test_a_stream_is_put_together_piece_by_piece() -> None:
    def chunk(content: str | None, *calls: Any) -> Any:
        delta = SimpleNamespace(content=content, tool_calls=list(calls))
        return SimpleNamespace(choices=[SimpleNamespace(delta=delta)])

    first, second = _call("look", '{"a"'), _call("", ": 1}")
    client: Any = _Client([chunk("Loo"), chunk("king."), chunk(None, first), chunk(None, second)])
    outcome = listen(client, [user("Hi")], tools=[tool("look")])
    assert outcome.saw == 'Looking.\ncalls look({"a": 1})'
    assert outcome.sent == "Hi\ntools: look"


@pytest.mark.parametrize("play", [ask, listen])
def test_what_the_sdk_raises_is_told_in_its_words(play: Any) -> None:
    error = ValueError("plain")
    error.body = {"message": "Portcullis blocked this request"}  # type: ignore[attr-defined]
    outcome = play(_Client(error), [user("Hi")])
    assert (outcome.error, outcome.message) == ("ValueError", "Portcullis blocked this request")
    assert play(_Client(ValueError("plain")), [user("Hi")]).message == "plain"


def test_a_turn_with_a_tool_is_a_call_and_its_result() -> None:
    call, result = tool_turn(3, "look", "{}", "found")
    assert call["tool_calls"][0]["id"] == result["tool_call_id"] == "call_3"
