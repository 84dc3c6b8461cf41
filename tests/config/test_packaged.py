"""The policies that come with the gateway are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import packaged


def test_the_checkout_has_the_starter() -> None:
    assert packaged.starter_policy().is_file()


def test_a_wheel_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "_policies").mkdir()
    monkeypatch.setattr(packaged, "_PACKAGE", tmp_path)
    assert packaged.starter_policy() == tmp_path / "_policies" / "starter.yaml"
