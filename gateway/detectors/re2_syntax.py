"""RE2's syntax read with Python's: for what is derived from an expression (regex_tree).

Only what RE2 accepts is ever given. Where the two differ is taken from RE2's list at
https://github.com/google/re2/wiki/Syntax and from the documentation of `re`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_ESCAPE = r"\\[pP](?:\{[^}]*\}|.)|\\x\{[^}]*\}|\\."
_TOKEN = re.compile(
    r"(?P<quote>\\Q.*?(?:\\E|\Z))"
    rf"|(?P<escape>{_ESCAPE})"
    rf"|(?P<set>\[\^?\]?(?:\[:\^?\w+:\]|{_ESCAPE}|[^\]\\])*\])"
    r"|(?P<group>\(\?P?<\w+>)"
    r"|(?P<other>.)",
    re.DOTALL,
)
_IN_SET = re.compile(rf"\[:(?P<posix>\^?\w+):\]|(?P<escape>{_ESCAPE})|(?P<other>.)", re.DOTALL)

_SPACE = r"\t\n\f\r "  # RE2's \s has no vertical tab
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t-\r ",
    "upper": "A-Z",
    "word": r"\w",
    "xdigit": "0-9A-Fa-f",
}
_ANYTHING = r"[\s\S]"


class _Unknown(Exception):
    """Something that has no form in Python."""


def as_python(expression: str) -> str | None:
    """An expression for `re`, with re.ASCII, that matches at least what RE2's matches.

    None where there is none. Flags in the middle stay there: regex_tree reads them.
    """
    try:
        return "".join(_python(expression))
    except _Unknown:
        return None


def without_names(expression: str) -> str:
    """The same RE2 expression with its groups unnamed, so that it can be joined with others."""
    return "".join(
        "(" if token.lastgroup == "group" else token.group()
        for token in _TOKEN.finditer(expression)
    )


def _python(expression: str) -> Iterator[str]:
    if "{," in expression:  # there `{,5}` are four characters, here it is a count
        raise _Unknown
    for token in _TOKEN.finditer(expression):
        text = token.group()
        if token.lastgroup == "quote":
            yield re.escape(text.removeprefix(r"\Q").removesuffix(r"\E"))
        elif token.lastgroup == "escape":
            yield _escape(text)
        elif token.lastgroup == "set":
            yield _set(text)
        elif token.lastgroup == "group":
            yield "("
        else:
            yield text


def _escape(text: str) -> str:
    kind = text[1]
    if kind in "pP":
        return _ANYTHING
    if kind in "sS":
        return f"[{'^' if kind == 'S' else ''}{_SPACE}]"
    if kind == "z":
        return r"\Z"
    if kind == "C" or kind in "123456789":  # one byte; octal, or a reference there
        raise _Unknown
    return _code(text)


def _code(text: str) -> str:
    """`\\x{1f600}`, or any escape that both have."""
    return re.escape(chr(int(text[3:-1], 16))) if text.startswith(r"\x{") else text


def _set(text: str) -> str:
    head = 2 if text.startswith("[^") else 1
    if text[head] == "]":
        head += 1
    inside = []
    for token in _IN_SET.finditer(text, head, len(text) - 1):
        piece = token.group()
        if token.lastgroup == "posix":
            if token["posix"] not in _POSIX:
                raise _Unknown
            inside.append(_POSIX[token["posix"]])
        elif token.lastgroup == "escape":
            inside.append(_escape_in_set(piece))
        else:
            inside.append(f"\\{piece}" if piece in "[&~|" else piece)
    return f"{text[:head]}{''.join(inside)}]"


def _escape_in_set(text: str) -> str:
    if text[1] == "s":
        return _SPACE
    if text[1] in "pPSQ123456789":
        raise _Unknown
    return _code(text)
