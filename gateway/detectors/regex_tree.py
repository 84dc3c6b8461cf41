"""From one Python regular expression, two for RE2: a coarser one, and one for its beginnings.

    loosen(p)      matches wherever p matches, with the same span, and sometimes elsewhere
    unfinished(p)  matches every non-empty beginning of what loosen(p) matches, the whole of it
                   included; anchored at the end of a text it tells where a match may be growing

Rules of this file:
- Coarser, never narrower. Where a construct has no RE2 form, what is written in its place
  matches more. Look-arounds and `\\b` before unknown characters become empty, a back-reference
  becomes its group, large counts lose their upper bound.
- `only_ascii` derives expressions for texts of ASCII characters alone. They are much sharper:
  there, RE2's `\\b`, digits and letters are those of Python.

How the beginnings of a concatenation x1 x2 x3 are written: (?:x1'|x1(?:x2'|x2(?:x3'))), where
x' is the beginnings of x. A look-ahead that a text's end leaves open counts as a beginning too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.detectors import charclass

_parser: Any = re._parser  # type: ignore[attr-defined]
_c: Any = re._constants  # type: ignore[attr-defined]

ANYTHING = "(?s:.)"
MAX_KEPT = 64  # counts up to this are kept; RE2 allows 1000, but copies the operand
MAX_NODES = 1_000  # RE2 refuses nested counts above this, all multiplied
MAX_LOOKAHEAD = 64  # a look-ahead up to this wide is followed exactly while it is open

_INLINE = re.compile(r"(?<!\\)\(\?([aimsx]+)\)")
_LETTERS = {"a": re.A, "i": re.I, "m": re.M, "s": re.S, "x": re.X}

Node = tuple[Any, Any]


class Untranslatable(Exception):
    """The expression is not one that Python's `re` can parse."""


@dataclass(frozen=True, slots=True)
class _Mode:
    flags: int
    only_ascii: bool
    plain: bool  # give up all counts: the second, coarser attempt
    groups: dict[int, Any]  # group number -> (its tree, the flags it was read with)

    @property
    def fold(self) -> bool:
        return bool(self.flags & re.IGNORECASE)


def loosen(pattern: str, flags: int = 0, *, only_ascii: bool = False, plain: bool = False) -> str:
    """An RE2 expression that matches at least what `pattern` matches.

    `flags` are those of `re`. `plain` gives a smaller and coarser expression, for patterns
    whose first form RE2 refuses. Raises Untranslatable.
    """
    tree, mode = _read(pattern, flags, only_ascii, plain)
    return _fold(_sequence(tree, mode)) if mode.fold else _sequence(tree, mode)


def unfinished(
    pattern: str, flags: int = 0, *, only_ascii: bool = False, plain: bool = False
) -> str:
    """An RE2 expression for every non-empty beginning of a match; see `loosen`.

    An expression that can match nothing but the empty string gives one that never matches.
    """
    tree, mode = _read(pattern, flags, only_ascii, plain)
    own = _beginnings(tree, mode) or r"[^\x00-\x{10ffff}]"
    return _fold(own) if mode.fold else own


def width(pattern: str, flags: int = 0) -> tuple[int, int]:
    """The least and the greatest length of a match in characters. Raises Untranslatable."""
    tree, _ = _read(pattern, flags, False, False)
    low, high = tree.getwidth()
    return int(low), int(high)


def _read(pattern: str, flags: int, only_ascii: bool, plain: bool) -> tuple[Any, _Mode]:
    pattern, flags = _hoist(pattern, flags)
    try:
        tree = _parser.parse(pattern, flags & (re.I | re.M | re.S | re.X | re.A))
    except (re.error, RecursionError, OverflowError) as problem:
        raise Untranslatable(str(problem)) from problem
    groups: dict[int, Any] = {}
    mode = _Mode(tree.state.flags, only_ascii, plain, groups)
    _collect(tree, mode.flags, groups)
    return tree, mode


def _hoist(pattern: str, flags: int) -> tuple[str, int]:
    """Flags set in the middle, as `regex` allows them: there they hold for all of a pattern."""
    for letters in _INLINE.findall(pattern):
        for letter in letters:
            flags |= _LETTERS[letter]
    return _INLINE.sub("", pattern), flags


def _collect(tree: Any, flags: int, groups: dict[int, Any]) -> None:
    """Remember every group's tree, for back-references."""
    for op, value in tree:
        if op is _c.SUBPATTERN:
            group, add, remove, inner = value
            inner_flags = (flags | add) & ~remove
            if group is not None:
                groups[group] = (inner, inner_flags)
            _collect(inner, inner_flags, groups)
        elif op is _c.BRANCH:
            for branch in value[1]:
                _collect(branch, flags, groups)
        elif op in (_c.MAX_REPEAT, _c.MIN_REPEAT, _c.POSSESSIVE_REPEAT):
            _collect(value[2], flags, groups)
        elif op is _c.ATOMIC_GROUP:
            _collect(value, flags, groups)
        elif op in (_c.ASSERT, _c.ASSERT_NOT):
            _collect(value[1], flags, groups)


# --- the coarser form ------------------------------------------------------------------------


def _sequence(tree: Sequence[Node], mode: _Mode) -> str:
    nodes = list(tree)
    parts = [_one(nodes, i, mode) for i in range(len(nodes))]
    return "".join(parts)


def _one(nodes: list[Node], i: int, mode: _Mode) -> str:
    """The coarser form of the i-th node; its neighbours decide what a `\\b` may become."""
    op, value = nodes[i]
    if op is _c.AT:
        return _anchor(nodes, i, mode)
    if op in (_c.ASSERT, _c.ASSERT_NOT):
        return ""
    if op in (_c.MAX_REPEAT, _c.MIN_REPEAT, _c.POSSESSIVE_REPEAT):
        return _repeat(value, mode)
    if op is _c.SUBPATTERN:
        inner_mode = _with(mode, value[1], value[2])
        return _switched(f"(?:{_sequence(value[3], inner_mode)})", mode, inner_mode)
    if op is _c.BRANCH:
        return "(?:" + "|".join(_sequence(branch, mode) for branch in value[1]) + ")"
    if op is _c.ATOMIC_GROUP:
        return f"(?:{_sequence(value, mode)})"
    if op is _c.GROUPREF:
        inner, flags = mode.groups[value]
        inner_mode = replace(mode, flags=flags | mode.flags & re.I)
        return _switched(f"(?:{_sequence(inner, inner_mode)})", mode, inner_mode)
    if op is _c.GROUPREF_EXISTS:
        _, yes, no = value
        return f"(?:{_sequence(yes, mode)}|{_sequence(no, mode) if no else ''})"
    return _character(op, value, mode)


def _with(mode: _Mode, add: int, remove: int) -> _Mode:
    return replace(mode, flags=(mode.flags | add) & ~remove)


def _repeat(value: Any, mode: _Mode) -> str:
    low, high, inner = value
    return f"(?:{_sequence(inner, mode)}){_count(low, high, inner, mode)}"


def _count(low: int, high: Any, inner: Any, mode: _Mode) -> str:
    """`{low,high}` as far as it can be kept."""
    cap = 1 if mode.plain else max(1, min(MAX_KEPT, MAX_NODES // max(1, _nodes(inner))))
    low = min(low, cap)
    if high is _c.MAXREPEAT or high > cap:
        return {0: "*", 1: "+"}.get(low, f"{{{low},}}")
    if low == high:
        return f"{{{low}}}" if low != 1 else ""
    return "?" if (low, high) == (0, 1) else f"{{{low},{high}}}"


def _nodes(tree: Any) -> int:
    """About how many characters RE2 would copy for this tree."""
    total = 0
    for op, value in tree:
        if op is _c.BRANCH:
            total += sum(_nodes(branch) for branch in value[1])
        elif op is _c.SUBPATTERN:
            total += _nodes(value[3])
        elif op in (_c.MAX_REPEAT, _c.MIN_REPEAT, _c.POSSESSIVE_REPEAT):
            times = min(value[1], MAX_KEPT) if value[1] is not _c.MAXREPEAT else value[0] + 1
            total += _nodes(value[2]) * max(1, int(times))
        elif op is _c.ATOMIC_GROUP:
            total += _nodes(value)
        else:
            total += 1
    return total


def _anchor(nodes: list[Node], i: int, mode: _Mode) -> str:
    kind = nodes[i][1]
    if kind is _c.AT_BEGINNING:
        return "(?m:^)" if mode.flags & re.MULTILINE else r"\A"
    if kind is _c.AT_BEGINNING_STRING:
        return r"\A"
    if kind is _c.AT_END:
        return "(?m:$)"
    if kind is _c.AT_END_STRING:
        return r"\z"
    if mode.only_ascii:
        return r"\b" if kind is _c.AT_BOUNDARY else r"\B"
    if kind is _c.AT_BOUNDARY and (
        _ascii_word(nodes[i + 1 : i + 2], mode, 0) or _ascii_word(nodes[i - 1 : i], mode, -1)
    ):
        # With an ASCII word character on one side, the other is no word character for Python
        # only if it is none for RE2 either.
        return r"\b"
    return ""


def _ascii_word(nodes: Sequence[Node], mode: _Mode, end: int) -> bool:
    """Whether these nodes surely have an ASCII word character at that end (0 first, -1 last)."""
    if not nodes:
        return False
    op, value = nodes[end]
    if op is _c.LITERAL:
        return _ascii_range(value, value, mode)
    if op is _c.IN:
        return all(
            (kind is _c.LITERAL and _ascii_range(item, item, mode))
            or (kind is _c.RANGE and _ascii_range(item[0], item[1], mode))
            for kind, item in value
        )
    if op is _c.SUBPATTERN:
        return _ascii_word(value[3], _with(mode, value[1], value[2]), end)
    if op is _c.BRANCH:
        return all(_ascii_word(branch, mode, end) for branch in value[1])
    if op in (_c.MAX_REPEAT, _c.MIN_REPEAT):
        return value[0] > 0 and _ascii_word(value[2], mode, end)
    return False


def _ascii_range(low: int, high: int, mode: _Mode) -> bool:
    chars = [chr(code) for code in range(low, min(high, 127) + 1)]
    if high > 127 or not all(char.isalnum() or char == "_" for char in chars):
        return False
    # Where case is ignored, i, k and s have partners outside ASCII.
    return not (mode.fold and any(char in "iIkKsS" for char in chars))


def _character(op: Any, value: Any, mode: _Mode) -> str:
    if op is _c.LITERAL:
        if not mode.fold:
            return charclass.escape(value)
        if value < 128 and (mode.only_ascii or value not in charclass.DOTTED):
            return charclass.escape(value)  # RE2 folds these by itself
        inside = "".join(charclass.escape(code) for code in sorted(charclass.variants(value)))
        return f"[{inside}]"
    if op is _c.NOT_LITERAL:
        return _exactly(f"[^{charclass.escape(value)}]", mode)
    if op is _c.ANY:
        return ANYTHING if mode.flags & re.DOTALL else r"[^\n]"
    if op is _c.IN:
        return _set(value, mode)
    return ANYTHING


def _set(items: Sequence[Node], mode: _Mode) -> str:
    negated = bool(items) and items[0][0] is _c.NEGATE
    inside: list[str] = []
    for op, value in items[1:] if negated else items:
        if op is _c.LITERAL:
            codes = charclass.variants(value) if mode.fold and not negated else {value}
            inside += [charclass.escape(code) for code in sorted(codes)]
        elif op is _c.RANGE:
            low, high = value
            inside.append(f"{charclass.escape(low)}-{charclass.escape(high)}")
            if mode.fold and not negated and any(low <= code <= high for code in charclass.DOTTED):
                inside += [charclass.escape(code) for code in charclass.DOTTED]
        else:
            inside.append(_category(value, mode, negated))
    if negated:
        return _exactly(f"[^{''.join(inside)}]", mode)
    return f"[{''.join(inside)}]"


def _fold(expression: str) -> str:
    """The expression whatever the case. Negated classes inside are taken out of it."""
    return f"(?i:{expression})"


def _exactly(negated: str, mode: _Mode) -> str:
    """A negated class as it stands: folding would take more out of what it matches."""
    return f"(?-i:{negated})" if mode.fold else negated


def _switched(expression: str, outer: _Mode, inner: _Mode) -> str:
    """What is read with `inner`, inside of what is read with `outer`."""
    if outer.fold == inner.fold:
        return expression
    return _fold(expression) if inner.fold else f"(?-i:{expression})"


def _category(category: Any, mode: _Mode, negated: bool) -> str:
    """The class pieces for \\d and its kin: never too few, and never too many where negated."""
    sharp = mode.only_ascii or bool(mode.flags & re.ASCII)
    name = {
        _c.CATEGORY_DIGIT: "DIGIT",
        _c.CATEGORY_WORD: "WORD",
        _c.CATEGORY_SPACE: "SPACE",
        _c.CATEGORY_NOT_DIGIT: "NOT_DIGIT",
        _c.CATEGORY_NOT_WORD: "NOT_WORD",
        _c.CATEGORY_NOT_SPACE: "NOT_SPACE",
    }[category]
    if negated:
        suffix = "NARROW"
    else:
        suffix = "ASCII" if sharp and not name.startswith("NOT") else "WIDE"
    return str(getattr(charclass, f"{name}_{suffix}"))


# --- the beginnings --------------------------------------------------------------------------


def _beginnings(tree: Sequence[Node], mode: _Mode) -> str | None:
    """Every non-empty beginning of the sequence; None where it matches only the empty string."""
    nodes = list(tree)
    rest: str | None = None
    after = ""  # the coarser form of what follows, for a look-ahead without a bound
    for i in range(len(nodes) - 1, -1, -1):
        op, value = nodes[i]
        ways: list[str] = []
        if op in (_c.ASSERT, _c.ASSERT_NOT):
            direction, inner = value
            if direction > 0:
                ways += _open_lookahead(inner, after, mode)
            whole = ""
        else:
            whole = _one(nodes, i, mode)
            own = _node_beginnings(op, value, mode)
            if own is not None:
                ways.append(own)
        if rest is not None:
            ways.append(whole + rest)
        after = whole + after
        rest = "(?:" + "|".join(ways) + ")" if ways else None
    return rest


def _open_lookahead(inner: Any, after: str, mode: _Mode) -> list[str]:
    if not mode.plain and int(inner.getwidth()[1]) <= MAX_LOOKAHEAD:
        own = _beginnings(inner, mode)
        return [own] if own else []
    return [f"(?:{after}){ANYTHING}*"] if after else [f"{ANYTHING}+"]


def _node_beginnings(op: Any, value: Any, mode: _Mode) -> str | None:
    if op is _c.AT:
        return None
    if op in (_c.MAX_REPEAT, _c.MIN_REPEAT, _c.POSSESSIVE_REPEAT):
        return _repeat_beginnings(value, mode)
    if op is _c.SUBPATTERN:
        inner_mode = _with(mode, value[1], value[2])
        own = _beginnings(value[3], inner_mode)
        return own and _switched(own, mode, inner_mode)
    if op is _c.BRANCH:
        return _either([_beginnings(branch, mode) for branch in value[1]])
    if op is _c.ATOMIC_GROUP:
        return _beginnings(value, mode)
    if op is _c.GROUPREF:
        inner, flags = mode.groups[value]
        inner_mode = replace(mode, flags=flags | mode.flags & re.I)
        own = _beginnings(inner, inner_mode)
        return own and _switched(own, mode, inner_mode)
    if op is _c.GROUPREF_EXISTS:
        _, yes, no = value
        return _either([_beginnings(yes, mode), _beginnings(no, mode) if no else None])
    return _character(op, value, mode)


def _repeat_beginnings(value: Any, mode: _Mode) -> str | None:
    _, high, inner = value
    own = _beginnings(inner, mode)
    if own is None or high == 0:
        return None
    fewer = high if high is _c.MAXREPEAT else high - 1
    if fewer == 0:
        return own
    return f"(?:{_sequence(inner, mode)}){_count(0, fewer, inner, mode)}{own}"


def _either(ways: Sequence[str | None]) -> str | None:
    kept = [way for way in ways if way is not None]
    return "(?:" + "|".join(kept) + ")" if kept else None
