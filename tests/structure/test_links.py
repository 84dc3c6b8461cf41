"""What the pages point at exists: links, headings, files of the repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.structure.house import ROOT, code_of, pages, repository_files

PAGES = pages()
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^()\s]+)\)")
FENCE = re.compile(r"^```.*?^```\s*$", re.MULTILINE | re.DOTALL)
# How file names are explained by example.
PATTERNS = {"gateway/x/y.py", "tests/x/test_y.py"}
OURS = re.compile(r"(?:gateway|policies|tests|benchmarks|docs)/[\w./-]*\.(?:py|yaml|md|json|sse)")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose_of(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, made as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.+?) *$", prose_of(page), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", words).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(prose_of(page)):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        wanted = (page.parent / path).resolve() if path else page
        assert wanted.is_relative_to(ROOT), f"{target} leads out of the repository"
        assert wanted.exists(), f"{target} leads nowhere"
        if anchor:
            assert anchor in anchors_of(wanted), f"{name_of(wanted)} has no heading #{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_are_named_exist(page: Path) -> None:
    named = {word for word in re.split(r"[\s`\"\'(),;:]+", code_of(page)) if OURS.fullmatch(word)}
    missing = sorted(name for name in named - PATTERNS if not (ROOT / name).exists())
    assert not missing


def test_pages_that_code_points_at_exist() -> None:
    for path in repository_files():
        if path.suffix in (".py", ".yaml", ".toml", ".mjs") or path.name in ("Makefile", "run"):
            for page in re.findall(r"\bdocs/[\w./-]+\.md\b", path.read_text()):
                assert (ROOT / page).exists(), f"{name_of(path)} points at {page}"


def test_programs_that_are_named_exist() -> None:
    for page in PAGES:
        for module in re.findall(r"python -m ((?:gateway|benchmarks)[\w.]*)", page.read_text()):
            path = ROOT / module.replace(".", "/")
            found = path.with_suffix(".py").exists() or (path / "__main__.py").exists()
            assert found, f"{name_of(page)} names {module}"


def test_every_page_is_reached_from_the_readme() -> None:
    """A page that nothing links to is not read."""
    todo, reached = [ROOT / "README.md"], {ROOT / "README.md"}
    while todo:
        here = todo.pop()
        for target in LINK.findall(prose_of(here)):
            path = target.partition("#")[0]
            if path and "://" not in path:
                found = (here.parent / path).resolve()
                if found.suffix == ".md" and found.exists() and found not in reached:
                    reached.add(found)
                    todo.append(found)
    assert not sorted(name_of(page) for page in PAGES if page not in reached)
