"""The recognizers of `pii` rules, put where the rules name their files.

A registry then is a part of the policy like any other: it is checked with it, each problem has its
file and line, and it counts in the digest. References to the environment are not looked for in it:
`${` may stand in an expression.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.config import documents
from gateway.config.yaml_tree import Path, Tree, read_tree

KEY = documents.RECOGNIZERS


def read_registries(tree: Tree, texts: Mapping[str, bytes]) -> dict[Path, Any]:
    """What stands in each rule's registry, by the rule's place.

    The lines are put into `tree`, and so is what is wrong with a file. A list that stands in the
    rule itself is taken out of it, as a registry of its own.
    """
    found: dict[Path, Any] = {}
    for where, rule in documents.pii_rules(tree.value):
        written = rule.get(KEY)
        here = (*where, KEY)
        if isinstance(written, list):
            found[where] = {KEY: written}
            _shift(tree, here)
            rule[KEY] = None
        elif isinstance(written, dict):
            found[where] = written
            rule[KEY] = None
        elif isinstance(written, str) and documents.is_path(written):
            mark = tree.mark(here)
            path = documents.path_of(mark[0], written)
            if path not in texts:
                tree.problems.append((mark, f"{KEY}: {path} was not read with the policy"))
                rule[KEY] = None
                continue
            own = read_tree(path, texts[path])
            if own.problems:
                tree.problems += own.problems
                rule[KEY] = None
                continue
            if isinstance(own.value, list):
                own.value = {KEY: own.value}
                _shift(own, ())
            found[where] = {} if own.value is None else own.value
            for inner, at in own.marks.items():
                tree.marks[(*here, *inner)] = at
    return found


def put_registries(registries: Mapping[Path, Any], *policies: Any) -> None:
    """Put each registry into its rule, in each of the policies."""
    for where, registry in registries.items():
        for policy in policies:
            rule = policy
            for step in where:
                rule = rule[step]
            rule[KEY] = registry


def _shift(tree: Tree, here: Path) -> None:
    """Let what is known of the lines of a list hold for `{recognizers: list}` in its place."""
    depth = len(here)
    inside = {path: mark for path, mark in tree.marks.items() if path[:depth] == here}
    for path, mark in inside.items():
        tree.marks[(*here, KEY, *path[depth:])] = mark
