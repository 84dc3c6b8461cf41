"""A model in a process of its own: asked in batches, in time, and started again when it dies."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import spacy

from gateway.config.ner import Ner
from gateway.detectors import names
from gateway.detectors.names import Names, NamesBusy, NamesDown, NamesLate, NamesReader, pieces
from gateway.verdict import Finding

PEOPLE = [
    {"label": "PERSON", "pattern": "Ada Lovelace"},
    {"label": "GPE", "pattern": "London"},
    {"label": "ORG", "pattern": "Acme"},
]
MISBEHAVING = """
import os, time
from spacy.language import Language

@Language.component("misbehave")
def misbehave(doc):
    if "sleep" in doc.text:
        time.sleep(60)
    if "crash" in doc.text:
        os._exit(3)
    return doc
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spaCy model that knows three names by heart."""
    folder = tmp_path_factory.mktemp("model") / "people"
    made = spacy.blank("en")
    made.add_pipe("entity_ruler").add_patterns(PEOPLE)
    made.to_disk(folder)
    return folder


@pytest.fixture(scope="module")
def misbehaving(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a package that sleeps and crashes where a text says so."""
    root = tmp_path_factory.mktemp("package")
    package = root / "people_who_sleep"
    package.mkdir()
    (package / "__init__.py").write_text(
        MISBEHAVING
        + f"""
import spacy
def load(**keys):
    made = spacy.load({str(model)!r})
    made.add_pipe("misbehave")
    return made
"""
    )
    info = root / "people_who_sleep-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: people_who_sleep\nVersion: 1\n")
    return root


def ner(model: Path | str, **keys: object) -> Ner:
    return Ner.model_validate({"engine": "spacy", "model": str(model), "timeout": "30s", **keys})


def run(settings: Ner, test: Callable[[NamesReader], Awaitable[None]]) -> None:
    async def whole() -> None:
        reader = Names().reader(settings)
        try:
            await test(reader)
        finally:
            reader._process.close()
            await asyncio.sleep(0.05)  # for the transport, which is told of the end

    asyncio.run(whole())


def test_names_and_places_are_found_where_they_stand(model: Path) -> None:
    async def test(reader: NamesReader) -> None:
        text = "\U0001f600 Ada Lovelace of Acme\ud800 lives in London"
        assert await reader.read([text, "", "nobody"]) == [
            (
                Finding("PERSON", 2, 14, 0.85),
                Finding("LOCATION", text.index("London"), len(text), 0.85),
            ),
            (),
            (),
        ]

    run(ner(model), test)


def test_many_at_once_are_each_answered_with_their_own(model: Path) -> None:
    async def test(reader: NamesReader) -> None:
        texts = [f"{'x' * n} London" for n in range(50)]
        answers = await asyncio.gather(*(reader.read([text]) for text in texts))
        assert [one[0].start for (one,) in answers] == [n + 1 for n in range(50)]  # type: ignore[union-attr]

    run(ner(model), test)


def test_a_long_text_is_read_in_pieces_at_spaces(model: Path) -> None:
    async def test(reader: NamesReader) -> None:
        text = "word " * 500 + "Ada Lovelace in London"
        ((*found,),) = await reader.read([text])  # type: ignore[misc]
        assert [text[f.start : f.end] for f in found] == ["Ada Lovelace", "London"]

    run(ner(model, max_chars=200), test)


@pytest.mark.parametrize("text", ["", "a b c", "x" * 1000, "line\nline two\n" * 40])
def test_pieces_are_the_whole_text(text: str) -> None:
    cut = [text[start:end] for start, end in pieces(text, 200)]
    assert "".join(cut) == text
    assert all(0 < len(piece) <= 200 for piece in cut)


def test_a_model_that_sleeps_is_late_and_then_another_process_answers(
    misbehaving: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(misbehaving), prepend=os.pathsep)

    async def test(reader: NamesReader) -> None:
        while isinstance((await reader.read(["London"]))[0], NamesLate):
            pass  # the model is being loaded
        first = reader._process._child
        (answer,) = await reader.read(["sleep in London"])
        assert isinstance(answer, NamesLate)
        while isinstance((answers := await reader.read(["London"]))[0], NamesLate):
            pass
        assert answers == [(Finding("LOCATION", 0, 6, 0.85),)]
        assert reader._process._child is not first

    run(ner("people_who_sleep", timeout="1s"), test)


def test_one_that_crashes_is_an_error_and_started_again(
    misbehaving: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(misbehaving), prepend=os.pathsep)

    async def test(reader: NamesReader) -> None:
        (answer,) = await reader.read(["crash"])
        assert isinstance(answer, NamesDown)
        assert await reader.read(["London"]) == [(Finding("LOCATION", 0, 6, 0.85),)]
        child = reader._process._child
        assert child is not None
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
        await reader.read(["again"])  # may still be told of the death
        assert await reader.read(["London"]) == [(Finding("LOCATION", 0, 6, 0.85),)]

    run(ner("people_who_sleep"), test)


def test_a_model_that_is_not_there_is_an_error_and_never_fetched(tmp_path: Path) -> None:
    async def test(reader: NamesReader) -> None:
        (answer,) = await reader.read(["London"])
        assert isinstance(answer, NamesDown)

    run(ner(tmp_path / "nothing"), test)


def test_what_waits_is_bounded(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST_WAITING", 100)

    async def test(reader: NamesReader) -> None:
        waiting = asyncio.gather(*(reader.read(["x" * 60]) for _ in range(3)))
        answers = [answer for (answer,) in await waiting]
        assert answers[0] == ()
        assert isinstance(answers[2], NamesBusy)

    run(ner(model), test)


def test_readers_of_one_model_share_a_process_that_ends_with_the_last(model: Path) -> None:
    async def test() -> None:
        every = Names()
        reader = every.reader(ner(model))
        assert every.reader(ner(model)) is reader
        assert every.reader(ner(model, entities=["PERSON"])) is not reader
        await reader.read(["London"])
        process = reader._process
        child = process._child
        assert child is not None
        del reader
        gc.collect()
        assert await asyncio.wait_for(child.wait(), 20) != 0
        assert process._closed

    asyncio.run(test())


def test_the_worker_itself_loads_no_library_of_models(model: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from gateway.config.ner import Ner\n"
        "from gateway.detectors.names import Names\n"
        "import gateway.app\n"
        "async def main():\n"
        f"    ner = Ner(engine='spacy', model={str(model)!r}, timeout='30s')\n"
        "    (found,) = await Names().reader(ner).read(['in London'])\n"
        "    assert found[0].entity == 'LOCATION', found\n"
        "asyncio.run(main())\n"
        "heavy = {'spacy', 'numpy', 'thinc', 'presidio_analyzer', 'torch', 'transformers'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
