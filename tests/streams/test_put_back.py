"""Stand-ins in every recorded stream are put back, wherever its bytes are cut, and none is left.

First some words of a stream are put away, as if the model had been given their stand-ins and said
those; what comes out is a stream of the same provider, in its own events. It is then sent through a
window that puts back. Signed reasoning is never rewritten, so no word that stands in it is taken.
"""

from __future__ import annotations

import random
import re

import pytest

from gateway.dialects.base import Surface
from gateway.policy.pseudonymize import PuttingBack
from gateway.policy.pseudonyms import Pseudonyms
from gateway.verdict import Action, Finding
from tests.policy.fakes import FakeRule, Words
from tests.streams.test_transcripts import (
    ALL,
    SMALL,
    Said,
    Transcript,
    listen,
    name_of,
    read,
    send,
    strings_of,
)

KEY = b"k" * 32
PLACES = 200
BACK = frozenset(Surface)


class PutAway(FakeRule):
    """Some words as if they were personal data."""

    def __init__(self, words: list[str], pseudonyms: Pseudonyms) -> None:
        super().__init__(Words(*words), Action.REWRITE, "away", unscannable="allow")
        self._pseudonyms = pseudonyms

    def replacement(self, text: str, finding: Finding) -> str:
        word = text[finding.start : finding.end]
        return self._pseudonyms.stand_in("PERSON", word, KEY, plausible=False)


def names(said: Said) -> list[str]:
    """Up to four words that the stream says, none of which is signed, or may be the name of a key
    (a key that is renamed moves to the end of its object)."""
    signed = " ".join(said.texts[lane] for lane in said.signed)
    kept = {lane for lane in said.texts if lane in said.signed or lane.startswith("leaf")}
    spoken = " ".join(text for lane, text in said.texts.items() if lane not in kept)
    words = dict.fromkeys(re.findall(r"\b[A-Za-z]{6,14}\b", spoken))
    return [word for word in words if word not in signed][:4]


def cuts_of(raw: bytes) -> list[int]:
    """Every byte of a small stream, and some of a long one."""
    if len(raw) <= SMALL:
        return list(range(1, len(raw)))
    return sorted(random.Random(len(raw)).sample(range(1, len(raw)), PLACES))


@pytest.mark.parametrize("transcript", [each for each in ALL if names(each.said)], ids=name_of)
def test_no_stand_in_is_left_wherever_a_recorded_stream_is_cut(transcript: Transcript) -> None:
    dialect, said = transcript.dialect, transcript.said
    pseudonyms = Pseudonyms()
    away = PutAway(names(said), pseudonyms)
    masked = send(dialect, [away], transcript.events).out
    assert pseudonyms
    heard = " ".join(listen(dialect, read(masked)).texts.values())
    assert not any(re.search(rf"\b{word}\b", heard) for word in names(said))
    stand_ins = pseudonyms.scanner(frozenset({("PERSON", False)}))
    assert stand_ins is not None
    back = PuttingBack(away, pseudonyms, stand_ins, BACK, None)
    checked: set[tuple[bytes, ...]] = set()
    for cut in cuts_of(masked):
        events = read(masked[:cut], masked[cut:])
        came = tuple(event.raw for event in events)
        if came in checked:  # what the window makes of the same events is the same
            continue
        checked.add(came)
        out = send(dialect, [back], events).out
        left = " ".join(strings_of(out))
        assert not any(token in left for _, _, token, _ in pseudonyms.entries), cut
        texts = listen(dialect, read(out)).texts
        assert {lane: text for lane, text in texts.items() if text} == {
            lane: text for lane, text in said.texts.items() if text
        }, cut
