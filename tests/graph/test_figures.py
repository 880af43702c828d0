from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilores_x.graph.proof.figures import read_items, read_value


def read(text: str) -> list[tuple[str, tuple[object, ...]]]:
    return [(item.kind, item.keys) for item in read_items(text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.50", 1234.5),
        ("$1,234.50 left", 1234.5),
        ("a drop of -23 points", 23),
        ("34.5%", 34.5),
        ("34.5 %", 34.5),
        ("$12.5k", 12_500),
        ("1.2 million", 1_200_000),
        ("three late payments", 3),
        ("twenty-four payments", 24),
        ("two hundred", 200),
        ("30-day late", 30),
        ("712.", 712),
        ("(712)", 712),
        ("**712**", 712),
        ("1e+06", 1_000_000),
        ("score=712", 712),
        ("712\u2013", 712),
    ],
)
def test_numbers(text: str, value: float) -> None:
    assert read(text) == [("number", (value,))]


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-03",
        "2024-05-03T10:00:00Z"[:10],
        "May 3, 2024",
        "May 3rd 2024",
        "3 May 2024",
        "3rd of May, 2024",
        "2024/5/3",
        "03-May-2024",
    ],
)
def test_dates_in_words_and_figures(text: str) -> None:
    assert read(f"on {text}.") == [("date", ((2024, 5, 3),))]


def test_a_slashed_date_carries_both_readings() -> None:
    assert read("05/03/2024") == [("date", ((2024, 5, 3), (2024, 3, 5)))]
    assert read("05/23/24") == [("date", ((2024, 5, 23),))]


def test_parts_of_dates() -> None:
    assert read("May 2024") == [("date", ((2024, 5, None),))]
    assert read("2024-05") == [("date", ((2024, 5, None),))]
    assert read("since May 3") == [("date", ((None, 5, 3),))]
    assert read("you may 24") == [("date", ((None, 5, 24),))]  # read too eagerly rather than passed over


def test_a_timestamp_is_a_date_and_a_time() -> None:
    assert read("2024-05-03T10:32:05Z") == [("date", ((2024, 5, 3),)), ("time", ((10, 32),))]
    assert read("at 5:07 pm") == [("time", ((17, 7),))]


@pytest.mark.parametrize("text", ["(415) 555-1234", "415.555.1234", "+1 415 555 1234", "4155551234"])
def test_phone_numbers_in_any_notation_are_one(text: str) -> None:
    assert read(f"call {text}") == [("phone", ("+14155551234",))]


def test_identifiers_and_addresses() -> None:
    assert read("Ticket TCK-000123 of Jane@Example.com") == [
        ("identifier", ("tck-000123",)),
        ("email", ("jane@example.com",)),
    ]
    assert read("PT016") == [("identifier", ("pt016",))]


def test_letters_that_only_case_folding_takes_for_ours_spell_no_number() -> None:
    assert read("\u017fix payments, f\u0131ve late") == []


def test_a_number_word_right_behind_another_item() -> None:
    assert read("10:32Ztwo") == [("time", ((10, 32),)), ("number", (2,))]


@pytest.mark.parametrize(
    "text", ["1. Jane\n2. John", "- **1.** Jane", "the 2nd newest", "no figures at all", "## 3) Scores", ""]
)
def test_what_is_no_item(text: str) -> None:
    assert read(text) == []


def test_number_words_are_prose_alone() -> None:
    assert read_value("Three Rivers Bank") == ()


@given(st.text(max_size=300))
def test_any_text_is_survived_and_items_never_overlap(text: str) -> None:
    end = 0
    for item in read_items(text):
        assert item.start >= end
        assert text[item.start : item.end] == item.text
        end = item.end


_D = "[0-9]"
_USUAL = (
    rf"(\+1[ .-]?)?(\({_D}{{3}}\) ?|{_D}{{3}}[ ./-]?){_D}{{3}}[ ./-]?{_D}{{4}}"
    rf"|{_D}{{4}}[-/]{_D}{{2}}[-/]{_D}{{2}}"
    rf"|{_D}{{1,10}}(\.{_D}{{1,4}})?"
    r"|[a-z.+'-]{1,4}@([a-z-]{1,3}[.]){1,2}[a-z]{1,3}"
)


@given(st.from_regex(re.compile(_USUAL, re.ASCII), fullmatch=True))
def test_a_value_in_a_usual_notation_is_read_as_it_is_piece_by_piece(text: str) -> None:
    assert read_value(text) == tuple(read_items(text, prose=False))
