"""Which policy a command means."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from gateway.cli.policy_argument import add_policies, load_snapshot, policies_of
from gateway.config.packaged import starter_policy


def read(*words: str) -> Path:
    parser = argparse.ArgumentParser()
    add_policies(parser)
    return policies_of(parser.parse_args(words))


def test_argument_flag_variable_then_the_starter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORTCULLIS_POLICIES", raising=False)
    assert read() == starter_policy()
    monkeypatch.setenv("PORTCULLIS_POLICIES", "from/env")
    assert read() == Path("from/env")
    assert read("--policies", "a.yaml") == Path("a.yaml")
    assert read("b.yaml") == Path("b.yaml")
    with pytest.raises(SystemExit):
        read("b.yaml", "--policies", "a.yaml")


def test_a_policy_is_loaded_and_compiled() -> None:
    loaded, snapshot = load_snapshot(starter_policy())
    assert snapshot.digest == loaded.digest
    assert snapshot.rules_for("local")
