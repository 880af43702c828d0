"""Dates read quickly are those that dateutil reads."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilores_x.tools import dates
from tilores_x.tools.dates import date_of

NOTATIONS = [
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m-%d-%Y",
    "%B %d, %Y",
    "%b %d %Y",
    "%d %B %Y",
    "%d-%b-%Y",
    "%d %b, %Y",
]


@given(
    day=st.dates(min_value=dt.date(1000, 1, 1), max_value=dt.date(2999, 12, 31)), notation=st.sampled_from(NOTATIONS)
)
def test_usual_notations_read_as_by_dateutil(day: dt.date, notation: str) -> None:
    text = day.strftime(notation)
    assert date_of(text) == dates._read_otherwise(text)


@pytest.mark.parametrize("text", ["31/02/2024", "13/13/2024", "Foo 3, 2024", "0/1/2024", "May 32, 2024", "03/04/24"])
def test_unusual_ones_too(text: str) -> None:
    assert date_of(text) == dates._read_otherwise(text)
