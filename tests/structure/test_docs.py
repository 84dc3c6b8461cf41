"""Nothing exists that the docs do not name: kinds, reasons, metrics, config keys, commands."""

from __future__ import annotations

import ast
import importlib
import re
from types import ModuleType
from typing import Any, TypeGuard, get_args

import pytest
from pydantic import BaseModel

from tests.structure.house import (
    DOCS,
    GATEWAY,
    ROOT,
    Source,
    code_of,
    documents,
    mentions,
    sources,
)

CODE = code_of(*documents())


def load(module: str) -> ModuleType:
    """Import a module of ours; skips the test where nobody has written it yet."""
    if not any(source.module == module for source in sources()):
        pytest.skip(f"{module} does not exist yet")
    return importlib.import_module(module)


def kinds() -> dict[str, Source]:
    """Kind -> its file: every file under policy/kinds/ with a class that says `kind = "..."`."""
    found: dict[str, Source] = {}
    for source in sources():
        if source.path.parent != GATEWAY / "policy" / "kinds":
            continue
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef):
                found.update((kind, source) for kind in _kind_of(node))
    return found


def _kind_of(node: ast.ClassDef) -> list[str]:
    values = []
    for line in node.body:
        targets = line.targets if isinstance(line, ast.Assign) else []
        if isinstance(line, ast.AnnAssign):
            targets = [line.target]
        if any(isinstance(each, ast.Name) and each.id == "kind" for each in targets):
            value = getattr(line, "value", None)
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                values.append(value.value)
    return values


KINDS = kinds()


def test_kinds_are_found() -> None:
    if not KINDS:
        pytest.skip("no kind has been written yet")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_one_kind_is_one_file_page_example_and_folder_of_cases(kind: str) -> None:
    assert KINDS[kind].path.stem == kind
    page = DOCS / "kinds" / f"{kind}.md"
    example = ROOT / "policies" / "examples" / f"{kind}.yaml"
    cases = ROOT / "tests" / "cases" / kind
    assert page.exists(), f"no {page.relative_to(ROOT)}"
    assert example.exists(), f"no {example.relative_to(ROOT)}"
    assert re.search(rf"kind: *[\"']?{kind}\b", example.read_text()), (
        f"{example.name} has no {kind}"
    )
    assert list(cases.glob("*.yaml")), f"no cases in {cases.relative_to(ROOT)}"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_key_of_a_kind_stands_on_its_page(kind: str) -> None:
    page = DOCS / "kinds" / f"{kind}.md"
    if not page.exists():
        pytest.fail(f"no {page.relative_to(ROOT)}")
    common = set(load("gateway.config.rule_options").RuleOptions.model_fields)
    code = code_of(page)
    module = load(KINDS[kind].module)
    for model in models_of(module):
        missing = [key for key in keys_of(model) if key not in common and not mentions(code, key)]
        assert not missing, f"{page.relative_to(ROOT)} does not name {missing}"


def test_every_reason_is_documented() -> None:
    reasons = load("gateway.verdict").Reason
    missing = [reason.value for reason in reasons if not mentions(CODE, reason.value)]
    assert not missing


def test_every_metric_is_documented() -> None:
    module = load("gateway.telemetry.metrics")
    names = metric_names(next(each for each in sources() if each.module == module.__name__))
    assert names, "gateway/telemetry/metrics.py names no metric"
    missing = [name for name in sorted(names) if not mentions(CODE, name)]
    assert not missing


def metric_names(source: Source) -> set[str]:
    """Every string of the file that is a metric's name."""
    return {
        node.value
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"portcullis_[a-z0-9_]+", node.value)
    }


def test_every_config_key_is_documented() -> None:
    keys = {
        key: model.__name__
        for module in ("gateway.config.policy_file", "gateway.config.rule_options")
        for model in models_of(load(module))
        for key in keys_of(model)
    }
    missing = {key: model for key, model in keys.items() if not mentions(CODE, key)}
    assert not missing


def models_of(module: ModuleType) -> list[type[BaseModel]]:
    """The models that a module defines, and those of ours that their fields are made of."""
    found: dict[str, type[BaseModel]] = {}
    todo: list[Any] = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    while todo:
        here = todo.pop()
        if not isinstance(here, type):
            todo += get_args(here)
        elif is_ours(here) and here.__qualname__ not in found:
            found[here.__qualname__] = here
            todo += [field.annotation for field in here.model_fields.values()]
    return list(found.values())


def is_ours(value: type) -> TypeGuard[type[BaseModel]]:
    """Whether a class is a model that the gateway defines."""
    return issubclass(value, BaseModel) and value.__module__.startswith("gateway.")


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys as the operator writes them."""
    return [field.alias or name for name, field in model.model_fields.items()]


def test_every_command_is_documented() -> None:
    load("gateway.cli.main")
    names = commands()
    assert names, "no command is declared under gateway/cli/"
    missing = [name for name in sorted(names) if not mentions(CODE, f"portcullis {name}")]
    assert not missing


def commands() -> set[str]:
    """The commands of the command line.

    One is declared by `add_parser("name", ...)` or `command("name")` in gateway/cli/, or by a
    `COMMANDS` table in main.py (a mapping by name, or a sequence of modules or of names).
    """
    found: set[str] = set()
    for source in sources():
        if source.path.parent == GATEWAY / "cli":
            for node in ast.walk(source.tree):
                if isinstance(node, ast.Call) and node.args:
                    called = ast.unparse(node.func).rpartition(".")[2]
                    first = node.args[0]
                    if called in ("add_parser", "command") and isinstance(first, ast.Constant):
                        found.add(str(first.value))
    table = getattr(importlib.import_module("gateway.cli.main"), "COMMANDS", ())
    for entry in table:
        name = entry if isinstance(entry, str) else getattr(entry, "__name__", "")
        found.add(name.rpartition(".")[2])
    return found
