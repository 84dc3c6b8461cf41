"""From files to a checked policy: all problems at once, each with its file and line.

Rules of this file:
- A value from the environment or a secret's file is in the model and nowhere else: not in the
  digest, not in a problem, not in a warning.
- The digest is over what the operator wrote, not how: comments, order of keys and the split
  into files do not change it; references to the environment and to files are digested as written.
  Documents that the policy refers to count in it in the same way; files that are attached to it
  (`config/attached.py`) do not.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from gateway.config import attached, documents
from gateway.config.checks import check_names, find_warnings
from gateway.config.environment import Environment
from gateway.config.openapi import OpenApi, read_openapi
from gateway.config.policy_file import PolicyFile
from gateway.config.problems import explain_errors
from gateway.config.registries import put_registries, read_registries
from gateway.config.tools import build_tools, find_tool_warnings
from gateway.config.yaml_tree import Mark, Path, Tree, read_tree
from gateway.errors import ConfigError
from gateway.tls import Pems
from gateway.upstream.tools import ToolTable

MOST_BYTES = 4 * 1024 * 1024
"""A policy is written by people; what is larger is another file."""

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A policy that can be used.

    Attributes:
        digest: `sha256:` and 64 hex digits, see the rules of this file.
        sources: `policy/id` of each rule -> `file:line`.
        warnings: lines ready to print, like the problems of a ConfigError.
        text_files: the files as they were read, by name, attached ones included.
        tools: of every upstream.
        pems: of every upstream that names certificates of its own.
    """

    file: PolicyFile
    digest: str
    sources: dict[str, str]
    warnings: list[str]
    text_files: dict[str, bytes] = field(repr=False)
    tools: dict[str, ToolTable] = field(default_factory=dict, repr=False)
    pems: dict[str, Pems] = field(default_factory=dict, repr=False)


def load(path: FilePath, variables: Mapping[str, str] | None = None) -> Loaded:
    """Load a file, or all `*.yaml` and `*.yml` of a folder as one.

    Args:
        variables: the environment; the process's own where it is left out.

    Raises:
        ConfigError: with every problem found.
    """
    return load_sources(read_sources(path), os.environ if variables is None else variables)


def load_sources(texts: Mapping[str, bytes], variables: Mapping[str, str]) -> Loaded:
    """Load a policy whose texts are read, and whose attached files are not: they are read now, and
    are among the `texts` of what is loaded.

    Raises:
        ConfigError: with every problem found.
    """
    loaded = load_texts({**texts, **attached.read_attached(texts)}, variables)
    return replace(loaded, warnings=loaded.warnings + attached.find_warnings(texts))


def read_sources(path: FilePath) -> dict[str, bytes]:
    """The files of a policy by name, in order, and the documents that it refers to (see
    `config/documents.py`). Raises ConfigError where one cannot be read."""
    try:
        if path.is_dir():
            files = sorted(
                each
                for each in path.iterdir()
                if each.suffix in _SUFFIXES and not each.name.startswith(".") and each.is_file()
            )
            if not files:
                raise ConfigError([f"{path}: no .yaml file in this folder"])
        else:
            files = [path]
        texts = {str(each): _read(each) for each in files}
    except OSError as error:
        named = error.filename or path
        raise ConfigError([f"{named}: cannot be read: {error.strerror or error}"]) from None
    return documents.add_documents(
        texts, lambda name, most: _read(FilePath(name), most), folder=path.is_dir()
    )


def _read(path: FilePath, most: int = MOST_BYTES) -> bytes:
    with path.open("rb") as file:
        text = file.read(most + 1)
    if len(text) > most:
        raise ConfigError([f"{path}: larger than {most} bytes"])
    return text


def load_texts(texts: Mapping[str, bytes], variables: Mapping[str, str]) -> Loaded:
    """Load a policy from files already read. Raises ConfigError with every problem found."""
    policy, files = attached.split(texts)
    own, others = documents.split(policy)
    tree = _merge([read_tree(name, text) for name, text in own.items()])
    registries = read_registries(tree, others)

    def read_file(written: str, path: Path) -> str:
        named = documents.path_of(tree.mark(path)[0], written)
        content = files.get(f"{attached.SECRET}:{named}")
        if content is None:
            raise ValueError(f"{named} was not read with the policy")
        return attached.secret_of(content)

    environment = Environment(variables, read_file)
    document = environment.resolve(tree.value)
    put_registries(registries, tree.value, document)
    problems = list(tree.problems)
    warnings: list[tuple[Mark, str]] = []

    def note(found: list[tuple[Path, str]], where: list[tuple[Mark, str]]) -> None:
        where.extend((tree.mark(path), environment.scrub(message)) for path, message in found)

    note(
        [
            (path, "a `${` that names no variable and no file; write `$${` for the text")
            for path in environment.malformed
        ],
        problems,
    )
    note(environment.unread, problems)
    unset = {path for path, _ in environment.unread}
    for path, name in environment.missing:
        if _is_credential(path):
            warnings.append((tree.mark(path), f"{name} is not set: {path[1]!r} has no credential"))
        else:
            unset.add(path)
            problems.append((tree.mark(path), f"the environment variable {name} is not set"))
    file: PolicyFile | None = None
    if not tree.problems or isinstance(document, dict):
        try:
            file = PolicyFile.model_validate(document)
        except ValidationError as error:
            found = explain_errors(error.errors(include_url=False), document)
            # What is not set is said already; that there is nothing in its place is no news.
            note([each for each in found if each[0] not in unset], problems)
        except RecursionError:
            problems.append((tree.mark(()), "nested too deeply"))
        note(check_names(document), problems)
    read = _documents(file, tree, others, problems) if file is not None else {}
    tools: dict[str, ToolTable] = {}
    pems: dict[str, Pems] = {}
    if file is not None:
        pems, found_in_pems = attached.read_pems(file.upstreams, files, tree.mark)
        note(found_in_pems, problems)
        tools, found_in_tools = build_tools(file, read)
        note(found_in_tools, problems)
    if problems or file is None:
        raise ConfigError(_lines(problems) or _lines([(tree.mark(()), "an empty policy")]))
    note(find_warnings(file) + find_tool_warnings(file, tools), warnings)
    digest = _digest(tree.value, {name: each.value for name, each in read.items()})
    return Loaded(file, digest, _sources(file, tree), _lines(warnings), dict(texts), tools, pems)


def _documents(
    file: PolicyFile, tree: Tree, texts: Mapping[str, bytes], problems: list[tuple[Mark, str]]
) -> dict[str, OpenApi]:
    """The OpenAPI document of each upstream that has one. Problems that two upstreams share are
    told once."""
    read: dict[str, OpenApi] = {}
    for name, upstream in file.upstreams.items():
        if upstream.openapi is None or upstream.provider != "http":
            continue
        mark = tree.mark(("upstreams", name, "openapi"))
        path = documents.path_of(mark[0], upstream.openapi)
        if path not in texts:
            problems.append((mark, f"openapi: {path} was not read with the policy"))
            continue
        read[name] = read_openapi(path, texts[path], upstream.url)
        problems += read[name].problems
    return read


def _is_credential(path: Path) -> bool:
    return len(path) == 3 and path[0] == "upstreams" and path[2] == "credential"


def _merge(trees: list[Tree]) -> Tree:
    """Several files as one. Sections join; the same key in two files is a problem."""
    if len(trees) == 1:
        return trees[0]
    whole = Tree({})
    for tree in trees:
        whole.problems += tree.problems
        if tree.value is None:
            continue
        if not isinstance(tree.value, dict):
            whole.problems.append((tree.mark(()), "expected keys with values"))
            continue
        _join(whole, tree, ())
        for path, mark in tree.marks.items():
            whole.marks.setdefault(path, mark)
    return whole


def _join(whole: Tree, tree: Tree, path: Path) -> None:
    """Put one file's keys at `path` (the top, or a section) to the others'."""
    target, source = whole.value, tree.value
    for key in path:
        target, source = target[key], source[key]
    for key, value in source.items():
        here = (*path, key)
        if key not in target:
            # A copy: what further files add to a section is not this file's.
            target[key] = dict(value) if isinstance(value, dict) else value
        elif here == ("version",) and target[key] == value:
            continue
        elif not path and isinstance(value, dict) and isinstance(target[key], dict):
            _join(whole, tree, here)
        else:
            name, line = whole.mark(here)
            dotted = ".".join(str(step) for step in here)
            whole.problems.append((tree.mark(here), f"{dotted} is also in {name}:{line}"))


def _sources(file: PolicyFile, tree: Tree) -> dict[str, str]:
    sources = {}
    for policy, position, options in file.rules():
        name, line = tree.mark(("policies", policy, "rules", position))
        sources[f"{policy}/{options.id or options.default_id()}"] = f"{name}:{line}"
    return sources


def _digest(raw: Any, documents: Mapping[str, Any]) -> str:
    whole = [raw, documents] if documents else raw
    canonical = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def _lines(found: list[tuple[Mark, str]]) -> list[str]:
    ordered = sorted(dict.fromkeys(found))
    return [f"{name}:{line}: {message}" for (name, line), message in ordered]
