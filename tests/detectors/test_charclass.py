"""The classes keep their promise for every code point, whatever Unicode version an engine has."""

import re

import pytest
import re2
import regex

from gateway.detectors import charclass

ALL = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)


def members(inside: str) -> set[str]:
    return set(re2.compile(f"[{inside}]").findall(ALL))


@pytest.mark.parametrize(("name", "short"), [("DIGIT", "d"), ("WORD", "w"), ("SPACE", "s")])
def test_wide_holds_what_either_engine_takes_and_narrow_what_both_take(name, short):
    one = set(re.findall(f"\\{short}", ALL))
    two = set(regex.findall(f"\\{short}", ALL))
    everything = set(ALL)
    assert members(getattr(charclass, f"{name}_WIDE")) >= one | two
    assert members(getattr(charclass, f"{name}_NARROW")) <= one & two
    assert members(getattr(charclass, f"NOT_{name}_WIDE")) >= everything - (one & two)
    assert members(getattr(charclass, f"NOT_{name}_NARROW")) <= everything - (one | two)
    in_ascii = {char for char in members(getattr(charclass, f"{name}_ASCII")) if char.isascii()}
    assert in_ascii == {char for char in one | two if char.isascii()}


def test_wide_word_class_leaves_out_the_punctuation_that_chat_texts_use():
    assert not members(charclass.WORD_WIDE) & set("–—‘’“”…•→✓ €™😀。、")


@pytest.mark.parametrize("letter", "abcdefghijklmnopqrstuvwxyzäéßñøçğώж")
def test_variants_and_re2_folding_cover_what_python_takes_for_the_same_letter(letter):
    codes = "".join(charclass.escape(code) for code in sorted(charclass.variants(ord(letter))))
    ours = set(re2.compile(f"(?i:[{codes}])").findall(ALL))
    pattern = re.escape(letter)
    assert ours >= set(re.findall(pattern, ALL, re.I))
    assert ours >= set(regex.findall(pattern, ALL, regex.I))


def test_escape_is_safe_inside_and_outside_of_a_class():
    for char in "]^-\\.[(){}*+?|/ \n\x00é":
        code = charclass.escape(ord(char))
        assert re2.fullmatch(code, char)
        assert re2.fullmatch(f"[{code}]", char)
