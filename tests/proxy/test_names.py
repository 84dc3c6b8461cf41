"""`ner` through a whole gateway: names are put away and put back, and the model is beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import spacy

from gateway.testing.answers import Say
from tests.proxy.answers import chat_stream, cut
from tests.proxy.conftest import Start, chat, said
from tests.proxy.wire import Script, answer, stream


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "people"
    made = spacy.blank("en")
    ruler = made.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "Ada Lovelace"}])  # type: ignore[attr-defined]
    made.to_disk(folder)
    return folder


def rule(model: Path, **keys: Any) -> dict[str, Any]:
    ner = {"engine": "spacy", "model": str(model), "timeout": "30s"}
    return {"kind": "pii", "ner": ner, **keys}


def test_a_name_is_put_away_and_back(start: Start, model: Path) -> None:
    asked: list[str] = []

    def script(got: Any) -> Script:
        text = json.loads(got.body)["messages"][0]["content"]
        asked.append(text)
        return answer(said(f"I know {text}."))

    bench = start(rule(model, action="pseudonymize"), script=script)
    reply = bench.post(chat("Ada Lovelace"))
    assert json.loads(reply.body)["choices"][0]["message"]["content"] == "I know Ada Lovelace."
    assert asked[0].startswith("<PERSON_")


@pytest.mark.parametrize(
    ("unscannable", "status", "verdict"), [("flag", 200, "flag"), ("block", 400, "block")]
)
def test_a_stream_that_nobody_can_read_is_flagged_or_not_begun(
    start: Start, model: Path, unscannable: str, status: int, verdict: str
) -> None:
    raw = chat_stream(Say(pieces=("Ada ", "Lovelace")))
    bench = start(rule(model, unscannable=unscannable), script=lambda got: stream(cut(raw, 1)))
    reply = bench.post(chat(stream=True))
    assert (reply.status, reply.get("x-portcullis-verdict")) == (status, verdict)
    assert (b"Lovelace" in reply.body) == (status == 200)
    assert bench.record(reply)["verdicts"]
