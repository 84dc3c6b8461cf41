"""The chart's README is what its values say."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest
import yaml

from gateway import __version__
from tests.helm.chart import CHART, ROOT


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme", ROOT / "helm" / "readme.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_is_up_to_date() -> None:
    made = generator().readme((CHART / "values.yaml").read_text())
    assert (CHART / "README.md").read_text() == made, "run: python helm/readme.py"


def test_a_value_that_nobody_explained_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"values.yaml:4: a.c has no"):
        generator().readme("a:\n  # -- what b is\n  b: 1\n  c: 2\n")


def test_defaults_are_shown_as_they_are_written_and_long_ones_pointed_at() -> None:
    made = generator().readme(f"# -- one | two\na: {{x: [1]}}\n# -- long\nb: {'y' * 200}\n")
    assert '| `a` | `{"x": [1]}` | one \\| two |' in made
    assert "| `b` | see values.yaml | long |" in made


def test_the_version_is_that_of_the_package() -> None:

    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__
