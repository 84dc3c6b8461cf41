"""Every package that we ask for is explained, with the version that is locked."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

from tests.structure.house import DOCS, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROW = re.compile(r"^\| ([\w.@/-]+) \| (\d[\w.]*) \|", re.MULTILINE)


def asked_for() -> list[str]:
    """The names of all packages that pyproject.toml names, as it spells them."""
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *PROJECT["dependency-groups"]["build"]]
    for extra in project["optional-dependencies"].values():
        wanted += extra
    return sorted({str(re.match(r"[\w.-]+", each)[0]) for each in wanted})  # type: ignore[index]


def plain(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    """Package -> version, of all three locks."""
    found: dict[str, str] = {}
    for lock in ("requirements.lock", "requirements-dev.lock", "requirements-build.lock"):
        pins = re.findall(r"^([\w.-]+)==([^\s;\\]+)", (ROOT / lock).read_text(), re.MULTILINE)
        found.update((plain(name), version) for name, version in pins)
    return found


LOCKED = locked()
PAGE = (DOCS / "dependencies.md").read_text()
TOLD = {plain(name): version for name, version in ROW.findall(PAGE.partition("## The Node")[0])}


@pytest.mark.parametrize("name", asked_for())
def test_a_dependency_is_explained_and_its_version_is_the_locked_one(name: str) -> None:
    assert plain(name) in TOLD, f"docs/dependencies.md says nothing of {name}"
    assert TOLD[plain(name)] == LOCKED[plain(name)]


def test_nothing_is_explained_that_is_not_asked_for() -> None:
    assert set(TOLD) == {plain(name) for name in asked_for()}


def test_the_locks_agree() -> None:
    """The tests run what is shipped: a version stands in every lock alike."""
    for lock in ("requirements.lock", "requirements-dev.lock", "requirements-build.lock"):
        for name, version in re.findall(
            r"^([\w.-]+)==([^\s;\\]+)", (ROOT / lock).read_text(), re.MULTILINE
        ):
            assert LOCKED[plain(name)] == version, f"{lock} has {name} {version}"


def test_the_node_packages_are_those_that_are_locked() -> None:
    folder = ROOT / "tests" / "clients" / "node"
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    lock = json.loads((folder / "package-lock.json").read_text())["packages"]
    told = dict(ROW.findall(PAGE.partition("## The Node")[2]))
    assert told == {name: lock[f"node_modules/{name}"]["version"] for name in wanted}
