"""Nothing exists that the docs do not name: kinds, reasons, metrics, config keys, commands."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
from collections.abc import Iterator
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
    assert len(list(cases.glob("*.yaml"))) >= 4, f"too few cases in {cases.relative_to(ROOT)}"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_key_of_a_kind_stands_on_its_page(kind: str) -> None:
    page = DOCS / "kinds" / f"{kind}.md"
    if not page.exists():
        pytest.fail(f"no {page.relative_to(ROOT)}")
    common = {key for model in common_models() for key in keys_of(model)}
    code = code_of(page)
    own = [
        model
        for model in models_of(load(KINDS[kind].module))
        if model.__module__ != COMMON  # `when` and its like are explained once, for all kinds
    ]
    for model in own:
        missing = [key for key in keys_of(model) if key not in common and not mentions(code, key)]
        assert not missing, f"{page.relative_to(ROOT)} does not name {missing}"


COMMON = "gateway.config.rule_options"


def common_models() -> list[type[BaseModel]]:
    """What every rule takes: explained once, in docs/policy-file.md."""
    return models_of(load(COMMON))


def test_the_keys_of_every_rule_stand_with_the_policy_file() -> None:
    code = code_of(DOCS / "policy-file.md")
    keys = {key for model in common_models() for key in keys_of(model)}
    missing = [key for key in sorted(keys) if not mentions(code, key)]
    assert not missing


def test_every_reason_has_its_line_and_no_other_has() -> None:
    page = DOCS / "reasons.md"
    assert page.exists(), "no docs/reasons.md"
    told = set(re.findall(r"^\| `(\w+)` \|", page.read_text(), re.MULTILINE))
    assert told == {reason.value for reason in load("gateway.verdict").Reason}


def test_every_metric_is_documented() -> None:
    module = load("gateway.telemetry.declared")
    names = metric_names(next(each for each in sources() if each.module == module.__name__))
    assert names, "gateway/telemetry/declared.py names no metric"
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


def test_types_and_labels_of_metrics_are_those_that_are_told() -> None:
    row = re.compile(r"^\| `(portcullis_\w+)` \| (\w+) \| ([^|]*) \|", re.MULTILINE)
    told = {
        name: (kind, re.findall(r"`(\w+)`", labels))
        for name, kind, labels in row.findall((DOCS / "metrics.md").read_text())
    }
    declared = load("gateway.telemetry.declared").Declared().families.all.values()
    real = {family.name: (family.type, list(family.labels)) for family in declared}
    assert told == real


def test_no_page_names_a_metric_that_does_not_exist() -> None:
    module = load("gateway.telemetry.declared")
    names = metric_names(next(each for each in sources() if each.module == module.__name__))
    told = set(re.findall(r"\bportcullis_[a-z0-9_]+\b", CODE))
    assert not {re.sub(r"_(bucket|sum|count)$", "", name) for name in told} - names


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


def test_every_call_of_the_admin_listener_is_documented_and_no_other_is() -> None:
    api = next(source for source in sources() if source.module == "gateway.admin.api")
    paths = {
        node.value
        for node in ast.walk(api.tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"/admin/[\w./{}-]+", node.value)
    }
    assert paths
    assert (
        set(re.findall(r"`[A-Z]+ (/admin/[\w./{}-]+)`", (DOCS / "admin.md").read_text())) == paths
    )


def parsers() -> Iterator[argparse.ArgumentParser]:
    """The parser of every command, and of every command of a command."""
    top = argparse.ArgumentParser(prog="portcullis")
    commands = top.add_subparsers()
    for name in load("gateway.cli.main").COMMANDS:
        load(f"gateway.cli.{name}").add_parser(commands)
    todo = [top]
    while todo:
        here = todo.pop()
        yield here
        for action in subcommands(here):
            todo += action.choices.values()


def subcommands(
    parser: argparse.ArgumentParser,
) -> list[argparse._SubParsersAction[argparse.ArgumentParser]]:
    return [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]


COMMANDS = {parser.prog: parser for parser in parsers() if not subcommands(parser)}
"""`portcullis key new` -> its parser."""


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_and_option_is_documented(command: str) -> None:
    assert mentions(CODE, command), f"no page names `{command}`"
    options = [
        option
        for action in COMMANDS[command]._actions
        for option in action.option_strings
        if option.startswith("--") and option != "--help"
    ]
    missing = [option for option in options if not mentions(CODE, option)]
    assert not missing


def test_no_page_names_a_command_that_does_not_exist() -> None:
    first = {command.split()[1] for command in COMMANDS}
    told = re.findall(r"(?:^|[`$] ?)portcullis ([a-z]\w*)", CODE, re.MULTILINE)
    assert told
    assert not set(told) - first


def test_every_variable_is_documented_and_no_other_is() -> None:
    """The environment variables that the code reads, and those that the pages name."""
    settings = load("gateway.config.settings")
    names = {flag.variable for flag in settings.FLAGS} | {"PORTCULLIS_ALLOW_ANONYMOUS"}
    for source in sources():
        names.update(re.findall(r"\"(PORTCULLIS_[A-Z_]+[A-Z])\"", source.path.read_text()))
    told = set(re.findall(r"\bPORTCULLIS_[A-Z_]+\b", CODE))
    assert told - NO_VARIABLES == names - NO_VARIABLES


NO_VARIABLES = {"PORTCULLIS_KEY"}
"""What looks like a variable and is none: an entity of the kind `secrets`."""
