"""One spelling for texts that hide what they say, with a way back to the original.

Case folded, compatibility forms taken apart, accents dropped, invisible characters removed, tag
characters read as the ASCII that they spell, look-alikes written in Latin, every space a space.
ASCII stays as it is, capitals included: the signatures ignore case and take any white space.
"""

# ruff: noqa: RUF001 - confusable characters are what this file is about
from __future__ import annotations

import re
import unicodedata

from gateway.detectors.lookalikes import LOOKALIKES

_NON_ASCII = re.compile(r"[^\x00-\x7f]+")

_SPELLED = {
    **dict.fromkeys("‘’‚‛′ʼ´", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
    "\u2028": "\n",
    "\u2029": "\n",
    "\u0085": "\n",
    "\u2800": " ",
}
# Letters that show nothing though Unicode calls them letters.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u17b4\u17b5")


class Normalised:
    """A normalised text, with a way back. The way is only worked out where it is asked for."""

    __slots__ = ("_places", "original", "text")

    def __init__(self, text: str, original: str) -> None:
        self.text = text
        self.original = original
        self._places: list[int] | None = None

    def back(self, start: int, end: int) -> tuple[int, int]:
        """The span in the original that became `[start, end)` here; not for an empty span."""
        if self.text is self.original:
            return start, end
        places = self._places
        if places is None:
            places = self._places = [
                place
                for place, char in enumerate(self.original)
                for _ in (char if char < "\x80" else _KNOWN[char])
            ]
        return places[start], places[end - 1] + 1


def normalise(text: str) -> Normalised:
    """See the file's docstring. An ASCII text is given back as it is, at no cost."""
    if text.isascii():
        return Normalised(text, text)
    return Normalised(_NON_ASCII.sub(_respell, text), text)


def _respell(match: re.Match[str]) -> str:
    run = match.group()
    if len(run) == 1:
        return _KNOWN[run]
    return "".join([_KNOWN[char] for char in run])


class _Known(dict[str, str]):
    """What each character becomes, usually one character, often none; found out once."""

    def __missing__(self, char: str) -> str:
        if len(self) > 16_384:  # more than any text in use has; stays bounded for a hostile one
            self.clear()
        spelled = self[char] = _spell(char)
        return spelled


_KNOWN = _Known()


def _spell(char: str) -> str:
    special = _SPELLED.get(char)
    if special is not None:
        return special
    code = ord(char)
    if 0xE0020 <= code <= 0xE007E:
        return chr(code - 0xE0000).lower()
    if char in _BLANK:
        return ""
    latin = LOOKALIKES.get(code)
    if latin is not None:
        return latin
    out = []
    for part in unicodedata.normalize("NFKD", char).casefold():
        kind = unicodedata.category(part)
        if kind in ("Mn", "Me", "Cf", "Cn", "Co", "Cs"):
            continue
        if kind == "Zs":
            part = " "
        out.append(LOOKALIKES.get(ord(part), part))
    return "".join(out)
