"""What the structure tests know of the repository: files, imports, the words of the docs."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GATEWAY = ROOT / "gateway"
DOCS = ROOT / "docs"
NOT_OURS = {".git", ".venv", "node_modules", ".bench", ".mypy_cache", ".ruff_cache", "__pycache__"}


@dataclass(frozen=True)
class Source:
    """One Python file of the gateway. `module` is its dotted name."""

    path: Path
    module: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The path inside the repository, for messages."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def lines(self) -> int:
        return len(self.path.read_text().splitlines())

    @property
    def is_data(self) -> bool:
        """Nothing but tables: no function, and no class but one that names a row's columns."""
        code = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef):
                if [ast.unparse(base) for base in node.bases] != ["NamedTuple"]:
                    return False
            elif isinstance(node, code):
                return False
        return True

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"


@functools.cache
def sources() -> tuple[Source, ...]:
    """Every Python file under gateway/, sorted by path."""
    found = []
    for path in sorted(GATEWAY.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        dotted = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Source(path, dotted, ast.parse(path.read_text(), filename=str(path))))
    return tuple(found)


@functools.cache
def module_names() -> frozenset[str]:
    return frozenset(source.module for source in sources())


def within(module: str, *places: str) -> bool:
    """Whether `module` is one of `places` or lies under one of them."""
    return any(module == place or module.startswith(place + ".") for place in places)


def imports(source: Source, *, typing_too: bool = True) -> set[str]:
    """The dotted names that a file imports, imports inside functions included.

    `from a import b` counts as `a.b` where that is a module of ours, as `a` otherwise.
    With `typing_too=False` what stands under `if TYPE_CHECKING:` is left out.
    """
    found: set[str] = set()
    for node in _walk(source.tree, typing_too=typing_too):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                longer = f"{node.module}.{alias.name}"
                found.add(longer if longer in module_names() else node.module)
    return found


def _walk(tree: ast.AST, *, typing_too: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not typing_too and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        yield from _walk(node, typing_too=typing_too)


def reachable(source: Source) -> dict[str, str]:
    """All modules that importing `source` brings in, each with the module that asked for it.

    Follows our own modules (and their packages) only; what others import is their business.
    """
    by_name = {each.module: each for each in sources()}
    came_from = {source.module: ""}
    todo = [source]
    while todo:
        here = todo.pop()
        for wanted in imports(here, typing_too=False):
            parts = wanted.split(".")
            for depth in range(1, len(parts) + 1):
                dotted = ".".join(parts[:depth])
                if dotted not in came_from:
                    came_from[dotted] = here.module
                    if dotted in by_name:
                        todo.append(by_name[dotted])
    return came_from


def repository_files() -> list[Path]:
    """All files that git tracks or would track; without git, all that we did not install."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if not NOT_OURS & set(path.parts)]
    return sorted(path for path in paths if path.is_file())


def documents() -> list[Path]:
    """The pages that count as documentation (decision records explain, they do not document)."""
    pages = [page for page in DOCS.rglob("*.md") if (DOCS / "adr") not in page.parents]
    return [*sorted(pages), ROOT / "README.md"]


def pages() -> list[Path]:
    """All pages that a reader may open: the documents, decision records and the rest."""
    others = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
    return [*sorted(DOCS.rglob("*.md")), *(ROOT / name for name in others)]


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: the word behind its fence, its text, and its first line."""

    page: Path
    language: str
    text: str
    line: int

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text()
    found = re.finditer(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", text, re.MULTILINE | re.DOTALL)
    return [
        Block(page, match[1], match[2], text.count("\n", 0, match.start()) + 1) for match in found
    ]


def code_of(*pages: Path) -> str:
    """What stands as code in the pages: fenced blocks and `spans`, one a line.

    Only code documents a name: the word "mode" in a sentence says nothing of a key.
    """
    pieces: list[str] = []
    for page in pages:
        fences = re.split(r"^\s*```.*$", page.read_text(), flags=re.MULTILINE)
        pieces += fences[1::2]
        pieces += [span for prose in fences[0::2] for span in re.findall(r"`([^`\n]+)`", prose)]
    return "\n".join(pieces)


def mentions(code: str, name: str) -> bool:
    """Whether `name` stands in `code` as a word of its own."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", code) is not None
