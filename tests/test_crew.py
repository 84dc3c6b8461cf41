"""All workers run the same policy, whatever happens to one of them; the dead are replaced."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from gateway import crew as crews
from gateway.control import MOST_TEXT
from gateway.crew import Crew
from gateway.errors import ConfigError

STUB = Path(__file__).with_name("stub_worker.py")
PATIENCE = 30.0

T = TypeVar("T")
Make = Callable[..., Crew]


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    """Makes a crew of stub workers, not started; ends it after the test."""
    monkeypatch.setattr(crews, "PROGRAM", (str(STUB),))
    monkeypatch.setattr(crews, "PAUSES", (0.0,))
    made: list[Crew] = []
    with socket.create_server(("127.0.0.1", 0)) as sock:

        def crew(wanted: int) -> Crew:
            made.append(Crew(wanted, sock, {"folder": str(tmp_path)}))
            return made[-1]

        yield crew
        for each in made:
            each.kill()
            await each.end(0)


def policy(name: str = "first", **how: str) -> dict[str, bytes]:
    behaviour = {key.replace("_", " ").strip(): value for key, value in how.items()}
    return {"policy": json.dumps({"name": name, **behaviour}).encode()}


async def until(what: str, look: Callable[[], T]) -> T:
    ends = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < ends, what
        await asyncio.sleep(0.01)
    return found


async def in_force(crew: Crew) -> list[str]:
    """The name of each worker's policy."""
    return [health["policy"] for _, health in sorted((await crew.health()).items())]


def asked(folder: Path, number: int) -> list[str]:
    """What a worker was asked, its starts with the policy that it started with."""
    notes = (folder / f"worker-{number}").read_text().splitlines()
    return [" ".join(note.split()[::2]) if "start" in note else note for note in notes]


async def test_every_worker_starts_with_the_policy(make: Make) -> None:
    crew = make(3)
    await crew.start(policy())
    assert crew.ready == 3
    assert await in_force(crew) == ["first"] * 3


async def test_what_keeps_workers_from_starting_is_told_once(make: Make) -> None:
    crew = make(3)
    with pytest.raises(ConfigError) as error:
        await crew.start(policy(start="refuse", _1_start="die"))
    assert sorted(error.value.problems) == [
        "policy:1: no start",
        "worker 1 did not start; its log says why",
    ]
    assert crew.ready == 0


async def test_a_program_that_cannot_be_run_is_a_problem(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ConfigError, match="worker 0 cannot be started: No such file"):
        await make(1).start(policy())


async def test_a_new_policy_is_taken_by_all(make: Make) -> None:
    crew = make(2)
    await crew.start(policy())
    await crew.take(policy("second"))
    assert await in_force(crew) == ["second"] * 2


async def test_where_one_refuses_none_takes(make: Make, tmp_path: Path) -> None:
    crew = make(3)
    await crew.start(policy())
    with pytest.raises(ConfigError, match="policy:1: no prepare"):
        await crew.take(policy("second", _1_prepare="refuse"))
    assert await in_force(crew) == ["first"] * 3
    assert "commit" not in asked(tmp_path, 0)


async def test_who_is_silent_keeps_the_others_from_taking(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = make(2)
    await crew.start(policy())
    monkeypatch.setattr(crews, "START_TIMEOUT", 0.2)
    with pytest.raises(ConfigError, match="worker 1 did not answer"):
        await crew.take(policy("second", _1_prepare="silent"))
    assert await in_force(crew) == ["first"] * 2


@pytest.mark.parametrize("when", ["prepare", "commit"])
async def test_who_dies_meanwhile_comes_back_with_the_new_policy(
    make: Make, tmp_path: Path, when: str
) -> None:
    crew = make(2)
    await crew.start(policy())
    await crew.take(policy("second", **{f"_1_{when}": "die"}))
    await until("a replacement", lambda: crew.replaced == 1 and crew.ready == 2)
    assert await in_force(crew) == ["second"] * 2
    assert [note for note in asked(tmp_path, 1) if "start" in note] == [
        "start first",
        "start second",
    ]


async def test_who_cannot_commit_is_replaced(make: Make) -> None:
    crew = make(2)
    await crew.start(policy())
    await crew.take(policy("second", _0_commit="refuse"))
    await until("a replacement", lambda: crew.replaced == 1 and crew.ready == 2)
    assert await in_force(crew) == ["second"] * 2


async def test_who_starts_while_a_policy_is_handed_out_has_it_in_the_end(make: Make) -> None:
    crew = make(2)
    await crew.start(policy(_1_metrics="die"))
    await asyncio.gather(crew.samples(), crew.take(policy("second")))
    await until("a replacement", lambda: crew.replaced == 1 and crew.ready == 2)
    assert await in_force(crew) == ["second"] * 2


async def test_the_dead_are_replaced_after_pauses_that_grow(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        if seconds >= 1:
            pauses.append(seconds)
        await sleep(0 if seconds >= 1 else seconds)

    monkeypatch.setattr(crews.asyncio, "sleep", note)
    monkeypatch.setattr(crews, "PAUSES", (1.0, 2.0, 3.0))
    monkeypatch.setattr(crews, "SETTLED", 3600.0)
    crew = make(1)
    await crew.start(policy(metrics="die"))
    for count in range(1, 5):
        await crew.samples()
        await until("a replacement", lambda count=count: crew.replaced == count)
    assert pauses == [1.0, 2.0, 3.0, 3.0]
    monkeypatch.setattr(crews, "SETTLED", 0.0)
    await crew.samples()
    await until("a replacement", lambda: crew.replaced == 5)
    assert pauses[4:] == [1.0]


async def test_a_scrape_shows_the_last_known_of_who_is_silent(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = make(2)
    await crew.start(policy())
    assert await crew.samples() == [{"worker": 0}, {"worker": 1}]
    await crew.take(policy("second", _1_metrics="silent", _1_health="silent"))
    monkeypatch.setattr(crews, "ASK_TIMEOUT", 0.2)
    assert await crew.samples() == [{"worker": 0}, {"worker": 1}]
    assert await in_force(crew) == ["second"]


async def test_at_the_end_all_drain_and_nobody_is_replaced(make: Make, tmp_path: Path) -> None:
    crew = make(2)
    await crew.start(policy())
    await crew.end(5)
    assert (crew.ready, crew.replaced) == (0, 0)
    assert [asked(tmp_path, number)[-1] for number in (0, 1)] == ["drain", "drain"]


async def test_who_is_in_a_hurry_waits_for_no_slow_call(make: Make) -> None:
    crew = make(2)
    await crew.start(policy(drain="slow"))
    ending = asyncio.create_task(crew.end(3600))
    await asyncio.sleep(0)
    crew.hurry()
    await ending
    assert crew.ready == 0


async def test_who_does_not_end_is_killed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crews, "END_GRACE", 0.1)
    crew = make(1)
    await crew.start(policy(drain="silent"))
    await crew.end(0)
    assert crew.ready == 0


async def test_files_larger_than_a_message_are_refused(make: Make) -> None:
    crew = make(1)
    with pytest.raises(ConfigError, match="larger than"):
        await crew.start({"a.yaml": b"#" * MOST_TEXT, "b.yaml": b"#"})


async def test_a_certificate_is_taken_by_every_worker_and_by_those_that_start_later(
    make: Make, tmp_path: Path
) -> None:
    crew = make(2)
    await crew.start(policy(_1_secure="die"))
    await crew.secure({"cert": "second"})
    await until("another worker 1", lambda: crew.replaced == 1 and crew.ready == 2)
    assert asked(tmp_path, 0)[1:] == ["secure"]
    assert asked(tmp_path, 1) == ["start first", "secure", "start first", "tls second"]


async def test_what_workers_saw_of_a_session_is_taken_together(make: Make) -> None:
    crew = make(2)
    await crew.start(policy())
    assert await crew.facts("known") == {"calls": 3, "cost": 30, "began": 98, "last": 2}
    assert await crew.facts("unknown") is None


async def test_outcome_is_taken_by_one_worker_that_answers(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "ASK_TIMEOUT", 0.3)
    crew = make(3)
    await crew.start(policy(_0_outcome="silent"))
    assert await crew.outcome({"session": "s", "outcome": "success"}) is not None
    assert [asked(tmp_path, number).count("outcome") for number in range(3)] == [1, 1, 0]
    assert await make(1).outcome({"session": "s"}) is None  # nobody serves
