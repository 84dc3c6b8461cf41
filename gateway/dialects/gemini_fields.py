"""How Google's JSON may be spelled, whatever the message.

The JSON form of protocol buffers (protobuf.dev, "ProtoJSON Format") takes every field under two
names, `inlineData` and `inline_data`, and whole numbers as numbers or as strings. Google's servers
also take one message where a list of them is asked for, as their own curl examples send it. A rule
must see all of it alike.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

from gateway.errors import CallerError
from gateway.verdict import Reason

_UNDERSCORE = re.compile(r"(?<=.)_([a-z0-9])")
_UPPER = re.compile(r"(?<=[a-z0-9])([A-Z])")


def camel(name: str) -> str:
    """A field's name as Google's reference writes it: `inline_data` -> `inlineData`."""
    return _UNDERSCORE.sub(lambda found: found[1].upper(), name) if "_" in name else name


@functools.lru_cache(maxsize=512)
def snake(name: str) -> str:
    """A field's name as Google's guides write it: `googleSearch` -> `google_search`."""
    return _UPPER.sub(lambda found: f"_{found[1].lower()}", name)


def unique_fields(node: dict[str, Any], place: str) -> dict[str, str]:
    """The fields of a message that a caller sent: by their camelCase names, as they are spelled.

    Raises CallerError(DUPLICATE_KEY) where a field stands there under both of its names: two
    parsers could read that differently.
    """
    found: dict[str, str] = {}
    for key in node:
        name = camel(key)
        if name in found:
            raise CallerError(
                Reason.DUPLICATE_KEY,
                f"The body has a field in two spellings, in {place or 'its outermost object'}. "
                "Send it once.",
            )
        found[name] = key
    return found


def field(node: Any, name: str) -> Any:
    """The value of a field in whichever spelling it is there; None without it."""
    if type(node) is not dict:
        return None
    if name in node:
        return node[name]
    other = snake(name)
    return node.get(other) if other != name else None


def each(holder: Any, key: Any, place: str) -> Iterator[tuple[Any, Any, str]]:
    """What a repeated field holds, a list or a single message: holder, key and place of each."""
    value = holder[key]
    if type(value) is list:
        for number in range(len(value)):
            yield value, number, f"{place}[{number}]"
    elif value is not None:
        yield holder, key, place


def listed(node: Any, name: str) -> list[Any]:
    """The values of a repeated field, in whichever spelling and form."""
    value = field(node, name)
    if type(value) is list:
        return value
    return [] if value is None else [value]


def whole(value: Any) -> int | None:
    """A whole number, which may be sent as text or with a point; None for anything else."""
    if type(value) is str:
        try:
            value = float(value) if len(value) < 32 else None
        except ValueError:
            return None
    if type(value) is float and value.is_integer():
        return int(value)
    return value if type(value) is int else None
