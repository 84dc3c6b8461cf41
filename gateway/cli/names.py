"""Names and places for a command: the model is loaded into this very process, and waited for."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.verdict import Finding

if TYPE_CHECKING:
    from gateway.config.ner import Ner
    from gateway.detectors.names_process import Engine


def read_names(ner: Ner, text: str) -> Sequence[Finding]:
    """What a model finds in a text. Raises OSError or ImportError where it cannot be loaded."""
    from gateway.detectors.names import order, pieces
    from gateway.detectors.overlaps import united

    engine = _engine(json.dumps(order(ner)))
    places = list(pieces(text, ner.max_chars))
    found = engine([text[start:end] for start, end in places])
    return united(
        [
            Finding(entity, first + start, last + start, score)
            for (start, _), those in zip(places, found, strict=True)
            for entity, first, last, score in those
        ]
    )


@functools.cache
def _engine(written: str) -> Engine:
    from gateway.detectors.names_process import cut_off, open_engine

    cut_off()
    return open_engine(json.loads(written))
