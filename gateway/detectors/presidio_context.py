"""Context words: what stands before a weak match makes it a likely one.

Presidio's own way (`LemmaContextAwareEnhancer` with its default settings): of the words before a
match the last five, and the one that it begins in, stop words and punctuation left out. Where a
word of the recognizer's list stands in one of them, the score gains 0.35 and is at least 0.4.
Without a language model a word's lemma is the word itself.

Two things differ. The words are looked for in `REACH` characters before a match, so that a text in
pieces gives what the whole one gives; and words are what `\\w+` matches, where spaCy's tokenizer
splits in another way in some places. docs/kinds/pii.md says how often that matters.
"""

from __future__ import annotations

import functools
import re
import runpy
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from gateway.detectors.matcher import LOOK_BEHIND

GAIN = 0.35
LEAST = 0.4
WORDS = 5
REACH = LOOK_BEHIND

_WORD = re.compile(r"\w+(?:'\w+)?")


@functools.cache
def stop_words() -> frozenset[str]:
    """spaCy's English stop words, read without importing spaCy."""
    spec = find_spec("spacy")
    if spec is None or spec.origin is None:
        return frozenset()
    file = Path(spec.origin).parent / "lang" / "en" / "stop_words.py"
    return frozenset(runpy.run_path(str(file))["STOP_WORDS"])


class Context:
    """The context words of one recognizer."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = tuple(dict.fromkeys(word.lower() for word in words))

    def supports(self, text: str, start: int) -> bool:
        """Whether one of the words stands before `start`, or where the match begins."""
        behind = max(0, start - REACH)
        last = _WORD.match(text, start)
        before = text[behind : last.end() if last is not None else start]
        if behind and text[behind - 1].isalnum() and (half := _WORD.match(before)) is not None:
            before = before[half.end() :]
        known = stop_words()
        found = [word for word in _WORD.findall(before.lower()) if word not in known]
        near = found[-(WORDS + 1) :]
        return any(wanted in word for wanted in self._words for word in near)


def with_context(score: float) -> float:
    """The score of a match that its context supports."""
    return min(1.0, max(score + GAIN, LEAST))
