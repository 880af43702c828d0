from __future__ import annotations

from typing import Any

import pytest

from tilores_x.graph.people import MOST_LISTED, guessed, which_one
from tilores_x.tools.records import EntityBrief, Evidence


def person(entity: str, client: str, city: str = "Boston", name: str = "John") -> EntityBrief:
    label = {"first_name": [name], "last_name": ["Smith"], "client_id": [client], "city": [city]}
    return EntityBrief(entity_id=entity, label=label, records=7)


def search(*people: EntityBrief, tool: str = "tilores_search", facts: Any = ()) -> Evidence:
    found = [
        {"entity_id": entity, "record_id": f"r-{entity}", "field": field, "value": value}
        for entity, field, value in facts
    ]
    return {
        "tool": tool,
        "call_id": None,
        "arguments": {},
        "entities": list(people),
        "facts": found,  # type: ignore[typeddict-item]
        "figures": [],
        "note": None,
    }


A, B = person("e1", "4021"), person("e2", "4077", city="Austin")
BOTH = search(
    A, B, facts=[("e1", "SCORE", "698"), ("e2", "SCORE", "712"), ("e1", "STATUS", "Active"), ("e2", "STATUS", "Active")]
)


@pytest.mark.parametrize(
    "text", ["John Smith's score is 698.", "The score of client 4077 is high.", "He lives in Austin.", "$712"]
)
def test_telling_of_one_of_several_is_guessing(text: str) -> None:
    assert guessed(text, [BOTH], "what is John Smith's score") == [A, B]


@pytest.mark.parametrize(
    "text",
    [
        "Which John Smith: client 4021 in Boston, or client 4077 in Austin?",
        "One has 698, the other 712.",
        "Two customers are called John Smith. Which one is meant?",
        "Both are Active.",
    ],
)
def test_telling_of_all_or_of_none_is_not(text: str) -> None:
    assert guessed(text, [BOTH], "what is John Smith's score") == []


@pytest.mark.parametrize(
    "question", ["score of John Smith in Austin", "John Smith, client 4077: score?", "john smith of AUSTIN"]
)
def test_a_question_that_singles_one_out_may_be_answered(question: str) -> None:
    assert guessed("It is 712.", [BOTH], question) == []


def test_a_question_that_names_both_is_still_about_one_of_them() -> None:
    assert guessed("It is 712.", [BOTH], "John Smith of Austin or of Boston?") == [A, B]


def test_another_search_may_single_one_out() -> None:
    assert guessed("It is 698.", [BOTH, search(A)], "who is john smith, a@example.com") == []
    assert guessed("It is 698.", [BOTH, search(person("e9", "1"))], "john smith") == [A, B]


def test_earlier_questions_tell_who_is_meant_unless_this_one_names_somebody() -> None:
    before = ["who is client 4077"]
    assert guessed("It is 712.", [BOTH], "what about the score", before) == []
    assert guessed("It is 712.", [BOTH], "what about the score of John Smith", before) == [A, B]


def test_one_match_or_another_tool_is_no_choice() -> None:
    assert guessed("698", [search(A, facts=[("e1", "SCORE", "698")])], "john smith") == []
    assert guessed("698", [search(A, B, tool="tilores_explain", facts=[("e1", "SCORE", "698")])], "john smith") == []


def test_computed_figures_of_one_count_too() -> None:
    figure = {
        "name": "difference",
        "value": 14,
        "unit": None,
        "count": 2,
        "facts": [{"entity_id": "e1", "record_id": "r", "field": "SCORE", "value": "698"}],
    }
    computed = search(tool="calculate") | {"figures": [figure]}
    assert guessed("Up by 14 points.", [BOTH, computed], "john smith's score") == [A, B]  # type: ignore[list-item]


def test_the_people_are_listed_with_what_tells_them_apart() -> None:
    text = which_one([A, B])
    assert text.startswith("Several customers match. Which one do you mean?")
    assert "- **John Smith**, client ID 4021, city Boston\n- **John Smith**, client ID 4077, city Austin" in text
    many = [person(f"e{number}", str(number)) for number in range(MOST_LISTED + 5)]
    assert which_one(many).count("client ID") == MOST_LISTED


def test_people_asked_for_in_one_call_are_no_namesakes_of_each_other() -> None:
    both_asked: Evidence = {**BOTH, "apart": [["e1"], ["e2"]]}
    assert guessed("The score of client 4077 is 712.", [both_asked], "scores of two clients") == []
    # Of two who match for one of them, one may not be picked.
    c = person("e3", "4100", city="Dallas")
    three: Evidence = {**search(A, B, c), "apart": [["e3"], ["e1", "e2"]]}
    assert guessed("He is client 4021.", [three], "what of Ann and of John Smith") == [A, B]
