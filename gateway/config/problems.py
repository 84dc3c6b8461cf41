"""What pydantic found, in the words of an operator: one line a problem, with a suggestion."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateway.config.policy_file import PolicyFile
from gateway.config.units import shown
from gateway.config.yaml_tree import Path
from gateway.policy.kinds import KINDS

_EXPECTED = {
    "string": "text",
    "bool": "true or false",
    "list": "a list, such as [a, b],",
    "tuple": "a list, such as [a, b],",
    "dict": "keys with values",
    "model": "keys with values",
    "int": "a whole number",
    "float": "a number",
}
"""What was expected, by the first word of pydantic's type of error (`int_parsing`)."""
_TYPE_ERRORS = re.compile(r"(?:type|parsing|from_float|attributes_type|parsing_size)$")
_PRIVATE = frozenset({"credential", "keys", "tokens", "hash"})
_WORST_FIRST = ("value_error", "literal_error", "enum")


def suggest(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing."""
    near = get_close_matches(word, list(known), 1, 0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""


def explain_errors(errors: Iterable[ErrorDetails], document: Any) -> list[tuple[Path, str]]:
    """Problems by the path they stand at. `document` is what was validated."""
    by_path: dict[Path, list[ErrorDetails]] = {}
    found = list(errors)
    for error in found:
        if error["type"] == "too_short" and _has_broken_items(error["loc"], found):
            continue  # pydantic counts only the items that are right
        path = _known_path(error["loc"], document)
        by_path.setdefault(path, []).append(error)
    return [
        (path, _message(error, path, document))
        for path, group in by_path.items()
        for error in _meant(group, path)
    ]


def _has_broken_items(loc: tuple[int | str, ...], errors: Iterable[ErrorDetails]) -> bool:
    """Whether another problem lies at or inside the list at `loc`."""
    return any(e["loc"][: len(loc)] == loc and e["type"] != "too_short" for e in errors)


def _meant(group: list[ErrorDetails], path: Path) -> list[ErrorDetails]:
    """Of several ways in which one value is no member of a union, the one that was meant."""
    alternatives = [e for e in group if len(e["loc"]) > len(path) and e["type"] != "missing"]
    if len(alternatives) < 2:
        return group
    telling = [e for kind in _WORST_FIRST for e in alternatives if e["type"] == kind]
    best = telling[0] if telling else alternatives[0]
    if not telling:
        types = dict.fromkeys(e["type"].partition("_")[0] for e in alternatives)
        best = {**best, "type": " ".join([*types, "type"])}
    return [best, *(e for e in group if e not in alternatives)]


def _known_path(loc: Iterable[int | str], document: Any) -> Path:
    """The part of pydantic's location that is in the document: without union members' names."""
    path: list[int | str] = []
    here = document
    for step in loc:
        if isinstance(here, dict):
            known = step in here
        else:
            known = isinstance(here, list) and isinstance(step, int) and step < len(here)
        if known:
            here = here[step]
            path.append(step)
    return tuple(path)


def _message(error: ErrorDetails, path: Path, document: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    value = error["input"]
    if kind == "extra_forbidden":
        key = str(path[-1])
        return f"this version has no key {key!r} here{suggest(key, keys_at(path[:-1], document))}"
    if kind in ("literal_error", "enum"):
        expected = str(context.get("expected", ""))
        hint = suggest(str(value), re.findall(r"'([^']*)'", expected))
        if isinstance(value, str):
            no = f"this version has no {_value(path, value)} here{hint}"
            return f"{_named(path)}{no}; it takes {expected}"
        return f"{_named(path)}expected {expected}, not {_value(path, value)}"
    if kind == "value_error":
        return f"{_named(path)}{context.get('error', error['msg'])}"
    if kind == "string_pattern_mismatch":
        return f"{_named(path)}{_value(path, value)} is not of the form {context.get('pattern')}"
    if kind == "missing":
        return f"the key {str(error['loc'][-1])!r} is missing"
    if expected := _expected(kind):
        return f"{_named(path)}expected {expected}, not {_value(path, value)}".replace(",,", ",")
    return f"{_named(path)}{error['msg'][:1].lower()}{error['msg'][1:]}"


def _expected(kind: str) -> str:
    """What a type error asks for: `int_parsing` -> `a whole number`; "" for another error."""
    if not _TYPE_ERRORS.search(kind):
        return ""
    words = kind.split()[:-1] or [kind.partition("_")[0]]
    return " or ".join(dict.fromkeys(_EXPECTED[word] for word in words if word in _EXPECTED))


def _value(path: Path, value: object) -> str:
    """The value as it is shown; not where somebody may have put a key in the wrong place."""
    keys = [step for step in path if isinstance(step, str)]
    return "what stands there" if keys and keys[-1] in _PRIVATE else shown(value)


def _named(path: Path) -> str:
    """The key that a message is about, as its start."""
    keys = [step for step in path if isinstance(step, str)]
    return f"{keys[-1]}: " if keys and keys[-1] != "rules" else ""


def keys_at(path: Path, document: Any) -> list[str]:
    """The keys that a mapping at this path may have."""
    model: Any = PolicyFile
    here = document
    for step in path:
        here = _inside(here, step)
        model = _step(model, step, here)
        if model is None:
            return []
    return list(_fields(model)) if _is_model(model) else []


def _inside(here: Any, step: int | str) -> Any:
    if isinstance(here, dict):
        return here.get(str(step))
    return here[step] if isinstance(here, list) and isinstance(step, int) else None


def _step(model: Any, step: int | str, value: Any) -> Any:
    """The type of what stands one step further in."""
    if _is_model(model):
        known = _fields(model).get(str(step))
        return _useful(known.annotation) if known else None
    origin, args = get_origin(model), get_args(model)
    if origin is dict:
        return _useful(args[1])
    if origin in (list, tuple) and args:
        item = _useful(args[0])
        # A rule's keys are those of its kind.
        if _is_model(item) and item.__name__ == "RuleOptions":
            kind = value.get("kind") if isinstance(value, Mapping) else None
            return KINDS[kind].Options if isinstance(kind, str) and kind in KINDS else item
        return item
    return None


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A model's fields by the keys that an operator writes."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _useful(annotation: Any) -> Any:
    """An annotation without Annotated and None; of a union the first that has something in it."""
    if get_origin(annotation) is Annotated:
        return _useful(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        members = [_useful(each) for each in get_args(annotation)]
        return next((m for m in members if _is_model(m) or get_args(m)), None)
    return annotation


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)
