"""Asks the questions of a paper and judges each reply from the ground truth."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from questions.asks import ASKS, Scene
from questions.paper import Question
from questions.reading import Reading
from questions.safety import ungrounded, wrong_persons
from questions.world import Customer

from tilores_x.errors import QuestionError

Answer = Mapping[str, object]
Ask = Callable[[str, str], Awaitable[Answer]]
"""Asks a question in a conversation (a thread id); returns the object that ``tilores-x ask --json`` prints."""

LONGEST_REPLY = 1500
"""Characters. Staff complained of answers far too long; lists of every score or payment fit."""
LONGEST_FACT = 450
"""Characters of an answer to an ask in `FACTS`, for each of them."""
FACTS = frozenset(
    {
        *("status", "is_cancelled", "product", "enrolled", "payment_method", "balance", "unknown", "no_customer"),
        *("bureau_score", "bureau_missing", "bureau_compare", "report_compare", "utilization", "duplicates"),
        *("last_payment", "consistency", "payment_status", "next_due"),
    }
)


@dataclass
class Verdict:
    """What is wrong with one turn's reply; nothing, if it is right."""

    wrong: list[str] = field(default_factory=list)
    wrong_person: list[str] = field(default_factory=list)
    ungrounded: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return not (self.wrong or self.wrong_person or self.ungrounded)

    @property
    def problems(self) -> list[str]:
        persons = [f"WRONG PERSON: {found}" for found in self.wrong_person]
        return [*self.wrong, *persons, *(f"IN NO RECORD: {found}" for found in self.ungrounded)]


@dataclass
class Result:
    """A question asked: the replies and the verdicts, turn by turn."""

    question: Question
    replies: list[str]
    verdicts: list[Verdict]

    @property
    def right(self) -> bool:
        return len(self.verdicts) == len(self.question.turns) and all(verdict.right for verdict in self.verdicts)


def judge(scene: Scene, asks: Sequence[str], answer: Answer | BaseException) -> Verdict:
    """What is wrong with the answer (or with the error in its place) to a question that asked for all of ``asks``."""
    if "empty" in asks:
        return Verdict([] if isinstance(answer, QuestionError) else ["isn't refused with a QuestionError"])
    if isinstance(answer, BaseException):
        return Verdict([f"no answer but {type(answer).__name__}: {answer}"])
    text = answer.get("reply")
    if not isinstance(text, str) or not text.strip():
        return Verdict(["the reply is empty"])
    reply = Reading(text)
    verdict = Verdict([problem for ask in asks for problem in ASKS[ask](scene, reply)])
    if len(text) > (LONGEST_FACT * len(asks) if FACTS.issuperset(asks) else LONGEST_REPLY):
        verdict.wrong.append(f"the reply has {len(text)} characters")
    if scene.customer and _provable(scene.customer, asks) and not answer.get("citations"):
        verdict.wrong.append("no record is cited")
    verdict.wrong_person = list(wrong_persons(scene, reply, answer))
    verdict.ungrounded = list(ungrounded(scene, reply, answer))
    return verdict


def _provable(customer: Customer, asks: Sequence[str]) -> bool:
    """Whether some record must hold what is asked; that something is lacking stands in none."""
    absent = {"bureau_missing", *customer.truth["missing"]}
    absent |= {"last_payment", "consistency"} if "payments" in absent else set()
    absent |= {"score", "improve"} if "scores" in absent else set()
    absent |= {"late_lately", "late_count"} if not customer.bad else set()
    absent |= {"duplicates"} if not customer.truth["duplicates"] else set()
    return not set(asks) <= absent


async def run(ask: Ask, questions: Iterable[Question], *, at_once: int = 4, name: str = "questions") -> list[Result]:
    """Ask all questions, each in a conversation of its own."""
    gate = asyncio.Semaphore(at_once)

    async def one(question: Question) -> Result:
        async with gate:
            result = Result(question, [], [])
            for turn in question.turns:
                answer: Answer | BaseException
                try:
                    answer = await ask(turn.scene.question, f"{name}-{question.number}")
                except Exception as error:  # an error is an answer too, and is judged
                    answer = error
                result.verdicts.append(judge(turn.scene, turn.asks, answer))
                result.replies.append(f"{answer!r}" if isinstance(answer, BaseException) else str(answer.get("reply")))
            return result

    return list(await asyncio.gather(*(one(question) for question in questions)))


@dataclass(frozen=True)
class Tally:
    """Counts over some results."""

    asked: int
    right: int
    wrong_person: int
    ungrounded: int

    @classmethod
    def of(cls, results: Sequence[Result]) -> Tally:
        verdicts = [verdict for result in results for verdict in result.verdicts]
        return cls(
            len(results),
            sum(result.right for result in results),
            sum(bool(verdict.wrong_person) for verdict in verdicts),
            sum(bool(verdict.ungrounded) for verdict in verdicts),
        )

    @property
    def share(self) -> float:
        """Share of right answers, 0 to 1."""
        return self.right / self.asked if self.asked else 1.0

    def row(self, name: str) -> str:
        return f"{name:>9} {self.asked:6} {self.right:6} {self.share:7.1%} {self.wrong_person:13} {self.ungrounded:11}"


def table(results: Sequence[Result]) -> str:
    """Right answers, wrong persons and ungrounded figures by kind, and of open and held-out wordings apart."""
    lines = [f"{'kind':>9} {'asked':>6} {'right':>6} {'share':>7} {'wrong persons':>13} {'in no record':>11}"]
    kinds = {result.question.wording.kind for result in results}
    lines += [
        Tally.of([r for r in results if r.question.wording.kind == kind]).row(str(kind)) for kind in sorted(kinds)
    ]
    for share in ("open", "held-out"):
        lines.append(Tally.of([r for r in results if r.question.wording.share == share]).row(share))
    return "\n".join([*lines, Tally.of(results).row("all")])


def failures(results: Sequence[Result], *, reveal: bool = False) -> str:
    """The questions answered wrongly, with the replies; of held-out ones the kind only, unless revealed."""
    lines = []
    for result in results:
        if result.right:
            continue
        wording = result.question.wording
        if wording.share == "held-out" and not reveal:
            lines.append(f"[{wording.kind}] a held-out question, {' / '.join(wording.asks)}")
            continue
        lines.append(f"[{wording.kind}] {' / '.join(wording.asks)}")
        for turn, reply, verdict in zip(result.question.turns, result.replies, result.verdicts, strict=True):
            lines.append(f"    Q: {turn.scene.question}\n    A: " + reply.replace("\n", "\n       "))
            lines += [f"    -> {problem}" for problem in verdict.problems]
    return "\n".join(lines)
