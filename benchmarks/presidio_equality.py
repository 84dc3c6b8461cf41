"""Do we find what Presidio's AnalyzerEngine finds? On every text in the shared test data.

    python -m benchmarks.presidio_equality [--context] [--default] [--some N]

Without `--context` all entities and no threshold, against a no-op NLP engine: every finding and
its score. With it, context words against the blank tokenizer of spaCy. `--default` takes only the
entities that a `pii` rule has by itself. The last line counts the texts that differ; the lines
before it say how.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter

from presidio_analyzer import EntityRecognizer, RecognizerResult

from gateway.detectors.presidio import DEFAULT_THRESHOLD, PresidioScanner
from gateway.detectors.presidio_entities import ENTITIES
from gateway.policy.kinds.pii import DEFAULT_ENTITIES
from tests.detectors.presidio_engine import Engine, Span, texts


def main() -> int:
    """Exit 0 where nothing differs, 1 where something does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--context", action="store_true")
    parser.add_argument("--default", action="store_true", help="only a pii rule's own entities")
    parser.add_argument("--some", type=int, default=0, metavar="N", help="only N texts, seeded")
    args = parser.parse_args()
    chosen = list(texts())
    if args.some:
        chosen = random.Random(1).sample(chosen, min(args.some, len(chosen)))
    names = sorted(DEFAULT_ENTITIES if args.default else ENTITIES)
    threshold = DEFAULT_THRESHOLD if args.context else 0.0
    engine = Engine(names, context=args.context)
    scanner = PresidioScanner(names, threshold, context=args.context)
    spent = [0.0, 0.0]
    wrong = 0
    kinds: Counter[str] = Counter()
    for text in chosen:
        begun = time.perf_counter()
        theirs = engine.find(text, threshold)
        between = time.perf_counter()
        ours = found(scanner, text)
        spent[0] += between - begun
        spent[1] += time.perf_counter() - between
        if ours != theirs:
            wrong += 1
            kinds.update(differences(ours, theirs))
    for kind, count in kinds.most_common():
        print(f"{kind}: {count}")
    size = sum(map(len, chosen)) / 1e6
    print(f"AnalyzerEngine {spent[0]:.1f} s, ours {spent[1]:.1f} s; {size:.2f} million characters")
    print(f"{wrong} of {len(chosen)} texts differ")
    return int(bool(wrong))


def found(scanner: PresidioScanner, text: str) -> set[Span]:
    """Our findings before those that overlap become one, without Presidio's own duplicates."""
    overlapping = scanner.overlapping(text)
    results = [RecognizerResult(f.entity, f.start, f.end, f.score) for f in overlapping]
    kept = EntityRecognizer.remove_duplicates(results)
    return {(r.entity_type, r.start, r.end, round(r.score, 4)) for r in kept}


def differences(ours: set[Span], theirs: set[Span]) -> list[str]:
    """In words: a score that differs, a finding that only one of both has."""
    here, there = ({span[:3] for span in each} for each in (ours, theirs))
    scored = here & there & {span[:3] for span in ours ^ theirs}
    return [
        *(f"{span[0]}: another score" for span in scored),
        *(f"{span[0]}: only ours" for span in here - there),
        *(f"{span[0]}: only theirs" for span in there - here),
    ]


if __name__ == "__main__":
    sys.exit(main())
