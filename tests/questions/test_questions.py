"""The pipeline answers generated questions, offline, with the rule-based planner."""

from __future__ import annotations

import asyncio

import pytest
from questions.run import answered
from questions.score import Result, Tally, failures, table

OPEN_AND_HELD_OUT = 0.95
HELD_OUT = 0.85


@pytest.fixture(scope="module")
def results() -> list[Result]:
    return asyncio.run(answered(1))


@pytest.fixture(scope="module")
def of_another_seed() -> list[Result]:
    return asyncio.run(answered(2))


def report(results: list[Result]) -> str:
    return f"\n{failures(results)}\n\n{table(results)}"


def held_out(results: list[Result]) -> list[Result]:
    return [result for result in results if result.question.wording.share == "held-out"]


def test_all_kinds_are_asked(results):
    assert len(results) >= 150
    assert {result.question.wording.kind for result in results} == set(range(1, 18))


def test_no_wrong_person_and_no_figure_without_a_record(results, of_another_seed):
    tally = Tally.of(results + of_another_seed)
    assert tally.wrong_person == tally.ungrounded == 0, report(results + of_another_seed)


def test_questions_are_answered_rightly(results, of_another_seed):
    for asked in (results, of_another_seed):
        assert Tally.of(asked).share >= OPEN_AND_HELD_OUT, report(asked)


def test_wordings_nobody_looked_at_are_answered_too(results, of_another_seed):
    for asked in (results, of_another_seed):
        assert Tally.of(held_out(asked)).share >= HELD_OUT, report(asked)


def test_another_seed_gives_the_same_result(results, of_another_seed):
    assert abs(Tally.of(results).share - Tally.of(of_another_seed).share) <= 0.03
