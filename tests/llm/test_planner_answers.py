"""The planner's steps: which tools it calls, and what it makes of their JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from tilores_x.llm.planner.plan import Step, next_step

TOOLS = ("tilores_search", "tilores_entity", "tilores_insights", "tilores_explain", "calculate")
SYSTEM = SystemMessage("""Today is 2026-11-23.

## Search parameters
- client_id: CustomerNo
- email: Mail
- first_name: Given
- last_name: Family

## Fields
- client_id: CustomerNo
- first_name: Given
- last_name: Family
- account_status: State
- status_date: StateSince
- cancel_reason: Why
- bureau: Report.Bureau
- report_date: Report.Day
- credit_score: Report.Scores.*.Value
- score_date: Report.Scores.*.Day
- utilization: Report.Sums.[ID=PT016].Value
- score_factor: Report.Scores.*.Factors.*.Text
- payment_status: PayState
- payment_date: Paid
- due_date: Due
- days_late: LateBy
- city: Town
""")
JANE = {
    "entity_id": "e1",
    "records": 9,
    "label": {"first_name": ["Jane"], "last_name": ["Doe"], "client_id": ["4021"], "city": ["Boston"]},
    "facts": {},
}
OTHER = {
    "entity_id": "e2",
    "records": 5,
    "label": {"first_name": ["Jane"], "last_name": ["Doe"], "client_id": ["4099"], "city": ["Denver"]},
    "facts": {},
}


def found(*entities: dict[str, Any]) -> dict[str, Any]:
    return {"ok": True, "searched": {}, "total": len(entities), "entities": list(entities)}


def rows(*shown: dict[str, Any]) -> dict[str, Any]:
    numbered = [{"record_id": f"r{at}", **row} for at, row in enumerate(shown)]
    return {"ok": True, "count": len(shown), "results": [{"function": "records", "field": None, "value": numbered}]}


def report(bureau: str, day: str, score: int | None, **more: Any) -> dict[str, Any]:
    held = {"Report.Scores.*.Value": [str(score)], "Report.Scores.*.Day": [day]} if score else {}
    return {"Report.Bureau": bureau, "Report.Day": day, **held, **more}


class Talk:
    """A conversation; ``ask`` lets the planner go on, answering its calls out of ``replies``, until it answers."""

    def __init__(self, **replies: Any) -> None:
        self.replies = replies
        self.messages: list[BaseMessage] = [SYSTEM]
        self.rounds: list[list[tuple[str, dict[str, Any]]]] = []

    def ask(self, question: str) -> str:
        self.messages.append(HumanMessage(question))
        self.rounds = []
        while (step := next_step(self.messages, TOOLS)).calls:
            assert len(self.rounds) < 5, "it goes round in circles"
            self._answer(step)
        self.messages.append(AIMessage(step.text))
        return step.text

    def _answer(self, step: Step) -> None:
        self.rounds.append(list(step.calls))
        calls = [
            {"name": name, "args": arguments, "id": f"{len(self.messages)}.{at}"}
            for at, (name, arguments) in enumerate(step.calls)
        ]
        self.messages.append(AIMessage("", tool_calls=calls))
        for call in calls:
            content = self._reply(str(call["name"]), call["args"])  # type: ignore[arg-type]
            self.messages.append(ToolMessage(json.dumps(content), tool_call_id=str(call["id"]), name=str(call["name"])))

    def _reply(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if name == "calculate":
            values = [float(operand["value"]) for operand in arguments["operands"]]
            value = values[0] - values[1] if arguments["operation"] == "difference" else sum(values)
            return {"ok": True, "operation": arguments["operation"], "value": value, "unit": None, "text": ""}
        reply = self.replies[name.removeprefix("tilores_")]
        content = reply(arguments) if callable(reply) else reply
        assert isinstance(content, dict)
        return content

    def called(self) -> list[str]:
        return [name for calls in self.rounds for name, _ in calls]


def read(arguments: dict[str, Any]) -> set[str]:
    """The fields whose rows a call of tilores_insights asks for."""
    return {field for ask in arguments["ask"] for field in ask.get("fields", ())}


def test_a_status_is_the_newest_by_its_own_date() -> None:
    talk = Talk(search=found(JANE), insights=rows({"State": "Paused", "StateSince": "2025-05-01"}))
    answer = talk.ask("account status of client 4021")
    assert talk.rounds[0] == [("tilores_search", {"CustomerNo": "4021"})]
    name, arguments = talk.rounds[1][0]
    assert name == "tilores_insights"
    assert arguments["sort"] == [{"field": "StateSince", "direction": "DESC"}]
    assert "**Jane Doe** (client ID 4021)" in answer
    assert "Account status: **Paused** since 2025-05-01." in answer


def test_what_was_looked_up_already_is_not_asked_again() -> None:
    talk = Talk(insights=rows({"State": "Active"}))
    seek = {"name": "tilores_search", "args": {"Mail": "Jane@Example.com"}, "id": "seek_1"}
    question = HumanMessage("status of jane@example.com")
    messages = [
        SYSTEM,
        question,
        AIMessage("", tool_calls=[seek]),
        ToolMessage(json.dumps(found(JANE)), tool_call_id="seek_1"),
    ]
    assert [name for name, _ in next_step(messages, TOOLS).calls] == ["tilores_insights"]
    assert talk.rounds == []


def test_all_that_a_question_needs_is_asked_for_at_once() -> None:
    talk = Talk(search=found(JANE), insights=lambda arguments: rows())
    talk.ask("status, credit score and late payments of client 4021")
    assert len(talk.rounds[1]) >= 3


def test_records_without_a_date_are_read_where_none_has_one() -> None:
    talk = Talk(
        search=found(JANE), insights=lambda arguments: rows() if "sort" in arguments else rows({"State": "Active"})
    )
    assert "**Active**" in talk.ask("account status of client 4021")


def test_several_people_are_listed_with_what_tells_them_apart() -> None:
    talk = Talk(search=found(JANE, OTHER), insights=rows({"State": "Active"}))
    answer = talk.ask("account status of Jane Doe")
    assert set(talk.called()) == {"tilores_search"}
    assert "4021" in answer
    assert "4099" in answer
    assert "Boston" in answer
    assert answer.endswith("?")


@pytest.mark.parametrize("reply", ["the one in Denver", "4099", "the second one", "client 4099"])
def test_the_one_chosen_gets_the_answer_that_was_asked_for(reply: str) -> None:
    people = {"4099": found(OTHER)}
    talk = Talk(
        search=lambda arguments: people.get(arguments.get("CustomerNo", ""), found(JANE, OTHER)),
        entity=found(OTHER),
        insights=rows({"State": "Active"}),
    )
    talk.ask("account status of Jane Doe")
    answer = talk.ask(reply)
    assert "client ID 4099" in answer
    assert "**Active**" in answer
    assert all(arguments.get("entity_id", "e2") == "e2" for calls in talk.rounds for _, arguments in calls)


def test_people_of_a_similar_name_do_not_stand_in_the_way_of_an_exact_one() -> None:
    similar = {**OTHER, "label": {**OTHER["label"], "first_name": ["Jan"]}}
    talk = Talk(search=found(JANE, similar), insights=rows({"State": "Active"}))
    assert "**Active**" in talk.ask("account status of Jane Doe")


def test_a_follow_up_goes_straight_to_the_person() -> None:
    talk = Talk(search=found(JANE), entity=found(JANE), insights=rows({"State": "Active"}))
    talk.ask("who is client 4021")
    answer = talk.ask("and the account status?")
    assert sorted(talk.called()) == ["tilores_entity", "tilores_insights"]
    assert len(talk.rounds) == 1
    assert "**Jane Doe**" in answer


def test_nobody_found_is_said_with_what_was_searched() -> None:
    answer = Talk(search=found()).ask("who is client 4999")
    assert "No customer was found" in answer
    assert "4999" in answer


def test_a_failed_look_up_is_said_and_not_repeated() -> None:
    talk = Talk(search={"ok": False, "error": "Tilores is down."})
    answer = talk.ask("who is client 4021")
    assert "Tilores is down." in answer
    assert len(talk.rounds) == 1


def test_a_reply_that_is_no_json_counts_as_failed() -> None:
    call = {"name": "tilores_search", "args": {"CustomerNo": "4021"}, "id": "1"}
    asked: list[BaseMessage] = [SYSTEM, HumanMessage("who is client 4021"), AIMessage("", tool_calls=[call])]
    assert "failed" in next_step([*asked, ToolMessage("oops", tool_call_id="1")], TOOLS).text


def test_without_tools_it_says_that_it_cannot_look_things_up() -> None:
    step = next_step([SYSTEM, HumanMessage("who is client 4021")], ())
    assert not step.calls
    assert "failed" in step.text


def test_missing_bureaus_are_named() -> None:
    talk = Talk(search=found(JANE), insights=rows(report("Experian", "2025-06-01", 700)))
    assert "no TransUnion report" in talk.ask("TransUnion score of client 4021")
    answer = talk.ask("credit score of client 4021")
    assert "Experian **700** (2025-06-01)" in answer
    assert "no Equifax report" in answer


def test_a_frozen_report_gives_no_score_and_the_one_before_counts() -> None:
    reports = rows(report("Experian", "2026-01-01", None), report("Experian", "2025-06-01", 700))
    assert "**700** (2025-06-01)" in Talk(search=found(JANE), insights=reports).ask("Experian score of 4021")
    frozen = rows(report("Equifax", "2026-01-01", None))
    answer = Talk(search=found(JANE), insights=frozen).ask("Equifax score of 4021")
    assert "hold no score" in answer


def test_differences_come_from_the_calculator_with_their_operands() -> None:
    reports = rows(report("Experian", "2026-01-01", 690), report("Experian", "2025-06-01", 700))
    talk = Talk(search=found(JANE), insights=reports)
    answer = talk.ask("compare the newest and the second newest Experian report of client 4021")
    (name, arguments), *others = talk.rounds[-1]
    assert (name, arguments["operation"], others) == ("calculate", "difference", [])
    assert [operand["record_id"] for operand in arguments["operands"]] == ["r0", "r1"]
    assert "down 10 points" in answer


def test_bureaus_are_compared_with_each_other() -> None:
    reports = rows(report("Experian", "2026-01-01", 690), report("Equifax", "2025-06-01", 700))
    answer = Talk(search=found(JANE), insights=reports).ask("how does Experian compare with Equifax for client 4021")
    assert "Equifax is **10 points** higher than Experian" in answer


def test_a_development_runs_from_the_oldest_to_the_newest() -> None:
    days = (("2026-01-01", 720), ("2025-06-01", 700), ("2025-01-01", 650))
    talk = Talk(search=found(JANE), insights=rows(*(report("Experian", day, value) for day, value in days)))
    answer = talk.ask("how has the score of client 4021 developed over time")
    assert "650 (2025-01-01) → 700 (2025-06-01) → 720 (2026-01-01): **up 70 points**" in answer


def test_advice_names_what_the_records_hold_against_the_score() -> None:
    factors = {"Report.Scores.*.Factors.*.Text": [["Too many inquiries"]], "Report.Sums.[ID=PT016].Value": ["81"]}
    held = report("Experian", "2026-01-01", 690, **factors)
    talk = Talk(
        search=found(JANE),
        insights=lambda arguments: rows(held) if "Report.Day" in read(arguments) else rows(),
    )
    answer = talk.ask("how could client 4021 improve their score")
    assert "Too many inquiries" in answer
    assert "**81%** (Experian, 2026-01-01)" in answer


def payments(arguments: dict[str, Any]) -> dict[str, Any]:
    if "group_by" in arguments:
        groups = [
            {"group": {"PayState": state}, "count": count} for state, count in (("Paid", 4), ("Late", 2), ("Missed", 1))
        ]
        return {"ok": True, "count": 7, "groups": groups}
    return rows(
        {"PayState": "Late", "Due": "2026-02-01", "Paid": "2026-02-08", "LateBy": "7"},
        {"PayState": "Paid", "Due": "2026-01-01", "Paid": "2026-01-01"},
        {"PayState": "Missed", "Due": "2025-12-01"},
    )


def test_payments_are_counted_by_tilores_and_summed_by_the_calculator() -> None:
    talk = Talk(search=found(JANE), insights=payments)
    answer = talk.ask("any late payments for client 4021?")
    assert "**4** of **7** payments were on time, **2** late and **1** missed." in answer
    assert "due 2026-02-01: Late, paid 2026-02-08, 7 days late" in answer
    assert "2026-01-01" not in answer
    assert "calculate" in talk.called()


def test_a_year_keeps_others_out() -> None:
    answer = Talk(search=found(JANE), insights=payments).ask("which payments did client 4021 miss or pay late in 2025")
    assert "2025-12-01" in answer
    assert "2026" not in answer


def test_a_concept_that_the_instance_lacks_is_said_to_be_missing() -> None:
    talk = Talk(search=found(JANE))
    assert "No record holds an outstanding balance" in talk.ask("balance of client 4021")
    assert "no field for ticket subject" in talk.ask("tickets of client 4021")


def test_any_field_can_be_asked_for_by_its_name() -> None:
    facts = {**JANE, "facts": {"Town": [{"value": "Boston", "record_ids": ["r1"], "count": 2}]}}
    talk = Talk(search=found(JANE), entity=found(facts))
    assert "City: **Boston**" in talk.ask("which city does client 4021 live in")
    assert talk.rounds[-1] == [("tilores_entity", {"entity_id": "e1", "fields": ["Town"]})]


def test_why_records_are_one_person_which_values_conflict_and_what_is_double() -> None:
    told = {
        "ok": True, "records": 9, "rules": {"EMAIL_NAME": 4}, "edges": [], "duplicates": {"r1": ["r2"]},
        "conflicts": {
            "Town": [{"value": "Boston"}, {"value": "Denver"}], "Family": [{"value": "DOE"}, {"value": "Doe"}],
            "Born": [{"value": "1980 (only the year is shown)"}] * 2,
        },
    }  # fmt: skip
    talk = Talk(search=found(JANE), entity=found(JANE), explain=told)
    assert "email name" in talk.ask("why are the records of client 4021 one person")
    answer = talk.ask("which values conflict?")
    assert "City: Boston / Denver" in answer
    assert "Last name" not in answer
    assert "Born: different values" in answer
    assert "r2 says the same as r1" in talk.ask("any duplicates?")


def test_whom_is_asked_where_nobody_is_named() -> None:
    talk = Talk(search=found(JANE), insights=rows({"State": "Active"}))
    assert "Which customer" in talk.ask("What is the current status with the company?")
    assert "**Active**" in talk.ask("client 4021")


def test_what_it_cannot_do_is_said_with_what_it_can() -> None:
    answer = Talk().ask("write me a poem")
    assert "didn't understand" in answer
    assert "account status" in answer


@pytest.mark.parametrize("question", ["", "   "])
def test_an_empty_question_is_met_with_what_can_be_asked(question: str) -> None:
    assert "I can look up" in Talk().ask(question)


def test_notes_of_the_pipeline_are_no_questions() -> None:
    messages = [
        SYSTEM,
        HumanMessage(""),
        AIMessage("x"),
        HumanMessage("who is client 4021", additional_kwargs={"note": True}),
    ]
    assert not next_step(messages, TOOLS).calls


def test_an_instance_without_client_ids_is_asked_for_the_record() -> None:
    system = SystemMessage("## Search parameters\n- email: Mail\n\n## Fields\n- email: Mail\n")
    step = next_step([system, HumanMessage("who is 4021")], TOOLS)
    assert step.calls == (("tilores_entity", {"record_id": "4021"}),)
