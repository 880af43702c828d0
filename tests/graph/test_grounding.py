from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilores_x.graph.proof.grounding import EvidenceIndex, unproven
from tilores_x.graph.proof.mending import proven_part
from tilores_x.graph.proof.provenance import cite
from tilores_x.tools.records import Evidence, Fact, Figure

TODAY = date(2026, 11, 23)


def fact(field: str, value: Any, record: str = "r1", entity: str = "e1") -> Fact:
    return Fact(entity_id=entity, record_id=record, field=field, value=value)


def evidence(
    *facts: Fact, tool: str = "tilores_search", figures: tuple[Figure, ...] = (), **arguments: Any
) -> Evidence:
    return Evidence(
        tool=tool,
        call_id=None,
        arguments=arguments,
        entities=[{"entity_id": "e1", "label": {"first_name": ["Jane"], "client_id": ["4021"]}, "records": 13}],
        facts=list(facts),
        figures=list(figures),
        note=None,
    )


FACTS = evidence(
    fact("CREDIT_RESPONSE.CREDIT_SCORE.*.Value", "698", "bureau-1"),
    fact("CREDIT_RESPONSE.CREDIT_SCORE.*.Date", "2024-05-03", "bureau-1"),
    fact("BALANCE", "1234.50", "crm-1"),
    fact("PHONE_NUMBER", "415.555.1234", "crm-1"),
    fact("EMAIL", "Jane@Example.com", "crm-1"),
    fact("TICKET_ID", "TCK-000123", "ticket-1"),
    fact("CREDIT_RESPONSE.CREDIT_LIABILITY.*.LateCount.Days30", 4, "bureau-1"),
    fact("DATE_OF_BIRTH", "03/04/1985", "crm-1"),
    fact("STATUS", "Past Due", "crm-1"),
    figures=(
        Figure(
            name="average PAYMENT_AMOUNT",
            value=33.3333333,
            unit=None,
            facts=[fact("PAYMENT_AMOUNT", "99.99", "pay-1")],
            count=3,
        ),
        Figure(name="share", value=0.345, unit=None, facts=[], count=7),
    ),
    CLIENT_ID="4021",
)


def left_over(text: str, question: str = "", *more: Evidence) -> list[str]:
    return [item.text for item in unproven(text, EvidenceIndex([FACTS, *more], question=question, today=TODAY))]


@pytest.mark.parametrize(
    "text",
    [
        "The score is 698, of May 3rd, 2024.",
        "Score: **698** (05/03/2024)",
        "She owes $1,234.50.",
        "Call (415) 555-1234 or write to JANE@example.com.",
        "Ticket tck-000123 is open.",
        "Client ID 4021 has 13 records.",
        "4 payments were 30 days late.",
        "Born on 4 March 1985 or April 3, 1985.",
        "In 2024 the score was 698.",
        "On average $33.33, about 33.3.",
        "That is 34.5% of 7 payments.",
        "As of 2026-11-23, nothing.",
        "1. The score is 698\n2. It owes 1234.5",
    ],
)
def test_what_the_evidence_holds_passes(text: str) -> None:
    assert left_over(text) == []


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("The score is 712.", ["712"]),
        ("The score is 689, up from 698.", ["689"]),
        ("She owes $1,235.", ["$1,235"]),
        ("She owes $1,234.51.", ["$1,234.51"]),
        ("On May 4, 2024.", ["May 4, 2024"]),
        ("In 2023 it was 698.", ["2023"]),
        ("Call (415) 555-9999.", ["(415) 555-9999"]),
        ("Write to john@example.com.", ["john@example.com"]),
        ("Ticket TCK-000124.", ["TCK-000124"]),
        ("two late payments", ["two"]),
        ("30 points more", ["30"]),
        ("60 days late", ["60"]),
        ("On average $33.34.", ["$33.34"]),
        ("415 points", ["415"]),
        ("On 03/05/1985.", ["03/05/1985"]),
        ("at 10:32", ["10:32"]),
    ],
)
def test_what_it_does_not_hold_is_named(text: str, items: list[str]) -> None:
    assert left_over(text) == items


def test_numbers_beyond_all_bounds_are_named_too() -> None:
    assert left_over("9" * 400) == ["9" * 400]
    assert left_over("about 1e+999") == ["1e+999"]


def test_the_question_proves_what_it_names_and_no_figure() -> None:
    question = "did a@example.com score 750 in the last 6 months of 2021, client 99887?"
    assert left_over("Nothing for a@example.com or 99887 in the last 6 months of 2021.", question) == []
    assert left_over("Yes, 750.", question) == ["750"]


def test_what_was_searched_counts_and_limits_do_not() -> None:
    searched = evidence(
        tool="tilores_insights", where=[{"field": "A", "op": "ge", "value": "500"}], limit=41, fields=["X77"]
    )
    assert left_over("None of 500 or more.", "", searched) == []
    assert left_over("41 of X77", "", searched) == ["41", "X77"]


def test_a_computed_figure_counts_only_when_its_operands_do() -> None:
    def computed(value: float, *operands: Any) -> Evidence:
        figure = Figure(name="difference", value=value, unit=None, facts=[], count=2)
        return evidence(tool="calculate", figures=(figure,), operands=[{"value": operand} for operand in operands])

    assert left_over("A difference of 536.5.", "", computed(536.5, "1234.50", 698)) == []
    assert left_over("A difference of 500.", "", computed(500, 1198, 698)) == ["500"]
    chained = [computed(77.25, 536.5, "1,234.50"), computed(536.5, "1234.50", 698)]
    assert left_over("It is 77.25.", "", *chained) == []
    assert left_over("It is 77.25.", "", chained[0]) == ["77.25"]


def test_a_small_number_out_of_a_text_counts_beside_the_same_word_alone() -> None:
    model = evidence(fact("MODEL", "FICO Score 8"), fact("NOTES", "Promised 49.99 within 14 days, and 250 later"))
    assert left_over("A FICO Score 8 of 698; promised 49.99 and 250 in 14 days.", "", model) == []
    assert left_over("8 missed and 14 late payments.", "", model) == ["8", "14"]


def test_counts_and_ids_that_tools_showed_count() -> None:
    content = (
        '{"ok":true,"edges":[{"a":"bur-9-x1","b":"crm-9"}],'
        '"facts":{"S":[{"value":"77 late","count":41}]},"dup":{"id-5":[]}}'
    )
    index = EvidenceIndex([FACTS], question="", today=TODAY, contents=[content])
    assert unproven("bur-9-x1 and crm-9, 41 times, id-5", index) == []
    assert [item.text for item in unproven("77 late, bur-9-x2", index)] == ["77", "bur-9-x2"]


def test_figures_in_a_row_that_look_like_a_phone_number() -> None:
    scores = evidence(*(fact("V", value) for value in ("698", "705", "7120")))
    assert left_over("698 705 7120", "", scores) == []
    assert left_over("698 705 7121", "", scores) == ["698 705 7121"]


def remove(text: str) -> tuple[str, list[str]]:
    return proven_part(text, EvidenceIndex([FACTS], question="", today=TODAY))


def test_only_the_sentence_is_removed_and_named_without_the_figure() -> None:
    text, removed = remove("The Experian score is 698. TransUnion says 712! **Balance:** $1,234.50.")
    assert text == "The Experian score is 698. **Balance:** $1,234.50."
    assert removed == ["TransUnion says …!"]


def test_rows_go_with_the_heading_that_leads_to_them_alone() -> None:
    text, removed = remove("Scores:\n\n- Experian: 698\n- TransUnion: 712\n\n## Balances\n\n- 99.10\n\nThat is all.")
    assert text == "Scores:\n\n- Experian: 698\n\nThat is all."
    assert removed == ["TransUnion: …", "…"]
    table = "| Bureau | Score |\n|---|---|\n| Experian | 698 |\n| Equifax | 650 |"
    assert remove(table)[0] == "| Bureau | Score |\n|---|---|\n| Experian | 698 |"


@given(st.text(alphabet=st.sampled_from(list("0123456789.,-/: $%\n|#ab@")), max_size=60) | st.text(max_size=120))
def test_what_is_left_is_proven(text: str) -> None:
    index = EvidenceIndex([FACTS], question="", today=TODAY)
    left, removed = proven_part(text, index)
    assert unproven(left, index) == []
    assert bool(removed) == bool(unproven(text, index))


def test_citations_are_the_facts_that_the_answer_shows() -> None:
    index = EvidenceIndex([FACTS], question="", today=TODAY)
    cited = cite("The account is past due; the credit score of May 3, 2024 is 698.", index)
    assert [(citation["record_id"], citation["field"].rpartition(".")[2], citation["value"]) for citation in cited] == [
        ("crm-1", "STATUS", "Past Due"),
        ("bureau-1", "Date", "2024-05-03"),
        ("bureau-1", "Value", "698"),
    ]
    assert cite("Nothing at all.", index) == []


def test_the_question_and_the_other_facts_tell_which_record_is_meant() -> None:
    same = evidence(
        fact("ENROLL_DATE", "2024-05-03", "crm-1"),
        fact("CREDIT_SCORE.*.Date", "2024-05-03", "bur-1"),
        fact("CREDIT_SCORE.*.Date", "2024-05-03", "bur-2"),
        fact("CREDIT_SCORE.*.Value", "698", "bur-1"),
    )
    index = EvidenceIndex([same], question="", today=TODAY)

    def cited(question: str) -> set[tuple[str, str]]:
        return {(found["record_id"], found["field"]) for found in cite("It is 698 (2024-05-03).", index, (), question)}

    score = {("bur-1", "CREDIT_SCORE.*.Value"), ("bur-1", "CREDIT_SCORE.*.Date")}
    assert cited("what are the scores") == score
    assert cited("and now") == score


def test_of_fields_with_the_same_value_the_one_spoken_of_is_cited() -> None:
    same = evidence(fact("DAYS_LATE", "4", "pay-1"), fact("CARD_TYPE", "4", "card-1"))
    index = EvidenceIndex([same], question="", today=TODAY)
    assert [citation["field"] for citation in cite("It was 4 days late.", index)] == ["DAYS_LATE"]


def test_a_text_is_cited_where_it_stands_as_a_word_of_its_own() -> None:
    named = evidence(fact("FIRST_NAME", "Ann"), fact("CITY", "Nual", "r2"))
    index = EvidenceIndex([named], question="", today=TODAY)
    assert [found["value"] for found in cite("An annual fee of Ann.", index)] == ["Ann"]
    assert cite("An annual fee, ann_1.", index) == []
