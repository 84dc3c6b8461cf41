"""A likely number of tokens for text, without a tokenizer.

A tokenizer would cost about 80 microseconds for a KB and 140 MB a worker, and only OpenAI's are
public. What a text is made of says nearly as much: letters make few tokens, digits, punctuation and
capitals many, and each script has its own rate. The weights were fitted to OpenAI's o200k
vocabulary; `benchmarks/token_estimate.py` measures the error, docs/prices.md has it.

Rules of this file:
- The cost is bounded: of a long text so many characters are looked at, evenly spread.
- It is an estimate. What must not be exceeded is bounded by `Call.input_bound`.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.dialects.base import Segment

SAMPLE = 4096
"""Characters that are looked at, at most: about 30 microseconds."""

CLAUDE = 1.2
"""Claude's tokens for one of o200k's. Of the recorded answers in plain text and JSON its models
counted 1.13 to 1.3 times as many; Anthropic says of its newer tokenizers that they count up to 1.35
times as many as those before ("What's new" in its docs)."""

# Tokens for a thousand bytes of a kind. Of scripts beyond ASCII a character's first byte counts,
# the bytes that continue it do not.
_KINDS: tuple[tuple[int, Iterable[int]], ...] = (
    (183, range(0x61, 0x7B)),  # a-z
    (177, (0x20,)),
    (768, range(0x30, 0x3A)),  # 0-9
    (245, range(0x41, 0x5B)),  # A-Z
    (558, (0x0A,)),
    (0, range(0x80, 0xC0)),
    (500, range(0xC0, 0xCE)),  # Latin with accents
    (350, (0xCE, 0xCF)),  # Greek
    (260, range(0xD0, 0xD4)),  # Cyrillic
    (400, range(0xD4, 0xD8)),  # Armenian, Hebrew
    (270, range(0xD8, 0xE0)),  # Arabic
    (370, (0xE0,)),  # Indic scripts, Thai
    (600, (0xE1, 0xE2)),  # Georgian, Khmer; dashes, quotes, arrows
    (670, range(0xE3, 0xEA)),  # Chinese, Japanese
    (650, range(0xEA, 0xEF)),  # Korean
    (700, (0xEF,)),  # wide forms
    (1800, range(0xF0, 0x100)),  # pictographs
)
_PUNCTUATION = 519  # every other byte

_TABLE = bytearray([len(_KINDS)] * 256)
for _number, (_, _bytes) in enumerate(_KINDS):
    for _byte in _bytes:
        _TABLE[_byte] = _number
_CLASSES = bytes(_TABLE)
_WEIGHTS = (*(weight for weight, _ in _KINDS), _PUNCTUATION)
_LETTERS = bytes(range(0x61, 0x7B))
_ASCII_KINDS = (1, 2, 3, 4, len(_KINDS))


def likely_tokens(texts: Iterable[str], scale: float = 1.0) -> int:
    """About so many tokens are in all texts together; `scale` is a tokenizer's own."""
    text = "".join(texts)
    if not text:
        return 0
    # An odd stride, so that columns of a table or of code are not met again and again.
    sample = text[:: (len(text) // SAMPLE) | 1] if len(text) > SAMPLE else text
    raw = sample.encode("utf-8", "replace")
    rest = raw.translate(_CLASSES, _LETTERS)
    weight = (len(raw) - len(rest)) * _WEIGHTS[0]
    for kind in _ASCII_KINDS if sample.isascii() else range(1, len(_WEIGHTS)):
        weight += rest.count(kind) * _WEIGHTS[kind]
    return max(1, round(weight * scale * len(text) / (len(sample) * 1000)))


def likely_in(segments: Iterable[Segment], scale: float = 1.0) -> int:
    """The same, of all that a call says."""
    return likely_tokens([segment.text for segment in segments], scale)
