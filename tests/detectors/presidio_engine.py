"""Presidio's AnalyzerEngine over the recognizers that we use, to compare with."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, predefined_recognizers
from presidio_analyzer.nlp_engine import NlpArtifacts, NoOpNlpEngine

from gateway.detectors.presidio_entities import ENTITIES

DATA = Path(os.environ.get("PORTCULLIS_TEST_DATA", "../shared/data")) / "dev"

Span = tuple[str, int, int, float]


class BlankTokenizer(NoOpNlpEngine):  # type: ignore[misc]
    """Words as spaCy's English tokenizer cuts them; a word's lemma is the word itself."""

    def __init__(self) -> None:
        super().__init__([{"lang_code": "en", "model_name": ""}])
        self.words = spacy.blank("en")

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        doc = self.words(text)
        places, lemmas = [token.idx for token in doc], [token.text for token in doc]
        return NlpArtifacts([], doc, places, lemmas, self, language)

    def is_stopword(self, word: str, language: str) -> bool:
        return bool(self.words.vocab[word].is_stop)

    def is_punct(self, word: str, language: str) -> bool:
        return bool(self.words.vocab[word].is_punct)


class Engine:
    """Finds what AnalyzerEngine finds, of some entities, with or without context words."""

    def __init__(self, entities: list[str], *, context: bool) -> None:
        recognizers = []
        for entity in entities:
            recognizer = getattr(predefined_recognizers, ENTITIES[entity].recognizer)()
            recognizer.supported_language = "en"
            recognizers.append(recognizer)
        registry = RecognizerRegistry(recognizers, supported_languages=["en"])
        nlp: Any = NoOpNlpEngine([{"lang_code": "en", "model_name": ""}])
        if context:
            nlp = BlankTokenizer()
        nlp.load()
        self._engine = AnalyzerEngine(registry, nlp, supported_languages=["en"])

    def find(self, text: str, threshold: float = 0.0) -> set[Span]:
        results = self._engine.analyze(text, "en", score_threshold=threshold)
        return {(r.entity_type, r.start, r.end, round(r.score, 4)) for r in results}


def texts(name: str = "*") -> Iterator[str]:
    """Every text in the shared test data, or in one file of it, once."""
    seen = set()
    for path in sorted(DATA.glob(f"{name}.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                text = json.loads(line).get("text")
                if text and text not in seen:
                    seen.add(text)
                    yield text
