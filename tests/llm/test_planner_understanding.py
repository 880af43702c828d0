"""What the planner makes of questions: wordings of our own, none of them out of the question set."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tilores_x.llm.planner.plan import Understood, understand
from tilores_x.llm.planner.talk import Hints, Turn

CONCEPTS = """
    client_id email phone first_name last_name date_of_birth street city state postal_code account_status
    status_date product enroll_date cancel_date cancel_reason agent payment_date payment_amount payment_status
    payment_method due_date days_late next_due_date balance balance_date card_type call_notes ticket_subject
    created_at bureau report_date credit_score score_date score_factor utilization creditor credit_limit
    credit_balance inquiry_name credit_frozen
"""
HINTS = Hints(
    {concept: concept.upper() for concept in CONCEPTS.split()},
    {concept: concept.upper() for concept in ("client_id", "email", "phone", "first_name", "last_name")},
    "2026-11-23",
)
PEOPLE = {
    "4021", "jane.doe@example.com", "jane doe", "doe, jane", "maria garcia", "john smith", "mark price", "april young",
    "jane", "(415) 555-0123", "415-555-0123", "415.555.0123", "+1 415 555 0123",
}  # fmt: skip
ASKED: dict[str, str] = tomllib.loads(Path(__file__).with_name("planner_wordings.toml").read_text("utf-8"))


def understood(text: str, *before: str) -> Understood:
    state, turns = Understood(), [Turn(said) for said in (*before, text)]
    for at, turn in enumerate(turns):
        state = understand(turn, turns[:at], state, HINTS)
    return state


@pytest.mark.parametrize(
    ("asked", "question"),
    [(asked, line.strip()) for asked, lines in ASKED.items() for line in lines.strip().splitlines()],
)
def test_what_is_asked_about_whom(asked: str, question: str) -> None:
    found = understood(question)
    assert {*found.asked.intents, *(f"f:{concept}" for concept in found.asked.fields)} == set(asked.split(","))
    assert len(found.subjects) == 1
    assert found.subjects[0].said.casefold() in PEOPLE


@pytest.mark.parametrize(
    "question",
    ["show customer profile", "What is the current status with the company?", "what is the credit score?",
     "how many clients cancelled in 2025?", "payments in 2025", "compare the 2 newest Experian reports"],
)  # fmt: skip
def test_a_question_about_no_customer_names_nobody(question: str) -> None:
    assert not understood(question).subjects


@pytest.mark.parametrize(
    ("question", "first", "last"),
    [
        ("late payments of will smith", "will", "smith"),
        ("whats ruth lins credit score", "ruth", "lin"),
        ("WHO IS CAMERON ROSS", "CAMERON", "ROSS"),
        ("status for Mary-Ann O'Neil", "Mary-Ann", "O'Neil"),
        ("balance of Jane van Dyke", "Jane", "van Dyke"),
        ("Price, Mark: balance", "Mark", "Price"),
        ("what is Grant Long's score", "Grant", "Long"),
    ],
)
def test_names_that_are_words_as_well(question: str, first: str, last: str) -> None:
    (subject,) = understood(question).subjects
    assert (("first_name", first), ("last_name", last)) in subject.searches


@pytest.mark.parametrize(
    ("question", "bureaus", "years"),
    [
        ("experience score of client 4021", ("Experian",), ()),
        ("compare equifx and trans union for 4021", ("Equifax", "TransUnion"), ()),
        ("late payments of client 4021 in 2024 and 2025", (), ("2024", "2025")),
        ("late payments of client 4021 last year", (), ("2025",)),
        ("did client 2025 pay late in 2024", (), ("2024",)),
    ],
)
def test_bureaus_and_years_narrow_what_is_told(question: str, bureaus: tuple[str, ...], years: tuple[str, ...]) -> None:
    asked = understood(question).asked
    assert (asked.bureaus, asked.years) == (bureaus, years)


def test_several_people_in_one_question() -> None:
    found = understood("account status of jane.doe@example.com and client 4021")
    assert [subject.said for subject in found.subjects] == ["jane.doe@example.com", "4021"]


def test_a_follow_up_keeps_the_person_and_a_new_person_the_question() -> None:
    found = understood("what about their utilization?", "who is jane.doe@example.com")
    assert (found.asked.intents, found.subjects[0].said) == (("utilization",), "jane.doe@example.com")
    found = understood("and client 4022?", "Experian score of client 4021")
    assert (found.asked.intents, found.asked.bureaus) == (("score",), ("Experian",))
    assert found.subjects[0].said == "4022"


def test_a_follow_up_may_name_another_bureau_or_year() -> None:
    found = understood("what about Equifax?", "score timeline at Experian for 4021")
    assert (found.asked.intents, found.asked.bureaus) == (("development",), ("Equifax",))
    found = understood("and in 2024?", "which payments did 4021 miss in 2025")
    assert (found.asked.intents, found.asked.years) == (("late",), ("2024",))


def test_what_isnt_understood_is_said() -> None:
    found = understood("does client 4021 like gardening")
    assert not found.asked
    assert "gardening" in found.strange
