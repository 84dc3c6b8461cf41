"""Reads a price table from its text: `prices.yaml`, whose head says what each key means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import yaml

from gateway.upstream.price_model import PARTS, WAYS, ModelPrice, Origin, modes_of

NANO = 1_000_000_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where it is built in


@dataclass(frozen=True, slots=True)
class Source:
    """Where one provider's prices come from, and of which day most of them are."""

    provider: str
    url: str
    date: str


@dataclass(frozen=True, slots=True)
class Table:
    """What a price table says. `version` is the day of its last change."""

    version: str
    models: Mapping[str, ModelPrice]
    sources: tuple[Source, ...]


def read_table(text: str) -> Table:
    """Raises ValueError or KeyError where the text is no price table."""
    document = yaml.load(text, Loader=_LOADER)  # noqa: S506  a safe loader, the fast one
    models: dict[str, ModelPrice] = {}
    sources = []
    for provider, part in document["providers"].items():
        sources.append(Source(provider, part["source"], str(part["date"])))
        for name, entry in part["models"].items():
            models[name] = _entry(name, provider, part, entry)
    return Table(str(document["version"]), models, tuple(sources))


def _entry(
    name: str, provider: str, part: Mapping[str, Any], entry: Mapping[str, Any]
) -> ModelPrice:
    unknown = entry.keys() - _KEYS
    if unknown:
        raise ValueError(f"{name}: no such key: {sorted(unknown)}")
    plain = entry["input"]
    ways = {each: entry.get(each, part.get(each)) for each in WAYS}
    write = entry.get("cache_write", plain)
    price = ModelPrice(
        name=name,
        provider=provider,
        input=_nano(plain),
        output=_nano(entry["output"]),
        cache_read=_nano(entry.get("cache_read", plain)),
        cache_write=_nano(write),
        cache_write_1h=_nano(entry.get("cache_write_1h", write)),
        context=entry["context"],
        max_output=entry["max_output"],
        parts={each: _nano(entry[each]) for each in PARTS if each in entry},
        search=_nano(entry.get("search", part.get("search", 0))),
        search_once=bool(entry.get("search_once", False)),
        fee=_nano(entry.get("fee", 0)),
        batch=_fraction(entry.get("batch", part.get("batch", 1))),
        modes=modes_of({each: _fraction(times) for each, times in ways.items() if times}),
        origin=Origin(
            entry.get("source", part["source"]),
            str(entry.get("date", part["date"])),
            entry.get("checked", part.get("checked", "")),
        ),
    )
    above = entry.get("above")
    if above is None:
        return price
    long = price.scaled(_fraction(above["input"]), _fraction(above["output"]))
    return replace(price, long_above=above["tokens"], long=long)


def _nano(dollars: float) -> int:
    """Dollars as written in the table -> nano-dollars, exactly."""
    amount = _fraction(dollars) * NANO
    if amount.denominator != 1:
        raise ValueError(f"{dollars} dollars are no whole nano-dollars")
    return amount.numerator


def _fraction(number: object) -> Fraction:
    """A number as it is written: 1.8, or "5/3"."""
    return Fraction(str(number))


_KEYS = (
    frozenset(
        "input output cache_read cache_write cache_write_1h context max_output above batch search "
        "search_once fee source date checked".split()
    )
    | PARTS.keys()
    | WAYS.keys()
)
