from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tilores_x.telemetry.waterfall import waterfall


def timing(name: str, kind: str, start_s: float, seconds: float, *marks: str) -> dict[str, Any]:
    return {"name": name, "kind": kind, "start_s": start_s, "seconds": seconds, "marks": list(marks)}


TIMINGS = [
    timing("route", "node", 0, 0.001),
    timing("seek", "node", 0, 0.2),
    timing("tilores_search", "tool", 0.0, 0.2),
    timing("think", "node", 0.2, 0.5),
    timing("groq:openai/gpt-oss-120b", "model", 0.2, 0.5, "first token 0.21 s"),
    timing("answer", "node", 0.7, 0.3),
]


def lines(timings: list[dict[str, Any]], seconds: float, width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(waterfall(timings, seconds, width=width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def bar(line: str) -> tuple[int, int]:
    cells = [at for at, character in enumerate(line) if character in "█▏"]
    return cells[0], cells[-1]


def test_calls_stand_below_their_node_and_bars_follow_the_clock() -> None:
    shown = lines(TIMINGS, 1.0)
    assert [line.split()[0] for line in shown[1:]] == [
        "route",
        "seek",
        "tilores_search",
        "think",
        "groq:openai/gpt-oss-120b",
        "answer",
    ]
    by_name = {line.split()[0]: bar(line) for line in shown[1:]}
    assert by_name["seek"] == by_name["tilores_search"]
    assert by_name["think"][0] == by_name["seek"][1] + 1
    assert by_name["answer"][0] == by_name["think"][1] + 1
    assert "first token 0.21 s" in shown[5]
    assert "500.0 ms" in shown[5]
    assert shown[0].endswith("1.00 s")


def test_what_ran_side_by_side_shares_columns() -> None:
    both = [timing("act", "node", 0, 1), timing("a", "tool", 0, 1), timing("b", "tool", 0, 0.5)]
    _, _, first, second = lines(both, 1.0)
    assert bar(first)[0] == bar(second)[0]
    assert bar(first)[1] > bar(second)[1]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_line_fits_the_terminal_where_there_is_room(width: int) -> None:
    assert max(map(len, lines(TIMINGS, 1.0, width))) <= max(width, 33)


def test_nothing_measured() -> None:
    assert lines([], 0.0) == ["nothing was searched or asked: the answer was kept"]


TIMES = st.floats(0, 100)


@given(
    st.lists(
        st.builds(
            timing,
            st.text("abc[/]", min_size=1, max_size=50),
            st.sampled_from(["node", "tool", "model"]),
            TIMES,
            TIMES,
            st.text("xyz[]"),
        )
    ),
    TIMES,
)
def test_every_timing_is_shown_once(timings: list[dict[str, Any]], seconds: float) -> None:
    assert len(lines(timings, seconds, width=250)) == len(timings) + 1 if timings else True


LOOKUPS = [
    timing("seek", "node", 0, 0.2),
    timing("tilores_search", "tool", 0.0, 0.2, "speculated"),
    timing("tilores_search", "tool", 0.0, 0.2, "batched", "coalesced", "retried", "speculated"),
    timing("tilores_insights", "tool", 0.0, 0.1, "cached", "refused"),
]


def test_marks_are_words_where_they_fit_and_letters_with_a_legend_where_not() -> None:
    wide = lines(LOOKUPS, 0.2, 140)
    assert "batched, coalesced, retried, speculated" in wide[3]
    assert len(wide) == 5
    narrow = lines(LOOKUPS, 0.2, 80)
    assert narrow[2].endswith(" S")
    assert narrow[3].endswith(" SBCR")
    assert narrow[4].endswith(" K, refused")
    assert narrow[5].strip().split("  ") == ["S speculated", "B batched", "C coalesced", "K cached", "R retried"]
    assert max(map(len, narrow)) <= 80
    assert all(bar(line)[1] - bar(line)[0] >= 10 for line in narrow[1:4])
