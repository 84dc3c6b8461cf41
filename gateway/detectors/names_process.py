"""The process that holds a model of names: texts in on stdin, findings out on stdout, a line each.

The first line says which model (`detectors/names.py`, `order`); the answer is `{"ready": true}` or
`{"error": ...}`. Each further line is `{"texts": [...]}`, answered by
`{"found": [[[entity, start, end, score], ...], ...]}`, in code points.

Rules of this file:
- It has no network: a model that is not here is an error, never a download.
- Nothing but answers is written to stdout, whatever a library prints.
- It ends when its stdin does, in the middle of a text if need be.
"""

from __future__ import annotations

import json
import os
import queue
import re
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

Found = list[list[Any]]
Engine = Callable[[Sequence[str]], Iterator[Found]]

_SURROGATE = re.compile("[\ud800-\udfff]")


def main() -> None:
    """Read, answer, until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="ascii", buffering=1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    cut_off()
    lines: queue.Queue[str] = queue.Queue(maxsize=4)
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    try:
        engine = open_engine(json.loads(lines.get()))
    except Exception as error:  # noqa: BLE001  whatever a library raises: the gateway tells it
        answers.write(json.dumps({"error": f"{type(error).__name__}: {error}"}) + "\n")
        return
    answers.write('{"ready": true}\n')
    while True:
        texts = json.loads(lines.get())["texts"]
        found = list(engine([_SURROGATE.sub("\ufffd", text) for text in texts]))
        answers.write(json.dumps({"found": found}) + "\n")


def _listen(lines: queue.Queue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


def cut_off() -> None:
    """Take the network from this process."""

    def refuse(*_: Any) -> Any:
        raise OSError("this process has no network")

    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, refuse)


def open_engine(order: dict[str, Any]) -> Engine:
    """Load a model. Raises whatever the library does that holds it, and FileNotFoundError."""
    model, language = order["model"], order["language"]
    if Path(model).is_absolute() and not Path(model).exists():
        raise FileNotFoundError(f"{model} is not there")
    wanted, labels = frozenset(order["entities"]), order["labels"]
    if order["engine"] in ("huggingface", "onnx"):
        return _pipeline(order["engine"], model, wanted, labels)
    return _presidio(order["engine"], model, language, wanted, labels)


def _presidio(
    name: str, model: str, language: str, wanted: frozenset[str], labels: dict[str, str]
) -> Engine:
    """One of Presidio's NLP engines."""
    from presidio_analyzer import nlp_engine

    configuration = nlp_engine.NerModelConfiguration(
        model_to_presidio_entity_mapping=labels, labels_to_ignore=[]
    )
    made: Any
    if name == "spacy":
        import spacy

        if not Path(model).is_absolute() and not spacy.util.is_package(model):
            raise FileNotFoundError(f"{model} is not an installed package")
        models = [{"lang_code": language, "model_name": model}]
        made = nlp_engine.SpacyNlpEngine(models, configuration)
    elif name == "stanza":  # the folder is STANZA_RESOURCES_DIR
        models = [{"lang_code": language, "model_name": language}]
        made = nlp_engine.StanzaNlpEngine(models, configuration, download_if_missing=False)
    else:  # beside the model it needs a tokenizer of that language, and nothing else
        with tempfile.TemporaryDirectory(prefix="portcullis-tokenizer-") as folder:
            import spacy

            spacy.blank(language).to_disk(folder)
            both = {"spacy": folder, "transformers": model}
            made = nlp_engine.TransformersNlpEngine(
                [{"lang_code": language, "model_name": both}], configuration
            )
            made.load()
    if not made.is_loaded():
        made.load()

    def read(texts: Sequence[str]) -> Iterator[Found]:
        for _, seen in made.process_batch(list(texts), language, batch_size=len(texts)):
            yield [
                [span.label_, span.start_char, span.end_char, float(score)]
                for span, score in zip(seen.entities, seen.scores, strict=True)
                if span.label_ in wanted
            ]

    return read


def _pipeline(name: str, model: str, wanted: frozenset[str], labels: dict[str, str]) -> Engine:
    """A token classifier of Hugging Face's, as it is or exported to ONNX."""
    import transformers  # type: ignore[import-not-found, unused-ignore]

    tokenizer = transformers.AutoTokenizer.from_pretrained(model, local_files_only=True)
    if name == "onnx":
        from optimum import onnxruntime  # type: ignore[import-not-found, unused-ignore]

        kind = onnxruntime.ORTModelForTokenClassification
    else:
        kind = transformers.AutoModelForTokenClassification
    classify = transformers.pipeline(
        "token-classification",
        model=kind.from_pretrained(model, local_files_only=True),
        tokenizer=tokenizer,
        aggregation_strategy="simple",
        stride=16,  # a text longer than the model's window is read in pieces that overlap
    )

    def read(texts: Sequence[str]) -> Iterator[Found]:
        for seen in classify(list(texts)):
            named = ((labels.get(each["entity_group"], ""), each) for each in seen)
            yield [
                [entity, int(each["start"]), int(each["end"]), float(each["score"])]
                for entity, each in named
                if entity in wanted
            ]

    return read


if __name__ == "__main__":
    main()
