from __future__ import annotations

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from tilores_x.graph.window import MOST_CHARACTERS, MOST_TURNS, characters, forgotten, recent, turns


def turn(number: int, size: int = 10) -> list[AnyMessage]:
    call = {"name": "tilores_search", "args": {"CLIENT_ID": "1"}, "id": f"c{number}"}
    return [
        HumanMessage(f"question {number}", id=f"q{number}"),
        AIMessage("", tool_calls=[call], id=f"a{number}"),
        ToolMessage("x" * size, tool_call_id=f"c{number}", id=f"t{number}"),
        AIMessage("answer", id=f"z{number}"),
    ]


def test_turns_begin_at_questions() -> None:
    both = turn(1) + turn(2)
    assert turns(both) == [turn(1), turn(2)]
    assert turns([]) == []


def test_old_turns_fall_out_whole() -> None:
    large = MOST_CHARACTERS // 3
    shown = recent([*turn(1, large), *turn(2, large), *turn(3, large), *turn(4, 10 * MOST_CHARACTERS)])
    assert shown == [*turn(2, large), *turn(3, large), *turn(4, 10 * MOST_CHARACTERS)]


def test_a_turn_that_broke_off_is_left_out() -> None:
    broken = turn(1)[:2]  # a call without its result, which providers refuse
    assert recent([*broken, *turn(2)]) == turn(2)
    assert recent([HumanMessage(""), *turn(2)]) == turn(2)
    assert recent([]) == []


def test_the_newest_turn_may_be_unanswered() -> None:
    assert recent([*turn(1), *turn(2)[:3]]) == [*turn(1), *turn(2)[:3]]


def test_what_is_too_old_is_removed_by_id() -> None:
    conversation = [message for number in range(MOST_TURNS + 2) for message in turn(number)]
    assert [removal.id for removal in forgotten(conversation)] == ["q0", "a0", "t0", "z0", "q1", "a1", "t1", "z1"]
    assert forgotten(turn(1)) == []


def test_calls_count_too() -> None:
    assert characters(turn(1)[1]) > characters(AIMessage(""))
