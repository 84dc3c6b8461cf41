"""Every package that we ask for is explained, with the version that is locked."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest

from tests.structure.house import DOCS, ROOT, imports, sources, within

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROW = re.compile(r"^\| ([\w.@/-]+) \| (\d[\w.]*) \|", re.MULTILINE)


def names(requirements: list[str]) -> set[str]:
    """The packages that requirements name, as they spell them."""
    return {re.split(r"[^\w.-]", each)[0] for each in requirements}


def asked_for() -> list[str]:
    """The names of all packages that pyproject.toml names."""
    project = PROJECT["project"]
    wanted = list(project["dependencies"])
    for group in PROJECT["dependency-groups"].values():
        wanted += group
    for extra in project["optional-dependencies"].values():
        wanted += extra
    return sorted(names(wanted))


def plain(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    """Package -> version, of all locks."""
    found: dict[str, str] = {}
    for lock in ROOT.glob("requirements*.lock"):
        pins = re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock.read_text(), re.MULTILINE)
        found.update((plain(name), version) for name, version in pins)
    return found


LOCKED = locked()
PAGE = (DOCS / "dependencies.md").read_text()
TOLD = {plain(name): version for name, version in ROW.findall(PAGE.partition("## The Node")[0])}


@pytest.mark.parametrize("name", asked_for())
def test_a_dependency_is_explained_and_its_version_is_the_locked_one(name: str) -> None:
    assert plain(name) in TOLD, f"docs/dependencies.md says nothing of {name}"
    assert TOLD[plain(name)] == LOCKED[plain(name)]


# What belongs to a package that we ask for: its own other half, or what it takes and gives.
BROUGHT = {
    "pydantic_core": "pydantic",
    "phonenumbers": "presidio-analyzer",
    "regex": "presidio-analyzer",
    "spacy": "presidio-analyzer",
    "tldextract": "presidio-analyzer",
}
OPTIONAL = {"gateway.detectors.names_process": {"optimum", "transformers"}}
"""What an operator installs who wants it (`ner`), by the module that asks for it."""


def test_what_the_gateway_imports_is_asked_for() -> None:
    """Nothing works only because something else happens to bring it along."""
    asked = {plain(name) for name in names(PROJECT["project"]["dependencies"])}
    owners = packages_distributions()
    for source in sources():
        if within(source.module, "gateway.demo", "gateway.cli.demo"):
            continue  # its agent is built on an SDK that comes with the extra `demo`
        optional = OPTIONAL.get(source.module, set())
        for package in {name.partition(".")[0] for name in imports(source)} - optional:
            if package not in sys.stdlib_module_names and package != "gateway":
                found = {plain(name) for name in owners.get(package, ())}
                found.add(BROUGHT.get(package, ""))
                assert found & asked, f"{source.name} imports {package}"


def test_nothing_is_explained_that_is_not_asked_for() -> None:
    assert set(TOLD) == {plain(name) for name in asked_for()}


def test_the_locks_agree() -> None:
    """The tests run what is shipped: a version stands in every lock alike."""
    for lock in ("requirements.lock", "requirements-dev.lock", "requirements-build.lock"):
        for name, version in re.findall(
            r"^([\w.-]+)==([^\s;\\]+)", (ROOT / lock).read_text(), re.MULTILINE
        ):
            assert LOCKED[plain(name)] == version, f"{lock} has {name} {version}"


def node_packages(folder: str) -> dict[str, str]:
    """The packages that tests/<folder>/node asks for, with their locked versions."""
    place = ROOT / "tests" / folder / "node"
    asked = json.loads((place / "package.json").read_text())
    wanted = [*asked["dependencies"], *asked.get("optionalDependencies", ())]
    lock = json.loads((place / "package-lock.json").read_text())["packages"]
    return {name: lock[f"node_modules/{name}"]["version"] for name in wanted}


@pytest.mark.parametrize(
    ("folder", "title"), [("clients", "## The Node SDKs"), ("agents", "## The coding agents")]
)
def test_the_node_packages_are_those_that_are_locked(folder: str, title: str) -> None:
    section = PAGE.partition(title)[2].partition("\n## ")[0]
    assert dict(ROW.findall(section)) == node_packages(folder)
