"""What Python's \\d \\w \\s may match, written as the inside of an RE2 character class.

Two engines of Python matter: `re`, and `regex`, which Presidio uses. They carry other Unicode
versions than RE2 does, so its own classes are not good enough where nothing may be missed.
Every WIDE class holds what either engine takes, and some unassigned code points besides; every
NARROW class holds only what both take. A test goes through all code points.
"""

from __future__ import annotations

import functools

DIGIT_ASCII = "0-9"
WORD_ASCII = "0-9A-Za-z_"
SPACE_ASCII = r"\t-\r\x1c- "

DIGIT_WIDE = r"\p{Nd}\x{10d40}-\x{1ffff}"
WORD_WIDE = (
    WORD_ASCII
    # Ranges rather than \p{L} and its kin: a tenth of the program. The gaps are the blocks of
    # punctuation, arrows, mathematics, drawing and emoji that chat texts are full of.
    + r"\x{aa}\x{b2}\x{b3}\x{b5}\x{b9}\x{ba}\x{bc}-\x{be}\x{c0}-\x{1fff}\x{200c}\x{200d}"
    + r"\x{203f}\x{2040}\x{2054}\x{2070}-\x{209f}\x{20d0}-\x{2121}"
    + r"\x{2123}-\x{218f}\x{2460}-\x{249b}"
    + r"\x{24b6}-\x{24ff}\x{2776}-\x{2793}\x{2c00}-\x{2dff}\x{2e2f}\x{3005}-\x{3007}"
    + r"\x{3021}-\x{302f}\x{3031}-\x{fdff}\x{fe00}-\x{fe0f}\x{fe20}-\x{fe2f}\x{fe33}\x{fe34}"
    + r"\x{fe4d}-\x{fe4f}\x{fe70}-\x{feff}\x{ff10}-\x{ff19}\x{ff21}-\x{ff3a}\x{ff3f}"
    + r"\x{ff41}-\x{ff5a}\x{ff66}-\x{ffdf}\x{10000}-\x{1efff}\x{1f100}-\x{1f18f}"
    + r"\x{1fbf0}-\x{1fbf9}\x{20000}-\x{e01ef}"
)
SPACE_WIDE = SPACE_ASCII + r"\x{85}\p{Z}"

DIGIT_NARROW = DIGIT_ASCII
WORD_NARROW = WORD_ASCII
SPACE_NARROW = r"\t-\r "

# Everything but the narrow class (a superset of \D \W \S), and ASCII without it (a subset).
NOT_DIGIT_WIDE = r"\x00-/:-\x{10ffff}"
NOT_WORD_WIDE = r"\x00-/:-@\[-^`{-\x{10ffff}"
NOT_SPACE_WIDE = r"\x00-\x08\x0e-\x1f!-\x{10ffff}"
NOT_DIGIT_NARROW = r"\x00-/:-\x7f"
NOT_WORD_NARROW = r"\x00-/:-@\[-^`{-\x7f"
NOT_SPACE_NARROW = r"\x00-\x08\x0e-\x1b!-\x7f"


DOTTED = (0x49, 0x69, 0x130, 0x131)
"""I, i and the two Turkish ones, which Python takes for one letter where case is ignored."""


def escape(code: int) -> str:
    """One code point, safe inside and outside of a class."""
    char = chr(code)
    if char.isascii() and char.isalnum():
        return char
    return f"\\x{{{code:x}}}"


@functools.lru_cache(maxsize=4096)
def variants(code: int) -> frozenset[int]:
    """The code points that may match `code` where case is ignored.

    RE2's own folding adds the Unicode simple case foldings; these are what Python has besides:
    the dotted and dotless i, and letters that only `str.upper` or `str.lower` join.
    """
    char = chr(code)
    found = {code}
    for other in (char.lower(), char.upper(), char.title(), char.casefold()):
        if len(other) == 1:
            found.add(ord(other))
    if 0xDF in found:
        found.add(0x1DF95)  # Unicode 17: newer than RE2's tables
    if not found.isdisjoint(DOTTED):
        found.update(DOTTED)
    return frozenset(found)
