"""Files that a policy refers to: OpenAPI documents, read with the policy and carried along with it.

Rules of this file:
- A document is read once, with the policy's own files, and travels with their texts from then on:
  to workers, into the versions for `rollback`, into what is watched. Nobody else opens it.
- Among the texts its name begins with `openapi:`, so that it is never taken for a policy.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path as FilePath

from gateway.config.yaml_tree import Mark, Path, read_tree
from gateway.errors import ConfigError

PREFIX = "openapi:"

MOST_BYTES = 1024 * 1024
"""Of one document: it is read by people and by every worker; what agents need of an API fits."""

KEY = "openapi"


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
        if not (folder and os.path.normpath(name) in named)
    }
    problems = []
    for path, (file, line) in named.items():
        try:
            texts[PREFIX + path] = read(path, MOST_BYTES)
        except OSError as error:
            problems.append(f"{file}:{line}: {path} cannot be read: {error.strerror or error}")
        except ConfigError as error:
            problems += [f"{file}:{line}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return texts


def split(texts: Mapping[str, bytes]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Texts as a policy's own files, and the documents by their paths."""
    own = {name: text for name, text in texts.items() if not name.startswith(PREFIX)}
    documents = {
        name.removeprefix(PREFIX): text for name, text in texts.items() if name.startswith(PREFIX)
    }
    return own, documents


def path_of(file: str, written: str) -> str:
    """Where the document is that a policy file refers to: beside that file, or an absolute path."""
    return os.path.normpath(FilePath(file).parent / written)


def _references(files: Mapping[str, bytes]) -> Iterator[tuple[str, Mark]]:
    for file, text in files.items():
        for written, line in _written(text):
            yield path_of(file, written), (file, line)


@functools.lru_cache(maxsize=32)  # a policy is looked at again and again for changes
def _written(text: bytes) -> tuple[tuple[str, int], ...]:
    """What stands under `openapi` in the upstreams of a policy file, with its line."""
    if KEY.encode() not in text:
        return ()
    tree = read_tree("", text)
    upstreams = tree.value.get("upstreams") if isinstance(tree.value, dict) else None
    if not isinstance(upstreams, dict):
        return ()
    found = []
    for name, upstream in upstreams.items():
        written = upstream.get(KEY) if isinstance(upstream, dict) else None
        if isinstance(written, str) and is_path(written):
            where: Path = ("upstreams", name, KEY)
            found.append((written, tree.mark(where)[1]))
    return tuple(found)


def is_path(written: str) -> bool:
    """Whether a text can be a document's path: no reference to the environment, no control
    characters."""
    return bool(written) and "${" not in written and written.isprintable()
