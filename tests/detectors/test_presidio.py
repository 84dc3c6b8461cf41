"""Findings are Presidio's own, found faster, offline, and without a model."""

import random
import socket
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from presidio_analyzer import (
    EntityRecognizer,
    PatternRecognizer,
    RecognizerResult,
    predefined_recognizers,
)

from gateway.detectors import presidio
from gateway.detectors.presidio import PresidioScanner, united
from gateway.detectors.presidio_entities import ENTITIES, name_of
from gateway.verdict import Finding
from tests.detectors.presidio_engine import DATA, Engine, texts
from tests.detectors.windows import in_pieces

SAMPLES = [
    "john.doe@example.com", "4111 1111 1111 1111", "536-22-8765", "536228765", "10.1.2.255",
    "DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "00:1A:2B:3C:4D:5E", "2023-11-04",
    "https://www.example.org/a?b=c", "fe80::1ff:fe23:4567:890a", "A12345678", "900-70-1234",
    "16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "401-023-2137",
    "AB 12 34 56 C", "1EG4-TE5-MK73", "RX 1234567", "prior auth: PA-123456", "51 824 753 556",
]  # fmt: skip
TEXTS = st.lists(
    st.one_of(
        st.sampled_from(SAMPLES),
        st.sampled_from([" ", ", ", ".", "\n", "x", "-", "é", "\u0661", "@", " at ", '"']),
        st.text(alphabet="0123456789abcXYZ@.-: é", max_size=6),
    ),
    max_size=8,
).map("".join)

OURS = {
    entity: PresidioScanner([entity], 0.0, context=False)
    for entity in ENTITIES
    if entity not in ("PHONE_NUMBER",)
}
THEIRS = {entity: getattr(predefined_recognizers, ENTITIES[entity].recognizer)() for entity in OURS}


def theirs(entity, text):
    results = EntityRecognizer.remove_duplicates(THEIRS[entity].analyze(text, [entity], None))
    found = [Finding(r.entity_type, r.start, r.end, r.score) for r in results]
    return united(found)


@given(TEXTS)
@settings(max_examples=150, deadline=None)
def test_every_entity_is_found_exactly_as_presidio_finds_it(text):
    for entity, scanner in OURS.items():
        assert tuple(scanner.find(text)) == theirs(entity, text), entity


@given(TEXTS, st.sampled_from(sorted(OURS)))
@settings(max_examples=300, deadline=None)
def test_a_finding_is_held_from_its_start_while_it_grows(text, entity):
    scanner = OURS[entity]
    for finding in scanner.find(text):
        for cut in range(finding.start + 1, finding.end + 1):
            assert scanner.hold(text[:cut]) <= finding.start


MIXED = PresidioScanner(
    ["EMAIL_ADDRESS", "CREDIT_CARD", "US_SSN", "IBAN_CODE", "PHONE_NUMBER", "IP_ADDRESS", "URL"]
)


@given(TEXTS, st.lists(st.integers(0, 120), max_size=8))
@settings(max_examples=300, deadline=None)
def test_a_text_in_pieces_gives_what_the_whole_one_gives(text, cuts):
    assert in_pieces(MIXED, text, cuts) == list(MIXED.find(text))


def test_the_iban_recognizer_can_begin_anywhere():
    text = "XDE89370400440532013000 GB29NWBK60161331926819"
    scanner = OURS["IBAN_CODE"]
    assert [f.start for f in scanner.find(text, 24)] == [24]
    assert [f.start for f in scanner.find(text, 1)] == [24]  # before 1 stands a letter


@pytest.mark.skipif(not DATA.exists(), reason="no shared data here")
def test_all_entities_are_found_as_the_analyzer_engine_finds_them():
    """On a part of the texts at hand; `python -m benchmarks.presidio_equality` takes them all."""
    names = sorted(ENTITIES)
    engine, scanner = Engine(names, context=False), PresidioScanner(names, 0.0, context=False)
    own = list(texts("pii_presidio_recognizer_texts"))
    for text in own + random.Random(3).sample(list(texts()), 150):
        assert spans(scanner.overlapping(text)) == engine.find(text), text


def spans(findings):
    results = [RecognizerResult(f.entity, f.start, f.end, f.score) for f in findings]
    kept = EntityRecognizer.remove_duplicates(results)
    return {(r.entity_type, r.start, r.end, round(r.score, 4)) for r in kept}


def test_the_table_of_entities_is_that_of_the_presidio_installed():
    found = {}
    for name in dir(predefined_recognizers):
        kind = getattr(predefined_recognizers, name)
        module = getattr(kind, "__module__", "")
        if not isinstance(kind, type) or not module.startswith(
            (
                "presidio_analyzer.predefined_recognizers.generic",
                "presidio_analyzer.predefined_recognizers.country_specific",
            )
        ):
            continue
        try:
            recognizer = kind()
        except TypeError:  # an abstract base
            continue
        if not isinstance(recognizer, PatternRecognizer):
            best = recognizer.SCORE
        elif kind.validate_result is not PatternRecognizer.validate_result:
            best = 1.0
        else:
            best = max(pattern.score for pattern in recognizer.patterns)
        for entity in recognizer.supported_entities:
            found[entity] = (name, best)
    assert found == {entity: tuple(known) for entity, known in ENTITIES.items()}


def test_no_socket_is_opened(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a scan opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    presidio._quiet.cache_clear()
    scanner = PresidioScanner(["EMAIL_ADDRESS", "PHONE_NUMBER", "URL"])
    assert [f.entity for f in scanner.find("write to jane@example.co.uk")] == ["EMAIL_ADDRESS"]


def test_presidio_is_not_loaded_before_a_scanner_is_built():
    code = (
        "import gateway.policy.kinds.pii, gateway.detectors.presidio as p;"
        "from gateway.detectors import presidio_loader as l;"
        "assert not l._ours;"
        "p.PresidioScanner(['US_SSN']);"
        "assert l._ours"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_weak_pattern_stays_out_by_default_and_comes_in_when_asked_for():
    text = "order 536228765 shipped"
    assert PresidioScanner(["US_SSN"]).find(text) == ()
    assert [f.score for f in PresidioScanner(["US_SSN"], 0.05).find(text)] == [0.05]


def test_an_entity_that_never_reaches_the_default_is_found_at_its_best():
    assert [f.entity for f in PresidioScanner(["US_PASSPORT"]).find("passport C01234567")] == [
        "US_PASSPORT"
    ]


def test_a_recognizer_of_another_policy_is_left_as_it_is():
    PresidioScanner(["US_SSN"], 0.5)
    patterns = predefined_recognizers.UsSsnRecognizer().patterns
    assert len(patterns) == 5
    PresidioScanner(["US_SSN"], 0.5).find("536-22-8765")
    assert len(predefined_recognizers.UsSsnRecognizer().patterns) == 5


def test_nothing_is_logged_of_a_text(caplog):
    with caplog.at_level("DEBUG"):
        PresidioScanner(["IBAN_CODE", "EMAIL_ADDRESS"], 0.0).find("DE00 SECRET00 0000 a@b.com")
    assert "SECRET" not in caplog.text


def test_versions_differ_where_settings_do():
    versions = {
        PresidioScanner(["US_SSN"]).version,
        PresidioScanner(["US_SSN"], 0.4).version,
        PresidioScanner(["US_SSN", "URL"]).version,
    }
    assert len(versions) == 3


def test_equal_settings_share_a_scanner():
    one = presidio.scanner(frozenset({"US_SSN"}), None, True)
    assert presidio.scanner(frozenset({"US_SSN"}), None, True) is one


def test_overlapping_findings_are_one_and_nothing_stays_uncovered():
    found = united([Finding("A", 0, 10, 0.4), Finding("B", 5, 15, 0.9), Finding("C", 6, 8, 1.0)])
    assert found == (Finding("C", 0, 15, 1.0),)
    apart = (Finding("A", 0, 5, 0.4), Finding("B", 5, 9, 0.9))
    assert united(apart[::-1]) == apart


def test_every_entity_has_a_name_for_people():
    assert name_of("EMAIL_ADDRESS") == "an email address"
    assert name_of("DE_KFZ") == "a DE kfz number"
    assert all(name_of(entity) for entity in ENTITIES)
