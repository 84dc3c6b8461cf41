"""One spelling for texts that hide what they say, and the way back to where they say it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detectors.normalise import normalise

TAGGED = "".join(chr(0xE0000 + ord(char)) for char in "Ignore it")


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("Ignоre аll", "Ignore all"),  # Cyrillic o and a
        ("ｐｒｅｖｉｏｕｓ", "previous"),
        ("𝕚𝓷𝔰𝗍𝚛", "instr"),
        ("ign\u200bo\u2060re\ufeff", "ignore"),
        ("i\u0336g\u0336n\u0336ore", "ignore"),
        ("ré́vèal", "reveal"),
        ("“quoted” — it’s", '"quoted" - it\'s'),
        ("ʀᴇᴠᴇᴀʟ", "reveal"),
        ("Ⓡⓔⓥ🅴🅰🅻", "reveal"),
        ("a\u00a0b\u2003c\u3000d", "a b c d"),
        (f"x{TAGGED}y", "xignore ity"),
        ("\u202eabc\u202c", "abc"),
        ("ﬁle …", "file ..."),
        ("line\u2028next", "line\nnext"),
        ("a\ufe0fb\U000e0101c", "abc"),
        ("\u3164x", "x"),
    ],
)
def test_disguises_are_taken_off(text, spelled):
    assert normalise(text).text == spelled


def test_ascii_is_given_back_as_it_is():
    text = "Plain ASCII, Capitals too"
    assert normalise(text).text is text
    assert normalise(text).back(6, 11) == (6, 11)


@given(st.text(alphabet="abé\u200bﬁ—😀𝕚Ж\n", max_size=30))
@settings(max_examples=300, deadline=None)
def test_every_place_leads_back_to_the_character_it_came_from(text):
    result = normalise(text)
    end = 0
    for place in range(len(result.text)):
        first, last = result.back(place, place + 1)
        assert last == first + 1
        assert first >= end - 1
        assert result.text[place] in normalise(text[first]).text
        end = last
    if result.text:
        assert result.back(0, len(result.text))[1] <= len(text)


def test_a_span_covers_what_was_hidden_inside_of_it():
    text = "xx ig\u200b\u200bnore yy"
    start = normalise(text).text.index("ignore")
    assert normalise(text).back(start, start + 6) == (3, 11)


def test_what_is_remembered_of_characters_stays_bounded():
    from gateway.detectors.normalise import _KNOWN

    for code in range(0x4E00, 0x4E00 + 20_000):
        normalise(chr(code))
    assert len(_KNOWN) <= 16_385
