"""One turn to be judged, and the register of judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from questions.reading import Reading
from questions.world import Customer, World


@dataclass(frozen=True)
class Scene:
    """One turn to be judged: who it is about (nobody: None), and what its placeholders stand for."""

    world: World
    question: str
    customer: Customer | None
    given: Mapping[str, str] = field(default_factory=dict)
    candidates: tuple[Customer, ...] = ()
    """The several customers that the question may mean."""

    @property
    def who(self) -> Customer:
        assert self.customer
        return self.customer


Wrong = Iterator[str]
Judge = Callable[[Scene, Reading], Wrong]
ASKS: dict[str, Judge] = {}


def ask(judge: Judge) -> Judge:
    ASKS[judge.__name__] = judge
    return judge
