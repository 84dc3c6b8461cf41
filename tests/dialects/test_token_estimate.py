"""Estimates of tokens: near enough for each kind of text, cheap for long ones, never above what a
text can have at most."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.token_estimate import CLAUDE, likely_tokens

# Counted with OpenAI's o200k vocabulary.
PROSE = (
    "Please send this report to the finance department before three o'clock tomorrow and "
    "explain why the expenses of the second quarter were higher than the budget."
)
COUNTED = {
    "prose": (PROSE, 28),
    "Chinese": (
        "请在明天下午三点之前把这份报告发送给财务部门，并说明为什么第二季度的费用比预算高出。",
        29,
    ),
    "Japanese": ("明日の午後三時までにこの報告書を経理部に送り、理由を説明してください。", 23),
    "Korean": ("내일 오후 세 시까지 이 보고서를 재무팀에 보내 주시고, 이유를 설명해 주세요.", 24),
    "Russian": (
        "Отправьте этот отчёт в финансовый отдел до трёх часов дня и объясните, почему.",
        22,
    ),
    "Arabic": ("أرسل هذا التقرير إلى قسم المالية قبل الساعة الثالثة ظهرا واشرح لماذا.", 16),
    "JSON": ('{"id": 48213, "name": "Ann", "tags": ["new", "paid"], "total": 129.95}', 30),
}


@pytest.mark.parametrize("kind", COUNTED)
def test_each_kind_of_text_is_estimated_within_a_third(kind: str) -> None:
    text, counted = COUNTED[kind]
    assert 2 / 3 < likely_tokens([text]) / counted < 3 / 2


def test_texts_count_together_and_nothing_counts_nothing() -> None:
    assert likely_tokens([]) == likely_tokens([""]) == 0
    assert likely_tokens(["a"]) == 1
    assert likely_tokens(["abc " * 50, "def " * 50]) == likely_tokens(["abc " * 50 + "def " * 50])


def test_a_tokenizer_that_cuts_finer_counts_more() -> None:
    text = PROSE * 10
    assert likely_tokens([text], CLAUDE) == pytest.approx(likely_tokens([text]) * CLAUDE, rel=0.02)


@pytest.mark.parametrize("unit", ["The quick brown fox. ", '{"k": 1},\n', "报告 report 12 "])
def test_a_long_text_is_estimated_like_a_short_one(unit: str) -> None:
    short, long = unit * 50, unit * 50_000
    assert likely_tokens([long]) == pytest.approx(likely_tokens([short]) * 1000, rel=0.05)


@given(st.text(min_size=1, max_size=3000))
def test_an_estimate_is_never_above_the_bytes_of_the_text(text: str) -> None:
    assert likely_tokens([text], CLAUDE) <= max(1, len(text.encode("utf-8", "replace")))


def test_half_a_character_of_a_pair_does_no_harm() -> None:
    assert likely_tokens(["\ud83d" * 10]) > 0
