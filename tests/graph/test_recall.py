from __future__ import annotations

from typing import Any

import orjson
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from tilores_x.graph.recall import people_of, recall
from tilores_x.tools.records import Evidence


def looked_up(entity: str, client: str, first: str, score: str) -> ToolMessage:
    fact = {"entity_id": entity, "record_id": f"r-{entity}", "field": "SCORE", "value": score}
    label = {"first_name": [first], "last_name": ["Doe"], "client_id": [client]}
    found: dict[str, Any] = {
        "tool": "tilores_search",
        "call_id": None,
        "arguments": {"CLIENT_ID": client},
        "entities": [{"entity_id": entity, "label": label, "records": 7}],
        "facts": [fact],
        "figures": [
            {"name": "people found", "value": 1, "unit": None, "facts": [], "count": 1},
            {"name": "newest score", "value": score, "unit": None, "facts": [fact], "count": 1},
        ],
        "note": None,
    }
    content = orjson.dumps({"ok": True, "score": score}).decode()
    return ToolMessage(content, tool_call_id=entity, name="tilores_search", artifact=found)


JANE, ROSE = looked_up("e1", "4021", "Jane", "698"), looked_up("e2", "4077", "Rose", "712")
BEFORE = [HumanMessage("?"), AIMessage(""), JANE, ROSE, AIMessage("!")]


def scores(about: set[str], said: str) -> set[Any]:
    recalled = recall(BEFORE, about, said)
    return {fact["value"] for one in recalled.evidence for fact in one["facts"]}


def test_a_question_that_looks_nobody_up_may_rest_on_all() -> None:
    assert scores(set(), "what was it again") == {"698", "712"}


def test_what_was_found_about_others_proves_nothing_about_these() -> None:
    assert scores({"e2"}, "their score? It is 698.") == {"712"}
    assert scores({"e9"}, "their score? It is 698.") == set()


def test_who_is_named_counts() -> None:
    assert scores({"e2"}, "how does that compare with client 4021") == {"698", "712"}
    assert scores({"e2"}, "compare. Jane Doe has 698, Rose 712.") == {"698", "712"}
    assert scores({"e2"}, "compare with Jane") == {"712"}  # many are called Jane


def test_figures_and_contents_go_with_the_facts() -> None:
    recalled = recall(BEFORE, {"e2"}, "")
    assert recalled.contents == [ROSE.content]
    jane, rose = recalled.evidence
    assert (jane["figures"], jane["entities"], jane["arguments"]) == ([], [], {})
    assert len(rose["figures"]) == 2


def test_of_a_search_for_several_a_part_counts() -> None:
    both: Evidence = {**JANE.artifact, "entities": JANE.artifact["entities"] + ROSE.artifact["entities"]}
    both["facts"] = JANE.artifact["facts"] + ROSE.artifact["facts"]
    both["figures"] = JANE.artifact["figures"] + ROSE.artifact["figures"]
    message = ToolMessage("{}", tool_call_id="x", name="tilores_search", artifact=both)
    recalled = recall([message], {"e1"}, "")
    assert [fact["value"] for fact in recalled.evidence[0]["facts"]] == ["698"]
    assert [figure["value"] for figure in recalled.evidence[0]["figures"]] == ["698"]
    assert recalled.contents == []


def test_people_are_found_wherever_they_stand() -> None:
    bare: Evidence = {**JANE.artifact, "entities": [], "facts": [], "figures": [], "arguments": {"entity_id": "e7"}}
    assert people_of([JANE.artifact, bare]) == {"e1", "e7"}


def test_several_asked_for_in_one_call_are_told_apart_later() -> None:
    both: Evidence = {**JANE.artifact, "entities": [], "facts": [], "figures": [], "apart": [["e1"], ["e2"]]}
    assert people_of([both]) == {"e1", "e2"}
    narrowed = recall([ToolMessage("{}", tool_call_id="x", artifact=both)], {"e2"}, "").evidence[0]
    assert narrowed["apart"] == [[], ["e2"]]
