"""`portcullis scan` with a policy that has `ner`: the model is loaded into the command itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import spacy

POLICY = """\
version: 1
upstreams: {{openai: {{provider: openai, url: "https://api.openai.com"}}}}
tenants: {{local: {{policies: [p]}}}}
default_tenant: local
policies: {{p: {{rules: [{{kind: pii, ner: {{engine: spacy, model: {model}}}}}]}}}}
"""


def scan(folder: Path, model: Path) -> subprocess.CompletedProcess[str]:
    (folder / "policy.yaml").write_text(POLICY.format(model=model))
    (folder / "text").write_text("For the record:\nAda Lovelace, ada@example.com")
    command = ["-m", "gateway", "scan", "--policies", str(folder / "policy.yaml")]
    return subprocess.run(
        [sys.executable, *command, str(folder / "text")],
        capture_output=True,
        text=True,
        check=False,
    )


def test_names_are_found_in_files(tmp_path: Path) -> None:
    made = spacy.blank("en")
    ruler = made.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "Ada Lovelace"}])  # type: ignore[attr-defined]
    made.to_disk(tmp_path / "model")
    done = scan(tmp_path, tmp_path / "model")
    assert done.returncode == 1, done.stderr
    assert f"{tmp_path / 'text'}:2:1  PERSON  pii (0.85)" in done.stdout
    assert "EMAIL_ADDRESS" in done.stdout


def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = scan(tmp_path, tmp_path / "nothing")
    assert done.returncode == 2
    assert "is not there" in done.stderr
