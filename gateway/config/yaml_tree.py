"""YAML text to plain values, with the line of each.

Rules of this file:
- Nothing is guessed: only `true`/`false`, `null` and decimal numbers are more than text (the
  core schema of YAML 1.2), so that `no`, `on`, `1:30` and `2027-01-31` stay what was written.
- A key written twice is a problem, not a choice.
- Any bytes give a tree and problems, never another exception.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]
"""Where a value stands: keys and positions from the top."""

Mark = tuple[str, int]
"""A file's name and a line in it, from 1."""

MOST_VALUES = 100_000
"""Aliases may repeat a value; a file may not grow beyond this many by it."""

_PREFIX = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """SafeLoader without YAML 1.1's guesses."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]{1,18}", list("-+0123456789")),
    ("float", r"[-+]?[0-9]{1,18}\.[0-9]{1,18}", list("-+0123456789")),
):
    _Loader.add_implicit_resolver(_PREFIX + _tag, re.compile(rf"(?:{_pattern})\Z"), _first)


@dataclass(slots=True)
class Tree:
    """Plain values (dict, list, str, int, float, bool, None) and the mark of each path."""

    value: Any = None
    marks: dict[Path, Mark] = field(default_factory=dict)
    problems: list[tuple[Mark, str]] = field(default_factory=list)

    def mark(self, path: Path) -> Mark:
        """The mark of a path, or of the nearest that it lies in."""
        while path and path not in self.marks:
            path = path[:-1]
        return self.marks.get(path, ("policy", 1))


class _TooMuch(Exception):
    """The file holds more values than anybody wrote by hand."""


def read_tree(name: str, text: bytes) -> Tree:
    """Parse one file. `name` is how problems call it."""
    tree = Tree()
    try:
        node = yaml.compose(text.decode("utf-8-sig"), Loader=_Loader)
        if node is not None:
            tree.value = _Builder(name, tree).build(node, ())
        tree.marks.setdefault((), (name, 1))
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        tree.problems.append(((name, line), "this is not UTF-8 text"))
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        problem = " ".join(f"{error.context or ''} {error.problem or ''}".split())
        tree.problems.append(((name, at.line + 1 if at else 1), f"not YAML: {problem}"))
    except yaml.YAMLError:
        tree.problems.append(((name, 1), "not YAML: a character that no text has"))
    except RecursionError:
        tree.problems.append(((name, 1), "nested too deeply"))
    except _TooMuch:
        tree.problems.append(((name, 1), f"more than {MOST_VALUES} values"))
    except (ValueError, OverflowError):
        # PyYAML itself on escapes beyond Unicode ("\UFFFFFFFF").
        tree.problems.append(((name, 1), "not YAML: an escape that stands for no character"))
    return tree


class _Builder:
    """Turns nodes into values, once through."""

    def __init__(self, name: str, tree: Tree) -> None:
        self.name = name
        self.tree = tree
        self.left = MOST_VALUES
        self.open: set[int] = set()  # nodes that we are inside of: an alias to one has no end

    def build(self, node: yaml.Node, path: Path) -> Any:
        self.left -= 1
        if self.left < 0:
            raise _TooMuch
        self.tree.marks.setdefault(path, self._mark(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self.open:
            self._problem(node, "an alias that holds itself")
            return None
        self.open.add(id(node))
        try:
            if not node.tag.startswith(_PREFIX) or node.tag[len(_PREFIX) :] not in ("map", "seq"):
                self._problem(node, f"tags are not read here: {node.tag}")
            if isinstance(node, yaml.MappingNode):
                return dict(self._pairs(node, path))
            return [self.build(item, (*path, i)) for i, item in enumerate(node.value)]
        finally:
            self.open.discard(id(node))

    def _pairs(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, Any]]:
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(key_node, "a key must be text")
                continue
            key = key_node.value
            mark = self._mark(key_node)
            if key in lines:
                self._problem(key_node, f"the key {key!r} stands here and in line {lines[key]}")
                continue
            lines[key] = mark[1]
            self.tree.marks[(*path, key)] = mark
            yield key, self.build(value_node, (*path, key))

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text = node.value
        kind = node.tag.removeprefix(_PREFIX)
        if kind == "str":
            return text
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        try:
            if kind == "int":
                return int(text)
            if kind == "float":
                return float(text)
        except ValueError:
            pass
        self._problem(node, f"tags are not read here: {node.tag}")
        return None

    def _mark(self, node: yaml.Node) -> Mark:
        return self.name, node.start_mark.line + 1

    def _problem(self, node: yaml.Node, message: str) -> None:
        self.tree.problems.append((self._mark(node), message))
