"""Nothing of the machine that a file was written on stands in it."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

import pytest

from tests.structure.house import ROOT, repository_files

# Put together from pieces, so that this file passes its own test.
FOLDERS = "|".join(
    (
        "/" + r"home/[a-z_][\w-]*/",
        "/" + r"Users/[A-Za-z][\w-]*/",
        "/" + "root/",
        "/" + "work/",
        re.escape(f"{ROOT}/"),
    )
)
INDEX_HOSTS = {
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("deb", "debian", "org"),
    )
}
INDEX_SETTINGS = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "npm_config_registry")


def index_hosts() -> set[str]:
    """The well-known index hosts, and those that this machine is set up for."""
    own = (
        urlsplit(url).hostname
        for name in INDEX_SETTINGS
        for url in os.environ.get(name, "").split()
    )
    return INDEX_HOSTS | {host for host in own if host}


def texts() -> list[tuple[str, str]]:
    """Name and content of every text file of the repository."""
    found = []
    for path in repository_files():
        raw = path.read_bytes()
        if b"\0" not in raw[:8192]:
            found.append((path.relative_to(ROOT).as_posix(), raw.decode(errors="replace")))
    return found


TEXTS = texts()


def lines_with(pattern: str) -> list[str]:
    """`file:line: text` for each line that the pattern is found in."""
    wanted = re.compile(pattern)
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in TEXTS
        if wanted.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if wanted.search(line)
    ]


def test_the_repository_is_read() -> None:
    assert any(name == "pyproject.toml" for name, _ in TEXTS)


def test_no_folder_of_a_machine() -> None:
    assert not lines_with(rf"(?<![\w.~-])(?:{FOLDERS})")


@pytest.mark.parametrize("host", sorted(INDEX_HOSTS))
def test_no_index_host(host: str) -> None:
    assert not lines_with(re.escape(host))  # an escape may stand before it: `\x08host`


def test_no_index_host_of_this_machine() -> None:
    for host in index_hosts() - INDEX_HOSTS - {"localhost", "127.0.0.1"}:
        assert not lines_with(re.escape(host))


def test_locks_carry_hashes_and_no_addresses() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-build.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text, name
        assert "--hash=sha256:" in text, name
    for folder in ("clients", "agents"):
        node = (ROOT / "tests" / folder / "node" / "package-lock.json").read_text()
        assert '"resolved"' not in node
        assert '"integrity"' in node
