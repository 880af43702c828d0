"""What counts as the same date, number, sound or name."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilores_x.sandbox.engine.matching import alike, comparable, dates, neighbourhood, phone, sound


@pytest.mark.parametrize(
    "text",
    [
        "1980-03-25",
        "1980-3-25",
        "1980/03/25",
        "1980.03.25",
        "19800325",
        "25/03/1980",
        "03/25/1980",
        "25.03.1980",
        "25-03-1980",
        "3-25-1980",
        "25 03 1980",
        "March 25, 1980",
        "Mar 25 1980",
        "25 March 1980",
        "25th of March 1980",
        "25-Mar-1980",
        "1980 March 25",
        "Tuesday, March 25, 1980",
        " 1980-03-25T23:59:59Z ",
        "1980-03-25 00:00:00.000",
        "03/25/1980 12:00 AM",
        "25031980",
    ],
)
def test_every_usual_notation_of_a_day_is_read(text: str) -> None:
    assert dates(text) == ("1980-03-25",)


@pytest.mark.parametrize("text", ["02/03/1980", "3-2-1980", "2 3 1980"])
def test_an_ambiguous_date_keeps_both_readings(text: str) -> None:
    assert dates(text) == ("1980-02-03", "1980-03-02")


def test_the_order_settles_an_ambiguous_date_and_gives_way_to_an_impossible_one() -> None:
    assert dates("02/03/1980", "DMY") == ("1980-03-02",)
    assert dates("02/03/1980", "MDY") == ("1980-02-03",)
    assert dates("25/12/1980", "MDY") == ("1980-12-25",)


def test_dots_put_the_day_first() -> None:
    assert dates("02.03.1980") == ("1980-03-02",)


def test_a_short_year_is_kept_for_both_centuries() -> None:
    assert dates("25-Mar-80") == ("1980-03-25", "2080-03-25")
    assert dates("12/25/03") == ("1903-12-25", "2003-12-25")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "1980",
        "1980-02-30",
        "13/13/1980",
        "31.04.1980",
        "May",
        "March 1980",
        "1980-03",
        "00/00/0000",
        "12345678",
        "June July 3 1980",
        "meeting on March 2, 1980",
    ],
)
def test_what_is_no_day_has_no_reading(text: str) -> None:
    assert dates(text) == ()


@given(st.dates(date(1800, 1, 1), date(2199, 12, 31)))
def test_written_out_or_iso_a_day_has_one_reading(day: date) -> None:
    iso = day.isoformat()
    assert dates(iso) == dates(iso.replace("-", "")) == (iso,)
    assert dates(day.strftime("%B %-d, %Y")) == (iso,)


@pytest.mark.parametrize(
    "text",
    [
        "(415) 555-0134",
        "415-555-0134",
        "415.555.0134",
        "4155550134",
        "+1 415 555 0134",
        "1-415-555-0134",
        "001 415 555 0134",
        "(415) 555-0134 ext. 12",
        " 415 555 0134x9 ",
    ],
)
def test_one_telephone_number_in_any_notation(text: str) -> None:
    assert phone(text) == "+14155550134"


@pytest.mark.parametrize("text", ["", "555-0134", "call me", "911", "000", "1" * 40])
def test_what_is_no_complete_number_matches_nothing(text: str) -> None:
    assert phone(text) is None


def test_the_region_reads_numbers_without_a_country_code() -> None:
    assert phone("030 901820", "DE") == "+4930901820"
    assert phone("0049 30 901820", "US") == "+4930901820"


def test_names_that_sound_alike_share_a_code() -> None:
    assert sound("Stephen") == sound("Steven")
    assert sound("Zoë") == sound("Zoe")
    assert sound("Smith") != sound("Jones")
    assert sound("1234") == ""


def test_likeness_sets_case_accents_and_spaces_aside() -> None:
    assert comparable("  José   María ") == "jose maria"
    assert alike("marlow", "marlowe", 0.95)
    assert not alike("marlow", "tarrant", 0.6)
    assert alike("x", "x", 1.0)


def _with_one_error(text: str, kind: str, at: int, char: str) -> str:
    at %= len(text)
    match kind:
        case "lost":
            return text[:at] + text[at + 1 :]
        case "added":
            return text[:at] + char + text[at:]
        case "wrong":
            return text[:at] + char + text[at + 1 :]
    return text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :]


@given(
    st.text("abcdefghij ", min_size=2, max_size=30).map(str.strip).filter(lambda text: len(text) > 1),
    st.sampled_from(["lost", "added", "wrong", "swapped"]),
    st.integers(0, 30),
    st.sampled_from("abcz"),
)
def test_texts_one_typing_error_apart_share_a_key(text: str, kind: str, at: int, char: str) -> None:
    assert set(neighbourhood(text)) & set(neighbourhood(_with_one_error(text, kind, at, char)))
