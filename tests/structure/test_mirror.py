"""Every source file has its test file at the mirrored path."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.structure.house import GATEWAY, ROOT, Source, sources

# Files that are tested elsewhere, each with where. This list only shrinks: an entry whose file is
# gone or has its test by now fails.
EXCEPTIONS: dict[str, str] = {}


def mirror_of(source: Source) -> str:
    """`gateway/x/y.py` -> `tests/x/test_y.py`."""
    inside = source.path.relative_to(GATEWAY)
    return (Path("tests") / inside.parent / f"test_{inside.name}").as_posix()


MIRRORED = [
    source
    for source in sources()
    if not source.is_package and not source.is_data and source.path.name != "__main__.py"
]


@pytest.mark.parametrize("source", MIRRORED, ids=lambda source: source.name)
def test_source_has_its_test(source: Source) -> None:
    if source.name in EXCEPTIONS:
        return
    wanted = ROOT / mirror_of(source)
    assert wanted.exists(), f"{source.name} wants {mirror_of(source)}"
    assert "def test_" in wanted.read_text(), f"{mirror_of(source)} tests nothing"


def test_exceptions_shrink() -> None:
    by_name = {source.name: source for source in MIRRORED}
    for name in EXCEPTIONS:
        assert name in by_name, f"{name} is gone: take it off the list"
        assert not (ROOT / mirror_of(by_name[name])).exists(), f"{name} has its test by now"
