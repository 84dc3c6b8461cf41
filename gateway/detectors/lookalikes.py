"""Letters of other scripts that look like Latin ones: our own table, for normalising only.

NFKD already maps full-width, mathematical, circled and superscript letters, so they are not
here. What is here was picked by eye from the Cyrillic, Greek, Armenian, Cherokee, Lisu and
phonetic blocks: letters that a reader, and a model, takes for the Latin one.
"""

# ruff: noqa: RUF001 - confusable characters are what this file is about
from __future__ import annotations

_PAIRS = {
    "a": "аαɑ∀ᴀꓮᎪα",
    "b": "ЬʙᏴꓐβЪƀɓв",
    "c": "сϲᴄⅽꓚᏟƈ¢",
    "d": "ԁᴅꓓᎠɗđժ",
    "e": "еєεҽᴇꓰᎬ℮ɛǝ",
    "f": "ғꜰꓝϝƒք",
    "g": "ɡɢԍꓖᏀցɠ",
    "h": "һнʜꓧᎻհɦħ",
    "i": "іιıɪꓲᎥⅰӏ∣¡ɨ",
    "j": "јϳᴊꓙᎫյʝ",
    "k": "кκᴋꓗᏦƙ",
    "l": "ⅼʟꓡᏞլłɭ׀",
    "m": "мᴍꓟᎷɱⅿ",
    "n": "пηɴꓠոռɲŋ",
    "o": "оοσᴏꓳօᴑ૦ഠøɵ০",
    "p": "рρᴘꓑᏢƥþ",
    "q": "ԛզգɋ",
    "r": "гʀꓣᏒɾɽя",
    "s": "ѕꜱꓢᏚʂտ$",
    "t": "тτᴛꓔᎢƭŧ",
    "u": "υᴜꓴսʋμц",
    "v": "ѵνᴠꓦᏙⅴ∨",
    "w": "ѡωᴡꓪᎳԝɯա",
    "x": "хχⅹꓫ×ҳ",
    "y": "уγʏꓬүყƴ",
    "z": "ᴢꓜᏃʐƶ",
}

LOOKALIKES: dict[int, str] = {
    ord(char): latin for latin, chars in _PAIRS.items() for char in chars if char != latin
}
"""Code point -> the Latin small letter that it looks like (after case folding)."""

# Squared and regional letters, which carry no decomposition.
for _first in (0x1F170, 0x1F1E6, 0x1F150):  # negative squared, regional indicator, negative circled
    LOOKALIKES.update({_first + n: chr(ord("a") + n) for n in range(26)})
del LOOKALIKES[ord("$")]  # ASCII stays what it is
