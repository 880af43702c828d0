"""What is learned of questions, and that nobody's data is in it."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.tools import StructuredTool

from tilores_x.graph.ahead.budget import MOST_AHEAD, MOST_SAVED, PER_QUESTION, WasteBudget
from tilores_x.graph.ahead.habits import LIKELY, MOST_KINDS, MOST_TEMPLATES, PROBE_EVERY, Habit, Habits
from tilores_x.graph.ahead.kinds import Kind, Said, Vocabulary
from tilores_x.graph.ahead.running import Running, covers, singles
from tilores_x.graph.ahead.subjects import FOCUS, named_before
from tilores_x.graph.ahead.templates import LONGEST, Subject, filled, one_by_one, template_of
from tilores_x.graph.ahead.waiting import Measured, better_to_wait, started_s, waited_s
from tilores_x.graph.identifiers import Identifier, find_identifiers
from tilores_x.graph.nodes.answer import missing_of
from tilores_x.graph.people import Words
from tilores_x.tools.fields.concepts import Concepts

PATHS = {"credit_score": ("CREDIT_RESPONSE.CREDIT_SCORE.*.Value",), "payment_status": ("PAYMENT_STATUS",)}
VOCABULARY = Vocabulary.of(Concepts(PATHS, {"email": ("EMAIL",)}))
JANE = Subject("email", "jane@example.com", "entity-1")
JOHN = Subject("email", "john@example.org", "entity-2")


def kind(text: str) -> Kind:
    identifiers = find_identifiers(text)
    return VOCABULARY.kind(Said.of(text, identifiers), [one.kind.value for one in identifiers])


def call(name: str, call_id: str = "c", **args: Any) -> ToolCall:
    return ToolCall(name=name, args=args, id=call_id)


# Kinds


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("credit score of jane@example.com", "What is the credit score for john.smith@example.org?"),
        ("did Jane Doe pay late", "did Bob Miller pay late"),
        ("has client 4021 cancelled?", "was client ID 77 canceled"),
        ("payments of client 4021", "payment, client 4022 please"),
        ("Experian score of client 4021", "TransUnion score for client 4022"),
    ],
)
def test_questions_alike_are_of_one_kind(one: str, other: str) -> None:
    assert kind(one) == kind(other)


def test_other_questions_and_other_ways_of_naming_are_other_kinds() -> None:
    asked = ["score of client 4021", "payments of client 4021", "score of jane@example.com", "score"]
    assert len({kind(text) for text in asked}) == len(asked)


@given(st.text(max_size=200))
def test_a_kind_holds_words_of_the_vocabulary_and_nothing_else(text: str) -> None:
    found = kind(f"score of {text}")
    assert set(found.words) <= VOCABULARY.stems
    assert len(found.words) <= 10


# Templates


def test_a_call_is_learned_with_the_person_left_open_and_made_for_another() -> None:
    asked = call("tilores_insights", entity_id="entity-1", sort=[{"field": "DATE"}], ask=[{"function": "count"}])
    template = template_of(asked, JANE, Words("payments of jane@example.com"), ["jane"])
    assert template is not None
    assert "entity-1" not in template
    name, args = filled(template, JOHN, Words("payments of john@example.org")) or ("", {})
    assert name == "tilores_insights"
    assert args == {**asked["args"], "entity_id": "entity-2"}
    assert filled(template, Subject("email", "x@example.com"), Words("")) is None  # no entity yet


def test_an_identifier_fits_those_named_in_the_same_way_only() -> None:
    asked = call("tilores_search", EMAIL="Jane@example.com", fields=["SCORE"])
    template = template_of(asked, JANE, Words(""), [])
    assert template is not None
    assert filled(template, JOHN, Words("")) == (
        "tilores_search",
        {"EMAIL": "john@example.org", "fields": ["SCORE"]},
    )
    assert filled(template, Subject("phone", "+1 212 555 0100", "entity-3"), Words("")) is None


def test_what_the_question_says_is_part_of_it_and_is_said_again_or_not_asked() -> None:
    where = [{"field": "BUREAU", "op": "eq", "value": "Experian"}]
    asked = call("tilores_insights", entity_id="entity-1", where=where)
    template = template_of(asked, JANE, Words("her experian score"), ["jane"])
    assert template is not None
    assert filled(template, JOHN, Words("the Experian score of John")) is not None
    assert filled(template, JOHN, Words("the Equifax score of John")) is None


@pytest.mark.parametrize(
    "asked",
    [
        call("tilores_search", FIRST_NAME="Jane", LAST_NAME="Doe"),
        call("tilores_search", EMAIL="jane@example.com", LAST_NAME="Doe"),
        call("tilores_insights", entity_id="entity-1", where=[{"field": "CITY", "op": "eq", "value": "Boston"}]),
        call("tilores_insights", entity_id="entity-1", where=[{"field": "NAME", "op": "eq", "value": "Doe"}]),
        call("tilores_insights", entity_id="entity-1", where=[{"field": "SSN", "op": "eq", "value": "1234"}]),
        call("tilores_insights", entity_id="entity-1", where=[{"field": "SCORE", "op": "gt", "value": 700}]),
        call("tilores_insights", entity_id="entity-9"),
        call("tilores_explain", entity_id="entity-1", record_ids=["r-1"]),
        call("calculate", operation="sum", operands=[{"value": "3", "entity_id": "entity-1"}]),
        call("tilores_insights", entity_id="entity-1", ask=[{"field": "x" * LONGEST}]),
    ],
)
def test_what_tells_who_or_what_it_was_is_not_learned(asked: ToolCall) -> None:
    assert template_of(asked, JANE, Words("is Jane Doe, 1234, over 700"), ["jane", "doe"]) is None


def test_a_call_for_several_people_is_learned_as_one_for_each() -> None:
    several = call(
        "tilores_search", people=[{"EMAIL": "jane@example.com"}, {"EMAIL": "x@example.com"}], fields=["SCORE"]
    )
    singly = [one["args"] for one in one_by_one(several)]
    assert singly == [{"EMAIL": address, "fields": ["SCORE"]} for address in ("jane@example.com", "x@example.com")]
    both = call("tilores_entity", entity_ids=["entity-1", "entity-2"], fields=["SCORE"])
    assert [one["args"]["entity_id"] for one in one_by_one(both)] == ["entity-1", "entity-2"]
    assert one_by_one(call("tilores_search", EMAIL="x"))[0]["args"] == {"EMAIL": "x"}


# Habits


def test_what_most_turns_asked_is_likely_and_what_none_asks_is_forgotten() -> None:
    habits, asked = Habits(), Kind(("score",), ("email",))
    assert habits.of("a", asked).likely() == []
    habits.learn("a", asked, {"scores": 1.0, "other": 1.0}, model_calls=2, waited=True)
    assert set(habits.of("a", asked).likely()) == {"scores", "other"}
    for _ in range(6):
        habits.learn("a", asked, {"scores": 1.0}, model_calls=1, waited=True)
    assert habits.of("a", asked).likely() == ["scores"]
    assert habits.of("a", asked).share("other") < LIKELY
    assert habits.of("b", asked).likely() == []  # another tenant's


def test_a_kind_never_met_is_taken_for_the_one_most_like_it() -> None:
    habits = Habits()
    habits.learn("a", Kind(("credi", "score"), ("email",)), {"scores": 1.0}, model_calls=2, waited=None)
    habits.learn("a", Kind(("late", "payme"), ("email",)), {"payments": 1.0}, model_calls=2, waited=None)
    assert habits.of("a", Kind(("credi", "newes", "score"), ("phone",))).likely() == ["scores"]
    assert habits.of("a", Kind(("payme",), ("email",))).likely() == ["payments"]
    assert habits.of("a", Kind(("confl", "score"), ("email",))).likely() == []
    assert habits.of("a", Kind((), ("email",))).likely() == []
    assert habits.of("b", Kind(("credi", "score"), ("email",))).likely() == []


def test_one_turn_in_sixteen_is_a_probe() -> None:
    habits, asked = Habits(), Kind((), ())
    probes = []
    for _ in range(3 * PROBE_EVERY):
        probes.append(habits.of("a", asked).probing)
        habits.learn("a", asked, {}, model_calls=1, waited=None)
    assert sum(probes) == 3
    assert not probes[0]


def test_habits_are_bounded() -> None:
    habits = Habits()
    for number in range(MOST_KINDS + 50):
        templates = {f"template {number} {which}": 1.0 for which in range(3 * MOST_TEMPLATES)}
        habits.learn("a", Kind((str(number),), ()), templates, model_calls=1, waited=None)
    assert len(habits) == MOST_KINDS
    assert len(habits.of("a", Kind((str(MOST_KINDS + 49),), ())).seen) == MOST_TEMPLATES
    assert habits.of("a", Kind(("0",), ())).times == 0


# Waste


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=200))
def test_waste_is_paid_for_by_use(turns: list[tuple[int, int]]) -> None:
    budget, used, wasted = WasteBudget(), 0, 0
    for use, waste in turns:
        most = budget.most()
        assert most <= MOST_AHEAD
        use = min(use, most)
        waste = min(waste, most - use)
        used, wasted = used + use, wasted + waste
        budget.settle(used=use, wasted=waste)
    assert wasted <= MOST_SAVED / 2 + used / 2 + PER_QUESTION * len(turns) + 1e-6


def test_where_nothing_is_used_nothing_is_started_any_more_but_seldom() -> None:
    budget = WasteBudget()
    wasted = []
    for _ in range(200):
        wasted.append(budget.most())
        budget.settle(used=0, wasted=budget.most())
    assert sum(wasted[50:]) <= 150 * PER_QUESTION + 1


# Waiting


def measured(**changes: float) -> Measured:
    usual = {"lookup_s": 0.2, "round_s": 0.2, "asking_s": 0.4, "answering_s": 0.7, "calls_waited": 1.0}
    return Measured(**{**usual, "calls_started": 2.0, **changes})


def test_it_pays_to_wait_where_one_call_is_enough_then() -> None:
    assert waited_s(measured()) == pytest.approx(0.2 + 0.7)
    assert started_s(measured()) == pytest.approx(0.4 + 0.7)
    assert better_to_wait(measured())


def test_the_model_begins_at_once_where_waiting_saves_no_call() -> None:
    assert not better_to_wait(measured(calls_waited=2.0))
    assert not better_to_wait(measured(lookup_s=3.0, calls_waited=1.0, calls_started=1.0))  # it asks for nothing


# Whom a conversation is about


def found(*people: str, question: str = "who is client 4021") -> list[Any]:
    entities = [{"entity_id": one, "label": {"first_name": ["jane"]}, "records": 1} for one in people]
    artifact = {"entities": entities, "facts": [], "figures": [], "note": None, "tool": "tilores_search"}
    return [
        HumanMessage(question),
        AIMessage("", tool_calls=[call("tilores_search", CLIENT_ID="4021")]),
        ToolMessage("{}", tool_call_id="c", artifact=artifact),
        AIMessage("She is Jane."),
    ]


@pytest.mark.parametrize("text", ["and her payments?", "what about the credit score", "Jane's credit score then"])
def test_a_follow_up_goes_on_about_the_person_found_before(text: str) -> None:
    assert named_before(found("e-1"), Said.of(text), VOCABULARY) == Subject(FOCUS, "", "e-1")


@pytest.mark.parametrize("text", ["and Zebulon's payments?", "credit score of john smith", "", "her " * 40])
def test_it_does_not_where_somebody_else_may_be_meant(text: str) -> None:
    assert named_before(found("e-1"), Said.of(text), VOCABULARY) == []


def test_of_several_people_none_is_taken() -> None:
    assert named_before(found("e-1", "e-2"), Said.of("and the payments?"), VOCABULARY) == []


def test_what_the_last_question_names_counts_where_results_are_not_at_hand() -> None:
    earlier = [HumanMessage("who is client 4021"), AIMessage("Jane.")]
    named = named_before(earlier, Said.of("and her payments?"), VOCABULARY)
    assert isinstance(named, list)
    assert [one.value for one in named if isinstance(one, Identifier)] == ["4021"]


# Results found there


def test_a_search_with_more_fields_covers_one_with_fewer() -> None:
    made = call("tilores_search", EMAIL="a@example.com", fields=["SCORE", "DATE"])
    assert covers(made, call("tilores_search", EMAIL="a@example.com", fields=["DATE"]))
    assert not covers(made, call("tilores_search", EMAIL="a@example.com", fields=["DATE", "CITY"]))
    assert not covers(made, call("tilores_search", EMAIL="b@example.com", fields=["DATE"]))
    assert not covers(made, call("tilores_search", EMAIL="a@example.com"))  # a profile: other fields
    assert not covers(made, call("tilores_entity", EMAIL="a@example.com", fields=["DATE"]))


class Slow:
    """A tool that answers when it is let."""

    def __init__(self) -> None:
        self.may, self.calls = asyncio.Event(), 0
        schema = {"type": "object", "properties": {}}
        self.tool = StructuredTool(
            name="tilores_search", description="-", args_schema=schema, coroutine=self._look,
            response_format="content_and_artifact",
        )  # fmt: skip

    async def _look(self, **arguments: Any) -> tuple[str, dict[str, Any]]:
        self.calls += 1
        await self.may.wait()
        person = {"entity_id": "e-1", "label": {}, "records": 1}
        found = {"name": "people found", "value": 1, "unit": None, "facts": [], "count": 1}
        artifact = {"tool": "tilores_search", "entities": [person], "facts": [], "figures": [found], "note": None}
        return json.dumps({"ok": True}), artifact

    def running(self, habit: Habit | None = None) -> Running:
        return Running("a", Kind((), ()), habit or Habit(), Words(""), {"tilores_search": self.tool}, 4, nullcontext)


async def test_a_call_that_comes_while_its_lookup_runs_waits_for_it() -> None:
    slow = Slow()
    running = slow.running()
    running.start(call("tilores_search", "seek_1", EMAIL="a@example.com"))
    asked = asyncio.create_task(running.result_of(call("tilores_search", "model", EMAIL="a@example.com")))
    await asyncio.sleep(0)
    assert not asked.done()
    slow.may.set()
    outcome = await asked
    assert outcome is not None
    assert outcome.message.tool_call_id == "model"
    assert outcome.message.artifact["call_id"] == "model"
    assert "speculated" in outcome.marks
    again = await running.result_of(call("tilores_search", "model-2", EMAIL="a@example.com"))
    assert again is not None
    assert again.message.artifact is None  # evidence counts once
    assert slow.calls == 1
    assert await running.result_of(call("tilores_search", "model", EMAIL="b@example.com")) is None


async def test_what_is_expected_of_the_person_follows_the_search_and_ends_with_the_question() -> None:
    slow = Slow()
    template = template_of(call("tilores_search", EMAIL="jane@example.com", fields=["X"]), JANE, Words(""), [])
    chained = template_of(call("tilores_entity", entity_id="entity-1"), JANE, Words(""), [])
    assert template
    assert chained
    running = slow.running(Habit(1.0, 1, {template: 1.0, chained: 1.0}))
    running.tools = {**running.tools, "tilores_entity": slow.tool}
    search = running.start(call("tilores_search", "seek_1", EMAIL="a@example.com"))
    running.expect(Subject("email", "a@example.com"), search)
    assert [one.call["args"] for one in running.started.values()] == [
        {"EMAIL": "a@example.com"},
        {"EMAIL": "a@example.com", "fields": ["X"]},
    ]
    slow.may.set()
    await running.settled()
    assert [one.call["args"] for one in running.started.values()][2:] == [{"entity_id": "e-1"}]
    slow.may.clear()
    running.start(call("tilores_search", "seek_2", EMAIL="c@example.com"))
    began = time.monotonic()
    await running.settled(patience_s=0.01)
    assert time.monotonic() - began < 5
    running.end()
    await running.settled()
    assert all(one.task.done() for one in running.started.values())


# Whom a search has found


def evidence(*people: str, total: int | None = None, **more: Any) -> Any:
    count = len(people) if total is None else total
    figure = {"name": "people found", "value": count, "unit": None, "facts": [], "count": count}
    entities = [{"entity_id": one, "label": {}, "records": 1} for one in people]
    return {"tool": "tilores_search", "call_id": None, "entities": entities, "facts": [], "figures": [figure], **more}


def test_only_the_one_match_of_a_search_is_beyond_doubt() -> None:
    assert singles(evidence("e-1")) == ["e-1"]
    assert singles(evidence("e-1", "e-2")) == []
    assert singles(evidence("e-1", total=12)) == []  # further ones were not shown
    assert singles(evidence("e-1", "e-2", "e-3", apart=[["e-1"], ["e-2", "e-3"], []])) == ["e-1"]
    assert singles(evidence()) == singles(None) == []


def test_what_was_looked_up_in_vain_lacks_nothing() -> None:
    noted = {**evidence("e-1"), "call_id": "ahead_1", "note": "3 more groups"}
    fact = {"entity_id": "e-1", "record_id": "r-1", "field": "SCORE", "value": "700"}
    citation: Any = fact
    assert missing_of([noted], [citation], []) == []
    assert missing_of([{**noted, "facts": [fact]}], [citation], []) == ["3 more groups"]
    assert missing_of([{**noted, "call_id": "call_1"}], [], []) == ["3 more groups"]
