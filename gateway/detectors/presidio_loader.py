"""Presidio's recognizers, without the NLP engines that come with them.

Importing `presidio_analyzer` imports every engine that it supports, spaCy first: two seconds and
60 MB, for recognizers that need none of it. Here the recognizers' own modules are imported and
nothing else; the package around them is an empty one, with the few classes that they ask it for.

Rules of this file:
- Nothing of Presidio is changed or left out of what a recognizer does.
- Outside of `recognizer` nobody sees it: the real package can be imported beside it at any time.
"""

from __future__ import annotations

import ast
import functools
import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = "presidio_analyzer"
RECOGNIZERS = f"{PACKAGE}.predefined_recognizers"

_CORE = {
    "analysis_explanation": "AnalysisExplanation",
    "recognizer_result": "RecognizerResult",
    "entity_recognizer": "EntityRecognizer",
    "local_recognizer": "LocalRecognizer",
    "pattern": "Pattern",
    "pattern_recognizer": "PatternRecognizer",
}
"""Modules by what the package exports of them, each needing only those before it."""

_lock = threading.Lock()
_ours: dict[str, ModuleType] = {}


def recognizer(name: str) -> Any:
    """A class of `presidio_analyzer.predefined_recognizers`. Raises KeyError for another name."""
    path = _places()[name]
    with _lock, _in_place():
        return getattr(importlib.import_module(path), name)


def core(name: str) -> Any:
    """A class that the package itself exports, such as `PatternRecognizer`."""
    with _lock, _in_place():
        return getattr(sys.modules[PACKAGE], name)


@functools.cache
def _folder() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{PACKAGE} is not installed")
    return Path(spec.origin).parent


@functools.cache
def _places() -> dict[str, str]:
    """Class -> the module that has it, read from the package's list without running it."""
    text = (_folder() / "predefined_recognizers" / "__init__.py").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            path = f"{RECOGNIZERS}.{node.module}" if node.level else node.module
            found.update(dict.fromkeys((alias.name for alias in node.names), path))
    return found


@contextmanager
def _in_place() -> Iterator[None]:
    """Our modules where imports look for Presidio's, and theirs again afterwards."""
    theirs = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_presidio(name)}
    sys.modules.update(_ours or _empty_packages())
    try:
        if not _ours:
            for module, exported in _CORE.items():
                made = importlib.import_module(f"{PACKAGE}.{module}")
                setattr(sys.modules[PACKAGE], exported, getattr(made, exported))
        yield
    finally:
        _ours.update(
            {name: sys.modules.pop(name) for name in list(sys.modules) if _is_presidio(name)}
        )
        sys.modules.update(theirs)


def _is_presidio(name: str) -> bool:
    return name == PACKAGE or name.startswith(f"{PACKAGE}.")


def _empty_packages() -> dict[str, ModuleType]:
    """The packages that import what is not needed, as folders only."""
    root = _folder()
    recognizers = root / "predefined_recognizers"
    made = {PACKAGE: _package(PACKAGE, root), RECOGNIZERS: _package(RECOGNIZERS, recognizers)}
    for part in ("generic", "country_specific"):
        made[f"{RECOGNIZERS}.{part}"] = _package(f"{RECOGNIZERS}.{part}", recognizers / part)
    engines = made[f"{PACKAGE}.nlp_engine"] = ModuleType(f"{PACKAGE}.nlp_engine")
    vars(engines)["NlpArtifacts"] = object  # for annotations only
    return made


def _package(name: str, folder: Path) -> ModuleType:
    module = ModuleType(name)
    module.__path__ = [str(folder)]
    return module
