"""An OpenAPI document as a list of tools: each operation's name, method and path.

OpenAPI Specification 3.0 and 3.1: the paths object, the operation object's `operationId`, and the
servers whose path stands before every operation's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from gateway.config.units import shown
from gateway.config.yaml_tree import Mark, Path, Tree, read_tree
from gateway.dialects.http_tool_path import PathTemplate
from gateway.upstream.tools import METHODS

MOST_OPERATIONS = 1000
LONGEST_NAME = 128


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `mark` is where it stands."""

    name: str
    method: str
    path: PathTemplate
    mark: Mark


@dataclass(slots=True)
class OpenApi:
    """A document, read. `value` is its whole content, for the policy's digest."""

    value: Any = None
    operations: list[Operation] = field(default_factory=list)
    problems: list[tuple[Mark, str]] = field(default_factory=list)


def read_openapi(name: str, text: bytes, url: str) -> OpenApi:
    """Read a document.

    Args:
        name: how problems call it.
        url: the upstream's, which may already end in the path of the document's server.
    """
    tree = _parse(name, text)
    found = OpenApi(tree.value, problems=list(tree.problems))
    if not found.problems:
        _Reader(tree, found, urlsplit(url).path.rstrip("/")).read()
    return found


def _parse(name: str, text: bytes) -> Tree:
    """YAML, and JSON, which is YAML but for its tabs: such JSON is read without lines."""
    tree = read_tree(name, text)
    if tree.problems and text.lstrip()[:1] == b"{":
        try:
            value = json.loads(text)
            json.dumps(value)  # what is too deep to be written is too deep
            return Tree(value, {(): (name, 1)})
        except (ValueError, RecursionError):
            pass
    return tree


class _Reader:
    """Goes through a document once."""

    def __init__(self, tree: Tree, found: OpenApi, base: str) -> None:
        self._tree = tree
        self._found = found
        self._base = base

    def read(self) -> None:
        document = self._tree.value
        version = document.get("openapi") if isinstance(document, dict) else None
        if not isinstance(version, str | int | float) or not str(version).startswith("3."):
            self._problem(("openapi",), "expected an OpenAPI document, `openapi: 3.0` or later")
            return
        paths = document.get("paths")
        if not isinstance(paths, dict) or not paths:
            self._problem(("paths",), "the document has no `paths`")
            return
        for written, item in paths.items():
            where: Path = ("paths", written)
            item = self._item(item, where)
            if isinstance(item, dict) and not written.startswith("x-"):
                for operation in self._operations(written, item, where):
                    self._found.operations.append(operation)
                    if len(self._found.operations) > MOST_OPERATIONS:
                        self._problem(where, f"more than {MOST_OPERATIONS} operations")
                        return

    def _item(self, item: Any, where: Path) -> Any:
        """A path's item; where it is a reference, what that stands for."""
        reference = item.get("$ref") if isinstance(item, dict) else None
        if reference is None:
            return item
        name = str(reference).removeprefix("#/components/pathItems/")
        found: Any = self._tree.value
        for key in ("components", "pathItems", name.replace("~1", "/").replace("~0", "~")):
            found = found.get(key) if isinstance(found, dict) else None
        if not isinstance(found, dict) or "$ref" in found:
            what = shown(reference)
            self._problem(where, f"{what} cannot be followed: put the path's operations here")
            return None
        return found

    def _operations(self, written: str, item: dict[str, Any], where: Path) -> Iterator[Operation]:
        for key, operation in item.items():
            method = key.upper()
            if method not in METHODS or key != key.lower() or not isinstance(operation, dict):
                continue
            here = (*where, key)
            name = operation.get("operationId", f"{method} {written}")
            if not isinstance(name, str) or not is_name(name):
                self._problem((*here, "operationId"), f"{shown(name)} is no name of a tool")
                continue
            servers = operation.get("servers") or item.get("servers")
            base = self._server(servers or self._tree.value.get("servers"), here)
            try:
                path = PathTemplate(base + written)
            except ValueError as error:
                self._problem(here, f"{shown(base + written)}: {error}")
                continue
            yield Operation(name, method, path, self._tree.mark(here))

    def _server(self, servers: Any, where: Path) -> str:
        """The path of the first server, "" where the upstream's URL already ends in it."""
        server = servers[0] if isinstance(servers, list) and servers else None
        url = server.get("url") if isinstance(server, dict) else None
        if not isinstance(url, str):
            return ""
        variables = server.get("variables") if isinstance(server, dict) else None
        for name, variable in variables.items() if isinstance(variables, dict) else ():
            default = variable.get("default") if isinstance(variable, dict) else None
            url = url.replace(f"{{{name}}}", str(default))
        try:
            path = urlsplit(url).path.rstrip("/")
        except ValueError:
            path = "{"
        if "{" in path or (path and not path.startswith("/")):
            self._problem(where, f"the server's URL {shown(url)} cannot be read")
            return ""
        return "" if self._base.endswith(path) else path

    def _problem(self, where: Path, message: str) -> None:
        self._found.problems.append((self._tree.mark(where), message))


def is_name(name: str) -> bool:
    """Whether a text can name a tool: printable, on one line, not too long."""
    return bool(name.strip()) and len(name) <= LONGEST_NAME and name.isprintable()
