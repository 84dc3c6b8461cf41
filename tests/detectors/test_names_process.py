"""The process of a model: what it says and does not, and engines whose libraries are not here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import spacy

from gateway.config.ner import Ner
from gateway.detectors.names import MODULE, order
from gateway.detectors.names_process import open_engine

# What Hugging Face's library gives for a classifier of words: one word, by heart.
TRANSFORMERS = """
class _Local:
    @classmethod
    def from_pretrained(cls, model, local_files_only):
        assert local_files_only
        return model

AutoTokenizer = AutoModelForTokenClassification = _Local

def pipeline(task, model, tokenizer, aggregation_strategy, stride):
    assert (task, model, aggregation_strategy) == ("token-classification", tokenizer, "simple")
    def classify(texts):
        for text in texts:
            at = text.find("Paris")
            yield [] if at < 0 else [
                {"entity_group": "LOC", "score": 0.5, "word": "Paris", "start": at, "end": at + 5},
                {"entity_group": "MISC", "score": 0.5, "word": "is", "start": at, "end": at},
            ]
    return classify
"""
OPTIMUM = "from transformers import _Local as ORTModelForTokenClassification\n"


def told(first: dict[str, Any], *more: dict[str, Any]) -> list[dict[str, Any]]:
    lines = "".join(json.dumps(each) + "\n" for each in (first, *more))
    process = subprocess.Popen(
        [sys.executable, "-m", MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdin.write(lines)
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in (first, *more)]
        process.stdin.close()
        assert process.stdout.read() == ""
    return answers


def spacy_order(model: Path) -> dict[str, Any]:
    return order(Ner.model_validate({"engine": "spacy", "model": str(model)}))


def test_a_model_answers_line_by_line_until_stdin_ends(tmp_path: Path) -> None:
    made = spacy.blank("en")
    ruler = made.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "FAC", "pattern": "Kew Gardens"}])  # type: ignore[attr-defined]
    made.to_disk(tmp_path / "model")
    ready, first, second = told(
        spacy_order(tmp_path / "model"), {"texts": ["in Kew Gardens", "x"]}, {"texts": [""]}
    )
    assert ready == {"ready": True}
    assert first == {"found": [[["LOCATION", 3, 14, 0.85]], []]}
    assert second == {"found": [[]]}


def test_what_stands_in_the_way_is_told(tmp_path: Path) -> None:
    (answer,) = told(spacy_order(tmp_path / "nothing"))
    assert "is not there" in answer["error"]
    (answer,) = told({**spacy_order(tmp_path), "model": "no_such_package"})
    assert "not an installed package" in answer["error"]


def test_there_is_no_network() -> None:
    code = (
        "import socket; from gateway.detectors.names_process import cut_off; cut_off();"
        "socket.create_connection(('127.0.0.1', 1))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "this process has no network" in done.stderr


@pytest.mark.parametrize("engine", ["huggingface", "onnx"])
def test_a_token_classifier_is_read_from_its_folder(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "transformers.py").write_text(TRANSFORMERS)
    (tmp_path / "optimum").mkdir()
    (tmp_path / "optimum" / "onnxruntime.py").write_text(OPTIMUM)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("transformers", "optimum", "optimum.onnxruntime"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    ner = Ner.model_validate({"engine": engine, "model": str(tmp_path)})
    read = open_engine(order(ner))
    assert list(read(["to Paris", "home"])) == [[["LOCATION", 3, 8, 0.5]], []]
    for name in ("transformers", "optimum", "optimum.onnxruntime"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.parametrize("engine", ["stanza", "transformers"])
def test_an_engine_whose_library_is_missing_is_an_error(engine: str, tmp_path: Path) -> None:
    ner = Ner.model_validate({"engine": engine, "model": str(tmp_path)})
    with pytest.raises((ImportError, ValueError, OSError, AttributeError, NameError)):
        open_engine(order(ner))
