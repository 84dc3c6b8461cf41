"""Files that a policy names without holding them: secrets (`${file:PATH}`), and the certificates
and keys of upstreams.

Rules of this file:
- They are read by whoever reads the policy, and handed to workers with its texts; nobody else
  opens them. They are never kept with a version for `rollback`: that keeps the reference.
- They are no part of the policy's digest: a key that is rotated is the same policy.
- What stands in one appears in no problem and no warning; its path does.
"""

from __future__ import annotations

import functools
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Protocol

from gateway.config import documents
from gateway.config.yaml_tree import Mark, Path, read_tree
from gateway.errors import ConfigError
from gateway.tls import Pems, TlsError
from gateway.upstream.way import context_of

SECRET = "secret"
PRIVATE_KEY = "private-key"
CERTIFICATE = "certificate"
SORTS = (SECRET, PRIVATE_KEY, CERTIFICATE)
"""What a file is; its name among a policy's texts begins with it: `secret:/run/secrets/key`."""

MOST_BYTES = {SECRET: 64 * 1024, PRIVATE_KEY: 64 * 1024, CERTIFICATE: 1024 * 1024}
"""A system's whole bundle of authorities takes about 250 KB."""

MOST_FILES = 1000
"""Files of one policy."""

_REFERENCE = re.compile(r"\$\$\{|\$\{file:([^}]*)\}")
_UPSTREAM_KEYS = {"ca": CERTIFICATE, "cert": CERTIFICATE, "key": PRIVATE_KEY}


class UpstreamFiles(Protocol):
    """What an upstream of the policy file names."""

    @property
    def ca(self) -> str | None: ...

    @property
    def cert(self) -> str | None: ...

    @property
    def key(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Reference:
    """A file that a policy names: its sort, its path, and the place that names it."""

    sort: str
    path: str
    mark: Mark

    @property
    def name(self) -> str:
        """What the file is called among the policy's texts."""
        return f"{self.sort}:{self.path}"


def references(texts: Mapping[str, bytes]) -> list[Reference]:
    """Every file that a policy's own files name, each once, in the order of the files."""
    found: dict[str, Reference] = {}
    for file, text in documents.split(texts)[0].items():
        for sort, written, line in _written(text):
            reference = Reference(sort, documents.path_of(file, written), (file, line))
            found.setdefault(reference.name, reference)
    return list(found.values())


def read_attached(texts: Mapping[str, bytes]) -> dict[str, bytes]:
    """The content of each, by the name that it has among the policy's texts.

    Raises:
        ConfigError: with every file that cannot be used, and the place that names it.
    """
    named = references(texts)
    if len(named) > MOST_FILES:
        raise ConfigError([f"the policy names more than {MOST_FILES} files"])
    read: dict[str, bytes] = {}
    problems = []
    for each in named:
        try:
            read[each.name] = _read(each)
        except OSError as error:
            file, line = each.mark
            why = error.strerror or str(error)
            problems.append(f"{file}:{line}: {each.path} cannot be used: {why}")
    if problems:
        raise ConfigError(problems)
    return read


def find_warnings(texts: Mapping[str, bytes]) -> list[str]:
    """Secrets and keys that every user of the machine can read; lines ready to print."""
    found = []
    for each in references(texts):
        try:
            mode = FilePath(each.path).stat().st_mode
        except OSError:
            continue  # it was read a moment ago: the next look tells
        if each.sort != CERTIFICATE and mode & stat.S_IROTH:
            file, line = each.mark
            told = "every user of this machine can read it; take that away (chmod o-r)"
            found.append(f"{file}:{line}: {each.path}: {told}")
    return found


def split(texts: Mapping[str, bytes]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Texts as those that make up the policy, and the files attached to it by their names."""
    policy: dict[str, bytes] = {}
    attached: dict[str, bytes] = {}
    for name, text in texts.items():
        sort, colon, _ = name.partition(":")
        (attached if colon and sort in SORTS else policy)[name] = text
    return policy, attached


def read_pems(
    upstreams: Mapping[str, UpstreamFiles],
    files: Mapping[str, bytes],
    mark: Callable[[Path], Mark],
) -> tuple[dict[str, Pems], list[tuple[Path, str]]]:
    """The certificates of each upstream that names some, and what is wrong with them.

    Args:
        files: what is attached to the policy, by its names.
        mark: the place of a path in the policy, which relative names start from.
    """
    pems: dict[str, Pems] = {}
    problems: list[tuple[Path, str]] = []
    for name, upstream in upstreams.items():
        read: dict[str, bytes] = {}
        for key, sort in _UPSTREAM_KEYS.items():
            written = getattr(upstream, key)
            if written is None:
                continue
            place = ("upstreams", name, key)
            path = documents.path_of(mark(place)[0], written)
            if f"{sort}:{path}" in files:
                read[key] = files[f"{sort}:{path}"]
            else:
                problems.append((place, f"{path} was not read with the policy"))
        try:
            if read:
                pems[name] = Pems(**read)
                context_of(pems[name])
        except TlsError as error:
            problems.append((("upstreams", name, error.part), f"{error.part}: {error}"))
    return pems, problems


def secret_of(content: bytes) -> str:
    """What a secret's file stands for: its text without one line break at its end.

    Raises ValueError with what is wrong.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("this is not UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
    if not text:
        raise ValueError("it is empty")
    return text


def _read(each: Reference) -> bytes:
    """Raises OSError with what is wrong with a file."""
    # Not held up by a pipe that nobody writes to.
    fd = os.open(each.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError("it is no plain file")
        most = MOST_BYTES[each.sort]
        content = b""
        while len(content) <= most and (piece := os.read(fd, most + 1)):
            content += piece
    finally:
        os.close(fd)
    if len(content) > most:
        raise OSError(f"it is larger than {most} bytes")
    if each.sort == SECRET:
        try:
            secret_of(content)
        except ValueError as error:
            raise OSError(str(error)) from None
    elif not content.strip():
        raise OSError("it is empty")
    return content


@functools.lru_cache(maxsize=32)  # a policy is looked at again and again for changes
def _written(text: bytes) -> tuple[tuple[str, str, int], ...]:
    """The files that a policy file names: their sort, how they are written, in which line."""
    if b"${file:" not in text and not any(f"{key}:".encode() in text for key in _UPSTREAM_KEYS):
        return ()
    tree = read_tree("", text)
    found = []
    for path, value in _texts(tree.value, ()):
        line = tree.mark(path)[1]
        sort = _UPSTREAM_KEYS.get(str(path[-1])) if _of_upstream(path) else None
        if sort is not None and documents.is_path(value):
            found.append((sort, value, line))
        found += [(SECRET, match, line) for match in _REFERENCE.findall(value) if match]
    return tuple(found)


def _of_upstream(path: Path) -> bool:
    return len(path) == 3 and path[0] == "upstreams"


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Every text with its place, except in recognizers, where `${` may be an expression's."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, each in value.items():
            if key != documents.RECOGNIZERS:
                yield from _texts(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _texts(each, (*path, index))
