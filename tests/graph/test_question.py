from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from tilores_x.errors import QuestionError
from tilores_x.graph.question import LONGEST, clean_question, read_question


def test_the_newest_message_of_a_person_is_the_question() -> None:
    messages = [
        HumanMessage("first", id="1"),
        AIMessage("yes"),
        HumanMessage("second", id="2"),
        AIMessage("", tool_calls=[]),
    ]
    question = read_question(messages)
    assert (question.text, question.id, question.cleaned) == ("second", "2", False)


def test_structured_content_is_read() -> None:
    parts = [{"type": "text", "text": "who is"}, {"type": "image_url", "image_url": {"url": "x"}}, "client 4021"]
    question = read_question([HumanMessage(parts, id="1")])
    assert question.text == "who is\nclient 4021"
    assert question.message.content == question.text
    assert question.message.id == "1"


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\0", "\u3000", "\0 \0"])
def test_an_empty_question_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(QuestionError, match=r"empty.*Ask"):
        read_question([HumanMessage(text)])


def test_no_question_is_refused() -> None:
    with pytest.raises(QuestionError, match="no question"):
        read_question([SystemMessage("x"), AIMessage("y")])


def test_a_question_may_have_so_many_characters() -> None:
    assert len(clean_question("a" * LONGEST)) == LONGEST
    with pytest.raises(QuestionError, match=r"100,001 characters"):
        clean_question("a" * (LONGEST + 1))


def test_what_crashes_clients_is_taken_out() -> None:
    assert clean_question("cli\0ent \ud800 4021 \ude00\ud83d") == "client \ufffd 4021 \ufffd\ufffd"
    assert clean_question("\ud83d\ude00 smile") == "\U0001f600 smile"


@given(st.text(st.characters(categories=None), max_size=200))
def test_what_passes_can_be_encoded(text: str) -> None:
    try:
        cleaned = clean_question(text)
    except QuestionError:
        return
    assert "\0" not in cleaned.encode("utf-8").decode()
