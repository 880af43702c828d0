"""Looking up ahead of the model changes no answer: the same questions with and without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from questions.paper import Question, paper, wordings
from questions.world import SHIPPED, World
from support.pipeline import pipeline

EVERY = 3
"""One open wording in so many is asked."""


async def replies(asker: Any, questions: list[Question]) -> list[Any]:
    return [
        await asker.ask(turn.scene.question, thread_id=f"{id(questions)}-{question.number}")
        for question in questions
        if "empty" not in question.wording.asks
        for turn in question.turns
    ]


async def test_answers_are_the_same_with_and_without_what_was_looked_up_ahead(tmp_path: Path) -> None:
    learnt, asked = (paper(World(SHIPPED), seed, wordings("open")[::EVERY]) for seed in (1, 2))
    async with pipeline(tmp_path / "off", speculation="off") as asker:
        without = await replies(asker, asked)
    async with pipeline(tmp_path / "on", speculation="on") as asker:
        await replies(asker, learnt)
        within = await replies(asker, asked)
        report = asker.resources.ahead.report()
    for reply, rival in zip(within, without, strict=True):
        assert reply["reply"] == rival["reply"]
        assert reply["missing"] == rival["missing"]
        assert {one["value"] for one in reply["citations"]} == {one["value"] for one in rival["citations"]}
        assert len(reply["attempts"]) <= len(rival["attempts"])
    calls, more = (sum(len(reply["attempts"]) for reply in given) for given in (within, without))
    assert calls < 0.7 * more
    assert report["lookups_wasted"] <= 0.2 * report["lookups_started_ahead"]
