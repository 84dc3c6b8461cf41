"""Files that a policy refers to, read with the policy and carried along with it: the OpenAPI
documents of upstreams, and the recognizers of `pii` rules.

Rules of this file:
- A document is read once, with the policy's own files, and travels with their texts from then on:
  to workers, into the versions for `rollback`, into what is watched. Nobody else opens it.
- Among the texts its name begins with `openapi:` or `recognizers:`, so that it is never taken for a
  policy.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from gateway.config.yaml_tree import Mark, Path, read_tree
from gateway.errors import ConfigError

OPENAPI = "openapi"
RECOGNIZERS = "recognizers"
KEYS = (OPENAPI, RECOGNIZERS)
"""Keys of a policy under which a file may be named; also what its name begins with."""

MOST_BYTES = 1024 * 1024
"""Of one document: it is read by people and by every worker; what agents need of an API fits."""


def add_documents(
    files: Mapping[str, bytes], read: Callable[[str, int], bytes], *, folder: bool
) -> dict[str, bytes]:
    """A policy's files and the documents that they refer to.

    Args:
        read: reads a file of at most so many bytes; raises ConfigError and OSError.
        folder: the files are those of a folder; one that is a document is no policy then.

    Raises:
        ConfigError: with every document that cannot be read.
    """
    named = dict(_references(files))
    texts = {
        name: text
        for name, text in files.items()
        if not (folder and any((key, os.path.normpath(name)) in named for key in KEYS))
    }
    problems = []
    for (key, path), (file, line) in named.items():
        try:
            texts[f"{key}:{path}"] = read(path, MOST_BYTES)
        except OSError as error:
            problems.append(f"{file}:{line}: {path} cannot be read: {error.strerror or error}")
        except ConfigError as error:
            problems += [f"{file}:{line}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return texts


def split(texts: Mapping[str, bytes]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Texts as a policy's own files, and the documents by their paths."""
    own: dict[str, bytes] = {}
    documents: dict[str, bytes] = {}
    for name, text in texts.items():
        key, colon, path = name.partition(":")
        if colon and key in KEYS:
            documents[path] = text
        else:
            own[name] = text
    return own, documents


def path_of(file: str, written: str) -> str:
    """Where the document is that a policy file refers to: beside that file, or an absolute path."""
    return os.path.normpath(FilePath(file).parent / written)


def _references(files: Mapping[str, bytes]) -> Iterator[tuple[tuple[str, str], Mark]]:
    """(key, path) of each document, with the place that names it."""
    for file, text in files.items():
        for key, written, line in _written(text):
            yield (key, path_of(file, written)), (file, line)


@functools.lru_cache(maxsize=32)  # a policy is looked at again and again for changes
def _written(text: bytes) -> tuple[tuple[str, str, int], ...]:
    """The documents that a policy file names: under which key, how, in which line."""
    if not any(key.encode() in text for key in KEYS):
        return ()
    tree = read_tree("", text)
    found = []
    for key, places in ((OPENAPI, _upstreams(tree.value)), (RECOGNIZERS, pii_rules(tree.value))):
        for where, body in places:
            written = body.get(key)
            if isinstance(written, str) and is_path(written):
                found.append((key, written, tree.mark((*where, key))[1]))
    return tuple(found)


def _upstreams(policy: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    for name, upstream in _items(policy, "upstreams"):
        if isinstance(upstream, dict):
            yield ("upstreams", name), upstream


def pii_rules(policy: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each `pii` rule of a policy file that nobody has checked, with its place."""
    for name, body in _items(policy, "policies"):
        rules = body.get("rules") if isinstance(body, dict) else None
        for position, rule in enumerate(rules if isinstance(rules, list) else ()):
            if isinstance(rule, dict) and rule.get("kind") == "pii":
                yield ("policies", name, "rules", position), rule


def _items(policy: Any, section: str) -> Iterable[tuple[str, Any]]:
    found = policy.get(section) if isinstance(policy, dict) else None
    return found.items() if isinstance(found, dict) else ()


def is_path(written: str) -> bool:
    """Whether a text can be a document's path: no reference to the environment, no control
    characters."""
    return bool(written) and "${" not in written and written.isprintable()
