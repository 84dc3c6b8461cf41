"""All decisions of gateways that kept a journal (`journaling/`), those of killed ones too."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis

from gateway.state import redis_script
from gateway.state.journal import Entry
from gateway.state.redis_script import Answers

JOURNALING = Path(__file__).parent / "journaling"


def environment(folder: Path) -> dict[str, str]:
    """What makes a gateway write a journal into a folder."""
    folder.mkdir(exist_ok=True)
    return {"PYTHONPATH": str(JOURNALING), "PORTCULLIS_TEST_JOURNAL": str(folder)}


def decisions(folder: Path, client: redis.Redis) -> list[Entry]:
    """In their order. A server keeps the answer to each process's latest batch for a while, so what
    a process did not live to hear is known as well."""
    found: dict[int, Entry] = {}
    for path in folder.glob("*.journal"):
        latest: tuple[Any, ...] | None = None
        for note in _notes(path):
            if note[0] == "sent":
                latest = note[1:]
            else:
                found[note[1].serial] = note[1]
        if latest is not None:
            for entry in _unheard(client, *latest):
                found[entry.serial] = entry
    return [found[serial] for serial in sorted(found)]


def brought_back(folder: Path) -> int:
    """What was reserved or settled in a server that did not send it on before it died."""
    notes = [note for path in folder.glob("*.journal") for note in _notes(path)]
    entries = [note[1] for note in notes if note[0] == "entry"]
    return sum(claim.amount for e in entries if e.op == "restore" for claim in e.claims)


def _notes(path: Path) -> Iterator[tuple[Any, ...]]:
    with path.open("rb") as file:
        while True:
            try:
                yield pickle.load(file)
            except (EOFError, pickle.UnpicklingError):  # killed while it wrote
                return


def _unheard(client: redis.Redis, key: str, number: int, calls: list[Any]) -> list[Entry]:
    kept = client.get(key)
    assert kept is None or isinstance(kept, bytes)
    last, _, answer = (kept or b"0\n").partition(b"\n")
    if int(last) != number:
        return []
    told = redis_script.read_answers(answer, calls)
    assert isinstance(told, Answers)
    return redis_script.entries_of(calls, told)
